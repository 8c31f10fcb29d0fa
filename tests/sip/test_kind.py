"""Messages by kind, for the counters."""

from __future__ import annotations

import pytest

from dialer.sip import Endpoint, EndpointConfig
from dialer.sip.kind import kind_of

HERE, THERE = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"INVITE sip:a SIP/2.0\r\n", "INVITE"),
        (b"SUBSCRIBE sip:a SIP/2.0\r\n", "SUBSCRIBE"),
        (b"SIP/2.0 180 Ringing\r\n", "1xx"),
        (b"SIP/2.0 603 Decline\r\n", "6xx"),
        (b"SIP/2.0 700 What\r\n", "other"),
        (b"SIP/2.0", "other"),
        (b"invite sip:a SIP/2.0\r\n", "other"),
        (b"A" * 5000, "other"),
        (b"", "other"),
    ],
)
def test_kind(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


def test_an_endpoint_counts_what_comes_and_goes() -> None:
    endpoint = Endpoint(EndpointConfig(*HERE), seed=b"x")
    plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=THERE)
    endpoint.invite(plan, 0.0)
    endpoint.datagrams_to_send()
    assert endpoint.datagrams_to_send() == []
    endpoint.receive(b"SIP/2.0 180 Ringing\r\n\r\n", THERE, 0.0)
    endpoint.receive(b"\x00\x01 what", THERE, 0.0)
    assert dict(endpoint.messages) == {("out", "INVITE"): 1, ("in", "1xx"): 1, ("in", "other"): 1}
