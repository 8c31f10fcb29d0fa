"""A sale on its way from the agent's code to its end: its states, and the writes that move it.

Each write is conditional on the state, the run and the step that it comes from, so that a replay after a crash changes
nothing, and two writers never move one sale. A *run* is one journey through the steps: idempotency keys at third
parties are made of it. A *start* is one workflow: a run whose undoing failed is taken up again by a second start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, case, func, or_, select, update

from dispositions import schema
from dispositions.errors import ArgumentError, StoreConflict
from dispositions.rows import upsert
from dispositions.statement import Statement

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from dispositions.transaction import WriteTransaction
    from dispositions.view import ReadView

_s, _st = schema.sale.c, schema.sale_step.c


class SaleState(StrEnum):
    """Where a sale is."""

    QUEUED = "queued"
    WITHDRAWN = "withdrawn"  # the agent took it back before anybody had begun
    STARTED = "started"
    UNDOING = "undoing"
    DONE = "done"
    REJECTED = "rejected"  # a third party said no; all undone
    COMPENSATED = "compensated"  # a step finally failed; all undone
    CANCELLED = "cancelled"  # somebody took it back; all undone
    FAILED = "failed"  # could not be undone by itself: a person must see to it


class SaleMove(StrEnum):
    """What moves it."""

    CLAIM = "claim"
    FINISH = "finish"
    TURN_BACK = "turn_back"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    TAKEN_BACK = "taken_back"
    STUCK = "stuck"
    RETRY = "retry"
    CANCEL = "cancel"


_S, _M = SaleState, SaleMove
ENDED = frozenset({_S.DONE, _S.REJECTED, _S.COMPENSATED, _S.CANCELLED, _S.FAILED, _S.WITHDRAWN})

MOVES: Mapping[tuple[SaleState, SaleMove], SaleState] = {
    (_S.QUEUED, _M.CLAIM): _S.STARTED,
    (_S.QUEUED, _M.CANCEL): _S.CANCELLED,
    (_S.STARTED, _M.FINISH): _S.DONE,
    (_S.STARTED, _M.TURN_BACK): _S.UNDOING,
    (_S.STARTED, _M.STUCK): _S.FAILED,
    (_S.UNDOING, _M.REFUSED): _S.REJECTED,
    (_S.UNDOING, _M.GIVEN_UP): _S.COMPENSATED,
    (_S.UNDOING, _M.TAKEN_BACK): _S.CANCELLED,
    (_S.UNDOING, _M.STUCK): _S.FAILED,
    (_S.REJECTED, _M.RETRY): _S.QUEUED,
    (_S.COMPENSATED, _M.RETRY): _S.QUEUED,
    (_S.CANCELLED, _M.RETRY): _S.QUEUED,
    (_S.FAILED, _M.RETRY): _S.QUEUED,
}
"""(state, move) -> state. What the agent's corrections do (queued <-> withdrawn) stands in `disposing`."""


class UnknownSale(ArgumentError):
    """No sale has this id."""


class SaleNotMovable(ArgumentError):
    """The sale's state does not allow this; the text says what does."""


def after(state: SaleState, move: SaleMove) -> SaleState:
    """The state that `move` leads to. Raises `SaleNotMovable`."""
    try:
        return MOVES[state, move]
    except KeyError:
        allowed = sorted({str(source) for source, wanted in MOVES if wanted is move})
        raise SaleNotMovable(f"a sale that is {state} cannot {move}; allowed: {', '.join(allowed)}") from None


@dataclass(frozen=True, slots=True)
class SaleStep:
    """What one step came to. `phase`: do, undo, tell. `result`: done, rejected, failed, skipped. `kept`: what later
    steps need of the answer."""

    phase: str
    name: str
    position: int
    result: str
    reason: str | None
    kept: Mapping[str, Any]
    tries: int
    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class SaleRecord:
    """A sale with everything that its pipeline, or somebody who asks, needs to know. Times are epoch seconds."""

    sale_id: int
    attempt_id: str
    campaign: str
    contact_id: int
    external_id: str | None
    number: str
    agent: str
    fields: Mapping[str, Any]
    contact_fields: Mapping[str, Any]
    state: SaleState
    run: int
    starts: int
    resume: str | None
    asked: str | None
    step: str | None
    reason: str | None
    queued_at: float
    started_at: float | None
    ended_at: float | None
    changed_at: float
    steps: tuple[SaleStep, ...] = ()


_RECORDS = (
    select(
        schema.sale,
        schema.campaign.c.name.label("campaign"),
        schema.contact.c.external_id,
        schema.contact.c.fields.label("contact_fields"),
        func.coalesce(schema.attempt.c.number, schema.contact.c.number).label("number"),
    )
    .select_from(schema.sale)
    .join(schema.campaign, schema.campaign.c.id == _s.campaign_id)
    .outerjoin(schema.contact, schema.contact.c.id == _s.contact_id)
    .outerjoin(schema.attempt, schema.attempt.c.id == _s.attempt_id)
)


def _queue(dialect: str) -> Any:
    query = select(_s.id).where(_s.state == "queued").order_by(_s.queued_at, _s.id).limit(bindparam("most"))
    return query.with_for_update(skip_locked=True) if dialect == "postgresql" else query


_QUEUE = Statement(_queue)
_CLAIM = Statement(
    update(schema.sale)
    .where(_s.id == bindparam("key"), _s.state == "queued")
    .values(
        state="started",
        starts=_s.starts + 1,
        run=case((_s.resume == "undo", _s.run), else_=_s.run + 1),
        step=None,
        reason=case((_s.resume == "undo", _s.reason), else_=None),
        asked=None,
        started_at=bindparam("at"),
        ended_at=None,
        changed_at=bindparam("at"),
    )
)
_MOVE = Statement(
    update(schema.sale)
    .where(_s.id == bindparam("key"), _s.starts == bindparam("start"), _s.state == bindparam("old"))
    .values(
        state=bindparam("new"),
        step=bindparam("new_step"),
        reason=func.coalesce(bindparam("new_reason"), _s.reason),
        ended_at=bindparam("end"),
        changed_at=bindparam("at"),
    )
)
_ASKED = Statement(select(_s.state, _s.starts, _s.asked).where(_s.id == bindparam("key")))
_PLACE = Statement(
    select(_s.campaign_id, _s.contact_id, _s.attempt_id, _s.state, _s.reason).where(_s.id == bindparam("key"))
)
_STEP = Statement(
    lambda dialect: upsert(schema.sale_step, ["sale_id", "run", "phase", "name"], dialect, **{
        name: (lambda new, n=name: getattr(new, n))
        for name in ("position", "result", "reason", "kept", "tries", "seconds", "at")
    }),
    columns=[c.name for c in schema.sale_step.columns],
)  # fmt: skip
_QUEUE_AGAIN = Statement(
    update(schema.sale)
    .where(_s.id == bindparam("key"), _s.state == bindparam("old"))
    .values(state="queued", resume=bindparam("how"), asked=None, queued_at=bindparam("at"), changed_at=bindparam("at"))
)
_CANCEL_QUEUED = Statement(
    update(schema.sale)
    .where(_s.id == bindparam("key"), _s.state == "queued")
    .values(state="cancelled", reason=bindparam("why"), ended_at=bindparam("at"), changed_at=bindparam("at"))
)
_ASK_CANCEL = Statement(
    update(schema.sale).where(_s.id == bindparam("key"), _s.state == "started").values(asked="cancel")
)


def claim(tx: WriteTransaction, limit: int, at: float) -> list[SaleRecord]:
    """Take at most `limit` queued sales, longest waiting first: queued -> started. Each is one start."""
    keys = [row[0] for row in _QUEUE.rows(tx.connection, {"most": limit})]
    if not keys:
        return []
    _CLAIM.many(tx.connection, [{"key": key, "at": at} for key in keys])
    for key in keys:
        _tell(tx, key, at)
    return _read(tx.connection, _s.id.in_(keys))


def advance(
    tx: WriteTransaction,
    sale_id: int,
    start: int,
    run: int,
    step: SaleStep | None,
    move: SaleMove | None,
    at: float,
    *,
    then: str | None = None,
    reason: str | None = None,
) -> bool:
    """Write down what a step came to, and where the sale is now: `move` it, or only go on to the step `then`.

    Returns whether somebody has asked to take the sale back. Run again after a crash it changes nothing more.
    Raises `StoreConflict` when this start is not the sale's present one."""
    tx.flush()
    row = _ASKED.one(tx.connection, {"key": sale_id}).first()
    if row is None or row.starts != start:
        raise StoreConflict(f"sale {sale_id}: start {start} is not the one that is under way")
    if step is not None:
        values = {
            "sale_id": sale_id, "run": run, "phase": step.phase, "name": step.name, "position": step.position,
            "result": step.result, "reason": step.reason, "kept": json.dumps(dict(step.kept)), "tries": step.tries,
            "seconds": step.seconds, "at": step.at,
        }  # fmt: skip
        _STEP.many(tx.connection, [values])
    state = SaleState(row.state)
    new = state if move is None or (state in ENDED) else _target(state, move)
    ended = at if new in ENDED else None
    given = {
        "key": sale_id, "start": start, "old": str(state), "new": str(new), "new_step": then, "new_reason": reason,
        "end": ended, "at": at,
    }  # fmt: skip
    if state not in ENDED:
        _MOVE.many(tx.connection, [given])
    if new is not state:
        _tell(tx, sale_id, at)
    return bool(row.asked == "cancel")


def _tell(tx: WriteTransaction, sale_id: int, at: float) -> None:
    """Where the sale is now, into the journal."""
    if not tx.store.journalling:
        return
    row = _PLACE.one(tx.connection, {"key": sale_id}).one()
    body = {"sale": sale_id, "call": row.attempt_id, "state": row.state, "reason": row.reason}
    tx.note(row.campaign_id, row.contact_id, "sale_changed", at, body)


def _target(state: SaleState, move: SaleMove) -> SaleState:
    # the replay of a turn-back that was committed already
    return state if state is _S.UNDOING and move is _M.TURN_BACK else after(state, move)


def retry(tx: WriteTransaction, sale_id: int, at: float) -> SaleState:
    """Queue an ended sale again: anew from its first step under fresh keys, or, where undoing had failed, to go on
    undoing. Its former state. Raises `UnknownSale`, `SaleNotMovable`."""
    record = one(tx, sale_id)
    after(record.state, SaleMove.RETRY)
    how = "undo" if record.state is SaleState.FAILED else None
    _QUEUE_AGAIN.many(tx.connection, [{"key": sale_id, "old": str(record.state), "how": how, "at": at}])
    _tell(tx, sale_id, at)
    return record.state


def cancel(tx: WriteTransaction, sale_id: int, at: float, reason: str = "cancelled") -> SaleState:
    """Take a sale back: at once while it is queued, at its next step once it is started (what was done is undone).
    Returns the state that it is in now. Raises `UnknownSale`, `SaleNotMovable`."""
    record = one(tx, sale_id)
    if record.state is SaleState.STARTED:
        _ASK_CANCEL.many(tx.connection, [{"key": sale_id}])
        return SaleState.STARTED
    new = after(record.state, SaleMove.CANCEL)
    _CANCEL_QUEUED.many(tx.connection, [{"key": sale_id, "why": reason, "at": at}])
    _tell(tx, sale_id, at)
    return new


def one(source: WriteTransaction | ReadView, sale_id: int) -> SaleRecord:
    """One sale with all its steps. Raises `UnknownSale`."""
    found = _read(source.connection, _s.id == sale_id, steps=True)
    if not found:
        raise UnknownSale(f"there is no sale {sale_id}")
    return found[0]


def many(
    source: WriteTransaction | ReadView,
    *,
    campaign: str | None = None,
    states: Sequence[str] = (),
    agent: str | None = None,
    limit: int = 100,
    after_id: int | None = None,
) -> list[SaleRecord]:
    """Sales without their steps, newest first; `after_id`: only older ones than that, for paging."""
    conditions = []
    if campaign is not None:
        conditions.append(schema.campaign.c.name == campaign)
    if states:
        conditions.append(_s.state.in_(states))
    if agent is not None:
        conditions.append(_s.agent == agent)
    if after_id is not None:
        conditions.append(_s.id < after_id)
    return _read(source.connection, and_(True, *conditions), limit=limit)


def under_way(view: ReadView, limit: int = 100_000) -> list[SaleRecord]:
    """Started and not ended, with their steps: what a restart takes up again."""
    return _read(view.connection, _s.state.in_(("started", "undoing")), steps=True, limit=limit)


@dataclass(frozen=True, slots=True)
class SaleBacklog:
    """A campaign's sales. `states`: how many are in each state; `oldest`: seconds that the first queued one has waited;
    `oldest_open`: seconds since the first one that is under way was queued."""

    campaign: str
    states: Mapping[str, int]
    oldest: float
    oldest_open: float


def backlog(view: ReadView, at: float) -> list[SaleBacklog]:
    """Per campaign that ever had a sale. Walks one index."""
    query = (
        select(schema.campaign.c.name, _s.state, func.count().label("sales"), func.min(_s.queued_at).label("first"))
        .select_from(schema.sale)
        .join(schema.campaign, schema.campaign.c.id == _s.campaign_id)
        .group_by(schema.campaign.c.name, _s.state)
    )
    states: dict[str, dict[str, int]] = {}
    oldest: dict[str, dict[str, float]] = {}
    for row in view.connection.execute(query):
        states.setdefault(row.name, {})[row.state] = int(row.sales)
        oldest.setdefault(row.name, {})[row.state] = max(0.0, at - row.first)
    return [
        SaleBacklog(
            name,
            counts,
            oldest[name].get("queued", 0.0),
            max(oldest[name].get("started", 0.0), oldest[name].get("undoing", 0.0)),
        )
        for name, counts in sorted(states.items())
    ]


def _read(connection: Connection, condition: Any, *, steps: bool = False, limit: int | None = None) -> list[SaleRecord]:
    query = _RECORDS.where(condition).order_by(_s.id.desc() if limit and not steps else _s.id)
    rows = list(connection.execute(query if limit is None else query.limit(limit)))
    found: dict[int, list[SaleStep]] = {}
    if steps:
        for start in range(0, len(rows), 500):
            part = [or_(and_(_st.sale_id == row.id, _st.run == row.run)) for row in rows[start : start + 500]]
            for row in connection.execute(select(schema.sale_step).where(or_(*part)).order_by(_st.at, _st.position)):
                found.setdefault(row.sale_id, []).append(
                    SaleStep(
                        row.phase, row.name, row.position, row.result, row.reason, json.loads(row.kept), row.tries,
                        row.seconds, row.at,
                    )
                )  # fmt: skip
    return [
        SaleRecord(
            row.id, row.attempt_id, row.campaign, row.contact_id, row.external_id, f"+{row.number}", row.agent,
            json.loads(row.fields), json.loads(row.contact_fields or "{}"), SaleState(row.state), row.run, row.starts,
            row.resume, row.asked, row.step, row.reason, row.queued_at, row.started_at, row.ended_at, row.changed_at,
            tuple(found.get(row.id, ())),
        )
        for row in rows
    ]  # fmt: skip
