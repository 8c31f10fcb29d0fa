"""Calling rules of a place, as data: `dispositions/rules/*.toml`, each with its source and date. Not legal advice.

The manager's schedule is intersected with the place's; its caps and delays are the floor of the campaign's own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from dispositions.consent import BASES, ConsentRule
from dispositions.errors import RulesError
from dispositions.hours import ALWAYS, CallingRules, week
from dispositions.policy import AttemptCap

Window = Literal["call", "day", "24h", "30d", "month"]
"""Over which the abandonment cap is kept: at every call, a calendar day, rolling 24 hours or 30 days, a calendar
month."""

_KEYS = {
    "": {
        "title",
        "version",
        "date",
        "sources",
        "notes",
        "timezone",
        "hours",
        "holidays",
        "abandonment",
        "attempts",
        "consent",
        "evidence",
    },
    "holidays": {"country", "subdivision", "treat_as"},
    "abandonment": {"cap", "window", "denominator", "ring_floor", "message_within", "redial_delay"},
    "attempts": {"caps", "per_day", "after_talk"},
    "consent": {"bases", "lifetime"},
}  # fmt: skip


Text = Literal["law", "authority", "summary"]
"""What was read: the rule's own text (or a copy of it), the regulator's account of it, somebody else's (press, law
firm, vendor)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands behind a rule: `words`: what was looked for; `read`: where, on `day`; `text`: what sort of text that
    was. Not `verified`: no text was found that says so, or none that can be trusted with it."""

    rule: str
    words: str
    read: str
    text: Text
    day: date
    verified: bool


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """A place's rules. None: the place sets no such limit.

    `abandon_cap`: share of calls answered by a person (0..1) over `window`. `denominator`: what the share is of, in the
    source's words. `ring_floor`: seconds of ringing before a call may be given up. `message_within`: seconds from the
    answer (or the end of the greeting) to an agent, else the message plays. `abandoned_redial_delay`: seconds.
    `after_talk`: seconds after a conversation in which the person is not called again, but for a callback that they
    asked for. `consent`: on what ground people may be called there at all.
    """

    name: str
    title: str
    version: int
    date: date
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    rules: CallingRules
    abandon_cap: float | None
    window: Window | None
    denominator: str
    ring_floor: float | None
    message_within: float | None
    abandoned_redial_delay: float | None
    caps: tuple[AttemptCap, ...]
    attempts_per_day: int | None
    after_talk: float | None = None
    consent: ConsentRule | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def doubts(self) -> tuple[str, ...]:
        """What could not be verified, in words."""
        return tuple(f"{one.rule}: {one.words}" for one in self.evidence if not one.verified)

    @property
    def second_hand(self) -> tuple[str, ...]:
        """What was read in somebody else's account only, in words."""
        return tuple(f"{one.rule}: {one.words}" for one in self.evidence if one.verified and one.text == "summary")


def jurisdictions() -> tuple[str, ...]:
    """The names of all that ship, sorted; `none` sets no limit."""
    folder = files("dispositions") / "rules"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def load_jurisdiction(name: str) -> Jurisdiction:
    """The rules of a place by name. Raises `RulesError` for an unknown one or a faulty file."""
    if name not in jurisdictions():
        raise RulesError(f"unknown jurisdiction {name!r}: one of {', '.join(jurisdictions())}")
    text = (files("dispositions") / "rules" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_jurisdiction(name, text)


def parse_jurisdiction(name: str, text: str) -> Jurisdiction:
    """A jurisdiction from the text of such a file, for places that do not ship. Raises `RulesError`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{name}.toml: {error}") from error
    for table, keys in _KEYS.items():
        unknown = set(data.get(table, {}) if table else data) - keys
        if unknown:
            raise RulesError(f"{name}.toml: unknown key {table + '.' if table else ''}{sorted(unknown)[0]}")
    try:
        return _build(name, data)
    except (KeyError, TypeError, ValueError) as error:
        raise RulesError(f"{name}.toml: {type(error).__name__}: {error}") from error


def _build(name: str, data: Mapping[str, Any]) -> Jurisdiction:
    abandonment, attempts = data.get("abandonment", {}), data.get("attempts", {})
    window = abandonment.get("window")
    if window is not None and window not in get_args(Window):
        raise RulesError(f"{name}.toml: abandonment.window must be one of {', '.join(get_args(Window))}")
    cap = abandonment.get("cap")
    if cap is not None and not 0 < cap < 1:
        raise RulesError(f"{name}.toml: abandonment.cap must be a share between 0 and 1")
    if (cap is None) != (window is None):
        raise RulesError(f"{name}.toml: abandonment.cap and window go together")
    if not data["sources"] or not isinstance(data["date"], date):
        raise RulesError(f"{name}.toml: sources and date are required")
    return Jurisdiction(
        name=name,
        title=data["title"],
        version=data["version"],
        date=data["date"],
        sources=tuple(data["sources"]),
        notes=tuple(data.get("notes", ())),
        rules=_rules(data),
        abandon_cap=cap,
        window=window,
        denominator=abandonment.get("denominator", ""),
        ring_floor=abandonment.get("ring_floor"),
        message_within=abandonment.get("message_within"),
        abandoned_redial_delay=abandonment.get("redial_delay"),
        caps=tuple(AttemptCap(cap["attempts"], cap["window"]) for cap in attempts.get("caps", ())),
        attempts_per_day=attempts.get("per_day"),
        after_talk=_seconds("attempts.after_talk", attempts.get("after_talk")),
        consent=_consent(data.get("consent")),
        evidence=tuple(_evidence(one) for one in data.get("evidence", ())),
    )


def _evidence(table: Mapping[str, Any]) -> Evidence:
    if table["text"] not in get_args(Text):
        raise RulesError(f"evidence.text must be one of {', '.join(get_args(Text))}")
    return Evidence(table["rule"], table["words"], table["read"], table["text"], table["on"], table["verified"])


def _seconds(key: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise RulesError(f"{key} must be a number of seconds above 0")
    return float(value)


def _consent(table: Mapping[str, Any] | None) -> ConsentRule | None:
    if table is None:
        return None
    bases = frozenset(table.get("bases", BASES))
    if not bases or not bases <= set(BASES):
        raise RulesError(f"consent.bases must be some of {', '.join(BASES)}")
    return ConsentRule(bases, _seconds("consent.lifetime", table.get("lifetime")))


def _rules(data: Mapping[str, Any]) -> CallingRules:
    holidays = data.get("holidays")
    treat: Literal["closed", "sunday", "open"] = "closed" if holidays is None else holidays.get("treat_as", "closed")
    if treat not in ("closed", "sunday", "open"):
        raise RulesError("holidays.treat_as must be closed, sunday or open")
    return CallingRules(
        hours=week(data["hours"]) if "hours" in data else ALWAYS,
        timezone=data.get("timezone", "UTC"),
        holidays=() if holidays is None else ((holidays["country"], holidays.get("subdivision")),),
        treat_holiday_as=treat,
    )
