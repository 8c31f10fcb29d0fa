"""A contact's priority, changed after it was added: wherever it stands, its row takes the rank that goes with it, so
that the next claim honours it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update

from dispositions import changes, schema
from dispositions.changes import Change
from dispositions.contact import MAX_PRIORITY
from dispositions.errors import ArgumentError
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.work import Contact, origin_of, rank_of

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_c, _l = schema.contact.c, schema.lease.c
_PRIORITY = Statement(
    update(schema.contact).where(_c.id == bindparam("key")).values(priority=bindparam("new_priority"))
)
_LEASE_RANK = Statement(
    update(schema.lease).where(_l.contact_id == bindparam("key")).values(rank=bindparam("new_rank"))
)
_RANKED = (ContactState.READY, ContactState.WAITING, ContactState.CALLBACK, ContactState.LEASED)


def check(priority: int) -> None:
    """Raises `ArgumentError` for one that is out of range."""
    if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
        raise ArgumentError(f"priority: {priority} is not from {-MAX_PRIORITY} to {MAX_PRIORITY}")


def change(tx: WriteTransaction, contact: Contact, priority: int, who: str, at: float) -> bool:
    """Give the contact another priority, within the class in which it waits (callback, retry, fresh); False when it has
    this one already. `priority`: checked. `who` is written into its history."""
    before = contact.priority
    if priority == before:
        return False
    contact.priority = priority
    _PRIORITY.many(tx.connection, [{"key": contact.id, "new_priority": priority}])
    place = contact.place
    if place.state in _RANKED:
        rank = rank_of(origin_of(place.rank), priority, contact.slot)
        contact.place = replace(place, rank=rank)
        if place.state is ContactState.LEASED:  # a lease keeps its row; the rank is for when it is given back
            _LEASE_RANK.many(tx.connection, [{"key": contact.id, "new_rank": rank}])
    told = Change(contact.id, at, "priority", who, old=str(before), new=str(priority))
    changes.record(tx, contact.campaign_id, [told])
    return True
