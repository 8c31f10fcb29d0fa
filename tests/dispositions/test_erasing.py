"""Erasure: nothing personal is left in any table, and the mark stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dispositions import CampaignPolicy, Consent, ContactState, NewAttempt, NewContact, Outcome, Store, UnderWay, schema


def everything(store: Store) -> str:
    """All rows of all tables but the do-not-call list, as one text."""
    with store.engine.connect() as connection:
        return "\n".join(
            str(row)
            for table in schema.metadata.sorted_tables
            if table.name != "do_not_call"
            for row in connection.execute(select(table))
        )


def test_nothing_is_left_but_the_mark(store: Store, number: Callable[[int], str], noon: float) -> None:
    form = Consent("consent", noon, "Ada's form")
    for name in ("c", "d"):
        store.register(CampaignPolicy(name, region="US"))
        with store.write() as tx:
            tx.add_contacts(
                name, "l",
                [NewContact([number(1), number(2)], "cust-77", {"name": "Ada Byron"}, consent=form)],
                noon,
            )  # fmt: skip
    with store.write() as tx:
        claim = tx.claim("c", 1, noon, noon + 60)[0]
        tx.start_attempts([NewAttempt("a", claim.contact_id, claim.number, "x")], noon)
        told = {
            "id": "1",
            "event": "call_ended",
            "number": claim.number,
            "fields": {"name": "Ada"},
            "note": "Ada",
            "at": 1,
        }
        tx.outbox_add("outcome/c/call_ended", json.dumps(told), noon)
        other = {"id": "2", "event": "call_ended", "number": "+12125559999", "note": "about Bob " + claim.number}
        tx.outbox_add("outcome/c/call_ended", json.dumps(other), noon)
    with store.write() as tx, pytest.raises(UnderWay):
        tx.erase(number(2), "ana", noon + 1)
    with store.write() as tx:
        tx.update_attempt("a", connected_at=noon + 5, agent="ana")
        tx.finish_attempt("a", Outcome.ANSWERED, noon + 30, talk_seconds=20.0)
        tx.dispose("a", "sale", "ana", noon + 31, note="Ada likes cats", fields={"card": "Ada B", "invoice": "7"})
        tx.correct(claim.contact_id, {"street": "Ada Street"}, [number(3)], "ana", noon + 32)
    with store.write() as tx:
        first = tx.erase(number(2), "dpo", noon + 100, keep=["invoice"])
    assert len(first.contacts) == 2
    assert first.sales_kept == 1  # queued: it is still carried through
    assert first.marked == 3
    assert first.messages == 1
    told, other = (json.loads(item.payload) for item in waiting(store))
    assert told == {"id": "1", "event": "call_ended", "number": "", "fields": {}, "note": "", "at": 1}
    assert other["number"] == "+12125559999"
    with store.write() as tx:
        tx.outbox_done([item.message_id for item in waiting(store)])
    with store.engine.begin() as connection:
        connection.execute(schema.sale.update().values(state="done"))
    with store.write() as tx:  # the person has no number any more: nothing is found
        assert tx.erase(number(2), "dpo", noon + 200).contacts == ()
        assert tx.erase_sales(first.contacts, keep=["invoice"]) == 0
    left = everything(store)
    for word in ("Ada", "cust-77", "cats", number(1)[1:], number(2)[1:], number(3)[1:]):
        assert word not in left
    with store.read() as view:
        card = view.contact(claim.contact_id)
        assert (card.state, card.number, card.fields) == (ContactState.DO_NOT_CALL, "", {})
        assert [change.kind for change in card.changes] == ["erased"]
        assert view.sales("c")[0].fields == {"invoice": "7"}
        assert view.outcome_counts("c", noon - 3600)[Outcome.ANSWERED] == 1
        assert view.accounted("c") == view.accounted("d") == []
    with store.write() as tx:
        again = tx.add_contacts("c", "l", [NewContact([number(1)], "cust-77")], noon + 300)
    assert again[0].status == "do_not_call"


def test_a_number_of_nobody_is_marked_all_the_same(store: Store, number: Callable[[int], str], noon: float) -> None:
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        assert tx.erase(number(5), "dpo", noon).contacts == ()
    assert store.is_do_not_call(number(5), "c")


def waiting(store: Store) -> list[Any]:
    with store.read() as view:
        return list(view.outbox(10))


def test_not_even_the_bytes_of_the_file_hold_it(tmp_path: Path, number: Callable[[int], str], noon: float) -> None:
    """What SQLite deletes stays in its pages and in its log, unless it is told otherwise."""
    store = Store(tmp_path / "s.db")
    store.migrate()
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        people = [
            NewContact([number(n)], f"key-{n}", {"name": f"Person {n}", "secret": f"Augusta-{n}-King-{n}" * 4})
            for n in range(200)
        ]
        tx.add_contacts("c", "l", people, noon)
    with store.write() as tx:
        tx.erase(number(77), "dpo", noon)
    with store.read() as view:
        assert view.counts("c")["do_not_call"] == 1
    assert store.checkpoint()
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("s.db*"))
    assert b"Augusta-76-King-76" in raw
    assert b"Augusta-77-King-77" not in raw
    assert b"Person 77" not in raw
    assert b"key-77" not in raw
    store.close()


def test_a_sale_that_went_wrong_keeps_what_undoing_it_needs(
    store: Store, number: Callable[[int], str], noon: float
) -> None:
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        tx.add_contacts("c", "l", [NewContact([number(1)])], noon)
        claim = tx.claim("c", 1, noon, noon + 60)[0]
        tx.start_attempts([NewAttempt("a", claim.contact_id, claim.number, "x")], noon)
        tx.update_attempt("a", connected_at=noon + 5, agent="ana")
        tx.finish_attempt("a", Outcome.ANSWERED, noon + 30)
        tx.dispose("a", "sale", "ana", noon + 31, fields={"card": "4711"})
    step = {
        "sale_id": 1, "run": 0, "phase": "do", "name": "payment", "position": 0, "result": "done", "reason": None,
        "kept": '{"charge": "ch_1"}', "tries": 1, "seconds": 0.1, "at": noon + 40,
    }  # fmt: skip
    with store.engine.begin() as connection:
        key = connection.execute(select(schema.sale.c.id)).scalar_one()
        connection.execute(schema.sale_step.insert().values(step | {"sale_id": key}))
        connection.execute(schema.sale.update().values(state="failed"))
    with store.write() as tx:
        erased = tx.erase(number(1), "dpo", noon + 100)
    assert erased.sales_kept == 1
    assert "4711" in everything(store)
    assert "ch_1" in everything(store)
    with store.engine.begin() as connection:
        connection.execute(schema.sale.update().values(state="compensated"))
    with store.write() as tx:
        assert tx.erase_sales(erased.contacts) == 0
    assert "4711" not in everything(store)
    assert "ch_1" not in everything(store)
