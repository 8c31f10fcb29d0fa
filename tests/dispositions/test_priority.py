"""A contact's priority, changed while it stands anywhere: the next claim honours it, and its history says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispositions import (
    ArgumentError,
    CampaignPolicy,
    NewAttempt,
    NewContact,
    NextState,
    Outcome,
    OutcomeTable,
    Rule,
    Store,
    default_table,
)
from dispositions.contact import MAX_PRIORITY
from dispositions.state import ContactState

CODES = {"later": Rule(NextState.CALLBACK, after=60.0, personal=False), "done": Rule(NextState.DONE)}


def table() -> OutcomeTable:
    outcomes = {**default_table().outcomes, Outcome.BUSY: Rule(NextState.RETRY, after=60.0)}
    return OutcomeTable(outcomes, CODES)


Fill = Callable[..., list[int]]


@pytest.fixture
def people(fill: Fill) -> list[int]:
    return fill(4, CampaignPolicy("c", region="US", table=table(), redial_delay=60.0))


def rank(store: Store, contact: int, priority: int, at: float) -> int:
    with store.write() as tx:
        return tx.correct(contact, {}, (), "api", at, priority=priority)


def claimed(store: Store, limit: int, at: float) -> list[int]:
    with store.write() as tx:
        claims = tx.claim("c", limit, at, at + 60)
        tx.release(claims, at)
    return [claim.contact_id for claim in claims]


def dial(store: Store, contact: int, attempt: str, at: float, code: str | None = None) -> None:
    with store.write() as tx:
        claim = tx.claim_contact("c", contact, at, at + 60)
        tx.start_attempts([NewAttempt(attempt, contact, claim.number, "i")], at)
        if code is None:
            tx.finish_attempt(attempt, Outcome.BUSY, at + 5)
        else:
            tx.update_attempt(attempt, answered_at=at + 1, connected_at=at + 1, agent="ana")
            tx.finish_attempt(attempt, Outcome.ANSWERED, at + 5)
            tx.dispose(attempt, code, "ana", at + 6)


def test_the_next_claim_honours_it(store: Store, people: list[int], noon: float) -> None:
    assert claimed(store, 4, noon) == people
    assert rank(store, people[2], 7, noon) == 1
    assert rank(store, people[0], -3, noon) == 1
    assert claimed(store, 4, noon) == [people[2], people[1], people[3], people[0]]
    assert rank(store, people[0], 9, noon) == 1
    assert claimed(store, 1, noon) == [people[0]]


def test_the_same_again_changes_nothing_and_is_told_once(store: Store, people: list[int], noon: float) -> None:
    store.journalling = True
    assert [rank(store, people[1], 5, noon + n) for n in range(3)] == [1, 0, 0]
    assert rank(store, people[3], 0, noon) == 0
    with store.read() as view:
        card = view.contact(people[1])
        told = view.connection.exec_driver_sql("SELECT kind, body FROM journal").all()
    assert card.priority == 5
    assert [(c.kind, c.who, c.old, c.new, c.at) for c in card.changes] == [("priority", "api", "0", "5", noon)]
    assert [kind for kind, _ in told] == ["contact_changed"]
    assert '"new":"5"' in told[0][1]


def test_retries_and_callbacks_keep_their_class_and_leases_their_new_rank(
    store: Store, people: list[int], noon: float
) -> None:
    dial(store, people[0], "a0", noon)
    dial(store, people[1], "a1", noon)
    dial(store, people[2], "a2", noon, "later")
    later = noon + 3600
    assert rank(store, people[1], 4, noon + 10) == 1  # waits for its retry
    assert rank(store, people[3], 99, noon + 10) == 1  # fresh: still behind
    assert rank(store, people[2], -5, noon + 10) == 1  # a callback: still first
    assert claimed(store, 4, later) == [people[2], people[1], people[0], people[3]]
    with store.write() as tx:
        claims = tx.claim("c", 4, later, later + 60)
    assert rank(store, people[0], 8, later) == 1  # claimed now
    with store.write() as tx:
        tx.release(claims, later)
    assert claimed(store, 4, later) == [people[2], people[0], people[1], people[3]]
    with store.read() as view:
        assert view.accounted("c") == []


def test_in_the_transaction_of_its_claim_and_while_parked(store: Store, people: list[int], noon: float) -> None:
    with store.write() as tx:
        claims = tx.claim("c", 4, noon, noon + 60)
        tx.correct(people[3], {}, (), "api", noon, priority=2)
        tx.release(claims, noon, until=noon + 30)
        tx.correct(people[1], {}, (), "api", noon, priority=3)
    assert claimed(store, 4, noon + 60) == [people[1], people[3], people[0], people[2]]


def test_it_lasts_into_review_and_settled_states(store: Store, people: list[int], noon: float) -> None:
    dial(store, people[0], "a0", noon, "done")
    assert rank(store, people[0], 6, noon + 10) == 1
    with store.read() as view:
        card = view.contact(people[0])
        assert (card.state, card.priority) == (ContactState.DONE, 6)
    with store.write() as tx:  # the agent thinks better of it
        tx.dispose("a0", "later", "ana", noon + 20)
    assert rank(store, people[1], 5, noon + 30) == 1
    dial(store, people[1], "a1", noon + 60, "later")
    assert claimed(store, 2, noon + 7200) == people[:2]


def test_out_of_range_changes_nothing(
    store: Store, people: list[int], number: Callable[[int], str], noon: float
) -> None:
    for wrong in (MAX_PRIORITY + 1, -MAX_PRIORITY - 1):
        with pytest.raises(ArgumentError, match="priority"), store.write() as tx:
            tx.correct(people[0], {"a": 1}, [number(50)], "api", noon, priority=wrong)
    with store.read() as view:
        card = view.contact(people[0])
    assert (card.fields, card.priority, len(card.numbers), card.changes) == ({}, 0, 1, ())
    assert rank(store, people[1], MAX_PRIORITY, noon) == 1
    assert rank(store, people[0], -MAX_PRIORITY, noon) == 1
    assert claimed(store, 4, noon) == [people[1], people[2], people[3], people[0]]


def test_lists_by_weight_keep_their_ranges(store: Store, number: Callable[[int], str], noon: float) -> None:
    """Each list has a range of ranks of its own, in which its contacts stay."""
    from dispositions import ListPolicy

    store.register(CampaignPolicy("c", region="US", lists={"l": ListPolicy(weight=1), "m": ListPolicy(weight=1)}))
    ids: list[int] = []
    for n, name in enumerate(("l", "m")):
        with store.write() as tx:
            added = tx.add_contacts("c", name, [NewContact([number(10 * n + k)]) for k in range(2)], noon)
        ids += [result.contact_id or 0 for result in added]
    rank(store, ids[3], 10, noon)
    rank(store, ids[1], 10, noon)
    taken = claimed(store, 4, noon)
    assert taken.index(ids[3]) < taken.index(ids[2])
    assert taken.index(ids[1]) < taken.index(ids[0])
    with store.read() as view:
        assert view.accounted("c") == []
