"""A store with tasks, a courier with a receiver that does as it is told, and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dialer.config.door_tables import WebhookTable
from dialer.webhooks import Courier
from dialer.webhooks.sender import Refusal
from dispositions import CampaignPolicy, NewContact, ReadView, Store, WriteTransaction
from dispositions.journal import Entry

T = TypeVar("T")
NOON = 1_750_694_400.0


class Books:
    """The store without a writer's task."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def read(self, query: Callable[[ReadView], T]) -> T:
        with self.store.read() as view:
            return query(view)

    async def write(self, operation: Callable[[WriteTransaction], T]) -> T:
        with self.store.write() as tx:
            return operation(tx)


class Receiver:
    """Takes entries unless `refuses` says why not."""

    def __init__(self) -> None:
        self.taken: list[Entry] = []
        self.asked: list[Entry] = []
        self.refuses: Callable[[Entry], Refusal | str | None] = lambda entry: None
        self.under_way = self.most = 0

    async def send(self, entry: Entry, at: float) -> Refusal | None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        self.asked.append(entry)
        why = self.refuses(entry)
        if why is None:
            self.taken.append(entry)
        return Refusal(why) if isinstance(why, str) else why


class Office:
    """Everything together. `now` is the clock."""

    def __init__(self, store: Store) -> None:
        self.store, self.books, self.receiver, self.now = store, Books(store), Receiver(), NOON
        with store.write() as tx:
            new = [NewContact([f"+1212555{100 + n:04d}"], external_id=f"t{n}") for n in range(20)]
            self.ids = [result.contact_id or 0 for result in tx.add_contacts("c", "l", new, NOON)]
        self.courier = self.hired()

    def hired(self, **settings: Any) -> Courier:
        """A courier as after a start of the daemon."""
        values = {"url": "https://crm.example/", "events": ["contact_changed"], "secret_env": "S", **settings}
        table = WebhookTable.model_validate(values)
        self.courier = Courier("crm", table, self.receiver, self.books, lambda: self.now, chance=lambda: 0.5)
        return self.courier

    def happens(self, contact: int, word: str) -> None:
        """Something about the contact with this index."""
        with self.store.write() as tx:
            tx.correct(self.ids[contact], {"word": word}, [], "api", self.now)

    def round(self, seconds: float = 0.0) -> Any:
        """One round, `seconds` later."""
        self.now += seconds
        return asyncio.run(self.courier.round())

    def words(self, entries: list[Entry] | None = None) -> list[str]:
        return [e.body["changes"][0]["new"] for e in (self.receiver.taken if entries is None else entries)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    store = Store(tmp_path / "store.db")
    store.migrate()
    store.register(CampaignPolicy("c", region="US"))
    store.journalling = True
    yield Office(store)
    store.close()
