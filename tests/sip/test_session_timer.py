"""Session timers (RFC 4028): who refreshes, how, and what happens when nobody does."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

import pytest

from benchmarks.rig.by_hand import headers, response
from dialer.sip import Ended, Endpoint, EndpointConfig, Failed, Offered, Reinvited, sdp

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER = sdp.audio("192.0.2.1", 4000)
ANSWER = sdp.audio("192.0.2.2", 5000)
EVERY = range(10_000)
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


def methods(link: Any, here: tuple[str, int]) -> list[str]:
    return [line.split()[0] for line in link.lines(here) if not line.startswith("SIP/")]


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
    assert headers(update)["Session-Expires"] == "100;refresher=uac"
    assert b"\r\nContent-Length: 0\r\n" in update
    answer = next(data for source, data in link.sent if source == B)
    assert headers(answer)["Session-Expires"] == "100;refresher=uac"
    assert headers(answer)["Require"] == "timer"
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


def refuse_updates(link: Any, here: tuple[str, int], status: str, which: Container[int] = EVERY) -> list[float]:
    """The UPDATEs of one end numbered in `which` meet a `status` (with header lines, if any); when each went."""
    there = B if here == A else A
    went: list[float] = []

    def eat(source: tuple[str, int], data: bytes) -> bool:
        if source == here and data.startswith(b"UPDATE"):
            went.append(link.now)
        elif source == there and headers(data)["CSeq"].endswith(" UPDATE") and len(went) in which:
            link.put(data.replace(b"200 OK", status.encode(), 1), there, here)
            return True
        return False

    link.eat = eat
    return went


RETRIES = [
    ("500 Server Internal Error\r\nRetry-After: 3", A, 3.0, 3.0),
    ("503 Service Unavailable\r\nRetry-After: 5 (busy);duration=9", A, 5.0, 5.0),
    ("491 Request Pending", A, 2.1, 4.0),  # who made the Call-ID waits longer
    ("491 Request Pending", B, 0.0, 2.0),
]


@pytest.mark.parametrize(("status", "here", "least", "most"), RETRIES, ids=["500", "503", "491", "491-called"])
def test_rfc4028_10_and_rfc3311_5_3_a_refused_update_is_tried_again_as_its_status_says(
    make_link: Any, status: str, here: tuple[str, int], least: float, most: float
) -> None:
    link = make_link()
    wish = b"Session-Expires: 1800\r\n"
    change(link, A, b"Supported: timer, 100rel\r\n", wish if here == B else b"Supported: timer\r\n" + wish)
    leg = link.confirmed()
    went = refuse_updates(link, here, status, {1})
    link.run(2800)
    assert len(went) == 4  # at 900 s, again, and after two more half intervals
    assert least < went[1] - went[0] < most + 0.03  # a round trip is 0.02 s
    assert link.ends[here].has(leg)
    assert link.events == {A: [], B: []}
    link.ends[here].bye(leg, link.now)
    link.run()
    assert link.a.pending == link.b.pending == EMPTY


@pytest.mark.parametrize(("wait", "tries"), [("0", 11), ("3600", 1)])
def test_rfc4028_10_nothing_is_tried_without_end_or_past_the_interval(make_link: Any, wait: str, tries: int) -> None:
    link = make_link(session_expires=90)
    leg = link.confirmed()
    began = link.now
    went = refuse_updates(link, A, f"500 Server Internal Error\r\nRetry-After: {wait}")
    ended: list[float] = []
    link.on_event[A] = lambda event: ended.append(link.now - began)
    link.run()
    assert len(went) == tries
    assert link.events[A] == [Ended(leg, "timeout")]
    assert 59 < ended[0] < 61  # 90 - min(32, 90 / 3)
    assert link.a.drops["session_expired"] == 1


def test_rfc4028_10_a_refresh_that_succeeds_forgives_the_refusals_before_it(make_link: Any) -> None:
    link = make_link(session_expires=90)
    leg = link.confirmed()
    went = refuse_updates(link, A, "503 Busy\r\nRetry-After: 1", [number for number in EVERY if number % 6])
    link.run(520)  # ten times 45 s, five of a second, and round trips
    assert len(went) == 60
    assert link.a.has(leg)


@pytest.mark.parametrize(
    "status", ["405 Method Not Allowed\r\nAllow: INVITE, ACK, BYE", "501 Not Implemented"], ids=["405", "501"]
)
def test_rfc4028_10_a_peer_that_takes_no_update_after_all_gets_a_re_invite(make_link: Any, status: str) -> None:
    link = make_link(session_expires=90)
    leg = link.confirmed()
    refuse_updates(link, A, status)
    link.on_event[B] = lambda event: link.b.answer(leg, ANSWER, link.now) if isinstance(event, Offered) else None
    link.run(50)
    assert methods(link, A) == ["UPDATE", "INVITE", "ACK"]
    link.run(200)
    assert link.a.has(leg)
    assert link.events[A] == []


def test_rfc4028_10_a_re_invite_without_final_response_is_not_waited_for_beyond_the_interval(make_link: Any) -> None:
    link = make_link(session_expires=90)
    change(link, B, b", UPDATE", b"")
    leg = link.confirmed()
    link.run(55)
    assert methods(link, A) == ["INVITE"]
    assert link.events[B] == [Offered(leg, OFFER)]  # and nobody answers
    link.eat = lambda source, data: source == B  # it would hang up at the same time
    link.run(6)
    assert link.events[A] == [Ended(leg, "timeout")]
    link.run()
    assert link.a.pending == EMPTY


@pytest.mark.parametrize("ours", [True, False])
def test_rfc4028_10_an_update_that_a_re_invite_overtook_may_fail(make_link: Any, ours: bool) -> None:
    link = make_link(session_expires=1800)
    leg = link.confirmed()
    link.on_event[A] = lambda event: link.a.answer(leg, OFFER, link.now) if isinstance(event, Offered) else None
    link.on_event[B] = lambda event: link.b.answer(leg, ANSWER, link.now) if isinstance(event, Offered) else None
    link.eat = lambda source, data: data.startswith(b"UPDATE")
    link.run(900.1)
    [(_, update)] = link.sent
    refuse_updates(link, A, "491 Request Pending")
    (link.a if ours else link.b).reinvite(leg, OFFER if ours else ANSWER, link.now)
    link.run(0.1)
    link.put(update, A, B)
    link.run(0.1)
    refused = [line for line in link.lines(B) if line.startswith("SIP/2.0 500")]
    assert len(refused) == ours  # RFC 3261 12.2.2; the other is 491 by the network
    link.eat = lambda source, data: False
    link.clear()
    link.run(2000)
    assert methods(link, A) == ["UPDATE"] * 2
    assert link.a.has(leg)
    assert link.b.has(leg)
    assert "session_expired" not in link.a.drops
    link.a.bye(leg, link.now)
    link.run(100)
    assert link.a.pending == link.b.pending == EMPTY


def test_rfc3311_5_1_an_early_update_takes_nothing_from_what_the_invite_is_to_be_told(make_link: Any) -> None:
    link = make_link()
    change(link, A, b"Supported: timer, 100rel\r\n", b"Session-Expires: 200\r\n")
    leg = link.call()
    link.run(0.1)
    link.b.ring(leg, link.now)
    dialog = link.b.dialog(leg)
    link.put(
        f"UPDATE sip:192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKu\r\nMax-Forwards: 70\r\n"
        f"From: <{dialog.remote_uri}>;tag={dialog.remote_tag}\r\nTo: <{dialog.local_uri}>;tag={dialog.local_tag}\r\n"
        f"Call-ID: {leg}\r\nCSeq: 2 UPDATE\r\nContact: <sip:192.0.2.1>\r\nContent-Length: 0\r\n\r\n".encode(),
        A,
        B,
    )
    link.run(0.1)
    update = headers(link.sent[-1][1])
    assert update["CSeq"] == "2 UPDATE"
    assert "Session-Expires" not in update
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1)
    answer = next(data for source, data in link.sent if data.startswith(b"SIP/2.0 200") and ANSWER in data)
    assert headers(answer)["Session-Expires"] == "200;refresher=uas"
    link.eat = lambda source, data: False
    link.run(350)
    assert methods(link, B) == ["UPDATE"] * 3  # RFC 3261 20.5: no Allow takes nothing from the Allow before it


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
        got = headers(invite)
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
    assert headers(refusal)["Min-SE"] == "90"
    assert link.events[B] == []


def test_rfc4028_7_3_a_422_that_asks_for_more_each_time_is_not_followed_for_ever(make_link: Any) -> None:
    link = make_link(session_expires=90)
    leg = link.confirmed()
    asked: list[bytes] = []

    def eat(source: tuple[str, int], data: bytes) -> bool:
        if source != A or not data.startswith(b"UPDATE"):
            return False
        asked.append(data)
        more = response(data, "422 Session Interval Too Small", lines=f"Min-SE: {90 + len(asked)}\r\n")
        link.put(more, B, A)
        return True

    link.eat = eat
    link.run(300)
    assert len(asked) == 11
    assert not link.a.has(leg)
