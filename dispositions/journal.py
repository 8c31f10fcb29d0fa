"""The journal: what became of contacts, in the order of the commits, kept for a while for whoever reads on.

A system that was down asks for what came after the last serial that it has seen; webhooks are sent from it. So no
serial may ever appear behind one that was already read. On PostgreSQL several processes write at once, and a sequence
would do just that (a number is drawn first and committed last). So serials come from a row of `counter`, raised as the
last thing before the commit: whoever has raised it keeps the others out until it has committed.

Written only where `Store.journalling` is set. The body names the contact and says what happened; it goes when the
person is erased.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.engine import Connection

from dispositions import schema
from dispositions.statement import Statement

if TYPE_CHECKING:
    from dispositions.store import Store
    from dispositions.transaction import WriteTransaction
    from dispositions.view import ReadView

EntryKind = Literal[
    "outcome", "disposition", "callback", "sale", "sale_changed", "settled", "do_not_call", "contact_changed"
]
KINDS: tuple[str, ...] = get_args(EntryKind)
COUNTER, PURGED_KEY, KEPT_KEY = "journal", "journal/purged", "journal/kept"
PURGE_AT_ONCE = 2000
"""Rows that one call of `purge` deletes at most: the writer is held up for milliseconds."""

_j, _c = schema.journal.c, schema.contact.c
_INSERT = Statement(insert(schema.journal), columns=[column.name for column in schema.journal.columns])
_FORGET = Statement(delete(schema.journal).where(_j.contact_id == bindparam("contact_id")))
_OLDEST = Statement(select(_j.serial, _j.at).order_by(_j.serial).limit(PURGE_AT_ONCE))
_PURGE = Statement(delete(schema.journal).where(_j.serial <= bindparam("upto")))
_LAST = Statement(select(schema.counter.c.value).where(schema.counter.c.name == COUNTER))


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a contact. `serial`: its place in the order of commits, from 1, with gaps. `at`: epoch
    seconds. `external_id`: the contact's, as of now."""

    serial: int
    campaign: str
    contact_id: int
    external_id: str | None
    at: float
    kind: EntryKind
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order; `next`: the cursor to go on from, also when there are none."""

    entries: tuple[Entry, ...]
    next: int
    more: bool


class CursorTooOld(Exception):
    """Entries after this cursor have been deleted by age; `oldest`: the cursor from which all are still there."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"changes up to {oldest} are not kept any more")
        self.oldest = oldest


def kept(view: ReadView) -> bool:
    """Whether what becomes of contacts is written down, as the store was last told."""
    return bool(view.load_state(KEPT_KEY))


def keep(store: Store, wanted: bool | None = None) -> None:
    """Whether what becomes of contacts is written down from now on; None: as the store was last told (by a command
    beside the daemon). Raises `StoreUnavailable`."""
    with store.read() as view:
        known = kept(view)
    if wanted is not None and wanted != known:
        with store.write() as tx:
            tx.save_state(KEPT_KEY, wanted)
    store.journalling = known if wanted is None else wanted


def write(tx: WriteTransaction) -> bool:
    """Give what the transaction has noted its serials, as the last thing before its commit; whether there was any."""
    notes = tx.work.notes
    if not notes:
        return False
    tx.work.notes = []
    last = tx.store.counter(COUNTER, tx.connection, len(notes))
    first = last - len(notes) + 1
    _INSERT.many(tx.connection, [{"serial": serial, **note} for serial, note in enumerate(notes, first)])
    return True


def note(campaign_id: int, contact_id: int, kind: EntryKind, at: float, body: dict[str, Any]) -> dict[str, Any]:
    """A row that has no serial yet."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, default=str)
    return {"campaign_id": campaign_id, "contact_id": contact_id, "at": at, "kind": kind, "body": text}


def page(
    view: ReadView,
    after: int,
    limit: int,
    *,
    campaigns: Collection[str] | None = None,
    kinds: Collection[str] = (),
) -> Page:
    """At most `limit` entries behind the cursor `after` (0: from the oldest kept), of some campaigns and kinds. Raises
    `CursorTooOld`, `UnknownCampaign`."""
    connection = view.connection
    purged = view.load_state(PURGED_KEY) or 0
    if 0 < after < purged:
        raise CursorTooOld(purged)
    last = _LAST.one(connection, {}).scalar() or 0
    query = (
        select(schema.journal, _c.external_id, schema.campaign.c.name)
        .join(schema.contact, _c.id == _j.contact_id)
        .join(schema.campaign, schema.campaign.c.id == _j.campaign_id)
        .where(_j.serial > after)
    )
    if campaigns is not None:
        query = query.where(_j.campaign_id.in_([view.store.campaign_id(name) for name in campaigns]))
    if kinds:
        query = query.where(_j.kind.in_(list(kinds)))
    rows = connection.execute(query.order_by(_j.serial).limit(limit + 1)).all()
    entries = tuple(_entry(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(entries, entries[-1].serial if more else max(last, after), more)


def of_serials(view: ReadView, serials: Sequence[int]) -> dict[int, Entry]:
    """The entries with these serials; those that are gone are left out."""
    query = (
        select(schema.journal, _c.external_id, schema.campaign.c.name)
        .join(schema.contact, _c.id == _j.contact_id)
        .join(schema.campaign, schema.campaign.c.id == _j.campaign_id)
        .where(_j.serial.in_(list(serials)))
    )
    return {row.serial: _entry(row) for row in view.connection.execute(query)}


def last_serial(connection: Connection) -> int:
    """The serial given last; 0: none yet."""
    return int(_LAST.one(connection, {}).scalar() or 0)


def purge(tx: WriteTransaction, before: float) -> int:
    """Delete the oldest entries, as far as they are older than `before` (epoch seconds), at most `PURGE_AT_ONCE`; how
    many."""
    upto = count = 0
    for serial, at in _OLDEST.rows(tx.connection, {}):
        if at >= before:
            break
        upto, count = serial, count + 1
    if count:
        _PURGE.many(tx.connection, [{"upto": upto}])
        tx.save_state(PURGED_KEY, upto)
    return count


def forget(connection: Connection, contact_id: int) -> None:
    """The person is erased, and so is what was told of them."""
    _FORGET.many(connection, [{"contact_id": contact_id}])


def _entry(row: Any) -> Entry:
    return Entry(row.serial, row.name, row.contact_id, row.external_id, row.at, row.kind, json.loads(row.body))
