"""When a list runs dry: against sums that can be done by hand, and against a list that is really dialed dry."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispositions import (
    CallingRules,
    CampaignPolicy,
    NewAttempt,
    NewContact,
    Outcome,
    Store,
    week,
)
from dispositions.forecast import HOUR, Comeback, Group, due_by_hour, forecast

MIDNIGHT = 1_750_636_800.0  # Monday 2025-06-23 00:00 UTC


def always(start: float, end: float) -> float:
    return 1.0


def nine_to_five(start: float, end: float) -> float:
    return 1.0 if 9 * HOUR <= start % 86400 < 17 * HOUR else 0.0


def test_without_comebacks_it_is_a_division() -> None:
    found = forecast([Group(1000, 0.0, 5, always)], [], 100.0, MIDNIGHT)
    assert found.dry_at == MIDNIGHT + 10 * HOUR
    assert found.calls == pytest.approx(1000)


def test_opening_hours_stretch_it() -> None:
    found = forecast([Group(1000, 0.0, 5, nine_to_five)], [], 100.0, MIDNIGHT)
    assert found.dry_at == MIDNIGHT + 86400 + 11 * HOUR  # 800 on Monday, 200 on Tuesday morning


def test_comebacks_are_a_geometric_series() -> None:
    found = forecast([Group(1000, 0.0, 50, always)], [Comeback(0.5, HOUR)], 100.0, MIDNIGHT)
    assert found.calls == pytest.approx(2000, rel=0.03)
    short = forecast([Group(1000, 0.0, 1, always)], [Comeback(0.5, HOUR)], 100.0, MIDNIGHT)
    assert short.calls == pytest.approx(1000)


def test_what_is_due_later_is_dialed_later() -> None:
    groups = [Group(10, 0.0, 1, always), Group(500, MIDNIGHT + 5 * HOUR, 1, always)]
    found = forecast(groups, [], 100.0, MIDNIGHT)
    assert found.dry_at == MIDNIGHT  # 10 contacts do not fill the hour's 100 calls
    assert forecast(groups[1:], [], 100.0, MIDNIGHT + 5 * HOUR).dry_at == MIDNIGHT + 10 * HOUR


def test_nothing_is_dialed_nothing_runs_dry() -> None:
    assert forecast([Group(10, 0.0, 1, always)], [], 0.0, MIDNIGHT).dry_at is None
    assert forecast([], [], 10.0, MIDNIGHT).dry_at == MIDNIGHT


@given(st.floats(1, 1e6), st.floats(1, 1e4), st.floats(0, 0.9), st.integers(1, 10), st.floats(0, 86400))
def test_never_more_calls_than_there_can_be(
    contacts: float, rate: float, share: float, tries: int, after: float
) -> None:
    found = forecast([Group(contacts, 0.0, tries, nine_to_five)], [Comeback(share, after)], rate, MIDNIGHT, 24 * 7)
    most = contacts * sum(share**n for n in range(tries))
    assert found.calls <= most * (1 + 1e-6) + 1e-3
    assert all(hour.calls <= rate + 1e-6 for hour in found.hours)
    assert all(hour.left >= 0 for hour in found.hours)


def test_due_by_hour() -> None:
    due = {MIDNIGHT - 9999: 2, MIDNIGHT + 10: 1, MIDNIGHT + HOUR: 4, MIDNIGHT + 99 * HOUR: 7}
    assert due_by_hour(due, MIDNIGHT + 60, 2) == [(MIDNIGHT, 3), (MIDNIGHT + HOUR, 4)]


def test_a_list_that_is_dialed_dry(store: Store, number: Callable[[int], str]) -> None:
    """1,000 contacts, 60 calls an hour from 9 to 17, no answer in half of the calls: forecast after two hours, then
    dialed on."""
    hours = CallingRules(hours=week({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}))
    store.register(CampaignPolicy("c", region="US", rules=hours, redial_delay=7200.0))
    chance = random.Random(5)
    at = MIDNIGHT + 9 * HOUR
    with store.write() as tx:
        people = [NewContact([f"+1212555{n:04d}"], zone="UTC") for n in range(1000)]
        tx.add_contacts("c", "l", people, at, validity="possible")

    def hour(at: float) -> int:
        with store.write() as tx:
            claims = tx.claim("c", 120, at, at + 60)
            tx.start_attempts([NewAttempt(f"{c.contact_id}.{at}", c.contact_id, c.number, "x") for c in claims], at)
            for claim in claims:
                outcome = Outcome.NO_ANSWER if chance.random() < 0.5 else Outcome.ANSWERED
                if outcome is Outcome.ANSWERED:
                    tx.update_attempt(f"{claim.contact_id}.{at}", connected_at=at, agent="ann")
                tx.finish_attempt(f"{claim.contact_id}.{at}", outcome, at + 30)
                if outcome is Outcome.ANSWERED:
                    tx.dispose(f"{claim.contact_id}.{at}", "not_interested", "ann", at + 31)
        return len(claims)

    assert [hour(at + n * HOUR) for n in range(2)] == [120, 120]
    with store.read() as view:
        found = view.forecast("c", at + 2 * HOUR)
        soon = view.due_by_hour("c", at + 2 * HOUR, 4)
    assert found.rate == pytest.approx(120, rel=0.1)
    assert sum(contacts for _, contacts in soon) == pytest.approx(120, abs=25)
    assert found.dry_at is not None
    when, total = at + 2 * HOUR, 240
    while True:
        calls = hour(when) if hours.is_open(("UTC",), when) else 120
        if calls < 60:
            break
        total += calls if hours.is_open(("UTC",), when) else 0
        when += HOUR
    assert abs(found.dry_at - when) <= 24 * HOUR
    assert found.calls + 240 == pytest.approx(total, rel=0.2)
