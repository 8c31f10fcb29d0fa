"""A company's task: a contact by the id that the company gave it, what became of it, and taking it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from dispositions import changes, schema
from dispositions.changes import Change
from dispositions.contact import ContactCard
from dispositions.errors import UnderWay, UnknownContact
from dispositions.state import SETTLED, ContactState, Move
from dispositions.statement import Statement
from dispositions.work import Contact, Place

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction
    from dispositions.view import ReadView

_c, _s, _cb = schema.contact.c, schema.sale.c, schema.callback.c
_KEY = Statement(
    select(_c.id).where(_c.campaign_id == bindparam("campaign_id"), _c.external_id == bindparam("external_id"))
)
_CALLBACK = Statement(
    select(_cb.due_at, _cb.agent, _cb.personal, _cb.state, _cb.note)
    .join(schema.contact, _c.callback_id == _cb.id)
    .where(_c.id == bindparam("key"))
)


@dataclass(frozen=True, slots=True)
class Task:
    """A contact with its open callback and its sales (latest last), each as plain values. Times: epoch seconds."""

    card: ContactCard
    callback: Mapping[str, Any] | None
    sales: tuple[Mapping[str, Any], ...]


def contact_id(source: ReadView | WriteTransaction, campaign: str, external_id: str) -> int:
    """The contact that the company calls so. Raises `UnknownContact`, `UnknownCampaign`."""
    given = {"campaign_id": source.store.campaign_id(campaign), "external_id": external_id}
    found = None if "\x00" in external_id else _KEY.one(source.connection, given).scalar()
    if found is None:
        raise UnknownContact(f"no task of campaign {campaign} has the id {external_id[:100]!r}")
    return int(found)


def task(view: ReadView, campaign: str, external_id: str) -> Task:
    """Everything about it. Raises `UnknownContact`, `UnknownCampaign`."""
    card = view.contact(contact_id(view, campaign, external_id))
    row = _CALLBACK.one(view.connection, {"key": card.contact_id}).first()
    callback = None
    if row is not None and row.state == "open":
        owner = row.agent if row.personal else None
        callback = {"due_at": row.due_at, "agent": owner, "note": row.note}
    calls = [attempt.attempt_id for attempt in card.history]
    query = select(schema.sale).where(_s.attempt_id.in_(calls)).order_by(_s.id)
    sales = tuple(
        {
            "sale": row.id, "call": row.attempt_id, "state": row.state, "step": row.step, "reason": row.reason,
            "agent": row.agent, "queued_at": row.queued_at, "ended_at": row.ended_at, "fields": json.loads(row.fields),
        }
        for row in (view.connection.execute(query) if calls else ())
    )  # fmt: skip
    return Task(card, callback, sales)


def withdraw(tx: WriteTransaction, contact: Contact, who: str, at: float) -> bool:
    """See `WriteTransaction.withdraw`."""
    if contact.place.state in (ContactState.LEASED, ContactState.REVIEW):
        raise UnderWay(f"contact {contact.id} is being called, or its call awaits the agent's code: ask again later")
    if contact.place.state in SETTLED:
        return False
    if contact.callback_id is not None:
        tx.work.close_callback(contact.callback_id, "withdrawn", at)
        contact.callback_id, contact.dirty = None, True
    before = str(contact.place.state)
    contact.move(Move.WITHDRAW, Place(ContactState.WITHDRAWN, at))
    changes.record(tx, contact.campaign_id, [Change(contact.id, at, "withdrawn", who, old=before)])
    return True
