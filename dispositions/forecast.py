"""When a list runs dry: the contacts that are left, hour by hour, at the present rate of calls.

Model. Each hour takes at most `rate` calls (an hour that is open for a part of it: that part) from those that may be
called in it: contacts that are ready, and those that come due. Of the calls, so many come back as the shares of the
last outcomes say, each after its own delay; a contact ends when its outcome ends it or when it has used up its
attempts. It is a mean-field model: contacts are counted, not followed, and counts may be fractions. Assumed: outcomes
and delays stay as they were; nobody is added; an hour's contacts are alike. So it is right about the day, not about the
minute.

The list is dry in the first open hour that cannot use `SHORT` of its calls for want of contacts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

HOUR = 3600.0
SHORT = 0.5
"""Share of an hour's calls that find no contact when the list counts as dry."""
DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Comeback:
    """What one kind of result leads to: so large a `share` of the calls is to be called again after `after` seconds."""

    share: float
    after: float


@dataclass(frozen=True, slots=True)
class Group:
    """Contacts that are alike: so many may be called from `due_at` on, whenever `opened` says so, and each still has
    so many `tries`. `opened`: (from, to) -> the share of that time in which these may be called."""

    contacts: float
    due_at: float
    tries: float
    opened: Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class HourAhead:
    """One hour. `due`: contacts that come due in it (retries and callbacks); `calls`: made in it; `left`: contacts that
    may be called at its end; `opened`: share of it in which anybody may."""

    at: float
    due: float
    calls: float
    left: float
    opened: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """`dry_at`: epoch seconds of the hour in which the list runs dry; None: not within the hours looked at, or nothing
    is dialed. `calls`: made until then. `rate`: calls an hour that it was made with."""

    dry_at: float | None
    calls: float
    rate: float
    hours: tuple[HourAhead, ...]


def forecast(
    groups: Sequence[Group], comebacks: Sequence[Comeback], rate: float, at: float, hours: int = DEFAULT_DAYS * 24
) -> Forecast:
    """Look ahead from `at` (epoch seconds). `rate`: calls an open hour."""
    start = math.floor(at / HOUR) * HOUR
    waiting: list[list[_Lot]] = [[] for _ in range(hours + 1)]
    for group in groups:
        if group.contacts > 0:
            index = max(0, int((group.due_at - start) // HOUR))
            if index <= hours:
                waiting[index].append(_Lot(group.contacts, group.tries, group.opened))
    ready: list[_Lot] = []
    seen: list[HourAhead] = []
    dry_at: float | None = None
    calls = 0.0
    for n in range(hours):
        begins = max(at, start + n * HOUR)
        ends = start + (n + 1) * HOUR
        due = sum(lot.contacts for lot in waiting[n])
        ready += waiting[n]
        now = [(lot, lot.opened(begins, ends)) for lot in ready]
        opened = max((part for _, part in now), default=0.0)
        wanted = rate * opened * (ends - begins) / HOUR
        made = _dial(now, wanted, comebacks, waiting, n, hours)
        ready = [lot for lot in ready if lot.contacts > 1e-9]
        calls += made
        seen.append(HourAhead(begins, due, made, sum(lot.contacts for lot in ready), opened))
        if dry_at is None and rate > 0 and _is_dry(n, opened, wanted, made, ready, waiting):
            dry_at = begins
            break
    return Forecast(dry_at, calls, rate, tuple(seen))


@dataclass(slots=True)
class _Lot:
    contacts: float
    tries: float
    opened: Callable[[float, float], float]


def _is_dry(
    n: int, opened: float, wanted: float, made: float, ready: Sequence[_Lot], waiting: Sequence[Sequence[_Lot]]
) -> bool:
    if opened > 0:
        return made < (1 - SHORT) * wanted
    return not ready and not any(waiting[n + 1 :])  # nobody is left at all


def _dial(
    now: Sequence[tuple[_Lot, float]],
    wanted: float,
    comebacks: Sequence[Comeback],
    waiting: list[list[_Lot]],
    hour: int,
    hours: int,
) -> float:
    """Take `wanted` calls from the lots that are open, oldest first; those that come back wait. How many were made."""
    left = wanted
    for lot, part in now:
        if left <= 1e-9:
            break
        if part <= 0:
            continue
        taken = min(lot.contacts, left)
        lot.contacts -= taken
        left -= taken
        if lot.tries <= 1:
            continue
        for back in comebacks:
            index = hour + max(1, round(back.after / HOUR))
            if index <= hours and taken * back.share > 1e-6:
                _join(waiting[index], taken * back.share, lot.tries - 1, lot.opened)
    return wanted - left


def _join(lots: list[_Lot], contacts: float, tries: float, opened: Callable[[float, float], float]) -> None:
    for lot in lots:
        if lot.tries == tries and lot.opened is opened:
            lot.contacts += contacts
            return
    lots.append(_Lot(contacts, tries, opened))


def due_by_hour(due: Mapping[float, int], at: float, hours: int) -> list[tuple[float, int]]:
    """Contacts that come due in each of the next hours: (start of the hour, contacts), from {due at: contacts}; what is
    overdue belongs to the first."""
    start = math.floor(at / HOUR) * HOUR
    result = [0] * hours
    for when, contacts in due.items():
        index = max(0, int((when - start) // HOUR))
        if index < hours:
            result[index] += contacts
    return [(start + n * HOUR, contacts) for n, contacts in enumerate(result)]
