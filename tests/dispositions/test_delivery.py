"""What a webhook has yet to deliver, in SQLite and in PostgreSQL: its cursor, what waits, and what was let go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispositions import CampaignPolicy, NewContact, Store, delivery, journal
from dispositions.delivery import MOST_WAITING, Due, Waiting

NOON = 1_750_694_400.0
KINDS = ["contact_changed"]
Number = Callable[[int], str]


@pytest.fixture
def contacts(store: Store) -> list[int]:
    """Three of them, in a store that writes down what becomes of contacts."""
    store.register(CampaignPolicy("c", region="US"))
    store.journalling = True
    with store.write() as tx:
        new = [NewContact([f"+1212555{100 + n:04d}"], external_id=f"t{n}") for n in range(3)]
        return [result.contact_id or 0 for result in tx.add_contacts("c", "l", new, NOON)]


def happens(store: Store, contact: int, word: str, at: float = NOON) -> None:
    with store.write() as tx:
        tx.correct(contact, {"word": word}, [], "api", at)


def due(store: Store, hook: str = "crm", limit: int = 10) -> Due:
    with store.read() as view:
        found = delivery.due(view, hook, limit, None, KINDS)
    assert found is not None
    return found


def begun(store: Store, *hooks: str) -> None:
    for hook in hooks:
        with store.write() as tx:
            delivery.begin(tx, hook)


def settle(store: Store, cursor: int, done: set[int], kept: list[Waiting], hook: str = "crm") -> None:
    with store.write() as tx:
        delivery.settle(tx, hook, cursor, done, kept)


def waits(store: Store, *, tries: int = 1, next_at: float = NOON + 1) -> list[Waiting]:
    """The fresh entries, as not taken."""
    fresh = due(store).fresh
    assert fresh is not None
    return [Waiting(e.serial, e.contact_id, e.at, tries, next_at) for e in fresh.entries]


def test_one_that_was_never_here_begins_with_what_happens_next(store: Store, contacts: list[int]) -> None:
    happens(store, contacts[0], "before")
    with store.read() as view:
        assert delivery.due(view, "crm", 10, None, KINDS) is None
    begun(store, "crm")
    happens(store, contacts[0], "after")
    fresh = due(store).fresh
    assert fresh is not None
    assert [entry.body["changes"][0]["new"] for entry in fresh.entries] == ["after"]


def test_what_waits_is_kept_by_serial_and_replaced_by_its_next_try(store: Store, contacts: list[int]) -> None:
    begun(store, "crm", "erp")
    for n, contact in enumerate(contacts):
        happens(store, contact, f"w{n}")
    kept = waits(store)
    cursor = kept[-1].serial
    settle(store, cursor, {kept[1].serial}, [kept[0], kept[2]])
    found = due(store)
    assert found.cursor == cursor
    assert found.waiting == (kept[0], kept[2])
    assert {serial: entry.contact_id for serial, entry in found.entries.items()} == {
        kept[0].serial: contacts[0], kept[2].serial: contacts[2],
    }  # fmt: skip
    assert found.fresh is not None
    assert found.fresh.entries == ()
    again = Waiting(kept[0].serial, contacts[0], NOON, 2, NOON + 3)
    settle(store, cursor, {kept[2].serial}, [again])
    settle(store, cursor, {kept[2].serial}, [again])  # the same once more changes nothing
    assert due(store).waiting == (again,)
    other = due(store, "erp")
    assert other.waiting == ()
    assert other.fresh is not None
    assert len(other.fresh.entries) == 3, "webhooks know nothing of each other"


def test_a_round_that_is_rolled_back_changes_nothing(store: Store, contacts: list[int]) -> None:
    begun(store, "crm")
    happens(store, contacts[0], "w")
    before = due(store)

    class Crash(Exception):
        pass

    def crash() -> None:
        with store.write() as tx:
            delivery.settle(tx, "crm", before.cursor + 1, {1}, waits(store))
            raise Crash

    with pytest.raises(Crash):
        crash()
    assert due(store) == before


def test_with_enough_waiting_nothing_new_is_taken_up(store: Store, contacts: list[int]) -> None:
    begun(store, "crm")
    with store.write() as tx:
        for n in range(MOST_WAITING + 5):
            tx.correct(contacts[n % 3], {"word": str(n)}, [], "api", NOON)
    page = due(store, limit=1000).fresh
    assert page is not None
    kept = [Waiting(e.serial, e.contact_id, e.at, 1, NOON) for e in page.entries[:MOST_WAITING]]
    settle(store, kept[-1].serial, set(), kept)
    full = due(store)
    assert full.fresh is None
    assert len(full.waiting) == MOST_WAITING
    assert [one.serial for one in full.waiting] == sorted(one.serial for one in full.waiting)
    settle(store, kept[-1].serial, {kept[0].serial}, [])
    fresh = due(store).fresh
    assert fresh is not None
    assert len(fresh.entries) == 5


def test_what_was_let_go_waits_for_nothing_and_a_cursor_too_old_goes_on(store: Store, contacts: list[int]) -> None:
    begun(store, "crm")
    happens(store, contacts[0], "old", NOON - 7200)
    kept = waits(store)
    settle(store, kept[0].serial, set(), kept)
    begun(store, "late")
    happens(store, contacts[1], "old, too", NOON - 7200)
    happens(store, contacts[2], "new", NOON)
    with store.write() as tx:
        assert journal.purge(tx, NOON - 3600) >= 2
    found = due(store)
    assert [one.serial for one in found.waiting] == [kept[0].serial]
    assert found.entries == {}, "the courier gives it up"
    fresh = due(store, "late").fresh
    assert fresh is not None
    assert [entry.body["changes"][0]["new"] for entry in fresh.entries] == ["new"]
