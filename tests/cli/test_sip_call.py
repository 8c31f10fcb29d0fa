"""`dialer sip call` says who calls as the dialer itself does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NUMBER = "+447700900101"


@pytest.fixture
def busy() -> Iterator[int]:
    """The port of a carrier that answers every INVITE with 486."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while (message := sock.recvfrom(65535))[0] != b"stop":
                if message[0].startswith(b"INVITE "):
                    lines = message[0].decode().split("\r\n")
                    kept = [line for line in lines if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
                    to = next(line for line in lines if line.startswith("To:"))
                    answer = ["SIP/2.0 486 Busy Here", *kept, f"{to};tag=x", "Content-Length: 0", "", ""]
                    sock.sendto("\r\n".join(answer).encode(), message[1])

        thread = threading.Thread(target=serve)
        thread.start()
        yield sock.getsockname()[1]
        sock.sendto(b"stop", sock.getsockname())
        thread.join()


@pytest.fixture
def headers(dialer: Callable[..., Any], config: Path, busy: int) -> Callable[..., dict[str, str]]:
    """The INVITE's headers of a call with a campaign's and trunk's keys, and options."""

    def call(campaign: str, *options: str, trunk: str = "") -> dict[str, str]:
        text = config.read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:9", f"127.0.0.1:{busy}").replace("[agents.ana]", f"{trunk}\n[agents.ana]")
        text = text.replace('jurisdiction = "none"\n', f'jurisdiction = "none"\n{campaign}\n')
        config.write_text(f'{text}\n[sip]\nlisten = "127.0.0.1:0"\n', encoding="utf-8")
        said = dialer("sip", "call", config, NUMBER, "--ring", "5", "--json", *options)
        assert said.json["status"] == 486, said
        invite = said.json["ladder"][0]["text"].replace("\r\n", "\n").split("\n\n")[0]
        return dict(line.split(": ", 1) for line in invite.split("\n")[1:])

    return call


def test_the_number_by_prefix_the_name_and_the_asserted_identity(headers: Callable[..., dict[str, str]]) -> None:
    keys = 'caller_name = "Acme"\ncaller_ids = [{ prefix = "+4477", number = "+441632960777", name = "Acme mobile" }]'
    found = headers(keys, trunk='asserted_identity = "caller_id"\ndomain = "carrier.example"')
    assert found["From"].startswith('"Acme mobile" <sip:+441632960777@127.0.0.1:')
    assert found["P-Asserted-Identity"] == '"Acme mobile" <sip:+441632960777@carrier.example>'
    assert "Privacy" not in found


def test_a_campaign_that_hides_its_number_hides_it_here_too(headers: Callable[..., dict[str, str]]) -> None:
    found = headers('privacy = "id"', trunk='asserted_identity = "caller_id"')
    assert "anonymous@anonymous.invalid" in found["From"]
    assert "+441632960000@" in found["P-Asserted-Identity"]
    assert found["Privacy"] == "id"


def test_another_number_is_shown_when_it_is_asked_for(headers: Callable[..., dict[str, str]]) -> None:
    found = headers("", "--caller-id", "+441632960999", trunk='asserted_identity = "caller_id"')
    assert "<sip:+441632960999@" in found["From"]
    assert "<sip:+441632960999@" in found["P-Asserted-Identity"]
