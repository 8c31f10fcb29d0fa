"""What a webhook has yet to deliver: its cursor in the journal, and the entries behind the cursor that were not taken.

One write after each round holds the whole of it, so a crash in between only sends what was sent once more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from dispositions import journal, schema
from dispositions.journal import Entry, Page
from dispositions.rows import upsert
from dispositions.statement import Statement

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction
    from dispositions.view import ReadView

CURSOR_KEY = "webhook/"
MOST_WAITING = 500
"""Entries behind the cursor of one webhook; with so many waiting, it takes up no new ones."""

_d = schema.delivery.c
_WAITING = Statement(
    select(_d.serial, _d.contact_id, _d.at, _d.tries, _d.next_at)
    .where(_d.webhook == bindparam("webhook"))
    .order_by(_d.serial)
    .limit(MOST_WAITING)
)
_DONE = Statement(delete(schema.delivery).where(_d.webhook == bindparam("hook"), _d.serial == bindparam("key")))
_KEEP = Statement(
    lambda dialect: upsert(
        schema.delivery, ["webhook", "serial"], dialect, tries=lambda new: new.tries, next_at=lambda new: new.next_at
    ),
    columns=[column.name for column in schema.delivery.columns],
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that was not taken yet. `next_at`: not before (epoch seconds); `at`: of the entry."""

    serial: int
    contact_id: int
    at: float
    tries: int
    next_at: float


@dataclass(frozen=True, slots=True)
class Due:
    """What a webhook may look at: what waits (oldest first), the entries of it that are still in the journal, and the
    next page after its cursor (None: enough waits already)."""

    cursor: int
    waiting: tuple[Waiting, ...]
    entries: dict[int, Entry]
    fresh: Page | None


def due(
    view: ReadView, webhook: str, limit: int, campaigns: Collection[str] | None, kinds: Collection[str]
) -> Due | None:
    """What there is to deliver; None for a webhook that was never here: see `begin`. A cursor that is too old goes on
    at the oldest entry."""
    cursor = view.load_state(f"{CURSOR_KEY}{webhook}")
    if cursor is None:
        return None
    waiting = tuple(Waiting(*row) for row in _WAITING.rows(view.connection, {"webhook": webhook}))
    entries = journal.of_serials(view, [one.serial for one in waiting]) if waiting else {}
    if len(waiting) >= MOST_WAITING:
        return Due(cursor, waiting, entries, None)
    try:
        fresh = journal.page(view, cursor, limit, campaigns=campaigns, kinds=kinds)
    except journal.CursorTooOld as gone:
        fresh = journal.page(view, gone.oldest, limit, campaigns=campaigns, kinds=kinds)
    return Due(cursor, waiting, entries, fresh)


def begin(tx: WriteTransaction, webhook: str) -> None:
    """A webhook that was never here is told of what happens from now on."""
    tx.save_state(f"{CURSOR_KEY}{webhook}", journal.last_serial(tx.connection))


def settle(tx: WriteTransaction, webhook: str, cursor: int, done: Collection[int], kept: Sequence[Waiting]) -> None:
    """After a round: `done` need not be looked at again, `kept` wait, the cursor stands here."""
    _DONE.many(tx.connection, [{"hook": webhook, "key": serial} for serial in done])
    _KEEP.many(
        tx.connection,
        [
            {
                "webhook": webhook, "serial": one.serial, "contact_id": one.contact_id, "at": one.at,
                "tries": one.tries, "next_at": one.next_at,
            }
            for one in kept
        ],
    )  # fmt: skip
    tx.save_state(f"{CURSOR_KEY}{webhook}", cursor)
