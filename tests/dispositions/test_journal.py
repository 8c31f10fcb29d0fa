"""The journal: what it holds, in which order, and how it is read on from a cursor, let go and forgotten."""

from __future__ import annotations

import contextlib
import threading
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
    default_table,
    journal,
    sale,
)
from dispositions.journal import CursorTooOld
from dispositions.state import ContactState

Number = Callable[[int], str]


def policy(name: str = "c") -> CampaignPolicy:
    codes = {"sold": Rule(NextState.SALE), "no": Rule(NextState.DONE)}
    return CampaignPolicy(name, region="US", table=OutcomeTable(default_table().outcomes, codes))


def entries(store: Store, after: int = 0, **wanted: object) -> list[tuple[str, str | None]]:
    with store.read() as view:
        found = journal.page(view, after, 100, **wanted)  # type: ignore[arg-type]
    return [(entry.kind, entry.body.get("state")) for entry in found.entries]


def filled(store: Store, number: Number, noon: float) -> list[int]:
    store.register(policy())
    store.journalling = True
    with store.write() as tx:
        new = [NewContact([number(n)], external_id=f"task-{n}") for n in range(3)]
        return [result.contact_id or 0 for result in tx.add_contacts("c", "l", new, noon)]


def test_a_life_is_told_in_the_order_of_commits(store: Store, number: Number, noon: float) -> None:
    first, second, _ = filled(store, number, noon)
    with store.write() as tx:
        tx.claim_contact("c", first, noon, noon + 60)
        tx.start_attempts([NewAttempt("a1", first, number(0), "call-1", "{}", "t")], noon)
    with store.write() as tx:
        tx.update_attempt("a1", answered_at=noon + 5, connected_at=noon + 5, agent="ana")
        tx.finish_attempt("a1", Outcome.ANSWERED, noon + 60)
        tx.dispose("a1", "sold", "ana", noon + 61, fields={"product": "x"})
    with store.write() as tx:
        tx.add_do_not_call([number(1)], policy().own_list, noon + 70)
        tx.correct(first, {"name": "Ann"}, [], "api", noon + 71)
    with store.write() as tx:
        for record in sale.claim(tx, 5, noon + 80):
            sale.cancel(tx, record.sale_id, noon + 81)
    assert entries(store) == [
        ("settled", "sold"), ("contact_changed", None), ("do_not_call", "do_not_call"), ("sale_changed", "started"),
    ]  # fmt: skip
    assert entries(store, kinds=["sale_changed"]) == [("sale_changed", "started")]
    with store.read() as view:
        found = journal.page(view, 0, 2)
        assert found.more
        assert found.entries[0].external_id == "task-0"
        rest = journal.page(view, found.next, 100)
        assert not rest.more
        assert rest.next == journal.last_serial(view.connection) == 4
        assert second in {entry.contact_id for entry in (*found.entries, *rest.entries)}


def test_a_store_that_keeps_none_writes_none(store: Store, number: Number, noon: float) -> None:
    first, *_ = filled(store, number, noon)
    store.journalling = False
    with store.write() as tx:
        assert tx.withdraw(first, "api", noon)
    assert entries(store) == []


def test_what_is_rolled_back_was_never_told(store: Store, number: Number, noon: float) -> None:
    first, second, _ = filled(store, number, noon)
    with contextlib.suppress(ZeroDivisionError), store.write() as tx:
        tx.withdraw(first, "api", noon)
        raise ZeroDivisionError
    with store.write() as tx:
        tx.withdraw(second, "api", noon)
    with store.read() as view:
        assert [entry.contact_id for entry in journal.page(view, 0, 9).entries] == [second, second]


def test_old_entries_go_and_a_cursor_before_them_is_told_so(store: Store, number: Number, noon: float) -> None:
    ids = filled(store, number, noon)
    for n, key in enumerate(ids):
        with store.write() as tx:
            tx.withdraw(key, "api", noon + 100 * n)
    with store.write() as tx:
        assert journal.purge(tx, noon + 150) == 4
    with store.read() as view:
        assert {entry.contact_id for entry in journal.page(view, 0, 9).entries} == {ids[2]}
        assert len(journal.page(view, 4, 9).entries) == 2
        with pytest.raises(CursorTooOld) as raised:
            journal.page(view, 3, 9)
        assert raised.value.oldest == 4


def test_an_erased_persons_entries_are_gone(store: Store, number: Number, noon: float) -> None:
    first, *_ = filled(store, number, noon)
    with store.write() as tx:
        tx.correct(first, {"name": "Ann"}, [], "api", noon)
    with store.write() as tx:
        tx.correct(first, {"name": "Bea"}, [], "api", noon)
        tx.erase(number(0), "api", noon + 1)
    with store.read() as view:
        found = journal.page(view, 0, 9).entries
    assert [entry.body.get("changes") for entry in found] == [
        [{"kind": "erased", "subject": None, "old": None, "new": None}]
    ]
    assert "Ann" not in repr(found)
    assert "Bea" not in repr(found)


def test_no_serial_appears_behind_one_that_was_read(store: Store, number: Number, noon: float) -> None:
    """Two writers at once: whoever draws a serial first has committed before the other one draws."""
    ids = filled(store, number, noon)
    other = Store(store.url.render_as_string(hide_password=False), busy_timeout=10.0)
    other.register(policy())
    other.journalling = True
    seen: list[int] = []

    def write(target: Store, key: int) -> None:
        for n in range(20):
            with target.write() as tx:
                tx.correct(key, {"n": n}, [], "api", noon + n)

    threads = [threading.Thread(target=write, args=pair) for pair in ((store, ids[0]), (other, ids[1]))]
    if store.is_sqlite:
        threads = threads[:1]  # one writer at a time by itself
    for thread in threads:
        thread.start()
    cursor = 0
    while any(thread.is_alive() for thread in threads):
        with store.read() as view:
            found = journal.page(view, cursor, 7)
        seen += [entry.serial for entry in found.entries]
        cursor = found.next
    for thread in threads:
        thread.join()
    with store.read() as view:
        seen += [entry.serial for entry in journal.page(view, cursor, 100).entries]
        every = [entry.serial for entry in journal.page(view, 0, 100).entries]
    other.close()
    assert seen == every
    assert len(every) == 20 * len(threads)


def test_two_campaigns_are_read_apart(store: Store, number: Number, noon: float) -> None:
    ids = filled(store, number, noon)
    store.register(policy("d"))
    with store.write() as tx:
        added = tx.add_contacts("d", "l", [NewContact([number(0)], external_id="task-0")], noon)
        tx.withdraw(added[0].contact_id or 0, "api", noon)
        tx.withdraw(ids[0], "api", noon)
    with store.read() as view:
        assert {entry.campaign for entry in journal.page(view, 0, 9, campaigns=["d"]).entries} == {"d"}
        assert {entry.campaign for entry in journal.page(view, 0, 9).entries} == {"c", "d"}
        assert view.contact(ids[0]).state is ContactState.WITHDRAWN
