"""When a number may be called: weekly hours, holidays and closed dates, in every time zone that the number may lie
in.

Wall-clock rules are decided on the wall clock of the zone at that instant (IANA data through zoneinfo), so that
summer time needs no rule of its own: 21:00 is 21:00. Hours are minutes from local midnight, [start, end). A day's
hours never run past midnight; write the rest under the next day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from dispositions.errors import RulesError

Interval = tuple[int, int]
"""Minutes from local midnight: [start, end), 0 <= start < end <= 1440."""
Week = tuple[tuple[Interval, ...], ...]
"""Seven days from Monday, each with its intervals in order."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_HORIZON = 400  # days that next_open looks ahead: a year and its holidays


@lru_cache(maxsize=1024)
def zone_info(name: str) -> ZoneInfo:
    """The zone by its IANA name. Raises `RulesError` for an unknown one."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise RulesError(f"unknown time zone {name!r}") from error


def parse_hours(text: str) -> Interval:
    """`"08:00-21:00"` as an interval. Raises `RulesError`."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise RulesError(f"hours {text!r}: write them as 08:00-21:00")
    h1, m1, h2, m2 = (int(part) for part in match.groups())
    start, end = h1 * 60 + m1, h2 * 60 + m2
    if m1 > 59 or m2 > 59 or not 0 <= start < end <= 1440:
        raise RulesError(f"hours {text!r}: the end must follow the start on the same day")
    return start, end


def week(days: Mapping[str, Iterable[str]]) -> Week:
    """A week from `{"mon": ["08:00-21:00"], ...}`; a day that is not named is closed. Raises `RulesError`."""
    unknown = set(days) - set(DAYS)
    if unknown:
        raise RulesError(f"unknown day {sorted(unknown)[0]!r}: one of {', '.join(DAYS)}")
    return tuple(_merged(parse_hours(text) for text in days.get(day, ())) for day in DAYS)


def _merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return tuple(result)


ALWAYS: Week = (((0, 1440),),) * 7


@dataclass(frozen=True, slots=True)
class CallingRules:
    """Weekly hours with holidays.

    `timezone`: the zone of numbers whose own is not known. `holidays`: (country, subdivision or None) pairs, as the
    `holidays` package names them. `treat_holiday_as`: `closed`, or `sunday` for a place that works holidays like
    Sundays, or `open`. `closed`: further dates without calls.
    `first`, `last`: the campaign's own days, both included; None: no end."""

    hours: Week = ALWAYS
    timezone: str = "UTC"
    holidays: tuple[tuple[str, str | None], ...] = ()
    treat_holiday_as: Literal["closed", "sunday", "open"] = "closed"
    closed: frozenset[date] = frozenset()
    first: date | None = None
    last: date | None = None
    _open: dict[tuple[Sequence[str], int], bool] = field(default_factory=dict, init=False, repr=False, compare=False)
    _days: dict[date, tuple[Interval, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _calendars: list[Mapping[date, str]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.hours) != 7:
            raise RulesError("hours need seven days, from Monday")
        zone_info(self.timezone)
        if self.holidays:
            # imported where used: 0.1 s that most commands do not need
            from holidays import country_holidays

            for country, subdivision in self.holidays:
                try:
                    self._calendars.append(country_holidays(country, subdiv=subdivision))
                except NotImplementedError as error:
                    raise RulesError(f"no holidays known for {country}/{subdivision or '-'}") from error

    def of_day(self, day: date) -> tuple[Interval, ...]:
        """The intervals of one local date."""
        known = self._days.get(day)
        if known is None:
            outside = (self.first is not None and day < self.first) or (self.last is not None and day > self.last)
            if outside or day in self.closed:
                known = ()
            elif self.treat_holiday_as != "open" and any(day in calendar for calendar in self._calendars):
                known = self.hours[6] if self.treat_holiday_as == "sunday" else ()
            else:
                known = self.hours[day.weekday()]
            self._days[day] = known
        return known

    def is_open(self, zones: Sequence[str], at: float) -> bool:
        """Whether every one of the zones is within its hours. Offsets and hours are whole minutes, so the answer is
        kept for the minute."""
        key = (zones, int(at // 60))
        known = self._open.get(key)
        if known is None:
            if len(self._open) > 4096:
                self._open.clear()
            known = all(self._zone_open(zone, at) for zone in zones)
            self._open[key] = known
        return known

    def _zone_open(self, zone: str, at: float) -> bool:
        local = datetime.fromtimestamp(at, zone_info(zone))
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.of_day(local.date()))

    def closed_zones(self, zones: Sequence[str], at: float) -> tuple[str, ...]:
        """Those of the zones that are outside their hours."""
        return tuple(zone for zone in zones if not self._zone_open(zone, at))

    def next_open(self, zones: Sequence[str], at: float) -> float | None:
        """The first instant from `at` on at which all zones are open; None when there is none within about a year."""
        when = at
        limit = at + _HORIZON * 86400
        while when < limit:
            shut = self.closed_zones(zones, when)
            if not shut:
                return when
            openings = [self._zone_next(zone, when) for zone in shut]
            if any(opening is None for opening in openings):
                return None
            when = max(opening for opening in openings if opening is not None)
        return None

    def _zone_next(self, zone: str, at: float) -> float | None:
        info = zone_info(zone)
        day = datetime.fromtimestamp(at, info).date()
        for _ in range(_HORIZON):
            for start, _end in self.of_day(day):
                for fold in (0, 1):  # an hour that comes twice opens twice
                    opening = datetime.combine(day, time(start // 60, start % 60, fold=fold), info).timestamp()
                    if opening >= at and self._zone_open(zone, opening):
                        return opening
            day += timedelta(days=1)
        return None

    def intersect(self, other: CallingRules) -> CallingRules:
        """Only what both allow; our own time zone stays. A holiday of either counts; the stricter treatment wins."""
        hours = tuple(_both(mine, theirs) for mine, theirs in zip(self.hours, other.hours, strict=True))
        strict: Literal["closed", "sunday", "open"] = "open"
        for name in ("closed", "sunday"):
            if any(r.holidays and r.treat_holiday_as == name for r in (self, other)):
                strict = "closed" if name == "closed" else "sunday"
                break
        return CallingRules(
            hours=hours,
            timezone=self.timezone,
            holidays=tuple(dict.fromkeys(self.holidays + other.holidays)),
            treat_holiday_as=strict,
            closed=self.closed | other.closed,
            first=max((d for d in (self.first, other.first) if d is not None), default=None),
            last=min((d for d in (self.last, other.last) if d is not None), default=None),
        )


def _both(mine: tuple[Interval, ...], theirs: tuple[Interval, ...]) -> tuple[Interval, ...]:
    cut = ((max(a, c), min(b, d)) for a, b in mine for c, d in theirs)
    return _merged((start, end) for start, end in cut if start < end)
