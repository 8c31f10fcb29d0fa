"""The history of what changed about a contact beside its attempts: corrections, numbers, consent, erasure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.engine import Connection

from dispositions import schema
from dispositions.statement import Statement

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

ChangeKind = Literal[
    "field",
    "number_added",
    "number_first",
    "number_retired",
    "number_moved",
    "consent",
    "consent_withdrawn",
    "erased",
    "withdrawn",
    "priority",
]
KINDS: tuple[str, ...] = get_args(ChangeKind)

_c = schema.change.c
_COLUMNS = ("campaign_id", "contact_id", "at", "kind", "who", "subject", "old", "new")
_INSERT = Statement(insert(schema.change), columns=_COLUMNS)
_OF = Statement(select(schema.change).where(_c.contact_id == bindparam("contact_id")).order_by(_c.at, _c.id))
_FORGET = Statement(delete(schema.change).where(_c.contact_id == bindparam("contact_id")))


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `who`: the agent, or `network`, `api`, `sync`, `rule`. `subject`: the field or number concerned.
    `at`: epoch seconds."""

    contact_id: int
    at: float
    kind: ChangeKind
    who: str
    subject: str | None = None
    old: str | None = None
    new: str | None = None


def record(tx: WriteTransaction, campaign_id: int, changes: Sequence[Change]) -> None:
    """Write them down, in the transaction that makes them true."""
    rows: list[dict[str, Any]] = [
        {
            "campaign_id": campaign_id,
            "contact_id": change.contact_id,
            "at": change.at,
            "kind": change.kind,
            "who": change.who,
            "subject": change.subject,
            "old": change.old,
            "new": change.new,
        }
        for change in changes
    ]
    _INSERT.many(tx.connection, rows)
    for contact_id in dict.fromkeys(change.contact_id for change in changes):
        own = [change for change in changes if change.contact_id == contact_id]
        told = [{"kind": c.kind, "subject": c.subject, "old": c.old, "new": c.new} for c in own]
        tx.note(campaign_id, contact_id, "contact_changed", own[0].at, {"who": own[0].who, "changes": told})


def of_contact(connection: Connection, contact_id: int) -> list[Change]:
    """A contact's changes, oldest first."""
    return [change_of(row) for row in _OF.one(connection, {"contact_id": contact_id})]


def change_of(row: Any) -> Change:
    """A row as a value."""
    return Change(row.contact_id, row.at, row.kind, row.who, row.subject, row.old, row.new)


def forget(connection: Connection, contact_id: int) -> None:
    """The person is forgotten: what was old and new about them goes, too."""
    _FORGET.many(connection, [{"contact_id": contact_id}])
