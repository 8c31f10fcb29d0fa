"""The statements of the unit of work: how rows are read, entered, left and changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dispositions import schema
from dispositions.state import SETTLED, WITHHELD, ContactState
from dispositions.statement import ByKeys, Statement

_a, _c, _l = schema.attempt.c, schema.contact.c, schema.lease.c
_w, _r, _s, _ready = schema.waiting.c, schema.review.c, schema.settled.c, schema.ready.c
_sale = schema.sale.c
_not_begun = or_(_sale.state == "queued", _sale.state == "withdrawn")

ATTEMPTS = ByKeys(
    _a.id,
    lambda condition, dialect: select(
        _a.id, _a.campaign_id, _a.contact_id, _a.number, _a.call_id, _a.trunk, _a.agent, _a.started_at, _a.answered_at,
        _a.connected_at, _a.ended_at, _a.outcome, _a.disposition,
    ).where(condition),
)  # fmt: skip


def _contacts(condition: Any) -> Any:
    # The row and, by four look-ups of a primary key, where it stands.
    return (
        select(
            _c.id, _c.campaign_id, _c.list, _c.external_id, _c.number, _c.numbers, _c.zone_id, _c.priority, _c.attempts,
            _c.progress, _c.callback_id, _c.fields,
            _l.until, _l.rank, _l.origin, _l.attempt_id, _l.sip, _l.pending,
            _w.kind, _w.due_at, _w.rank.label("waiting_rank"),
            _r.attempt_id.label("review_attempt"), _r.until.label("review_until"),
            _s.state, _s.at,
        )
        .select_from(schema.contact)
        .outerjoin(schema.lease, _l.contact_id == _c.id)
        .outerjoin(schema.waiting, _w.contact_id == _c.id)
        .outerjoin(schema.review, _r.contact_id == _c.id)
        .outerjoin(schema.settled, _s.contact_id == _c.id)
        .where(condition)
    )  # fmt: skip


CONTACTS = ByKeys(_c.id, lambda condition, dialect: _contacts(condition))
# On PostgreSQL a writer locks the rows, so that what it read is still so when it writes. SQLite has one writer.
LOCKED_CONTACTS = ByKeys(_c.id, lambda condition, dialect: _contacts(condition).with_for_update(of=schema.contact))

READY_AT = Statement(
    select(_ready.zone_id, _ready.rank).where(
        _ready.campaign_id == bindparam("campaign_id"),
        _ready.zone_id == bindparam("zone_id"),
        _ready.contact_id == bindparam("contact_id"),
        _ready.rank.in_([bindparam("rank0"), bindparam("rank1"), bindparam("rank2")]),
    )
)

ATTEMPT_INSERT = Statement(
    insert(schema.attempt),
    columns=("id", "campaign_id", "contact_id", "number", "call_id", "trunk", "agent", "started_at"),
)


def _kept(column: Any) -> Any:
    """The new value, or what was there."""
    return func.coalesce(bindparam(f"new_{column.name}", type_=column.type), column)


_UPDATED = ("call_id", "trunk", "agent", "ringing_at", "answered_at", "connected_at", "ended_at", "talk_seconds",
            "outcome", "cause", "disposition", "disposed_at", "note")  # fmt: skip
ATTEMPT_UPDATE = Statement(
    update(schema.attempt).where(_a.id == bindparam("key")).values({name: _kept(_a[name]) for name in _UPDATED})
)
NO_UPDATE: dict[str, Any] = {f"new_{name}": None for name in _UPDATED}

LEASE_UPDATE = Statement(
    update(schema.lease)
    .where(_l.contact_id == bindparam("key"))
    .values(
        attempt_id=bindparam("new_attempt_id"),
        sip=bindparam("new_sip"),
        pending=bindparam("new_pending"),
        until=bindparam("new_until"),
    )
)
CONTACT_UPDATE = Statement(
    update(schema.contact)
    .where(_c.id == bindparam("key"))
    .values(
        number=bindparam("new_number"),
        zone_id=bindparam("new_zone_id"),
        attempts=bindparam("new_attempts"),
        progress=bindparam("new_progress"),
        callback_id=bindparam("new_callback_id"),
    )
)

LEAVE = {
    "ready": Statement(
        delete(schema.ready).where(
            and_(
                _ready.campaign_id == bindparam("campaign_id"),
                _ready.zone_id == bindparam("zone_id"),
                _ready.rank == bindparam("rank"),
                _ready.contact_id == bindparam("contact_id"),
            )
        )
    ),
    "lease": Statement(delete(schema.lease).where(_l.contact_id == bindparam("contact_id"))),
    "waiting": Statement(delete(schema.waiting).where(_w.contact_id == bindparam("contact_id"))),
    "review": Statement(delete(schema.review).where(_r.contact_id == bindparam("contact_id"))),
    "settled": Statement(delete(schema.settled).where(_s.contact_id == bindparam("contact_id"))),
}
ENTER = {
    name: Statement(insert(table), columns=[column.name for column in table.columns])
    for name, table in (
        ("ready", schema.ready),
        ("lease", schema.lease),
        ("waiting", schema.waiting),
        ("review", schema.review),
        ("settled", schema.settled),
    )
}
TABLE_OF = {
    ContactState.READY: "ready",
    ContactState.LEASED: "lease",
    ContactState.WAITING: "waiting",
    ContactState.CALLBACK: "waiting",
    ContactState.REVIEW: "review",
} | dict.fromkeys(SETTLED | WITHHELD, "settled")

CALLBACK_INSERT = Statement(insert(schema.callback), columns=[c.name for c in schema.callback.columns])
CALLBACK_CLOSE = Statement(
    update(schema.callback)
    .where(schema.callback.c.id == bindparam("key"), schema.callback.c.state == "open")
    .values(state=bindparam("new_state"), closed_at=bindparam("new_closed_at"), tried_at=bindparam("new_tried_at"))
)


def upsert(table: Any, keys: Sequence[str], dialect: str, **changes: Any) -> Any:
    """INSERT ... ON CONFLICT of either database; without `changes`, DO NOTHING. `changes` are made from `excluded`."""
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    if not changes:
        return statement.on_conflict_do_nothing(index_elements=list(keys))
    values = {name: change(statement.excluded) for name, change in changes.items()}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=values)


SALE_UPSERT = Statement(
    lambda dialect: upsert(
        schema.sale,
        ["attempt_id"],
        dialect,
        agent=lambda new: new.agent,
        # a sale that the pipeline has taken up goes its own way: what was paid for must not change under a payment
        fields=lambda new: case((_not_begun, new.fields), else_=_sale.fields),
        state=lambda new: case((_sale.state == "withdrawn", "queued"), else_=_sale.state),
        asked=lambda new: case((_sale.state == "started", None), else_=_sale.asked),
        changed_at=lambda new: new.changed_at,
    ),
    columns=(
        "id", "attempt_id", "campaign_id", "contact_id", "agent", "fields", "state", "queued_at", "changed_at",
    ),
)  # fmt: skip
SALE_CANCEL = Statement(
    update(schema.sale)
    .where(_sale.attempt_id == bindparam("key"), _sale.state == "started")
    .values(asked="cancel", changed_at=bindparam("new_changed_at"))
)
SALE_WITHDRAW = Statement(
    update(schema.sale)
    .where(schema.sale.c.attempt_id == bindparam("key"), schema.sale.c.state == "queued")
    .values(state="withdrawn", changed_at=bindparam("new_changed_at"))
)
TALLY = Statement(
    lambda dialect: upsert(
        schema.tally,
        ["campaign_id", "hour", "outcome"],
        dialect,
        calls=lambda new: schema.tally.c.calls + new.calls,
    ),
    columns=("campaign_id", "hour", "outcome", "calls"),
)
OUTBOX = Statement(insert(schema.outbox), columns=("topic", "payload", "at"))
