"""Session timers (RFC 4028): who refreshes, how, and what happens when nobody does."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dialer.sip import Ended, Endpoint, EndpointConfig, Failed, Offered, Reinvited, sdp

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER = sdp.audio("192.0.2.1", 4000)
ANSWER = sdp.audio("192.0.2.2", 5000)
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "timers": 0}


def methods(link: Any, here: tuple[str, int]) -> list[str]:
    return [line.split()[0] for line in link.lines(here) if not line.startswith("SIP/")]


def fields(data: bytes) -> dict[str, str]:
    lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def change(link: Any, source: tuple[str, int], old: bytes, new: bytes) -> None:
    """The network rewrites what one end sends."""
    there = B if source == A else A

    def eat(here: tuple[str, int], data: bytes) -> bool:
        if here == source and old in data:
            link.put(data.replace(old, new), here, there)
            return True
        return False

    link.eat = eat


def test_rfc4028_5_no_less_than_90_seconds() -> None:
    with pytest.raises(ValueError, match="session_expires"):
        EndpointConfig(*A, session_expires=60)


def test_rfc4028_7_2_and_9_both_agree_and_the_caller_refreshes_with_update(make_link: Any) -> None:
    link = make_link(session_expires=100)
    leg = link.confirmed()
    link.run(1000)
    assert methods(link, A) == ["UPDATE"] * 19  # every 50 s and a round trip
    assert methods(link, B) == []
    update = next(data for source, data in link.sent if data.startswith(b"UPDATE"))
    assert fields(update)["Session-Expires"] == "100;refresher=uac"
    assert b"\r\nContent-Length: 0\r\n" in update
    answer = next(data for source, data in link.sent if source == B)
    assert fields(answer)["Session-Expires"] == "100;refresher=uac"
    assert fields(answer)["Require"] == "timer"
    assert link.events == {A: [], B: []}
    link.a.bye(leg, link.now)
    link.run()
    assert link.a.pending == link.b.pending == EMPTY


def test_rfc4028_7_4_without_update_the_same_description_is_offered_again(make_link: Any) -> None:
    link = make_link(session_expires=100)
    change(link, B, b", UPDATE", b"")
    leg = link.confirmed()
    link.on_event[B] = lambda event: link.b.answer(leg, ANSWER, link.now) if isinstance(event, Offered) else None
    link.run(120)
    assert methods(link, A) == ["INVITE", "ACK"] * 2
    assert all(data.endswith(OFFER) for source, data in link.sent if data.startswith(b"INVITE"))
    assert link.events[A] == []  # a refresh of ours is nobody's news
    # An offer that comes while a refresh is open follows it.
    link.run(50.001 - (link.now % 50))
    link.clear()
    while "INVITE" not in methods(link, A):
        link.run(0.001)
    link.a.reinvite(leg, sdp.audio("192.0.2.1", 4002), link.now)
    link.run(0.2)
    assert methods(link, A) == ["INVITE", "ACK", "INVITE", "ACK"]
    assert [type(event) for event in link.events[A]] == [Reinvited]


def test_rfc4028_10_a_vanished_caller_is_hung_up_on(make_link: Any) -> None:
    link = make_link(session_expires=90)
    leg = link.confirmed()
    began = link.now
    link.eat = lambda source, data: source == A
    ended: list[float] = []
    link.on_event[B] = lambda event: ended.append(link.now - began)
    link.run()
    assert link.events[B] == [Ended(leg, "timeout")]
    assert 59 < ended[0] < 61  # 90 - min(32, 90 / 3)
    assert link.events[A] == [Ended(leg, "remote")]  # the link lost only what the caller said
    assert link.a.pending == link.b.pending == EMPTY


def test_rfc4028_10_a_refused_refresh_lets_the_interval_run_out(make_link: Any) -> None:
    link = make_link(session_expires=90)
    leg = link.confirmed()
    change(link, B, b"SIP/2.0 200 OK", b"SIP/2.0 500 Server Internal Error")
    link.run(50)
    assert link.a.has(leg)
    link.run(11)
    assert not link.a.has(leg)
    assert link.events[A] == [Ended(leg, "timeout")]


def without_timers(make_link: Any) -> Any:
    """`b` knows no session timers."""
    link = make_link(session_expires=100)
    link.b = type(link.b)(EndpointConfig(*B), seed=b"b")
    link.ends[B] = link.b

    def eat(source: tuple[str, int], data: bytes) -> bool:
        if b"Session-Expires" not in data:
            return False
        there = B if source == A else A
        link.put(re.sub(rb"Session-Expires: [^\r]*\r\n", b"", data), source, there)
        return True

    link.eat = eat
    return link


def test_rfc4028_7_2_a_peer_without_timers_is_asked_whether_it_lives(make_link: Any) -> None:
    link = without_timers(make_link)
    leg = link.confirmed()
    link.run(500)
    assert methods(link, A) == ["UPDATE"] * 9
    assert link.a.has(leg)
    assert link.events[A] == []
    link.eat = lambda source, data: source == B  # it vanishes
    link.run(100)
    assert link.events[A] == [Ended(leg, "timeout")]
    assert link.a.pending == EMPTY


def test_a_peer_without_timers_that_refuses_to_be_asked_lives_all_the_same(make_link: Any) -> None:
    link = without_timers(make_link)
    leg = link.confirmed()
    strip = link.eat

    def eat(source: tuple[str, int], data: bytes) -> bool:
        if source == B and b"UPDATE\r\n" in data and data.startswith(b"SIP/2.0 200"):
            link.put(data.replace(b"SIP/2.0 200 OK", b"SIP/2.0 501 Not Implemented"), B, A)
            return True
        return bool(strip(source, data))

    link.eat = eat
    link.on_event[B] = lambda event: link.b.reject(leg, 488, link.now) if isinstance(event, Offered) else None
    link.run(400)
    assert link.a.has(leg)
    assert set(methods(link, A)) == {"UPDATE", "INVITE", "ACK"}


def test_rfc4028_9_we_agree_when_asked_and_refresh_for_a_peer_that_cannot(make_link: Any) -> None:
    link = make_link()
    change(link, A, b"Supported: timer, 100rel\r\n", b"Session-Expires: 200\r\n")
    link.confirmed()
    assert link.b.pending["timers"] > 0
    link.eat = lambda source, data: False
    link.run(350)
    assert methods(link, B) == ["UPDATE"] * 3
    assert link.events[A] == []


def test_rfc4028_9_and_7_3_422_and_the_longer_interval() -> None:
    endpoint = Endpoint(EndpointConfig(*A, session_expires=90), seed=b"x")
    plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B, sdp=OFFER)
    leg = endpoint.invite(plan, 0.0)
    for expected in ("90", "600"):
        [*_, (invite, _)] = endpoint.datagrams_to_send()
        got = fields(invite)
        assert got["Session-Expires"] == expected
        endpoint.receive(
            f"SIP/2.0 422 Session Interval Too Small\r\nVia: {got['Via']}\r\nFrom: {got['From']}\r\n"
            f"To: {got['To']};tag=t\r\nCall-ID: {got['Call-ID']}\r\nCSeq: {got['CSeq']}\r\n"
            f"Min-SE: 600\r\nContent-Length: 0\r\n\r\n".encode(),
            B,
            0.1,
        )
    assert endpoint.next_event() == Failed(leg, 422, "Session Interval Too Small")


def test_rfc4028_9_a_request_for_less_than_90_seconds_gets_422(make_link: Any) -> None:
    link = make_link(session_expires=90)
    change(link, A, b"Session-Expires: 90", b"Session-Expires: 30")
    link.call()
    link.run(0.1)
    refusal = next(data for source, data in link.sent if source == B)
    assert refusal.startswith(b"SIP/2.0 422 ")
    assert fields(refusal)["Min-SE"] == "90"
    assert link.events[B] == []
