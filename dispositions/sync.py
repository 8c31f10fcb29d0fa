"""A list kept in step with a company database by SQLAlchemy URL, both ways, bit by bit.

In: rows of its table whose changed column has grown since the last time. A new key is a new contact; of a known one the
fields that differ are corrected and numbers that are new are added. What an agent corrected here stays, unless the row
says something else than what the agent found. Rows that were deleted there stay here.

Out: contacts that were called, coded, corrected or marked since the last time are written to a table of results beside
it, one row a key. Corrections are offered there; whether they are taken over is the company's business.

Nothing is lost and nothing is doubled whenever this ends: what came in and the mark of how far it came are one
transaction, and what goes out replaces the row of its key, so that doing it again changes nothing. Rows of the same
stamp as the mark are read again, for those that were committed after they had been stamped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    create_engine,
    delete,
    exc,
    insert,
    or_,
    select,
    union,
)

from dispositions import changes, learning, schema
from dispositions.contact import NewContact
from dispositions.errors import ArgumentError, SyncError
from dispositions.export import ExportRow, rows_of
from dispositions.importer import ListSpec
from dispositions.listrows import RowReader, plan_of
from dispositions.number import Number
from dispositions.work import Contact

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from dispositions.store import Store
    from dispositions.transaction import WriteTransaction

CHUNK = 200
"""Rows in one transaction: correcting one takes some tenths of a millisecond, and a dialer may be waiting."""
OVERLAP = 60.0
"""Seconds of the past that are sent again: a call that ended while the last run was reading."""
LATE_CODE = 7 * 86400.0
"""A code that an agent corrects later than so long after the call is seen with the next change of its contact."""
SYNC_KEY = "sync/"
_STATE_COLUMNS = 200


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """Where the list is. `spec`: which column holds what, as in a CSV; its `external_id` is the key."""

    url: str
    table: str
    key: str
    changed_column: str
    spec: ListSpec
    results_table: str = "dialer_results"


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one run did. `reasons`: rejects by reason."""

    read: int
    added: int
    corrected: int
    rejected: int
    reasons: Mapping[str, int]
    sent: int


def sync(store: Store, campaign: str, database: DatabaseSpec, at: float, *, out: bool = True) -> SyncReport:
    """Bring changes in, and send results out. Raises `SyncError`, `UnknownCampaign`, `StoreUnavailable`; what was done
    until then stays, and the next run goes on from there."""
    with _engine(database) as engine, _translated():
        counts, reasons = _bring_in(store, campaign, database, engine, at)
        sent = _send_out(store, campaign, database, engine, at) if out else 0
    return SyncReport(counts["read"], counts["added"], counts["corrected"], sum(reasons.values()), dict(reasons), sent)


@contextmanager
def _engine(database: DatabaseSpec) -> Iterator[Engine]:
    try:
        engine = create_engine(database.url)
    except (exc.ArgumentError, exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise SyncError(f"the company database cannot be reached: {type(error).__name__}") from None
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.NoSuchTableError as error:
        raise SyncError(f"the company database has no table {error}") from None
    except exc.SQLAlchemyError as error:
        # the statement and its values are personal data: the driver's own words are enough
        cause = getattr(error, "orig", None) or type(error).__name__
        raise SyncError(f"the company database: {str(cause).strip().splitlines()[0][:300]}") from None


def _reflected(engine: Engine, name: str) -> Table:
    where, _, bare = name.rpartition(".")
    return Table(bare, MetaData(), schema=where or None, autoload_with=engine)


# --- in --------------------------------------------------------------------------------------------------------------


def _bring_in(
    store: Store, campaign: str, database: DatabaseSpec, engine: Engine, at: float
) -> tuple[Counter[str], Counter[str]]:
    table = _reflected(engine, database.table)
    spec, key, changed = database.spec, database.key, database.changed_column
    wanted = [*spec.numbers, key, changed, spec.zone, spec.priority, *spec.rename, *spec.consent.named]
    missing = [column for column in wanted if column is not None and column not in table.c]
    if missing:
        there = ", ".join(table.c.keys())[:300]
        raise SyncError(f"table {database.table} has no column {missing[0]!r}; there are: {there}")
    names = tuple(column for column in table.c.keys() if column != changed)  # noqa: SIM118 - a column collection
    state_key = f"{SYNC_KEY}{campaign}/{spec.name}"
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with store.read() as view:
        known = view.load_state(state_key) or {}
    mark, last = _from_json(known.get("mark")), None
    with engine.connect() as connection:
        while True:
            rows = _page(connection, table, key, changed, mark, last)
            if not rows:
                break
            mark, last = rows[-1]._mapping[changed], rows[-1]._mapping[key]
            reader = RowReader(plan_of(spec, store.policy(campaign), names))
            people, refused = reader.contacts([[_cell(row._mapping[name]) for name in names] for row in rows])
            reasons.update(one.reason for one in refused)
            with store.write() as tx:
                _enter(tx, campaign, spec, people, at, counts, reasons)
                tx.save_state(state_key, {**known, "mark": _to_json(mark)})
            counts["read"] += len(rows)
            if len(rows) < CHUNK:
                break
    return counts, reasons


def _page(connection: Connection, table: Table, key: str, changed: str, mark: Any, last: Any) -> Sequence[Any]:
    query = select(table).where(table.c[key].is_not(None), table.c[changed].is_not(None))
    if mark is not None and last is None:
        query = query.where(table.c[changed] >= mark)
    elif mark is not None:
        after = and_(table.c[changed] == mark, table.c[key] > last)
        query = query.where(or_(table.c[changed] > mark, after))
    return connection.execute(query.order_by(table.c[changed], table.c[key]).limit(CHUNK)).all()


def _cell(value: Any) -> str:
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(int(value)) if value == value.to_integral_value() else str(value)
    return str(value).replace("\x00", "")


def _enter(
    tx: WriteTransaction,
    campaign: str,
    spec: ListSpec,
    people: Sequence[NewContact],
    at: float,
    counts: Counter[str],
    reasons: Counter[str],
) -> None:
    """New ones are added; those that the campaign has by their key are corrected."""
    results = tx.add_contacts(campaign, spec.name, people, at)
    for new, result in zip(people, results, strict=True):
        if result.status == "added":
            counts["added"] += 1
        elif result.status == "rejected":
            reasons[result.reason] += 1
        elif result.status == "duplicate" and result.reason == "external_id" and result.contact_id is not None:
            contact = tx.contact(result.contact_id)
            try:
                counts["corrected"] += bool(_correct(tx, contact, new, at, ranked=spec.priority is not None))
            except ArgumentError:
                reasons["bad_correction"] += 1


def _correct(tx: WriteTransaction, contact: Contact, new: NewContact, at: float, *, ranked: bool) -> int:
    """`ranked`: the company's table has a column for the priority."""
    if not contact.number:
        return 0  # erased
    policy = tx.policy_of(contact.campaign_id)
    listed = policy.lists.get(contact.list_name)
    own = json.loads(contact.fields)
    found: Mapping[str, Any] = new.fields
    if listed is not None:
        found = learning.typed(listed.fields, found)
    told = changes.of_contact(tx.connection, contact.id)
    corrected = {change.subject: change.old for change in told if change.kind == "field" and change.who != "sync"}
    differing = {
        name: value
        for name, value in found.items()
        if value != own.get(name)
        and not (value in ("", None) and name not in own)
        and not (name in corrected and learning.shown(value) == (corrected[name] or ""))
    }
    held = learning.digits_held(tx, contact)
    numbers = [n.e164 for n in new.numbers if isinstance(n, Number) and n.digits not in held]
    last = next((change for change in reversed(told) if change.kind == "priority"), None)
    # what somebody has changed stays until the company's row says something new
    kept = last is not None and last.who != "sync" and str(new.priority) == last.old
    rank = new.priority if ranked and not kept and new.priority != contact.priority else None
    return learning.correct(tx, contact, differing, numbers, "sync", at, rank)


# --- out -------------------------------------------------------------------------------------------------------------

_a, _ch, _s, _c = schema.attempt.c, schema.change.c, schema.settled.c, schema.contact.c


def _send_out(store: Store, campaign: str, database: DatabaseSpec, engine: Engine, at: float) -> int:
    name = database.spec.name
    state_key = f"{SYNC_KEY}{campaign}/{name}"
    with store.read() as view:
        known = view.load_state(state_key) or {}
        since = float(known.get("out", 0.0)) - OVERLAP
        ids = _touched(view.connection, store.campaign_id(campaign), name, since)
    table = _results(engine, database)
    sent = 0
    for start in range(0, len(ids), CHUNK):
        with store.read() as view:
            rows = [row for row in rows_of(view, ids[start : start + CHUNK]) if row.external_id is not None]
        if rows:
            _replace(engine, table, rows)
            sent += len(rows)
    with store.read() as view:
        known = view.load_state(state_key) or {}
    with store.write() as tx:
        tx.save_state(state_key, {**known, "out": at})
    return sent


def _touched(connection: Connection, campaign_id: int, list_name: str, since: float) -> list[int]:
    called = select(_a.contact_id).where(
        _a.campaign_id == campaign_id,
        _a.ended_at >= since - LATE_CODE,
        or_(_a.ended_at >= since, _a.disposed_at >= since),
    )
    changed = select(_ch.contact_id).where(_ch.campaign_id == campaign_id, _ch.at >= since)
    settled = select(_s.contact_id).where(_s.campaign_id == campaign_id, _s.at >= since)
    touched = union(called, changed, settled).subquery()
    query = (
        select(_c.id)
        .where(_c.id.in_(select(touched)), _c.list == list_name, _c.external_id.is_not(None))
        .order_by(_c.id)
    )
    return [row[0] for row in connection.execute(query)]


def _results(engine: Engine, database: DatabaseSpec) -> Table:
    where, _, bare = database.results_table.rpartition(".")
    short = String(_STATE_COLUMNS)
    table = Table(
        bare, MetaData(schema=where or None),
        Column("contact_key", short, primary_key=True), Column("list", short, primary_key=True),
        Column("state", short, nullable=False), Column("number", short), Column("other_numbers", Text),
        Column("retired_numbers", Text), Column("attempts", Integer, nullable=False), Column("last_outcome", short),
        Column("last_code", short), Column("last_agent", short), Column("last_note", Text),
        Column("last_call_at", Float), Column("due_at", Float), Column("changed_at", Float, nullable=False),
        Column("fields", Text, nullable=False), Column("changes", Text, nullable=False),
    )  # fmt: skip
    table.create(engine, checkfirst=True)
    return table


def _replace(engine: Engine, table: Table, rows: Sequence[ExportRow]) -> None:
    """DELETE and INSERT in one transaction: every database knows both."""
    values = [
        {
            "contact_key": row.external_id, "list": row.list_name, "state": str(row.state),
            "number": row.numbers[0] if row.numbers else None, "other_numbers": " ".join(row.numbers[1:]),
            "retired_numbers": " ".join(row.retired), "attempts": row.attempts,
            "last_outcome": str(row.last_outcome) if row.last_outcome else None, "last_code": row.last_code,
            "last_agent": row.last_agent, "last_note": row.last_note, "last_call_at": row.last_call_at,
            "due_at": row.due_at, "changed_at": row.changed_at,
            "fields": json.dumps(dict(row.fields), ensure_ascii=False), "changes": "\n".join(row.changes),
        }
        for row in rows
    ]  # fmt: skip
    keys = [value["contact_key"] for value in values]
    with engine.begin() as connection:
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            connection.execute(delete(table).where(table.c.list == rows[0].list_name, table.c.contact_key.in_(some)))
        connection.execute(insert(table), values)


def _to_json(mark: Any) -> Any:
    if isinstance(mark, datetime):
        return {"time": mark.isoformat()}
    if isinstance(mark, date):
        return {"day": mark.isoformat()}
    if isinstance(mark, Decimal):
        return {"decimal": str(mark)}
    return mark if isinstance(mark, int | float | str) or mark is None else str(mark)


def _from_json(kept: Any) -> Any:
    if not isinstance(kept, dict):
        return kept
    if "time" in kept:
        return datetime.fromisoformat(kept["time"])
    return date.fromisoformat(kept["day"]) if "day" in kept else Decimal(kept["decimal"])
