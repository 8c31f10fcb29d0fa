"""RFC 4475 and RFC 5118: every message of their archives, treated by an endpoint as the RFC says."""

from __future__ import annotations

import base64
import csv
import io
import re
import tarfile
from pathlib import Path

import pytest

from dialer.sip import Endpoint, EndpointConfig, IncomingCall
from dialer.sip.grammar import via

DATA = Path(__file__).parent / "data"
PEER = ("192.0.2.9", 5999)


def archive(name: str) -> dict[str, bytes]:
    """Message name -> bytes, out of the base64 block of an RFC's text with its page breaks."""
    text = (DATA / name).read_text()
    block = text.rpartition("-- BEGIN MESSAGE ARCHIVE --")[2].partition("-- END MESSAGE ARCHIVE --")[0]
    lines = [line.strip() for line in block.splitlines() if re.fullmatch(r"\s*[A-Za-z0-9+/=]+\s*", line)]
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode("".join(lines))), mode="r:gz") as tar:
        messages = {}
        for member in tar.getmembers():
            content = tar.extractfile(member)
            if content is not None:
                messages[Path(member.name).stem] = content.read()
    return messages


TORTURE = archive("rfc4475.txt")
del TORTURE["test"]  # a leftover of the archive, described nowhere in the RFC
with (DATA / "rfc4475-expected.tsv").open() as table:
    EXPECTED = list(csv.DictReader(table, delimiter="\t"))

# What this user agent answers, where the RFC leaves a choice or speaks of registrars, which it is not. Empty: dropped.
ANSWER = {
    # 3.1.1 valid. An INVITE with a To tag belongs to a dialog that we do not have (RFC 3261 12.2.2): 481.
    "wsinv": 481, "intmeth": 501, "esc01": 100, "escnull": 405, "esc02": 501, "lwsdisp": 200, "longreq": 100,
    "dblreq": 405, "semiuri": 200, "transports": 200, "mpart01": 405, "unreason": None, "noreason": None,
    # 3.1.2 invalid.
    "badinv01": 400, "clerr": 400, "ncl": 400, "scalar02": 400, "scalarlg": None, "quotbal": 400, "ltgtruri": 400,
    "lwsruri": 400, "lwsstart": 400, "trws": 400, "escruri": 400, "baddate": 100, "regbadct": 400, "badaspec": 400,
    "baddn": 400, "badvers": 505, "mismatch01": 400, "mismatch02": 400, "bigcode": None,
    # 3.2, 3.3, 3.4
    "badbranch": 400, "insuf": 400, "unkscm": 416, "novelsc": 416, "unksm2": 405, "bext01": 420, "invut": 415,
    "regaut01": 405, "multi01": 400, "mcl01": 400, "bcast": None, "zeromf": 200, "cparam01": 405, "cparam02": 405,
    "regescrt": 405, "sdp01": 406, "inv2543": 100,
}  # fmt: skip


def fresh() -> Endpoint:
    return Endpoint(EndpointConfig("192.0.2.1", 5060), seed=b"torture")


def statuses(endpoint: Endpoint) -> list[int]:
    return [int(data[8:11]) for data, _ in endpoint.datagrams_to_send()]


def test_the_archive_holds_all_49_messages() -> None:
    assert len(EXPECTED) == 49
    assert {row["name"] for row in EXPECTED} == set(TORTURE) == set(ANSWER)


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"rfc4475_{row['section']}_{row['name']}")
def test_rfc4475(row: dict[str, str]) -> None:
    name = row["name"]
    data = TORTURE[name] + (b"\r\n" if name == "baddn" else b"")
    endpoint = fresh()
    endpoint.receive(data, PEER, 0.0)
    sent = statuses(endpoint)
    expected = ANSWER[name]
    assert sent == ([] if expected is None else [expected])
    if expected is None:
        assert sum(endpoint.drops.values()) == 1
    elif expected == 100:
        assert isinstance(endpoint.next_event(), IncomingCall)
    # The choice itself must be one that the RFC allows.
    allowed = {int(code) for code in re.findall(r"\b[2-6][0-9][0-9]\b", row["expected_UA"])}
    if row["kind"] == "response" or row["expected_UA"].startswith("accept"):
        assert expected not in (400, 505)
    elif allowed and not row["expected_UA"].startswith("registrar"):
        assert expected in allowed


def test_rfc4475_3_1_1_8_the_second_request_in_the_datagram_is_noise() -> None:
    endpoint = fresh()
    endpoint.receive(TORTURE["dblreq"], PEER, 0.0)
    assert endpoint.next_event() is None
    assert len(endpoint.datagrams_to_send()) == 1


def test_rfc4475_3_3_5_unsupported_names_the_extensions() -> None:
    endpoint = fresh()
    endpoint.receive(TORTURE["bext01"], PEER, 0.0)
    [(answer, _)] = endpoint.datagrams_to_send()
    assert b"\r\nUnsupported: nothingsupportsthis, nothingsupportsthiseither\r\n" in answer


def test_rfc4475_responses_echo_no_line_break_of_their_own() -> None:
    for data in TORTURE.values():
        endpoint = fresh()
        endpoint.receive(data, PEER, 0.0)
        for answer, _ in endpoint.datagrams_to_send():
            head, _, body = answer.partition(b"\r\n\r\n")
            assert body == b""
            assert head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")


IPV6 = archive("rfc5118.txt")


def as_sent(data: bytes) -> bytes:
    """The archive has bare LF; a wire has CRLF, and then some Content-Lengths are short (counted with LF)."""
    data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if b"\r\n\r\n" not in data:
        data += b"\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    head = re.sub(rb"(?i)(\r\n(?:content-length|l)\s*:\s*)\d+", lambda match: match[1] + str(len(body)).encode(), head)
    return head + b"\r\n\r\n" + body


# RFC 5118 section 4: only 4.2 (an IPv6 address without brackets in the Request-URI) is invalid; 4.5 wants `received`
# in Via taken both with and without brackets. A BYE outside of any dialog gets 481.
IPV6_ANSWER = {
    "ipv6-good": 405, "ipv6-bad": 400, "port-ambiguous": 405, "port-unambiguous": 405,
    "via-received-param-with-delim": 481,
    "via-received-param-no-delim": 200, "ipv6-in-sdp": 100, "mult-ip-in-header": 481, "mult-ip-in-sdp": 100,
    "ipv4-mapped-ipv6": 100, "ipv6-bug-abnf-3-colons": 200, "ipv6-correct-abnf-2-colons": 200,
}  # fmt: skip


def test_rfc5118_archive() -> None:
    assert sorted(IPV6) == sorted(IPV6_ANSWER)


@pytest.mark.parametrize("name", sorted(IPV6))
def test_rfc5118(name: str) -> None:
    endpoint = fresh()
    endpoint.receive(as_sent(IPV6[name]), ("2001:db8::9:1", 5060), 0.0)
    assert statuses(endpoint) == [IPV6_ANSWER[name]], (IPV6[name], endpoint.drops)


def test_rfc5118_the_received_parameter_may_stand_without_brackets() -> None:
    parsed = via("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3-111")
    assert parsed.host == "2001:db8::9:1"
    assert parsed.params["received"] == "2001:db8::9:255"
