"""Whole calls between two endpoints, named after the sections of RFC 3261 that they show."""

from __future__ import annotations

from typing import Any

import pytest

from dialer.sip import Ended, Offered, Provisional, Reinvited, UnknownLeg, WrongState

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


def kinds(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_rfc3261_4_call_rings_is_answered_and_ended_by_the_caller(link: Any, ends: Any) -> None:
    leg = link.call()
    link.run(0.1)
    assert kinds(link.events[B]) == ["IncomingCall"]
    link.b.ring(leg, link.now)
    link.run(1.0)
    link.b.answer(leg, ends[3], link.now)
    link.run(1.0)
    assert kinds(link.events[A]) == ["Provisional", "Answered"]
    assert link.events[A][0] == Provisional(leg, 180, "Ringing", None)
    assert link.events[A][1].sdp == ends[3]
    link.a.bye(leg, link.now)
    link.run()
    assert link.events[A][-1] == Ended(leg, "local")
    assert link.events[B][-1] == Ended(leg, "remote")
    assert link.lines(A) == [
        "INVITE sip:100@192.0.2.2 SIP/2.0",
        "ACK sip:dialer@192.0.2.2:5060 SIP/2.0",
        "BYE sip:dialer@192.0.2.2:5060 SIP/2.0",
    ]
    assert (
        link.a.pending
        == link.b.pending
        == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}
    )


def test_rfc3261_15_the_callee_hangs_up(link: Any) -> None:
    leg = link.confirmed()
    link.b.bye(leg, link.now, reason="Q.850;cause=16")
    link.run()
    assert link.events[A] == [Ended(leg, "remote", 16)]
    assert link.events[B] == [Ended(leg, "local")]


def test_rfc3261_9_cancel_is_held_until_a_provisional(link: Any) -> None:
    leg = link.call()
    link.a.cancel(leg, link.now)
    assert [data[:6] for data, _ in link.a.datagrams_to_send()] == [b"INVITE"]


def test_rfc3261_14_reinvite_both_ways(link: Any, ends: Any) -> None:
    leg = link.confirmed()
    for one, other, here, there in ((link.a, link.b, A, B), (link.b, link.a, B, A)):
        one.reinvite(leg, ends[2], link.now)
        link.run(0.1)
        assert link.events[there] == [Offered(leg, ends[2])]
        other.answer(leg, ends[3], link.now)
        link.run(0.1)
        [event] = link.events[here]
        assert isinstance(event, Reinvited)
        assert event.sdp == ends[3]
        link.clear()


def test_unknown_leg_and_wrong_state(link: Any) -> None:
    with pytest.raises(UnknownLeg):
        link.a.bye("nobody", 0.0)
    leg = link.call()
    with pytest.raises(WrongState):
        link.a.bye(leg, link.now)


def test_every_name_of_the_package_is_there() -> None:
    import dialer.sip as package

    assert [name for name in package.__all__ if not hasattr(package, name)] == []
