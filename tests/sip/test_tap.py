"""A tap sees what comes and goes, in order, and nothing after it is taken off."""

from __future__ import annotations

from dialer.sip import Endpoint, EndpointConfig

FAR = ("192.0.2.9", 5060)


def test_a_tap_sees_both_directions_until_it_is_taken_off() -> None:
    endpoint = Endpoint(EndpointConfig(host="192.0.2.1", port=5060), b"seed")
    seen: list[tuple[bool, bytes, tuple[str, int]]] = []
    endpoint.watch(lambda sent, data, far: seen.append((sent, data, far)))
    endpoint.options("sip:192.0.2.9", FAR, 0.0)
    ((request, _),) = endpoint.datagrams_to_send()
    endpoint.receive(b"no SIP at all", FAR, 0.1)
    assert seen == [(True, request, FAR), (False, b"no SIP at all", FAR)]
    endpoint.watch(None)
    endpoint.receive(b"no SIP at all", FAR, 0.2)
    assert len(seen) == 2
    assert endpoint.drops.total() == 2, "a tap changes nothing of what becomes of a message"
