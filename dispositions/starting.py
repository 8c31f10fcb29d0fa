"""Attempts about to be made: on disk before their INVITEs leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dispositions import finishing
from dispositions.attempt import NewAttempt
from dispositions.errors import NotLeased, UnknownContact
from dispositions.number import digits_of
from dispositions.rows import ATTEMPT_INSERT
from dispositions.state import ContactState
from dispositions.work import Attempt, Contact

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction


def start(tx: WriteTransaction, attempts: Sequence[NewAttempt], at: float) -> None:
    """See `WriteTransaction.start_attempts`."""
    tx.work.load_attempts([new.attempt_id for new in attempts])
    tx.work.load_contacts([new.contact_id for new in attempts])
    fresh: list[tuple[NewAttempt, Contact, int]] = []
    taken: set[int] = set()
    for new in attempts:
        if new.attempt_id in tx.work.attempts:
            continue
        contact = tx.work.contacts.get(new.contact_id)
        if contact is None:
            raise UnknownContact(f"contact {new.contact_id}")
        place = contact.place
        if place.state is not ContactState.LEASED or place.attempt_id is not None or contact.id in taken:
            raise NotLeased(f"contact {contact.id} is {place.state} and has {place.attempt_id or 'no attempt'}")
        taken.add(contact.id)
        fresh.append((new, contact, digits_of(new.number)))
    rows = []
    for new, contact, digits in fresh:
        row = {
            "id": new.attempt_id,
            "campaign_id": contact.campaign_id,
            "contact_id": contact.id,
            "number": digits,
            "call_id": new.call_id,
            "trunk": new.trunk,
            "agent": new.agent,
            "started_at": at,
        }
        rows.append(row)
        tx.work.attempts[new.attempt_id] = Attempt(
            new.attempt_id, contact.campaign_id, contact.id, digits, new.call_id, new.trunk, new.agent, at,
            None, None, None, None, None,
        )  # fmt: skip
        finishing.lease_with(contact, attempt_id=new.attempt_id, sip=new.sip)
    ATTEMPT_INSERT.many(tx.connection, rows)
