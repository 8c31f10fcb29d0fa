"""The ladder shows what came, printable, and without what is secret."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialer.ladder import Rung, call_id_of, rung
from dialer.sip.flow import Flow

FAR = ("192.0.2.9", 5060)
INVITE = (
    b"INVITE sip:+34600000001@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:+34600000001@192.0.2.9>\r\ni: abc@192.0.2.1\r\nCSeq: 7 INVITE\r\n"
    b'Proxy-Authorization: Digest username="acme",\r\n response="c0ffee"\r\n'
    b"Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0"
)


def test_a_request_in_a_few_words() -> None:
    made = rung(True, INVITE, FAR, 100.5)
    assert made.call_id == "abc@192.0.2.1"
    assert made.summary == "INVITE sip:+34600000001@192.0.2.9  (7, sdp 3 B)"
    assert made.line(100.0).split() == ["0.500", "-->", "192.0.2.9:5060", *made.summary.split()]


def test_what_authenticates_is_left_out_folded_lines_too() -> None:
    text = rung(True, INVITE, FAR, 0.0).text
    assert "c0ffee" not in text
    assert "acme" not in text
    assert "Proxy-Authorization: (left out)" in text
    assert "Content-Length: 3" in text


def test_a_response_and_its_transport() -> None:
    made = rung(False, b"SIP/2.0 486 Busy Here\r\nCSeq: 7 INVITE\r\n\r\n", Flow("2001:db8::9", 5061, "tls"), 0.0)
    assert made.summary == "486 Busy Here  (7 INVITE)"
    assert made.far == "tls:[2001:db8::9]:5061"


def test_a_rung_survives_its_way_as_json() -> None:
    made = rung(False, INVITE, FAR, 3.0)
    assert Rung.from_dict(made.to_dict()) == made


@given(st.binary(max_size=400))
def test_anything_is_shown_in_printable_lines(data: bytes) -> None:
    made = rung(False, data, FAR, 0.0)
    assert made.call_id == call_id_of(data)
    for line in (made.summary, *made.text.split("\n")):
        assert not any(ord(character) < 32 or ord(character) == 127 for character in line)
