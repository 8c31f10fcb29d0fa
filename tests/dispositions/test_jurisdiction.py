"""The rules files that ship."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from dispositions import AttemptCap, RulesError, jurisdictions, load_jurisdiction
from dispositions.jurisdiction import parse_jurisdiction

Span = tuple[float, float] | None
HEAD = 'title = "T"\nversion = 1\ndate = 2026-01-01\nsources = ["law"]\n'


def test_all_that_were_promised_ship_with_source_and_date() -> None:
    assert {"us", "us-fl", "uk", "ca", "es", "co", "fr", "none"} <= set(jurisdictions())
    for name in jurisdictions():
        place = load_jurisdiction(name)
        assert place.sources
        assert place.date.year >= 2025
        assert place.version >= 1
        if place.abandon_cap is not None:
            assert place.denominator


def test_figures_of_the_places() -> None:
    us, uk, ca = (load_jurisdiction(name) for name in ("us", "uk", "ca"))
    assert (us.abandon_cap, us.window, us.ring_floor, us.message_within) == (0.03, "30d", 15.0, 2.0)
    assert (uk.abandon_cap, uk.window, uk.abandoned_redial_delay) == (0.03, "24h", 72 * 3600.0)
    assert (ca.abandon_cap, ca.window) == (0.05, "month")
    for state in ("us-fl", "us-ok", "us-md", "us-or"):
        assert load_jurisdiction(state).caps == (AttemptCap(3, 86400),)
    debt = load_jurisdiction("us-debt")
    assert (debt.caps, debt.after_talk) == ((AttemptCap(7, 7 * 86400),), 7 * 86400.0)
    assert load_jurisdiction("fr").caps == (AttemptCap(4, 30 * 86400),)
    assert load_jurisdiction("co").attempts_per_day == 1
    assert load_jurisdiction("none").abandon_cap is None


# place: (weekdays, Saturday, Sunday) as (first, last) local hour in which calls are allowed; typed from the sources
WEEK: dict[str, tuple[Span, Span, Span]] = {
    "ca": ((9, 21.5), (10, 18), (10, 18)),
    "co": ((7, 19), (8, 15), None),
    "es": ((9, 21), None, None),
    "mx": ((7, 22), None, None),
    "uk": ((8, 21), (9, 21), (9, 21)),
    "us": ((8, 21), (8, 21), (8, 21)),
    "us-al": ((8, 20), (8, 20), None),
    "us-ct": ((9, 20), (9, 20), (9, 20)),
    "us-debt": ((8, 21), (8, 21), (8, 21)),
    "us-fl": ((8, 20), (8, 20), (8, 20)),
    "us-ky": ((10, 21), (10, 21), (10, 21)),
    "us-la": ((8, 20), (8, 20), None),
    "us-ma": ((8, 20), (8, 20), (8, 20)),
    "us-md": ((8, 20), (8, 20), (8, 20)),
    "us-mi": ((9, 21), (9, 21), (9, 21)),
    "us-mn": ((9, 21), (9, 21), (9, 21)),
    "us-ms": ((8, 20), (8, 20), None),
    "us-nm": ((9, 21), (9, 21), (9, 21)),
    "us-nv": ((9, 20), (9, 20), (9, 20)),
    "us-ok": ((8, 20), (8, 20), (8, 20)),
    "us-or": ((8, 20), (8, 20), (8, 20)),
    "us-pa": ((9, 19), (9, 19), None),
    "us-ri": ((9, 18), (10, 17), None),
    "us-tx": ((9, 21), (9, 21), (12, 21)),
    "us-ut": ((8, 21), (8, 21), None),
    "us-wa": ((8, 20), (8, 20), (8, 20)),
    "us-wy": ((8, 20), (8, 20), (8, 20)),
}
PLAIN_WEEKS = {  # Mondays of weeks without a holiday; where the last day of the first two changes the clock
    "us": (date(2026, 3, 2), date(2026, 3, 9), date(2026, 8, 17), date(2026, 10, 26)),
    "ca": (date(2026, 3, 2), date(2026, 3, 9), date(2026, 8, 17), date(2026, 10, 26)),
    "es": (date(2026, 3, 23), date(2026, 10, 19), date(2026, 6, 8)),
    "uk": (date(2026, 3, 23), date(2026, 10, 19), date(2026, 6, 8)),
    "co": (date(2026, 2, 2), date(2026, 9, 7)),
    "mx": (date(2026, 2, 9), date(2026, 9, 7)),
}


def test_every_place_with_one_span_a_day_is_in_the_table() -> None:
    assert set(WEEK) == set(jurisdictions()) - {"none", "fr"}


@pytest.mark.parametrize("name", sorted(WEEK))
def test_the_edge_minutes_of_every_weekday(name: str) -> None:
    """The first minute, the one before it, the last and the one after it, on both sides of summer time."""
    rules = load_jurisdiction(name).rules
    zone = ZoneInfo(rules.timezone)
    weekday, saturday, sunday = WEEK[name]
    for monday in PLAIN_WEEKS[name[:2]]:
        for n in range(7):
            day = monday + timedelta(days=n)
            span = {5: saturday, 6: sunday}.get(n, weekday)

            def opened(minutes: float, day: date = day) -> bool:
                local = datetime.combine(day, time(int(minutes) // 60, int(minutes) % 60), zone)
                return rules.is_open((rules.timezone,), local.timestamp())

            if span is None:
                assert not any(opened(minute) for minute in range(0, 1440, 30)), day
                continue
            first, last = 60 * span[0], 60 * span[1]
            assert [opened(m) for m in (first - 1, first, last - 1, last)] == [False, True, True, False], day
            assert all(opened(minute) == (first <= minute < last) for minute in range(0, 1440, 30)), day


@pytest.mark.parametrize(
    ("name", "closed", "opened"),
    [
        ("mx", ["2026-09-16T12:00", "2026-11-16T12:00", "2026-12-25T12:00"], ["2026-11-17T12:00"]),
        ("us-al", ["2026-04-27T12:00", "2026-12-25T12:00"], ["2026-04-28T12:00", "2026-12-24T12:00"]),
        ("us-la", ["2026-02-17T12:00", "2026-04-03T12:00"], ["2026-02-18T12:00"]),  # Mardi Gras, Good Friday
        ("us-pa", ["2026-11-26T12:00"], ["2026-11-25T12:00"]),  # Thanksgiving
        ("us-ri", ["2026-08-10T12:00", "2026-07-03T12:00"], ["2026-08-11T12:00"]),  # Victory Day
        ("us-ut", ["2026-07-24T12:00"], ["2026-07-23T12:00"]),  # Pioneer Day
        ("us-ms", [], ["2026-12-25T12:00"]),  # holidays are open since 2023
        ("us-tx", [], ["2026-12-25T12:00"]),
        ("uk", ["2026-12-25T08:59"], ["2026-12-25T09:00"]),  # like a Sunday
    ],
)
def test_holidays_of_the_places(name: str, closed: list[str], opened: list[str]) -> None:
    rules = load_jurisdiction(name).rules
    zone = ZoneInfo(rules.timezone)
    for text in closed + opened:
        at = datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
        assert rules.is_open((rules.timezone,), at) is (text in opened), text


def test_a_state_is_never_wider_than_the_country() -> None:
    country = load_jurisdiction("us")
    for name in jurisdictions():
        if not name.startswith("us-"):
            continue
        state = load_jurisdiction(name)
        assert state.rules.intersect(country.rules).hours == state.rules.hours, name
        assert (state.abandon_cap, state.window, state.ring_floor, state.message_within) == (
            country.abandon_cap, country.window, country.ring_floor, country.message_within,
        )  # fmt: skip


def test_a_number_that_may_lie_in_two_zones_of_a_state() -> None:
    """Kentucky and Texas keep two: 9:59 in one of them is too early for a number of either."""
    kentucky = load_jurisdiction("us-ky").rules
    both = ("America/New_York", "America/Chicago")
    eastern = ZoneInfo("America/New_York")
    assert not kentucky.is_open(both, datetime(2026, 6, 15, 10, 59, tzinfo=eastern).timestamp())
    assert kentucky.is_open(both, datetime(2026, 6, 15, 11, 0, tzinfo=eastern).timestamp())
    assert not kentucky.is_open(both, datetime(2026, 6, 15, 21, 0, tzinfo=eastern).timestamp())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("title = ", "toml"),
        (HEAD + "extra = 1\n", "unknown key extra"),
        (HEAD + '[abandonment]\ncap = 3\nwindow = "day"\n', "share between 0 and 1"),
        (HEAD + '[abandonment]\ncap = 0.03\nwindow = "year"\n', "abandonment.window"),
        (HEAD + "[abandonment]\ncap = 0.03\n", "go together"),
        (HEAD + '[hours]\nmon = ["9-5"]\n', "08:00-21:00"),
        (HEAD + "[[attempts.caps]]\nattempts = 0\nwindow = 5\n", "at least one attempt"),
        (HEAD + '[consent]\nbases = ["because"]\n', "consent.bases"),
        (HEAD + "[consent]\nlifetime = -1\n", "consent.lifetime"),
        (HEAD + "[attempts]\nafter_talk = true\n", "attempts.after_talk"),
        (HEAD + '[[evidence]]\nrule = "hours"\nwords = "w"\nread = "r"\ntext = "rumour"\n', "evidence.text"),
        (HEAD + '[holidays]\ncountry = "ES"\ntreat_as = "fiesta"\n', "treat_as"),
        ('title = "T"\nversion = 1\ndate = 2026-01-01\nsources = []\n', "sources and date"),
        ('title = "T"\nversion = 1\ndate = 2026-01-01\n', "sources"),
    ],
)
def test_faulty_files_say_what_is_wrong(text: str, what: str) -> None:
    with pytest.raises(RulesError, match=what):
        parse_jurisdiction("x", text)


def test_every_rule_says_what_stands_behind_it() -> None:
    for name in set(jurisdictions()) - {"none"}:
        place = load_jurisdiction(name)
        behind = {one.rule for one in place.evidence}
        assert "hours" in behind, name
        assert ("abandonment" in behind) or place.abandon_cap is None, name
        assert ("attempts" in behind) or not (place.caps or place.attempts_per_day), name
        assert ("consent" in behind) or place.consent is None, name
        for one in place.evidence:
            assert one.day.year >= 2026
            assert "http" in one.read or not one.verified, (name, one.read)
            assert place.date >= one.day, name
    assert any("two years" in doubt for doubt in load_jurisdiction("es").doubts)


def test_what_is_not_verified_and_what_is_second_hand() -> None:
    """Read in the law itself, in somebody's account of it, nowhere: three things, and each is told as what it is."""
    debt, spain, texas = (load_jurisdiction(name) for name in ("us-debt", "es", "us-tx"))
    assert (debt.doubts, debt.second_hand) == ((), ())
    assert [doubt.split(":")[0] for doubt in spain.doubts] == ["consent"]
    assert any("from mobile numbers" in one for one in spain.second_hand)
    assert texas.doubts == ("hours: Sundays from noon",)
    assert texas.second_hand == ("hours: 9 a.m. to 9 p.m.",)
    unproven = {name for name in jurisdictions() if load_jurisdiction(name).doubts}
    assert unproven == {"ca", "es", "us", "us-tx"}


def test_who_asks_for_consent() -> None:
    spain, france = load_jurisdiction("es").consent, load_jurisdiction("fr").consent
    assert spain is not None
    assert spain.lifetime == 2 * 365 * 86400
    assert france is not None
    assert "legitimate_interest" not in france.bases
    assert load_jurisdiction("us").consent is None


def test_unknown_place() -> None:
    with pytest.raises(RulesError, match="one of"):
        load_jurisdiction("../../etc/passwd")
