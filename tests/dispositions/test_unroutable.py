"""Contacts that no trunk of the campaign may be given: counted under a reason of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispositions import CallingRules, CampaignPolicy, NewAttempt, NewContact, Outcome, Store


@pytest.fixture
def three(store: Store, number: Callable[[int], str], noon: float) -> Store:
    """One contact at +1...1 only, one at +1...2 only, one at both +1...3 and a British number."""
    rules = CallingRules(hours=(((9 * 60, 20 * 60),),) * 7)
    store.register(CampaignPolicy("c", rules=rules, region="US"))
    people = [NewContact([number(1)]), NewContact([number(2)]), NewContact([number(3), "+442079460000"])]
    with store.write() as tx:
        tx.add_contacts("c", "l", people, noon)
    return store


def funnel(store: Store, noon: float, *prefixes: str) -> dict[str, int]:
    with store.read() as view:
        return view.funnel("c", noon, prefixes=prefixes)


def test_any_number_that_a_trunk_carries_is_enough(three: Store, number: Callable[[int], str], noon: float) -> None:
    assert funnel(three, noon, "+") == {"dialable": 3}
    assert funnel(three, noon, "+1") == {"dialable": 3}
    assert funnel(three, noon, number(1)) == {"dialable": 1, "no_trunk": 2}
    assert funnel(three, noon, number(2), "+44") == {"dialable": 2, "no_trunk": 1}
    assert funnel(three, noon, "+34") == {"dialable": 0, "no_trunk": 3}
    assert funnel(three, noon) == {"dialable": 0, "no_trunk": 3}


def test_at_night_no_trunk_comes_before_closed(three: Store, number: Callable[[int], str], noon: float) -> None:
    night = noon + 14 * 3600
    assert funnel(three, night, number(1), number(2)) == {"dialable": 0, "closed": 2, "no_trunk": 1}


def test_contacts_that_wait_count_once_when_they_are_due(
    three: Store, number: Callable[[int], str], noon: float
) -> None:
    with three.write() as tx:
        claims = tx.claim("c", 3, noon, noon + 60)
        attempts = [NewAttempt(f"a{c.contact_id}", c.contact_id, c.number, f"sip{c.contact_id}", "t") for c in claims]
        tx.start_attempts(attempts, noon)
        for attempt in attempts:
            tx.finish_attempt(attempt.attempt_id, Outcome.BUSY, noon + 20)
    assert funnel(three, noon + 30, number(1)) == {"dialable": 0, "waiting": 3}
    assert funnel(three, noon + 7200, number(1)) == {"dialable": 1, "no_trunk": 2}
