"""The rules files that ship."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dispositions import AttemptCap, RulesError, jurisdictions, load_jurisdiction
from dispositions.jurisdiction import parse_jurisdiction

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
    assert load_jurisdiction("us-fl").caps == (AttemptCap(3, 86400),)
    assert load_jurisdiction("fr").caps == (AttemptCap(4, 30 * 86400),)
    assert load_jurisdiction("co").attempts_per_day == 1
    assert load_jurisdiction("none").abandon_cap is None


# place: (weekday hours, Saturday hours, Sunday hours) as (first, last) local hour in which calls are allowed
WEEK = {
    "us": ((8, 21), (8, 21), (8, 21)),
    "us-fl": ((8, 20), (8, 20), (8, 20)),
    "ca": ((9, 21.5), (10, 18), (10, 18)),
    "es": ((9, 21), None, None),
    "co": ((7, 19), (8, 15), None),
}


@pytest.mark.parametrize("name", sorted(WEEK))
def test_a_year_never_calls_outside_a_rule(name: str) -> None:
    """Every half hour of a year against the table above, which is typed from the sources, not read from the files."""
    rules = load_jurisdiction(name).rules
    weekday, saturday, sunday = WEEK[name]
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(rules.timezone)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    opened = 0
    for _ in range(2 * 24 * 365):
        local = when.astimezone(zone)
        span = {5: saturday, 6: sunday}.get(local.weekday(), weekday)
        allowed = span is not None and span[0] <= local.hour + local.minute / 60 < span[1]
        if rules.is_open((rules.timezone,), when.timestamp()):
            assert allowed, f"{name} open at {local}"
            opened += 1
        else:
            assert not allowed or rules.of_day(local.date()) == (), f"{name} closed at {local}"
        when += timedelta(minutes=30)
    assert opened > 3000


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
            assert one.read.startswith("http") or not one.verified or "guide" in one.read
    assert any("two years" in doubt for doubt in load_jurisdiction("es").doubts)


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
