"""Whole calls in which any one message, or any two near each other, come late, twice or never: no exception, nothing
counted as dropped, one end at each side, both of the same kind, and nothing left behind.

Proxies of several processes let messages pass each other, and datagrams are lost and doubled: all of this is legal.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from dialer.sip import Answered, Ended, Failed, Offered, Reinvited, ReinviteFailed, SipError, sdp

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER = sdp.audio("192.0.2.1", 4000)
ANSWER = sdp.audio("192.0.2.2", 5000)
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}
DELAY = 0.05
LATE, TWICE, LOST = (0.06, 0.12, 0.3, 0.7), (0.0, 0.06, 0.3, 1.2, 4.0), ()
"""Seconds by which a message is late: behind the next one, the one after that, a repetition; or its second copy is."""
ONCE = [*((late,) for late in LATE), *((0.0, late) for late in TWICE), LOST]
PAIRS = list(product([(0.07,), (0.3,), (0.0, 0.4), LOST], [(0.07,), (0.0, 0.2)]))
Fate = dict[int, tuple[float, ...]]
"""Number of a message, in the order of sending -> the delays of its copies."""


class Scene:
    """One call on a link that treats some messages as `fate` says. Commands that come too late do nothing."""

    def __init__(self, link: Any, fate: Fate) -> None:
        self.link = link
        self.fate = fate
        self.messages = 0
        link.put = self.put
        link.on_event[A] = lambda event: self.on_offer(link.a, event, OFFER)
        link.on_event[B] = lambda event: self.on_offer(link.b, event, ANSWER)

    def put(self, data: bytes, here: tuple[str, int], there: tuple[str, int]) -> None:
        link = self.link
        copies = self.fate.get(self.messages, (0.0,))
        self.messages += 1
        for late in copies:
            link.count += 1
            link.wire.append((link.now + link.delay + late, link.count, data, here, there))

    def on_offer(self, endpoint: Any, event: Any, described: bytes) -> None:
        if isinstance(event, Offered):
            endpoint.answer(event.leg, described, self.link.now)

    def at_a(self, react: Callable[[Any], None]) -> None:
        """What the caller does upon an event, beside answering offers."""

        def both(event: Any) -> None:
            self.on_offer(self.link.a, event, OFFER)
            react(event)

        self.link.on_event[A] = both

    def try_(self, command: Callable[..., None], *arguments: Any) -> bool:
        try:
            command(*arguments, self.link.now)
        except SipError:
            return False
        return True

    def call(self, seconds: float = 0.3) -> str:
        leg: str = self.link.call()
        self.link.run(seconds)
        return leg

    def up(self) -> str:
        leg = self.call()
        self.try_(self.link.b.answer, leg, ANSWER)
        self.link.run(0.3)
        return leg


def offers_both_ways(scene: Scene, link: Any) -> None:
    leg = scene.call()
    scene.try_(link.b.ring, leg)
    link.run(0.3)
    scene.try_(link.b.answer, leg, ANSWER)
    link.run(0.11)
    scene.try_(link.a.reinvite, leg, OFFER)
    link.run(0.12)
    scene.try_(link.b.reinvite, leg, ANSWER)
    link.run(0.4)
    scene.try_(link.a.bye, leg)


def everything_at_once(scene: Scene, link: Any) -> None:
    def hurry(event: Any) -> None:
        if isinstance(event, Answered):
            scene.try_(link.a.reinvite, event.leg, OFFER)
        elif isinstance(event, Reinvited):
            scene.try_(link.a.bye, event.leg)

    scene.at_a(hurry)
    leg = scene.call(0.2)
    scene.try_(link.b.ring, leg)
    scene.try_(link.b.answer, leg, ANSWER)
    link.run(60)


def answered_and_hung_up(scene: Scene, link: Any) -> None:
    scene.at_a(lambda event: isinstance(event, Answered) and scene.try_(link.a.bye, event.leg))
    scene.try_(link.b.answer, scene.call(0.2), ANSWER)


def callee_hangs_up_before_the_ack(scene: Scene, link: Any) -> None:
    leg = scene.call(0.2)
    scene.try_(link.b.ring, leg)
    scene.try_(link.b.answer, leg, ANSWER)
    scene.try_(link.b.bye, leg)


def glare(scene: Scene, link: Any) -> None:
    leg = scene.up()
    scene.try_(link.a.reinvite, leg, OFFER)
    scene.try_(link.b.reinvite, leg, ANSWER)
    link.run(20)
    scene.try_(link.b.bye, leg)


def both_hang_up(scene: Scene, link: Any) -> None:
    leg = scene.up()
    scene.try_(link.a.bye, leg)
    scene.try_(link.b.bye, leg)


def offer_and_bye_cross(scene: Scene, link: Any) -> None:
    leg = scene.up()
    scene.try_(link.a.reinvite, leg, OFFER)
    scene.try_(link.b.bye, leg)


def offer_and_hung_up(scene: Scene, link: Any) -> None:
    leg = scene.up()
    scene.try_(link.a.reinvite, leg, OFFER)
    link.run(0.01)
    scene.try_(link.a.bye, leg)


def cancelled(scene: Scene, link: Any) -> None:
    leg = scene.call(0.12)
    scene.try_(link.b.ring, leg)
    link.run(0.12)
    scene.try_(link.a.cancel, leg)


def cancel_and_answer_cross(scene: Scene, link: Any) -> None:
    cancelled(scene, link)
    [leg] = {event.leg for event in link.events[B]} or {""}
    scene.try_(link.b.answer, leg, ANSWER)
    link.run(5)


def busy(scene: Scene, link: Any) -> None:
    leg = scene.call(0.12)
    scene.try_(link.b.ring, leg)
    scene.try_(link.b.reject, leg, 486)


def offer_in_the_answer(scene: Scene, link: Any) -> None:
    def acknowledge(event: Any) -> None:
        if isinstance(event, Answered):
            scene.try_(link.a.acknowledge, event.leg, ANSWER)
            scene.try_(link.a.reinvite, event.leg, OFFER)

    scene.at_a(acknowledge)
    plan = link.a.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B)
    leg = link.a.invite(plan, link.now)
    link.run(0.2)
    scene.try_(link.b.answer, leg, OFFER)
    link.run(60)


def refresh_and_offers_cross(scene: Scene, link: Any) -> None:
    leg = scene.up()
    while not any(line.startswith("UPDATE") for line in link.lines(A)) and link.now < 1060:
        link.run(0.05)
    scene.try_(link.b.reinvite, leg, ANSWER)
    link.run(0.06)
    scene.try_(link.a.reinvite, leg, OFFER)
    link.run(20)


SCENES: list[Callable[[Scene, Any], None]] = [
    offers_both_ways, everything_at_once, answered_and_hung_up, callee_hangs_up_before_the_ack, glare, both_hang_up,
    offer_and_bye_cross, offer_and_hung_up, cancelled, cancel_and_answer_cross, busy, offer_in_the_answer,
    refresh_and_offers_cross,
]  # fmt: skip


def played(make_link: Any, play: Callable[[Scene, Any], None], fate: Fate) -> int:
    """Play it, end what still stands, and look; how many messages there were."""
    link = make_link(delay=DELAY, session_expires=100)
    scene = Scene(link, fate)
    play(scene, link)
    link.run(200)
    for endpoint in (link.a, link.b):
        for leg in {event.leg for events in link.events.values() for event in events}:
            for end, more in ((endpoint.cancel, ()), (endpoint.bye, ()), (endpoint.reject, (480,))):
                if endpoint.has(leg) and scene.try_(end, leg, *more):
                    break
    link.run(200)
    ends = []
    for address, endpoint in link.ends.items():
        assert not endpoint.drops
        assert endpoint.pending == EMPTY
        events = link.events[address]
        assert not [event for event in events if isinstance(event, ReinviteFailed)]
        [end] = [event for event in events if isinstance(event, Ended | Failed)]
        assert "timeout" not in (getattr(end, "by", ""), getattr(end, "kind", ""))
        ends.append(type(end))
    assert ends[0] is ends[1]
    return scene.messages


@pytest.mark.parametrize("play", SCENES)
def test_rfc5407_no_order_of_messages_costs_a_call(make_link: Any, play: Callable[[Scene, Any], None]) -> None:
    messages = played(make_link, play, {})
    fates: list[Fate] = [{at: copies} for at in range(messages) for copies in ONCE]
    near = [(one, other) for one in range(messages) for other in range(one + 1, min(messages, one + 6))]
    fates += [{one: first, other: second} for one, other in near for first, second in PAIRS]
    for fate in fates:
        try:
            played(make_link, play, fate)
        except (AssertionError, SipError, ValueError) as error:
            raise AssertionError(f"{play.__name__} with {fate}") from error
