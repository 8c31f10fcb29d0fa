"""Reminders, once each, and promises judged by the clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispositions import CampaignPolicy, NewAttempt, Outcome, Promises, Store

Fill = Callable[..., list[int]]
POLICY = CampaignPolicy("c", region="US", callback_reminder=300.0, callback_expiry=7200.0, redial_delay=60.0)


def promise(store: Store, contacts: int, at: float, due: list[float], personal: bool = False) -> list[str]:
    with store.write() as tx:
        claims = tx.claim("c", contacts, at, at + 60)
        tx.start_attempts([NewAttempt(f"p{c.contact_id}", c.contact_id, c.number, "x") for c in claims], at)
        for claim, when in zip(claims, due, strict=True):
            key = f"p{claim.contact_id}"
            tx.update_attempt(key, connected_at=at + 1, agent="ana")
            tx.finish_attempt(key, Outcome.ANSWERED, at + 10)
            tx.dispose(key, "interested", "ana", at + 11, callback_at=when, callback_personal=personal)
    return [f"p{claim.contact_id}" for claim in claims]


def test_each_is_reminded_of_once(store: Store, fill: Fill, noon: float) -> None:
    fill(3, POLICY)
    promise(store, 3, noon, [noon + 1000, noon + 1200, noon + 5000])
    seen = []
    for at in (noon + 600, noon + 700, noon + 701, noon + 900, noon + 1100):
        with store.write() as tx:
            seen.append([(card.due_at - noon, card.number != "+") for card in tx.remind_callbacks(at)])
    assert seen == [[], [(1000.0, True)], [], [(1200.0, True)], []]


def test_without_a_reminder_nobody_is_told(store: Store, fill: Fill, noon: float) -> None:
    fill(1, CampaignPolicy("c", region="US"))
    promise(store, 1, noon, [noon + 100])
    with store.write() as tx:
        assert tx.remind_callbacks(noon + 101) == []


def test_promises_are_judged_by_when_the_call_left(store: Store, fill: Fill, noon: float) -> None:
    fill(6, POLICY)
    promise(store, 5, noon, [noon + 1000, noon + 2000, noon + 3000, noon + 4000, noon + 20_000])
    for late, due, outcome in (
        (100, 1000, Outcome.ANSWERED),
        (300, 2000, Outcome.BUSY),
        (301, 3000, Outcome.ANSWERED),
    ):
        at = noon + due + late
        with store.write() as tx:
            claim = tx.claim("c", 1, at, at + 60)[0]
            assert claim.origin == "shared"
            tx.start_attempts([NewAttempt(f"k{due}", claim.contact_id, claim.number, "x")], at)
            if outcome is Outcome.ANSWERED:
                tx.update_attempt(f"k{due}", connected_at=at + 5, agent="ben")
            tx.finish_attempt(f"k{due}", outcome, at + 20)
    with store.write() as tx:
        tx.tend_callbacks(noon + 4000 + 7201)  # the fourth expires
    with store.read() as view:
        assert view.promises("c", noon, noon + 12_000) == Promises(4, 2, 2)
        assert view.promises("c", noon, noon + 12_000).share == pytest.approx(0.5)
        assert view.promises("c", noon + 15_000, noon + 20_100) == Promises(0, 0, 0)  # it may still be kept
        assert view.promises("c", noon + 15_000, noon + 20_100).share is None
        assert view.promises("c", noon + 15_000, noon + 20_301) == Promises(1, 0, 0)
