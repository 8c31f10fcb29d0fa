"""Erasure on request (GDPR art. 17): what is known of a person goes, the mark that nobody calls them stays.

The mark is the reason why: without it the next import of the same list would call again. Numbers stay on the own
do-not-call list and nowhere else. What was counted (outcomes, talk times, dates) stays, with no one's name on it. A
sale that is still being carried through is kept as it is, for the contract's sake; one that has ended keeps only the
fields that the caller names, for the books' sake.

Outcomes that wait for the broker go out without number, fields and note; what webhooks have yet to deliver is not
delivered. On SQLite what was deleted is overwritten in its pages (`secure_delete`), and `Store.checkpoint` takes it out
of the log; PostgreSQL does so in its own time (vacuum). Files are `dispositions.scrubbing`'s.

What other programs got before (MQTT, webhooks, exports, logs, backups) is theirs to erase.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, update

from dispositions import blocking, changes, consent, journal, schema, settle
from dispositions.changes import Change
from dispositions.errors import UnderWay
from dispositions.number import digits_of
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.work import Contact

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

SALE_ENDED = frozenset({"withdrawn", "done", "completed", "rejected", "undone", "compensated", "cancelled"})
"""States in which a sale is not carried on. `failed` is none: what was done for it waits for somebody to undo it, and
that needs its fields."""

_n, _sale = schema.number.c, schema.sale.c
_HOLDERS = Statement(select(_n.contact_id).where(_n.digits == bindparam("digits")))
_NO_NUMBERS = Statement(delete(schema.number).where(_n.contact_id == bindparam("key")))
_BARE = Statement(
    update(schema.contact)
    .where(schema.contact.c.id == bindparam("key"))
    .values(external_id=None, fields="{}", numbers=0, number=0)
)
_a = schema.attempt.c
_ATTEMPTS = Statement(
    update(schema.attempt).where(_a.contact_id == bindparam("key")).values(number=0, note=None, call_id="")
)
_CALLBACKS = Statement(
    update(schema.callback).where(schema.callback.c.contact_id == bindparam("key")).values(note=None)
)
_SALES = Statement(select(_sale.id, _sale.state, _sale.fields).where(_sale.contact_id == bindparam("key")))
_STEPS = Statement(
    update(schema.sale_step).where(schema.sale_step.c.sale_id == bindparam("key")).values(kept="{}", reason=None)
)
_o = schema.outbox.c
_OUTBOX = Statement(select(_o.id, _o.payload).where(_o.payload.contains(bindparam("digits"))))
_MESSAGE = Statement(update(schema.outbox).where(_o.id == bindparam("key")).values(payload=bindparam("new_payload")))
_SALE = Statement(update(schema.sale).where(_sale.id == bindparam("key")).values(fields=bindparam("new_fields")))


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased. `contacts`: their ids, in all campaigns. `sales_kept`: sales still being carried through, whose
    fields stay until they have ended: ask again then. `marked`: numbers on the do-not-call list now. `messages`:
    outcomes that wait for the broker and go out without what is personal."""

    contacts: tuple[int, ...]
    sales_kept: int
    marked: int
    messages: int = 0


def erase(tx: WriteTransaction, number: str | int, who: str, at: float, keep: Collection[str]) -> Erased:
    """See `WriteTransaction.erase`."""
    digits = digits_of(number)
    tx.flush()
    if tx.store.is_sqlite:
        tx.connection.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        return _erase(tx, digits, who, at, keep)
    finally:
        if tx.store.is_sqlite:
            tx.connection.exec_driver_sql("PRAGMA secure_delete=OFF")


def _erase(tx: WriteTransaction, digits: int, who: str, at: float, keep: Collection[str]) -> Erased:
    ids = [row.contact_id for row in _HOLDERS.one(tx.connection, {"digits": digits})]
    tx.work.load_contacts(ids)
    people = [tx.work.contacts[key] for key in ids]
    for contact in people:
        if contact.place.state is ContactState.LEASED:
            raise UnderWay(f"contact {contact.id} is being called now: ask again when the call has ended")
    marked = {digits}
    for contact in people:
        marked |= {row.digits for row in settle.NUMBERS.one(tx.connection, {"contact_id": contact.id})}
    for name in sorted({policy.own_list for policy in tx.store.policies()}) or ["own"]:
        blocking.add_do_not_call(tx, sorted(marked), name, at)
    kept = sum(_forget(tx, contact, who, at, keep) for contact in people)
    messages = sum(_strip_messages(tx, number) for number in marked)
    return Erased(tuple(ids), kept, len(marked), messages)


def _strip_messages(tx: WriteTransaction, digits: int) -> int:
    """Outcomes about this number that have not gone out yet lose what is personal, and no outcome is lost."""
    told = 0
    for row in _OUTBOX.rows(tx.connection, {"digits": str(digits)}):
        body = json.loads(row[1])
        if body.get("number") != f"+{digits}":
            continue
        bare: dict[str, object] = body | {name: "" for name in ("number", "note") if name in body}
        if "fields" in body:
            bare["fields"] = {}
        text = json.dumps(bare, separators=(",", ":"), ensure_ascii=False)
        _MESSAGE.many(tx.connection, [{"key": row[0], "new_payload": text}])
        told += 1
    return told


def _forget(tx: WriteTransaction, contact: Contact, who: str, at: float, keep: Collection[str]) -> int:
    key = {"key": contact.id}
    if contact.callback_id is not None:
        tx.work.close_callback(contact.callback_id, "withdrawn", at)
        contact.callback_id = None
    if contact.place.state is not ContactState.DO_NOT_CALL:
        settle.settle(contact, ContactState.DO_NOT_CALL, at)
    contact.number, contact.numbers, contact.fields, contact.external_id, contact.dirty = 0, 0, "{}", None, True
    tx.flush()  # a note or a field that waits to be written must not come after this
    for statement in (_NO_NUMBERS, _BARE, _ATTEMPTS, _CALLBACKS):
        statement.many(tx.connection, [key])
    consent.forget(tx.connection, [contact.id])
    changes.forget(tx.connection, contact.id)
    journal.forget(tx.connection, contact.id)
    tx.work.notes = [note for note in tx.work.notes if note["contact_id"] != contact.id]
    changes.record(tx, contact.campaign_id, [Change(contact.id, at, "erased", who)])
    return forget_sales(tx, contact.id, keep)


def forget_sales(tx: WriteTransaction, contact_id: int, keep: Collection[str]) -> int:
    """Empty the sales of a contact that have ended, but for the fields to `keep`; how many are still carried on."""
    key = {"key": contact_id}
    under_way = 0
    for row in _SALES.one(tx.connection, key).all():
        if row.state not in SALE_ENDED:
            under_way += 1
            continue
        left = {name: value for name, value in json.loads(row.fields).items() if name in keep}
        text = json.dumps(left, separators=(",", ":"), ensure_ascii=False)
        _SALE.many(tx.connection, [{"key": row.id, "new_fields": text}])
        _STEPS.many(tx.connection, [{"key": row.id}])
    return under_way
