"""Calls over a link that drops, repeats and reorders 10 % of the packets both ways: all end, known at both ends,
nothing is left.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from dialer.sip import Answered, Ended, Failed, IncomingCall, Offered, Reinvited, ReinviteFailed, SipError, sdp

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


class Play:
    """What the two sides do with each call; drawn from one seed."""

    def __init__(self, link: Any, rng: random.Random) -> None:
        self.link, self.rng = link, rng
        self.todo: list[tuple[float, Any, tuple[Any, ...]]] = []
        self.ended: dict[tuple[str, int], dict[str, list[Any]]] = {A: {}, B: {}}
        self.calls: list[str] = []
        self.reinvited = Counter[str]()
        self.said_no = 0
        link.on_event[A] = lambda event: self.on(A, link.a, event)
        link.on_event[B] = lambda event: self.on(B, link.b, event)

    def later(self, seconds: float, what: Any, *args: Any) -> None:
        self.todo.append((self.link.now + seconds, what, args))

    def attempt(self, what: Any, *args: Any) -> None:
        """A command whose call may have ended or moved on meanwhile: refused with a typed error then, and nothing
        else.
        """
        try:
            what(*args, self.link.now)
        except SipError:
            self.said_no += 1

    def on(self, here: tuple[str, int], endpoint: Any, event: Any) -> None:
        rng = self.rng
        if isinstance(event, Failed | Ended):
            self.ended[here].setdefault(event.leg, []).append(event)
        elif isinstance(event, IncomingCall):
            self.later(rng.random(), self.attempt, endpoint.ring, event.leg)
            draw = rng.random()
            if draw < 0.6:
                self.later(1 + 3 * rng.random(), self.attempt, endpoint.answer, event.leg, sdp.audio("192.0.2.2", 5000))
            elif draw < 0.9:
                self.later(
                    1 + 3 * rng.random(), self.attempt, endpoint.reject, event.leg, rng.choice((486, 480, 603, 503))
                )
            else:  # rings until the caller gives up
                self.later(50, self.attempt, endpoint.reject, event.leg, 480)
        elif isinstance(event, Answered):
            assert event.sdp is not None
            if event.crossed_cancel and rng.random() < 0.5:
                self.later(0.0, self.attempt, endpoint.bye, event.leg)
                return
            for _ in range(rng.randrange(3)):
                self.later(5 * rng.random(), self.attempt, endpoint.reinvite, event.leg, sdp.audio("192.0.2.1", 4002))
                if rng.random() < 0.5:
                    self.later(
                        5 * rng.random(), self.attempt, self.link.b.reinvite, event.leg, sdp.audio("192.0.2.2", 5002)
                    )
            hanger = endpoint if rng.random() < 0.5 else self.link.b
            self.later(6 * rng.random(), self.attempt, hanger.bye, event.leg)
            self.later(90, self.attempt, endpoint.bye, event.leg)
        elif isinstance(event, Offered):
            self.later(0.2 * rng.random(), self.attempt, endpoint.answer, event.leg, sdp.audio("192.0.2.3", 6000))
        elif isinstance(event, Reinvited | ReinviteFailed):
            self.reinvited[type(event).__name__] += 1

    def place(self) -> None:
        leg = self.link.call()
        self.calls.append(leg)
        if self.rng.random() < 0.3:
            self.later(4 * self.rng.random(), self.attempt, self.link.a.cancel, leg)
        else:
            self.later(40, self.attempt, self.link.a.cancel, leg)

    def run(self, calls: int) -> None:
        for at in range(calls):
            self.later(at * 0.05, self.place)
        while self.todo or self.link.next_at() is not None:
            self.todo.sort(key=lambda item: item[0])
            if not self.todo:
                self.link.run()
                break
            at = self.todo[0][0]
            self.link.run(max(0.0, at - self.link.now))
            _, what, args = self.todo.pop(0)
            what(*args)
            self.link.collect()
        self.link.run()


@pytest.mark.parametrize("seed", [1, 2])
def test_rfc3261_17_calls_over_a_lossy_link(make_link: Any, seed: int) -> None:
    rng = random.Random(seed)
    link = make_link(rng, loss=0.1)
    play = Play(link, rng)
    play.run(500)
    assert len(play.calls) == 500
    assert link.a.pending == link.b.pending == EMPTY
    # Each leg ended exactly once where it began, and at the other end if the INVITE ever arrived.
    assert {leg: len(events) for leg, events in play.ended[A].items()} == dict.fromkeys(play.calls, 1)
    assert all(len(events) == 1 for events in play.ended[B].values())
    assert len(play.ended[B]) >= 490
    # Both ends agree on whether there was a call.
    for leg, [there] in play.ended[B].items():
        [here] = play.ended[A][leg]
        if isinstance(here, Ended):
            assert isinstance(there, Ended), (here, there)
    assert play.reinvited["Reinvited"] > 50
    kinds = Counter(event.kind for [event] in play.ended[A].values() if isinstance(event, Failed))
    assert kinds["cancelled"] > 10
    assert kinds["response"] > 30


def test_rfc3261_17_no_loss_no_surprise(make_link: Any) -> None:
    """The same play on a perfect link: nobody times out."""
    rng = random.Random(3)
    link = make_link()
    play = Play(link, rng)
    play.run(200)
    assert link.a.pending == link.b.pending == EMPTY
    events = [event for ends in play.ended.values() for [event] in ends.values()]
    assert all(event.by != "timeout" for event in events if isinstance(event, Ended))
    assert all(event.kind != "timeout" for event in events if isinstance(event, Failed))
    assert len(events) == 400
