"""Numbers that learn, and corrections with their history."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispositions import (
    ArgumentError,
    CampaignPolicy,
    ContactState,
    FieldSpec,
    Finish,
    ListPolicy,
    NewAttempt,
    NewContact,
    Outcome,
    Store,
)

DAY = 86400.0


@pytest.fixture
def contact(store: Store, number: Callable[[int], str], noon: float) -> int:
    """One with three numbers."""
    lists = {"l": ListPolicy(fields={"age": FieldSpec("number")})}
    store.register(CampaignPolicy("c", region="US", lists=lists))
    with store.write() as tx:
        new = NewContact([number(1), number(2), number(3)], "x1", {"age": 40, "street": "Old"})
        found = tx.add_contacts("c", "l", [new, NewContact([number(9)])], noon)[0].contact_id
    assert found is not None
    return found


def call(store: Store, contact: int, at: float, outcome: Outcome, moved_to: str | None = None) -> str:
    """One attempt; the number that was dialed."""
    attempt = f"a{at:.0f}"
    with store.write() as tx:
        claim = tx.claim_contact("c", contact, at, at + 60)
        tx.start_attempts([NewAttempt(attempt, contact, claim.number, "x")], at)
        if outcome is Outcome.ANSWERED:
            tx.update_attempt(attempt, connected_at=at + 5, agent="ana")
        tx.finish_attempts([Finish(attempt, outcome, at + 30, moved_to=moved_to)])
    return claim.number


def test_the_number_that_answered_goes_first_and_is_kept(
    store: Store, contact: int, number: Callable[[int], str], noon: float
) -> None:
    assert call(store, contact, noon, Outcome.NO_ANSWER) == number(1)
    assert call(store, contact, noon + DAY, Outcome.ANSWERED) == number(2)
    with store.write() as tx:
        tx.dispose(f"a{noon + DAY:.0f}", "hung_up", "ana", noon + DAY + 40)
    with store.read() as view:
        card = view.contact(contact)
    assert [one.number for one in card.numbers] == [number(2), number(1), number(3)]
    assert [(c.kind, c.old, c.new) for c in card.changes] == [("number_first", number(1), number(2))]
    assert call(store, contact, noon + 3 * DAY, Outcome.NO_ANSWER) == number(2)  # a person answers there
    assert call(store, contact, noon + 4 * DAY, Outcome.NO_ANSWER) == number(1)
    assert call(store, contact, noon + 5 * DAY, Outcome.NO_ANSWER) == number(3)
    assert call(store, contact, noon + 7 * DAY, Outcome.BUSY) == number(2)


def test_twice_invalid_retires_a_number_not_the_contact(
    store: Store, contact: int, number: Callable[[int], str], noon: float
) -> None:
    dialed = [call(store, contact, noon + n * 2 * DAY, Outcome.INVALID) for n in range(3)]
    assert dialed == [number(1), number(2), number(3)]
    with store.read() as view:  # each once: none is retired
        assert {one.status for one in view.contact(contact).numbers} == {"ok"}
    call(store, contact, noon + 7 * DAY, Outcome.INVALID)
    with store.read() as view:
        card = view.contact(contact)
    assert [one.status for one in card.numbers] == ["bad", "ok", "ok"]
    assert ("number_retired", number(1), "network") in [(c.kind, c.subject, c.who) for c in card.changes]
    for n in (8, 9):
        call(store, contact, noon + n * DAY, Outcome.INVALID)
    with store.read() as view:
        assert view.contact(contact).state is ContactState.BAD_NUMBER


def test_invalid_counts_in_a_row(store: Store, contact: int, number: Callable[[int], str], noon: float) -> None:
    for n, outcome in enumerate([Outcome.INVALID, Outcome.BUSY, Outcome.BUSY, Outcome.BUSY, Outcome.BUSY]):
        call(store, contact, noon + n * 2 * DAY + (DAY if n > 1 else 0), outcome)
    with store.read() as view:
        assert {one.status for one in view.contact(contact).numbers} == {"ok"}


def test_a_number_that_has_moved_is_replaced(
    store: Store, contact: int, number: Callable[[int], str], noon: float
) -> None:
    call(store, contact, noon, Outcome.INVALID, moved_to=number(50))
    with store.read() as view:
        card = view.contact(contact)
    assert card.number == number(50)
    assert {one.number: one.status for one in card.numbers} == {
        number(1): "bad", number(2): "ok", number(3): "ok", number(50): "ok",
    }  # fmt: skip
    assert [(c.kind, c.new) for c in card.changes if c.kind == "number_moved"] == [("number_moved", number(50))]
    # what is no number, or somebody else's, changes nothing
    for n, announced in ((2, "sip:none"), (4, number(9))):
        call(store, contact, noon + n * DAY, Outcome.INVALID, moved_to=announced)
    with store.read() as view:
        assert len(view.contact(contact).numbers) == 4


def test_an_agent_corrects_with_the_code(store: Store, contact: int, number: Callable[[int], str], noon: float) -> None:
    call(store, contact, noon, Outcome.ANSWERED)
    attempt = f"a{noon:.0f}"
    with store.write() as tx:
        with pytest.raises(ArgumentError, match="age is no number"):
            tx.dispose(attempt, "hung_up", "ana", noon + 40, fields={"age": "old"})
        with pytest.raises(ArgumentError, match="another contact"):
            tx.dispose(attempt, "hung_up", "ana", noon + 40, numbers=[number(9)])
        with pytest.raises(ArgumentError, match="no number that may be dialed"):
            tx.dispose(attempt, "hung_up", "ana", noon + 40, numbers=["12"])
        tx.dispose(attempt, "hung_up", "ana", noon + 41, fields={"street": "New", "age": "41"}, numbers=[number(60)])
    with store.read() as view:
        card = view.contact(contact)
        assert view.accounted("c") == []
    assert card.fields == {"age": 41, "street": "New"}
    assert card.number == number(60)
    told = {(c.kind, c.who, c.subject, c.old, c.new) for c in card.changes}
    assert ("field", "ana", "street", "Old", "New") in told
    assert ("field", "ana", "age", "40", "41") in told
    assert call(store, contact, noon + 2 * DAY, Outcome.BUSY) == number(60)


def test_a_sale_corrects_only_what_the_contact_has(store: Store, contact: int, noon: float) -> None:
    call(store, contact, noon, Outcome.ANSWERED)
    with store.write() as tx:
        tx.dispose(f"a{noon:.0f}", "sale", "ana", noon + 40, fields={"street": "New", "flight": "IB1"})
    with store.read() as view:
        assert view.contact(contact).fields == {"age": 40, "street": "New"}
        assert view.sales("c")[0].fields == {"street": "New", "flight": "IB1"}


def test_a_new_number_revives_a_contact_without_one(store: Store, number: Callable[[int], str], noon: float) -> None:
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        lone = tx.add_contacts("c", "l", [NewContact([number(1)])], noon)[0].contact_id
    assert lone is not None
    for n in range(2):
        call(store, lone, noon + n * 2 * DAY, Outcome.INVALID)
    with store.write() as tx:
        assert tx.correct(lone, {"name": "Ann"}, [number(2)], "api", noon + 5 * DAY) == 2
        assert tx.correct(lone, {"name": None}, [], "api", noon + 5 * DAY) == 1
        assert tx.correct(lone, {"name": None}, [], "api", noon + 5 * DAY) == 0
    with store.read() as view:
        assert view.contact(lone).state is ContactState.WAITING
        assert view.contact(lone).fields == {}
    assert call(store, lone, noon + 5 * DAY, Outcome.BUSY) == number(2)


def test_a_marked_number_is_not_taken(store: Store, contact: int, number: Callable[[int], str], noon: float) -> None:
    with store.write() as tx:
        tx.add_do_not_call([number(70)], "own", noon)
    with store.write() as tx, pytest.raises(ArgumentError, match="do-not-call"):
        tx.correct(contact, {}, [number(70)], "api", noon)
