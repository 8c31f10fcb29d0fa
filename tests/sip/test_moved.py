"""A number that has changed, as the network announces it."""

from __future__ import annotations

import pytest

from dialer.sip.message import Response, parse
from dialer.sip.reason import moved_to


def answer(status: int, *headers: str) -> Response:
    lines = [f"SIP/2.0 {status} X", "Via: SIP/2.0/UDP h;branch=z9hG4bK1"]
    lines += ["From: <sip:a@h>;tag=1", "To: <sip:b@h>;tag=2"]
    text = "\r\n".join([*lines, "Call-ID: x@h", "CSeq: 1 INVITE", *headers, "Content-Length: 0", "", ""])
    found = parse(text.encode())
    assert isinstance(found, Response)
    return found


@pytest.mark.parametrize(
    ("status", "headers", "number"),
    [
        (301, ["Contact: <sip:+34911222333@carrier.example;user=phone>"], "+34911222333"),
        (301, ["Contact: tel:+34911222333"], "+34911222333"),
        (301, ['Contact: "New" <sips:911222333@h>;q=0.9, <sip:900@h>'], "911222333"),
        (410, ["Contact: <sip:+34911222333@h>"], "+34911222333"),
        (404, ["Reason: Q.850;cause=22", "Contact: <sip:+34911222333@h>"], "+34911222333"),
        (302, ["Contact: <sip:+34911222333@h>"], None),
        (301, [], None),
        (301, ["Contact: <sip:ana@h>"], None),
        (301, ["Contact: <sip:123@h>"], None),
        (301, ["Contact: <sip:+349112223334445556@h>"], None),
        (404, ["Contact: <sip:+34911222333@h>"], None),
    ],
)
def test_where_it_moved(status: int, headers: list[str], number: str | None) -> None:
    assert moved_to(answer(status, *headers)) == number
