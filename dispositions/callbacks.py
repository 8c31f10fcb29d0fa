"""Promised callbacks: who is reminded of them, and how well they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, case, func, or_, select, update

from dispositions import recovery, schema
from dispositions.attempt import CallbackCard
from dispositions.statement import Statement

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dispositions.policy import CampaignPolicy
    from dispositions.transaction import WriteTransaction
    from dispositions.view import ReadView
    from dispositions.work import Attempt, Contact

IN_TIME = 300.0
"""A promise is kept when its call leaves no later than so many seconds after it was due."""

_c = schema.callback.c
_SOON = Statement(
    select(schema.callback, schema.contact.c.number)
    .join(schema.contact, schema.contact.c.id == _c.contact_id)
    .where(
        _c.campaign_id == bindparam("campaign_id"),
        _c.state == "open",
        _c.due_at <= bindparam("until"),
        _c.reminded_at.is_(None),
    )
    .order_by(_c.due_at)
    .limit(200)
)
_REMINDED = Statement(
    update(schema.callback).where(_c.id == bindparam("key")).values(reminded_at=bindparam("new_reminded_at"))
)
_made = and_(_c.tried_at.is_not(None), _c.tried_at <= _c.due_at + bindparam("within"))
_PROMISES = Statement(
    select(
        func.count().label("due"),
        func.coalesce(func.sum(case((_made, 1), else_=0)), 0).label("in_time"),
        func.coalesce(func.sum(case((_c.state == "kept", 1), else_=0)), 0).label("reached"),
    ).where(
        _c.campaign_id == bindparam("campaign_id"),
        _c.state != "withdrawn",
        _c.due_at >= bindparam("since"),
        # one that may still be kept in time is not judged yet
        or_(_c.due_at <= bindparam("late"), _c.tried_at.is_not(None)),
    )
)


@dataclass(frozen=True, slots=True)
class Promises:
    """Callbacks that were due: `in_time`: their call left in time, or before; `reached`: the customer was spoken to in
    it."""

    due: int
    in_time: int
    reached: int

    @property
    def share(self) -> float | None:
        """Kept in time, of those due (0..1); None: none was due."""
        return self.in_time / self.due if self.due else None


def promises(view: ReadView, campaign: str, since: float, at: float, within: float = IN_TIME) -> Promises:
    """See `ReadView.promises`."""
    return promises_kept(view.connection, view.store.campaign_id(campaign), since, at, within)


def promises_kept(connection: Connection, campaign_id: int, since: float, at: float, within: float) -> Promises:
    """The same of a campaign that may not be registered with this store, by its id: a report reads any store."""
    given = {"campaign_id": campaign_id, "since": since, "late": at - within, "within": within}
    row = _PROMISES.rows(connection, given)[0]
    return Promises(int(row[0]), int(row[1]), int(row[2]))


def remind(tx: WriteTransaction, at: float) -> list[CallbackCard]:
    """See `WriteTransaction.remind_callbacks`."""
    cards: list[CallbackCard] = []
    for policy in tx.store.policies():
        if policy.callback_reminder is None:
            continue
        given = {"campaign_id": tx.store.campaign_id(policy.name), "until": at + policy.callback_reminder}
        rows = _SOON.one(tx.connection, given).all()
        _REMINDED.many(tx.connection, [{"key": row.id, "new_reminded_at": at} for row in rows])
        cards += [recovery.card(tx, row, number=f"+{row.number}") for row in rows]
    return cards


def promise(
    tx: WriteTransaction,
    contact: Contact,
    attempt: Attempt,
    agent: str,
    personal: bool,
    due: float,
    at: float,
    policy: CampaignPolicy,
    note: str | None,
) -> int:
    """See `WriteTransaction.promise`."""
    key = tx.store.next_id("callback", tx.connection)
    tx.work.callbacks[key] = {
        "id": key,
        "campaign_id": contact.campaign_id,
        "contact_id": contact.id,
        "attempt_id": attempt.id,
        "agent": agent,
        "personal": int(personal),
        "due_at": due,
        "expires_at": due + policy.callback_expiry,
        "state": "open",
        "note": note,
        "created_at": at,
        "closed_at": None,
        "tried_at": None,
        "reminded_at": None,
    }
    return key
