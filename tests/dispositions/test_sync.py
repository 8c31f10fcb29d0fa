"""A company database and our list in step: both ways, bit by bit, again and again, and cut off anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, Integer, MetaData, Numeric, String, Table, create_engine, select

from dispositions import CampaignPolicy, FieldSpec, ListPolicy, ListSpec, NewAttempt, Outcome, Store, SyncError
from dispositions import sync as sync_module
from dispositions.sync import DatabaseSpec, sync

company = MetaData()
customers = Table(
    "customers", company,
    Column("customer", String(20), primary_key=True), Column("mobile", String(30)), Column("home", String(30)),
    Column("name", String(50)), Column("city", String(50)), Column("debt", Numeric(8, 2)), Column("version", Integer),
)  # fmt: skip


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'crm.db'}")
    company.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def database(crm: Engine) -> DatabaseSpec:
    spec = ListSpec(
        "vips", Path("-"), numbers=("mobile", "home"), external_id="customer", region="US", validity="possible"
    )
    return DatabaseSpec(str(crm.url), "customers", "customer", "version", spec)


@pytest.fixture
def ready(store: Store) -> Store:
    store.register(CampaignPolicy("c", region="US", lists={"vips": ListPolicy(fields={"debt": FieldSpec("number")})}))
    return store


def put(crm: Engine, **row: Any) -> None:
    with crm.begin() as run:
        run.execute(customers.delete().where(customers.c.customer == row["customer"]))
        run.execute(customers.insert(), row)


def results(crm: Engine) -> dict[str, Any]:
    table = Table("dialer_results", MetaData(), autoload_with=crm)
    with crm.connect() as run:
        return {row.contact_key: row for row in run.execute(select(table))}


def test_in_and_out_and_nothing_twice(
    ready: Store, crm: Engine, database: DatabaseSpec, number: Callable[[int], str], noon: float
) -> None:
    put(crm, customer="a", mobile=number(1), name="Ada", city="Old", debt=12.5, version=1)
    put(crm, customer="b", mobile="12", name="Bad", version=2)
    put(crm, customer="c", mobile=number(3), home=number(4), name="Cy", debt=3, version=3)
    put(crm, customer="n", mobile=number(5), name="No stamp", version=None)
    first = sync(ready, "c", database, noon)
    assert (first.read, first.added, first.rejected, dict(first.reasons)) == (3, 2, 1, {"not_possible": 1})
    again = sync(ready, "c", database, noon + 100)
    assert (again.added, again.corrected, again.sent) == (0, 0, 0)  # rows of the last stamp are read again

    with ready.read() as view:
        ada = view.contact(number(1))
    assert ada.fields == {"name": "Ada", "city": "Old", "debt": 12.5}
    with ready.write() as tx:
        tx.claim_contact("c", ada.contact_id, noon, noon + 60)
        tx.start_attempts([NewAttempt("x", ada.contact_id, ada.number, "x@h")], noon + 200)
        tx.update_attempt("x", connected_at=noon + 205, agent="ana")
        tx.finish_attempt("x", Outcome.ANSWERED, noon + 230)
        tx.dispose("x", "hung_up", "ana", noon + 231, note="nice", fields={"city": "New"}, numbers=[number(9)])
    out = sync(ready, "c", database, noon + 300)
    assert (out.sent, out.corrected) == (1, 0)
    row = results(crm)["a"]
    assert (row.state, row.number, row.other_numbers, row.last_outcome, row.last_code, row.last_note) == (
        "waiting", number(9), number(1), "answered", "hung_up", "nice",
    )  # fmt: skip
    assert json.loads(row.fields)["city"] == "New"
    assert "city: Old -> New (ana)" in row.changes

    # the company changes something else: what the agent corrected stays, the rest is taken
    put(crm, customer="a", mobile=number(1), home=number(7), name="Ada B", city="Old", debt=12.5, version=9)
    assert sync(ready, "c", database, noon + 400).corrected == 1
    with ready.read() as view:
        card = view.contact(ada.contact_id)
    assert card.fields == {"name": "Ada B", "city": "New", "debt": 12.5}
    assert {one.number for one in card.numbers} == {number(1), number(7), number(9)}
    # it moves to a third place: the company knows better now
    put(crm, customer="a", mobile=number(1), name="Ada B", city="Third", debt=12.5, version=10)
    assert sync(ready, "c", database, noon + 500).corrected == 1
    with ready.read() as view:
        assert view.contact(ada.contact_id).fields["city"] == "Third"
        assert view.accounted("c") == []


def test_a_priority_follows_the_company_until_somebody_changes_it_here(
    ready: Store, crm: Engine, database: DatabaseSpec, number: Callable[[int], str], noon: float
) -> None:
    ranked = replace(database, spec=replace(database.spec, priority="debt"))

    def synced(debt: int, version: int) -> int:
        put(crm, customer="a", mobile=number(1), name="Ada", debt=debt, version=version)
        sync(ready, "c", ranked, noon + version)
        with ready.read() as view:
            return view.contact(number(1)).priority

    assert [synced(2, 1), synced(5, 2), synced(2, 3)] == [2, 5, 2]
    with ready.write() as tx:
        tx.correct(tx.contact(1).id, {}, (), "api", noon + 10, priority=9)
    assert [synced(2, 20), synced(4, 21), synced(2, 22)] == [9, 4, 2]
    with ready.read() as view:
        assert [(c.who, c.new) for c in view.contact(number(1)).changes if c.kind == "priority"] == [
            ("sync", "5"), ("sync", "2"), ("api", "9"), ("sync", "4"), ("sync", "2"),
        ]  # fmt: skip


def test_many_rows_of_one_stamp_in_pages(
    ready: Store, crm: Engine, database: DatabaseSpec, monkeypatch: pytest.MonkeyPatch, noon: float
) -> None:
    monkeypatch.setattr(sync_module, "CHUNK", 7)
    with crm.begin() as run:
        rows = [{"customer": f"k{n:03d}", "mobile": f"+1212555{n:04d}", "version": n // 20} for n in range(50)]
        run.execute(customers.insert(), rows)
    assert sync(ready, "c", database, noon).added == 50
    put(crm, customer="late", mobile="+12125559999", version=2)  # stamped before, committed after
    assert sync(ready, "c", database, noon + 1).added == 1


@pytest.mark.parametrize("where", ["_enter", "_replace"])
def test_cut_off_it_goes_on(
    ready: Store, crm: Engine, database: DatabaseSpec, monkeypatch: pytest.MonkeyPatch, number: Callable[[int], str],
    noon: float, where: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(sync_module, "CHUNK", 3)
    for n in range(10):
        put(crm, customer=f"k{n}", mobile=number(n), name="x", version=n)
    real, calls = getattr(sync_module, where), 0

    def cut(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return real(*args)

    if where == "_replace":
        sync(ready, "c", database, noon)
        with ready.write() as tx:
            tx.add_do_not_call([number(n) for n in range(10)], "own", noon + 100)
    monkeypatch.setattr(sync_module, where, cut)
    with pytest.raises(KeyboardInterrupt):
        sync(ready, "c", database, noon + 200)
    monkeypatch.setattr(sync_module, where, real)
    sync(ready, "c", database, noon + 300)
    with ready.read() as view:
        assert sum(view.counts("c").values()) == 10
    if where == "_replace":
        assert {row.state for row in results(crm).values()} == {"do_not_call"}
        assert len(results(crm)) == 10


def test_times_and_decimals_as_stamps(ready: Store, crm: Engine, database: DatabaseSpec, noon: float) -> None:
    from datetime import datetime

    stamped = Table(
        "stamped", MetaData(), Column("customer", Integer, primary_key=True), Column("mobile", String(20)),
        Column("changed", DateTime),
    )  # fmt: skip
    stamped.create(crm)
    with crm.begin() as run:
        run.execute(stamped.insert(), {"customer": 1, "mobile": "+12125550111", "changed": datetime(2026, 1, 1, 10)})
    spec = replace(
        database, table="stamped", changed_column="changed", spec=replace(database.spec, numbers=("mobile",))
    )
    assert sync(ready, "c", spec, noon).added == 1
    with crm.begin() as run:
        run.execute(stamped.insert(), {"customer": 2, "mobile": "+12125550112", "changed": datetime(2026, 1, 1, 11)})
    assert (sync(ready, "c", spec, noon).added, sync(ready, "c", spec, noon).added) == (1, 0)


def test_mistakes_say_what_is_wrong_without_secrets(ready: Store, database: DatabaseSpec, noon: float) -> None:
    for changed, says in (
        ({"table": "nobody"}, "no table nobody"),
        ({"changed_column": "stamp"}, "no column 'stamp'"),
        ({"url": "postgresql+psycopg://u:secret@127.0.0.1:1/x?connect_timeout=1"}, "company database"),
        ({"url": "nonsense"}, "cannot be reached"),
    ):
        with pytest.raises(SyncError, match=says) as error:
            sync(ready, "c", replace(database, **changed), noon)
        assert "secret" not in str(error.value)
