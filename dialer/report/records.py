"""What a store remembers of its campaigns, read once for a report. Reading is safe while the daemon runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, make_url, select

from dialer.agent_times import KEY, added_up
from dispositions import DispositionsError, Promises, Store, schema
from dispositions.callbacks import IN_TIME, promises_kept
from dispositions.outcome import PERSON
from dispositions.unsent import UNSENT


class ReportError(Exception):
    """The report cannot be made; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt. Times are epoch seconds; `number` is E.164 with its plus."""

    id: str
    contact: int
    number: str
    call_id: str
    trunk: str | None
    agent: str | None
    started_at: float
    ringing_at: float | None
    answered_at: float | None
    connected_at: float | None
    ended_at: float | None
    talk_seconds: float | None
    outcome: str | None
    disposition: str | None
    disposed_at: float | None


@dataclass(frozen=True, slots=True)
class LegalWindow:
    """Calls of the legal window that the campaign's last call ended in: those that a person answered, those of them
    that were abandoned. Epoch seconds; `since` may lie before the report's first call.
    """

    since: float
    until: float
    answered: int
    abandoned: int


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """A store's content. `states`: number -> state of its contact, missing when it is in none; `torn`: number -> the
    states of a contact that is in several."""

    campaign: str
    attempts: tuple[AttemptRecord, ...]
    states: Mapping[str, str]
    contacts: Mapping[str, int]
    torn: Mapping[str, str] = field(default_factory=dict)
    callbacks: Mapping[str, int] = field(default_factory=dict)
    sales: Mapping[str, int] = field(default_factory=dict)
    agent_times: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """agent -> state -> seconds, as the daemon kept them"""
    window: LegalWindow | None = None
    promises: Promises | None = None
    """how the callbacks that were due were kept"""
    promised_within: float = IN_TIME
    """seconds after it was due within which a callback's call must have left"""


def read_store(
    url: str,
    campaign: str | None = None,
    since: float = 0.0,
    begins: Callable[[float], float] | None = None,
    *,
    at: float | None = None,
    within: float = IN_TIME,
) -> StoreRecord:
    """Everything about `campaign` (None: the only one of the store), attempts from `since` (epoch seconds) on, agents'
    times from the hour that it lies in. `begins`: when the legal window of a moment began. `at`: until when callbacks
    that were due are judged (None: they are not), `within`: how many seconds late a kept one may be.

    Raises ReportError."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
        raise ReportError(f"there is no store at {place.database}")  # connecting would make an empty one
    try:
        store = Store(url)
        try:
            with store.read() as view:
                return _read(view.connection, campaign, since, begins, at, within)
        finally:
            store.close()
    except DispositionsError as error:
        raise ReportError(f"the store cannot be read: {error}") from error


def _read(
    connection: Connection,
    campaign: str | None,
    since: float,
    begins: Callable[[float], float] | None,
    at: float | None,
    within: float,
) -> StoreRecord:
    rows = connection.execute(select(schema.campaign.c.id, schema.campaign.c.name)).all()
    known: dict[str, int] = {row.name: row.id for row in rows}
    if campaign is None:
        if len(known) != 1:
            raise ReportError(f"the store holds {len(known)} campaigns ({', '.join(sorted(known))}): name one")
        campaign = next(iter(known))
    if campaign not in known:
        raise ReportError(f"the store has no campaign {campaign!r}; it has {', '.join(sorted(known)) or 'none'}")
    key = known[campaign]
    places = _places(connection, key)
    number = schema.number
    owners = connection.execute(select(number.c.digits, number.c.contact_id).where(number.c.campaign_id == key))
    found = {f"+{digits}": places[contact] for digits, contact in owners if contact in places}
    return StoreRecord(
        campaign,
        _attempts(connection, key, since),
        {number: states[0] for number, states in found.items()},
        Counter(states[0] for states in places.values()),
        {number: ", ".join(states) for number, states in found.items() if len(states) > 1},
        _counted(connection, schema.callback, key),
        _counted(connection, schema.sale, key),
        _times(connection, campaign, since),
        None if begins is None else _window(connection, key, begins),
        None if at is None else promises_kept(connection, key, since, at, within),
        within,
    )


def _times(connection: Connection, campaign: str, since: float) -> dict[str, dict[str, float]]:
    prefix, saved = f"{KEY}{campaign}/", schema.saved.c
    mine = select(saved.name, saved.value).where(saved.name.startswith(prefix, autoescape=True))
    return added_up({r.name.removeprefix(prefix): json.loads(r.value) for r in connection.execute(mine)}, since)


def _window(connection: Connection, key: int, begins: Callable[[float], float]) -> LegalWindow | None:
    attempt = schema.attempt.c
    mine = attempt.campaign_id == key
    until = connection.execute(select(func.max(attempt.ended_at)).where(mine)).scalar()
    if until is None:
        return None
    since = begins(until)
    ended = select(attempt.outcome, func.count()).where(mine, attempt.ended_at >= since).group_by(attempt.outcome)
    outcomes = {row[0]: row[1] for row in connection.execute(ended)}
    return LegalWindow(since, until, sum(outcomes.get(str(o), 0) for o in PERSON), outcomes.get("abandoned", 0))


def _places(connection: Connection, key: int) -> dict[int, list[str]]:
    """contact -> its states: the tables in which it has a row (see `dispositions.state`)."""
    places: dict[int, list[str]] = {}

    def put(contact: int, state: str) -> None:
        places.setdefault(contact, []).append(state)

    for table, state in ((schema.ready, "ready"), (schema.lease, "leased"), (schema.review, "review")):
        for contact in connection.execute(select(table.c.contact_id).where(table.c.campaign_id == key)).scalars():
            put(contact, state)
    waiting, settled = schema.waiting, schema.settled
    for row in connection.execute(select(waiting.c.contact_id, waiting.c.kind).where(waiting.c.campaign_id == key)):
        put(row.contact_id, "waiting" if row.kind == "retry" else "callback")
    for row in connection.execute(select(settled.c.contact_id, settled.c.state).where(settled.c.campaign_id == key)):
        put(row.contact_id, row.state)
    return places


def _attempts(connection: Connection, key: int, since: float) -> tuple[AttemptRecord, ...]:
    attempt = schema.attempt
    columns = [
        attempt.c[name]
        for name in (
            "id", "contact_id", "number", "call_id", "trunk", "agent", "started_at", "ringing_at", "answered_at",
            "connected_at", "ended_at", "talk_seconds", "outcome", "disposition", "disposed_at",
        )
    ]  # fmt: skip
    mine = (attempt.c.campaign_id == key) & (attempt.c.started_at >= since)
    # what never left was no call
    mine &= attempt.c.cause.is_(None) | ~attempt.c.cause.startswith(UNSENT)
    rows = connection.execute(select(*columns).where(mine).order_by(attempt.c.started_at))
    return tuple(AttemptRecord(row[0], row[1], f"+{row[2]}", *row[3:]) for row in rows)


def _counted(connection: Connection, table: Any, key: int) -> dict[str, int]:
    """state -> rows; callbacks are counted as personal and shared ones too."""
    counts: Counter[str] = Counter()
    for state in connection.execute(select(table.c.state).where(table.c.campaign_id == key)).scalars():
        counts[state] += 1
    return dict(counts)
