"""How good a list is, and how it got better: who is reached, which numbers were retired, when people answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, case, cast, func, or_, select

from dispositions import schema
from dispositions.hours import zone_info
from dispositions.outcome import PERSON
from dispositions.statement import Statement

if TYPE_CHECKING:
    from dispositions.view import ReadView

IMPORT_KEY = "import/"
"""`IMPORT_KEY` + campaign + `/` + list: what the import that added contacts last did."""

_c, _n, _a, _s, _ch = schema.contact.c, schema.number.c, schema.attempt.c, schema.settled.c, schema.change.c
_person = case((or_(*(_a.outcome == str(outcome) for outcome in sorted(PERSON))), 1), else_=0)
_CONTACTS = Statement(
    select(_c.list, _s.state, func.count().label("contacts"))
    .select_from(schema.contact)
    .outerjoin(schema.settled, _s.contact_id == _c.id)
    .where(_c.campaign_id == bindparam("campaign_id"))
    .group_by(_c.list, _s.state)
)
_NUMBERS = Statement(
    select(_c.list, _n.status, _n.kind, func.count().label("numbers"))
    .select_from(schema.number)
    .join(schema.contact, _c.id == _n.contact_id)
    .where(_n.campaign_id == bindparam("campaign_id"))
    .group_by(_c.list, _n.status, _n.kind)
)
_REACHED = Statement(
    select(
        _c.list,
        func.count(func.distinct(_a.contact_id)).label("tried"),
        func.count(func.distinct(case((_person == 1, _a.contact_id)))).label("reached"),
    )
    .select_from(schema.attempt)
    .join(schema.contact, _c.id == _a.contact_id)
    .where(_a.campaign_id == bindparam("campaign_id"), _a.outcome.is_not(None))
    .group_by(_c.list)
)


def _by_hour(dialect: str) -> Any:
    # CAST to an integer cuts off in SQLite and rounds in PostgreSQL
    hours = _a.started_at / 3600.0
    hour = func.floor(hours) if dialect == "postgresql" else cast(hours, BigInteger)
    return (
        select(_c.list, hour.label("hour"), func.count().label("calls"), func.sum(_person).label("persons"))
        .select_from(schema.attempt)
        .join(schema.contact, _c.id == _a.contact_id)
        .where(_a.campaign_id == bindparam("campaign_id"), _a.ended_at >= bindparam("since"))
        .group_by(_c.list, hour)
    )


_HOURS = Statement(_by_hour)
_CHANGES = Statement(
    select(_c.list, _ch.kind, func.count().label("changes"))
    .select_from(schema.change)
    .join(schema.contact, _c.id == _ch.contact_id)
    .where(_ch.campaign_id == bindparam("campaign_id"), _ch.at >= bindparam("since"))
    .group_by(_c.list, _ch.kind)
)


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls, and how many of them a person answered. `at`: an hour of the day (0 to 23) or a day (`2026-03-31`), local
    to the campaign."""

    at: str
    calls: int
    persons: int

    @property
    def share(self) -> float:
        """Of the calls, those that a person answered (0..1)."""
        return self.persons / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class ListQuality:
    """One list. `contacts`: by state, those still to be dialed as `open`. `tried`, `reached`: contacts that were called
    at all, and that a person answered. `numbers`: by status, retired ones as `bad`; `kinds`: by kind. `changes`: by
    kind (see `changes.KINDS`). `imported`: what the import that added contacts last did."""

    name: str
    contacts: Mapping[str, int]
    tried: int
    reached: int
    numbers: Mapping[str, int]
    kinds: Mapping[str, int]
    changes: Mapping[str, int]
    by_hour: tuple[Rate, ...]
    by_day: tuple[Rate, ...]
    imported: Mapping[str, Any]

    @property
    def total(self) -> int:
        """All contacts."""
        return sum(self.contacts.values())

    @property
    def reachable(self) -> float:
        """Of the contacts that were called, those that a person answered (0..1)."""
        return self.reached / self.tried if self.tried else 0.0

    @property
    def usable(self) -> float:
        """Of the numbers, those that may still be dialed (0..1)."""
        numbers = sum(self.numbers.values())
        return self.numbers.get("ok", 0) / numbers if numbers else 0.0


def quality(view: ReadView, campaign: str, since: float = 0.0) -> list[ListQuality]:
    """See `ReadView.quality`."""
    campaign_id = view.store.campaign_id(campaign)
    zone = zone_info(view.store.policy(campaign).rules.timezone)
    key: dict[str, Any] = {"campaign_id": campaign_id}
    run = view.connection
    contacts: dict[str, dict[str, int]] = {}
    for row in _CONTACTS.one(run, key):
        contacts.setdefault(row.list, {})[row.state or "open"] = row.contacts
    numbers, kinds, told = _Counts(), _Counts(), _Counts()
    for row in _NUMBERS.one(run, key):
        numbers.add(row.list, row.status, row.numbers)
        kinds.add(row.list, row.kind, row.numbers)
    for row in _CHANGES.one(run, key | {"since": since}):
        told.add(row.list, row.kind, row.changes)
    reached = {row.list: (row.tried, row.reached) for row in _REACHED.one(run, key)}
    hours, days = _Rates(), _Rates()
    for row in _HOURS.one(run, key | {"since": since}):
        local = datetime.fromtimestamp(int(row.hour) * 3600 + 1800, zone)
        hours.add(row.list, f"{local.hour:02d}", row.calls, int(row.persons))
        days.add(row.list, f"{local:%Y-%m-%d}", row.calls, int(row.persons))
    imported = {
        name.removeprefix(f"{IMPORT_KEY}{campaign}/"): value
        for name, value in view.load_states(f"{IMPORT_KEY}{campaign}/").items()
    }
    return [
        ListQuality(
            name, contacts[name], *reached.get(name, (0, 0)), numbers.of(name), kinds.of(name), told.of(name),
            hours.rates(name), days.rates(name), imported.get(name, {}),
        )
        for name in sorted(contacts)
    ]  # fmt: skip


class _Counts:
    """Counts by list and word."""

    def __init__(self) -> None:
        self._all: dict[str, dict[str, int]] = {}

    def add(self, name: str, word: str, count: int) -> None:
        words = self._all.setdefault(name, {})
        words[word] = words.get(word, 0) + count

    def of(self, name: str) -> dict[str, int]:
        return dict(sorted(self._all.get(name, {}).items()))


class _Rates:
    """Calls and answers by list and time."""

    def __init__(self) -> None:
        self._calls, self._persons = _Counts(), _Counts()

    def add(self, name: str, at: str, calls: int, persons: int) -> None:
        self._calls.add(name, at, calls)
        self._persons.add(name, at, persons)

    def rates(self, name: str) -> tuple[Rate, ...]:
        persons = self._persons.of(name)
        return tuple(Rate(at, calls, persons.get(at, 0)) for at, calls in self._calls.of(name).items())


def to_dict(lists: Sequence[ListQuality]) -> list[dict[str, Any]]:
    """The report as JSON."""

    def rates(found: Sequence[Rate]) -> list[dict[str, Any]]:
        return [{"at": r.at, "calls": r.calls, "answered": r.persons, "share": round(r.share, 4)} for r in found]

    return [
        {
            "list": one.name,
            "contacts": dict(one.contacts),
            "total": one.total,
            "tried": one.tried,
            "reached": one.reached,
            "reachable_share": round(one.reachable, 4),
            "numbers": dict(one.numbers),
            "numbers_usable_share": round(one.usable, 4),
            "kinds": dict(one.kinds),
            "changes": dict(one.changes),
            "duplicates": one.imported.get("duplicates"),
            "imported": dict(one.imported),
            "answered_by_hour": rates(one.by_hour),
            "answered_by_day": rates(one.by_day),
        }
        for one in lists
    ]
