"""A company's task by the company's id: what became of it, and taking it back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispositions import (
    CampaignPolicy,
    NewAttempt,
    NewContact,
    NextState,
    Outcome,
    OutcomeTable,
    Rule,
    Store,
    UnderWay,
    UnknownContact,
    default_table,
)
from dispositions import task as tasks
from dispositions.state import ContactState

CODES = {"later": Rule(NextState.CALLBACK, after=3600.0), "sold": Rule(NextState.SALE)}


@pytest.fixture
def key(store: Store, number: Callable[[int], str], noon: float) -> int:
    store.register(CampaignPolicy("c", region="US", table=OutcomeTable(default_table().outcomes, CODES)))
    with store.write() as tx:
        added = tx.add_contacts("c", "l", [NewContact([number(0)], external_id="order/7 ü")], noon)
    return added[0].contact_id or 0


def call(store: Store, key: int, number: str, code: str, at: float) -> None:
    with store.write() as tx:
        tx.claim_contact("c", key, at, at + 60)
        tx.start_attempts([NewAttempt("a1", key, number, "call-1", "{}", "t")], at)
        tx.update_attempt("a1", answered_at=at + 5, connected_at=at + 5, agent="ana")
        tx.finish_attempt("a1", Outcome.ANSWERED, at + 60)
        tx.dispose("a1", code, "ana", at + 61, callback_personal=True, fields={"product": "x"})


def test_the_promised_callback_and_its_owner(store: Store, key: int, number: Callable[[int], str], noon: float) -> None:
    call(store, key, number(0), "later", noon)
    with store.read() as view:
        found = tasks.task(view, "c", "order/7 ü")
    assert found.card.state is ContactState.CALLBACK
    assert found.callback is not None
    assert found.callback["agent"] == "ana"
    assert [attempt.disposition for attempt in found.card.history] == ["later"]
    with store.write() as tx:
        assert tx.withdraw(key, "api", noon + 100)
        assert not tx.withdraw(key, "api", noon + 101)
    with store.read() as view:
        found = tasks.task(view, "c", "order/7 ü")
        assert (found.card.state, found.callback) == (ContactState.WITHDRAWN, None)
        assert view.callbacks("c", "withdrawn")
        assert view.why(key, noon + 200).reasons == ("withdrawn by the company",)
        assert view.accounted("c") == []
    with store.write() as tx:
        assert tx.claim("c", 5, noon + 90_000, noon + 90_060) == []


def test_its_sale(store: Store, key: int, number: Callable[[int], str], noon: float) -> None:
    call(store, key, number(0), "sold", noon)
    with store.read() as view:
        found = tasks.task(view, "c", "order/7 ü")
    assert [(one["state"], one["fields"]) for one in found.sales] == [("queued", {"product": "x"})]


def test_a_task_that_is_being_dialed_is_not_withdrawn(
    store: Store, key: int, number: Callable[[int], str], noon: float
) -> None:
    with store.write() as tx:
        tx.claim_contact("c", key, noon, noon + 60)
    with pytest.raises(UnderWay), store.write() as tx:
        tx.withdraw(key, "api", noon)
    with store.read() as view:
        assert view.contact(key).state is ContactState.LEASED


def test_an_id_that_nobody_has(store: Store, key: int) -> None:
    with store.read() as view:
        for wrong in ("order/8", "' OR 1=1 --", "", "a\x00b", "x" * 5000):
            with pytest.raises(UnknownContact):
                tasks.task(view, "c", wrong)
