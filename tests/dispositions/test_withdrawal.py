"""An attempt that is on disk and whose INVITE never left counts as none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispositions import AlreadyFinished, AttemptCap, CampaignPolicy, NewAttempt, NewContact, Outcome, Store

Fill = Callable[..., list[int]]


def _begin(store: Store, at: float, name: str = "a") -> list[str]:
    with store.write() as tx:
        claims = tx.claim("c", 9, at, at + 60)
        tx.start_attempts([NewAttempt(f"{name}{c.contact_id}", c.contact_id, c.number, "i") for c in claims], at)
    return [f"{name}{c.contact_id}" for c in claims]


def test_its_contact_stands_where_it_stood(store: Store, fill: Fill, noon: float) -> None:
    contact = fill(1)[0]
    (attempt,) = _begin(store, noon)
    for _ in range(2):  # twice is once
        with store.write() as tx:
            tx.withdraw_attempt(attempt, noon + 1, "outside the calling hours")
    with store.read() as view:
        card = view.contact(contact)
        assert (card.state, card.attempts) == ("ready", 0)
        assert (card.history[0].outcome, card.history[0].cause) == ("cancelled", "not sent: outside the calling hours")
        assert view.outcome_counts("c", noon - 3600) == {}
        assert view.accounted("c") == []
    assert _begin(store, noon + 2, "b") == [f"b{contact}"]


def test_no_cap_and_no_rule_counts_it(tmp_path, noon: float) -> None:
    store = Store(tmp_path / "s.db")
    store.migrate()
    store.register(CampaignPolicy("c", region="US", max_attempts=1, attempts_per_day=1, caps=(AttemptCap(1, 86400),)))
    with store.write() as tx:
        tx.add_contacts("c", "l", [NewContact(["+12125550100"])], noon)
    for n in range(3):
        (attempt,) = _begin(store, noon + n, f"a{n}-")
        with store.write() as tx:
            tx.withdraw_attempt(attempt, noon + n, "given up before it left")
    (attempt,) = _begin(store, noon + 9, "b")
    with store.write() as tx:
        assert tx.finish_attempt(attempt, Outcome.BUSY, noon + 10).state == "exhausted"
    store.close()


def test_one_that_has_ended_is_not_withdrawn(store: Store, fill: Fill, noon: float) -> None:
    fill(1)
    (attempt,) = _begin(store, noon)
    with store.write() as tx:
        tx.finish_attempt(attempt, Outcome.BUSY, noon + 9)
        with pytest.raises(AlreadyFinished):
            tx.withdraw_attempt(attempt, noon + 10, "too late")


def test_a_number_that_was_marked_meanwhile_is_not_dialed(store: Store, fill: Fill, noon: float) -> None:
    contact = fill(1)[0]
    (attempt,) = _begin(store, noon)
    with store.read() as view:
        number = view.contact(contact).number
    with store.write() as tx:
        tx.add_do_not_call([number], "own", noon + 1)
        tx.withdraw_attempt(attempt, noon + 2, "do not call")
    with store.read() as view:
        assert view.contact(contact).state == "do_not_call"
    assert _begin(store, noon + 3) == []


def test_a_promised_callback_stays_promised(store: Store, fill: Fill, noon: float) -> None:
    contact = fill(1)[0]
    (attempt,) = _begin(store, noon)
    with store.write() as tx:
        tx.update_attempt(attempt, answered_at=noon + 1, connected_at=noon + 2, agent="ann")
        tx.finish_attempt(attempt, Outcome.ANSWERED, noon + 3)
        tx.dispose(attempt, "interested", "ann", noon + 4, callback_at=noon + 60, callback_personal=True)
        claim = tx.claim_contact("c", contact, noon + 61, noon + 99)
        tx.start_attempts([NewAttempt("b", contact, claim.number, "i")], noon + 61)
        tx.withdraw_attempt("b", noon + 62, "the campaign stopped")
    with store.read() as view:
        (due,) = view.due_personal_callbacks("c", noon + 63)
        assert (due.contact_id, due.agent, due.state) == (contact, "ann", "open")
        assert view.accounted("c") == []
