"""A simulated year with a random list, judged by a second reading of the rules' files: nobody is called outside a rule.

The judge shares no code with the store: it reads the TOML itself, takes the wall clock from `zoneinfo` and the holidays
from the `holidays` package, and keeps its own book of attempts.
"""

from __future__ import annotations

import tempfile
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispositions import (
    CampaignPolicy,
    Consent,
    NewAttempt,
    NewContact,
    Outcome,
    Rule,
    Store,
    default_table,
    jurisdictions,
    load_jurisdiction,
)
from dispositions.number import Number

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
YEAR = 365 * 86400.0
DAY = 86400.0
ZONES = (
    ("America/Phoenix",), ("America/Shiprock",), ("America/Indiana/Indianapolis", "America/Indiana/Tell_City"),
    ("Australia/Lord_Howe",), ("Atlantic/Canary",), ("Europe/Madrid",), ("Atlantic/Canary", "Europe/Madrid"),
    ("America/New_York", "America/Los_Angeles"), ("America/Bogota",), ("Europe/Paris",), ("Asia/Kathmandu",),
    ("America/St_Johns",), ("Europe/London",), ("America/Mexico_City",), ("Pacific/Apia",),
)  # fmt: skip


class Judge:
    """What the file of a place allows, read a second time."""

    def __init__(self, name: str) -> None:
        text = (files("dispositions") / "rules" / f"{name}.toml").read_text(encoding="utf-8")
        self.data: dict[str, Any] = tomllib.loads(text)
        self.calls: dict[int, list[float]] = {}

    def hours_allow(self, zones: tuple[str, ...], at: float) -> bool:
        if "hours" not in self.data:
            return True
        return all(self._zone(datetime.fromtimestamp(at, ZoneInfo(zone))) for zone in zones)

    def _zone(self, local: datetime) -> bool:
        day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[local.weekday()]
        off = self.data.get("holidays")
        if off is not None and local.date() in calendar(off["country"], off.get("subdivision"), local.year):
            if off.get("treat_as", "closed") == "closed":
                return False
            day = "sun"
        clock = f"{local:%H:%M}"
        return any(start <= clock < end for start, end in (span.split("-") for span in self.data["hours"].get(day, ())))

    def caps_allow(self, contact: int, zones: tuple[str, ...], at: float) -> bool:
        calls = self.calls.get(contact, [])
        rules = self.data.get("attempts", {})
        for cap in rules.get("caps", ()):
            if sum(call > at - cap["window"] for call in calls) >= cap["attempts"]:
                return False
        per_day = rules.get("per_day")
        return per_day is None or all(
            sum(_day(call, zone) == _day(at, zone) for call in calls) < per_day for zone in zones
        )

    def consent_allows(self, given: Consent | None, at: float) -> bool:
        rule = self.data.get("consent")
        if rule is None:
            return True
        if given is None or given.basis not in rule["bases"]:
            return False
        if given.basis != "consent":
            return True
        assert given.given_at is not None
        return given.given_at <= at and at < given.given_at + rule.get("lifetime", 1e12)


@cache
def calendar(country: str, subdivision: str | None, year: int) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision, years=year)


def _day(at: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d}"


consents = st.none() | st.builds(
    Consent,
    st.sampled_from(["consent", "contract", "public_task"]),
    st.floats(START - 3 * YEAR, START + YEAR).map(lambda at: at // 1),
)
people = st.lists(st.tuples(st.sampled_from(ZONES), consents), min_size=1, max_size=12)
# hours of the year, and after some a burst of a few hours, where caps and edges are
steps = st.lists(st.tuples(st.integers(0, 365 * 96), st.integers(1, 8)), min_size=5, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.sampled_from(sorted(jurisdictions())), listed=people, when=steps)
def test_nobody_is_called_outside_a_rule(
    place: str, listed: list[tuple[tuple[str, ...], Consent | None]], when: list[tuple[int, int]]
) -> None:
    lived(
        place, listed, sorted({START + quarter * 900.0 + n * 3600.0 for quarter, burst in when for n in range(burst)})
    )


@pytest.mark.parametrize("place", sorted(jurisdictions()))
def test_and_yet_people_are_called(place: str) -> None:
    """The week in which summer time begins in Europe, every five hours: the judge had something to judge."""
    listed = [(zones, Consent("consent", START - DAY)) for zones in ZONES]
    assert lived(place, listed, [START + 86 * DAY + n * 5 * 3600.0 for n in range(34)]) > len(ZONES)


def lived(place: str, listed: list[tuple[tuple[str, ...], Consent | None]], instants: list[float]) -> int:
    """Dial whoever may be dialed at these instants; how many calls that were."""
    rules, judge = load_jurisdiction(place), Judge(place)
    table = default_table()
    soon = {outcome: replace(rule, after=60.0, attempts=None) for outcome, rule in table.outcomes.items()}
    soon[Outcome.BUSY] = Rule(table.outcomes[Outcome.BUSY].next, after=60.0)
    policy = CampaignPolicy(
        "c", table=replace(table, outcomes=soon), rules=rules.rules, caps=rules.caps, max_attempts=None,
        attempts_per_day=rules.attempts_per_day, redial_delay=60.0, consent=rules.consent,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "s.db")
        store.migrate()
        store.register(policy)
        new = [
            NewContact([Number(12125550000 + n, zones, "fixed", "US")], consent=given)
            for n, (zones, given) in enumerate(listed)
        ]
        with store.write() as tx:
            ids = [result.contact_id for result in tx.add_contacts("c", "l", new, START)]
        known = dict(zip(ids, listed, strict=True))
        for at in instants:
            with store.write() as tx:
                claims = tx.claim("c", 20, at, at + 30)
                for claim in claims:
                    zones, given_basis = known[claim.contact_id]
                    local = [f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%a %Y-%m-%d %H:%M %Z}" for zone in zones]
                    assert judge.hours_allow(zones, at), (place, local)
                    assert judge.caps_allow(claim.contact_id, zones, at), (place, local)
                    assert judge.consent_allows(given_basis, at), (place, local)
                    judge.calls.setdefault(claim.contact_id, []).append(at)
                    key = f"{claim.contact_id}@{at}"
                    tx.start_attempts([NewAttempt(key, claim.contact_id, claim.number, "x")], at)
                    tx.finish_attempt(key, Outcome.BUSY, at + 1)
        store.close()
    return sum(map(len, judge.calls.values()))
