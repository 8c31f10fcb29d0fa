"""Hours on the wall clock, where clocks are odd."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispositions import CallingRules, RulesError, load_jurisdiction, week
from dispositions.hours import DAYS, parse_hours

DAY = CallingRules(hours=week({day: ["08:00-21:00"] for day in DAYS}))


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("zone", "instant", "opened"),
    [
        # Arizona keeps standard time all year, the Navajo Nation in it does not
        ("America/Phoenix", utc(2025, 7, 1, 3, 59), True),  # 20:59
        ("America/Phoenix", utc(2025, 7, 1, 4, 0), False),
        ("America/Phoenix", utc(2025, 1, 1, 3, 59), True),
        ("America/Shiprock", utc(2025, 7, 1, 3, 0), False),  # 21:00 there
        # Indiana: most on Eastern time, Tell City on Central
        ("America/Indiana/Indianapolis", utc(2025, 7, 1, 1, 0), False),
        ("America/Indiana/Tell_City", utc(2025, 7, 1, 1, 0), True),
        # Indiana had no summer time until 2006
        ("America/Indiana/Indianapolis", utc(2005, 7, 1, 1, 30), True),
        # Lord Howe shifts by half an hour: +10:30 in winter, +11 in summer
        ("Australia/Lord_Howe", utc(2025, 7, 1, 10, 29), True),  # 20:59
        ("Australia/Lord_Howe", utc(2025, 7, 1, 10, 30), False),
        ("Australia/Lord_Howe", utc(2025, 12, 1, 9, 59), True),
        ("Australia/Lord_Howe", utc(2025, 12, 1, 10, 0), False),
        # the Canary Islands are an hour behind Madrid, also on the days of change
        ("Europe/Madrid", utc(2025, 3, 30, 19, 0), False),
        ("Atlantic/Canary", utc(2025, 3, 30, 19, 0), True),
        ("Asia/Kathmandu", utc(2025, 5, 1, 2, 15), True),  # +05:45: 08:00
        ("Asia/Kathmandu", utc(2025, 5, 1, 2, 14), False),
    ],
)
def test_odd_zones(zone: str, instant: float, opened: bool) -> None:
    assert DAY.is_open((zone,), instant) is opened


def test_every_zone_must_be_open() -> None:
    both = ("America/New_York", "America/Los_Angeles")
    morning = utc(2025, 6, 23, 13, 0)  # 09:00 and 06:00
    assert not DAY.is_open(both, morning)
    assert DAY.closed_zones(both, morning) == ("America/Los_Angeles",)
    assert DAY.next_open(both, morning) == utc(2025, 6, 23, 15, 0)


def test_zones_that_never_open_together() -> None:
    short = CallingRules(hours=week({"mon": ["12:00-13:00"]}))
    assert short.next_open(("Europe/London", "America/New_York"), utc(2025, 6, 1, 0, 0)) is None


def test_holidays_and_closed_dates() -> None:
    spain = load_jurisdiction("es").rules
    constitution = utc(2025, 12, 8, 11, 0)  # a Monday, the Immaculate Conception
    assert not spain.is_open(("Europe/Madrid",), constitution)
    sunday_like = CallingRules(
        hours=week({"mon": ["08:00-20:00"], "sun": ["10:00-14:00"]}),
        holidays=(("ES", None),),
        treat_holiday_as="sunday",
    )
    assert sunday_like.is_open(("Europe/Madrid",), constitution)
    assert not sunday_like.is_open(("Europe/Madrid",), constitution + 3 * 3600)
    closed = CallingRules(closed=frozenset({date(2025, 12, 9)}))
    assert closed.next_open(("UTC",), utc(2025, 12, 9, 5, 0)) == utc(2025, 12, 10, 0, 0)
    span = CallingRules(first=date(2025, 6, 2), last=date(2025, 6, 3))
    assert span.next_open(("UTC",), utc(2025, 6, 1, 5, 0)) == utc(2025, 6, 2, 0, 0)
    assert span.next_open(("UTC",), utc(2025, 6, 4, 5, 0)) is None


def test_intersection_is_never_wider() -> None:
    ours = CallingRules(
        hours=week({"mon": ["07:00-12:00", "13:00-22:00"], "sat": ["10:00-12:00"]}), timezone="Europe/Paris"
    )
    cut = ours.intersect(load_jurisdiction("fr").rules)
    assert cut.hours[0] == ((600, 720), (840, 1200))
    assert cut.hours[5] == ()
    assert cut.timezone == "Europe/Paris"
    assert cut.holidays == (("FR", None),)
    assert cut.treat_holiday_as == "closed"
    christmas = CallingRules(holidays=(("FR", None),), treat_holiday_as="open").intersect(ours)
    assert christmas.treat_holiday_as == "open"


@pytest.mark.parametrize("bad", ["8-21", "21:00-08:00", "08:00-25:00", "08:61-09:00", "08:00-08:00", "", "a:b-c:d"])
def test_hours_that_make_no_sense(bad: str) -> None:
    with pytest.raises(RulesError):
        parse_hours(bad)


def test_unknown_names_are_errors() -> None:
    with pytest.raises(RulesError, match="Mars"):
        CallingRules(timezone="Mars/Olympus")
    with pytest.raises(RulesError, match="moonday"):
        week({"moonday": ["08:00-09:00"]})
    with pytest.raises(RulesError, match="XX"):
        CallingRules(holidays=(("XX", None),))


ZONES = (
    "America/Phoenix",
    "America/New_York",
    "Australia/Lord_Howe",
    "Atlantic/Canary",
    "Asia/Kathmandu",
    "Pacific/Apia",
)
EVENINGS = st.tuples(st.integers(6, 14), st.integers(15, 23)).map(lambda h: (h[0] * 60, h[1] * 60))


@settings(max_examples=150, deadline=None)
@given(
    days=st.lists(st.one_of(st.just(()), EVENINGS.map(lambda i: (i,))), min_size=7, max_size=7),
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True),
    at=st.integers(int(utc(2024, 1, 1)), int(utc(2027, 1, 1))).map(lambda t: float(t - t % 60)),
)
def test_next_open_is_the_first_open_minute(
    days: list[tuple[tuple[int, int], ...]], zones: list[str], at: float
) -> None:
    rules = CallingRules(hours=tuple(days))
    found = rules.next_open(tuple(zones), at)
    scanned = next((t for t in range(int(at), int(at) + 8 * 86400, 60) if _plain(days, zones, t)), None)
    if scanned is not None:
        assert found == scanned
    elif found is not None:  # opens later than the scan went
        assert found > at + 7 * 86400
        assert rules.is_open(tuple(zones), found)


def _plain(days: list[tuple[tuple[int, int], ...]], zones: list[str], at: float) -> bool:
    """The rule said again, without any of the code under test."""
    for zone in zones:
        local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)
        local = local.astimezone(ZoneInfo(zone))
        minute = local.hour * 60 + local.minute
        if not any(start <= minute < end for start, end in days[local.weekday()]):
            return False
    return True
