"""Contacts on their way into the store: checked and normalised, but not yet compared with those that are there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import orjson

from dispositions.consent import Consent
from dispositions.contact import MAX_PRIORITY, NewContact
from dispositions.errors import FieldError, NumberError, RulesError
from dispositions.fields import FieldSpec, read_fields
from dispositions.hours import zone_info
from dispositions.number import Number, Validity, normalise
from dispositions.policy import CampaignPolicy

Line: TypeAlias = tuple[int, tuple[str, ...], str]
"""What is kept of a `Number`: its digits, zones and kind."""


@dataclass(slots=True)
class Candidates:
    """Many of them, as columns side by side: an import makes millions, and a list of each kind of value costs a third
    of a tuple for each row, to make and to take from one process to another.

    `externals`: the company's keys. `fields`: JSON as it is kept. `digits`, `zones`, `kinds`: of the number to dial
    first. `more`: place -> the lines after that one, where there are any; each number once."""

    externals: list[str | None] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    priorities: list[int] = field(default_factory=list)
    grounds: list[Consent | None] = field(default_factory=list)
    digits: list[int] = field(default_factory=list)
    zones: list[tuple[str, ...]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    more: dict[int, tuple[Line, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.digits)

    def _columns(self) -> tuple[list[Any], ...]:
        return self.externals, self.fields, self.priorities, self.grounds, self.digits, self.zones, self.kinds

    def extend(self, others: Candidates) -> None:
        """Put others behind these."""
        here = len(self)
        for own, their in zip(self._columns(), others._columns(), strict=True):
            own += their
        self.more.update({here + place: lines for place, lines in others.more.items()})

    def split(self, count: int) -> tuple[Candidates, Candidates]:
        """The first so many, and the others."""
        more: tuple[dict[int, tuple[Line, ...]], ...] = {}, {}
        for place, lines in self.more.items():
            more[place >= count][place - count * (place >= count)] = lines
        first = _made([column[:count] for column in self._columns()], more[0])
        return first, _made([column[count:] for column in self._columns()], more[1])

    def pick(self, places: Sequence[int]) -> Candidates:
        """Those at these places, which rise."""
        if len(places) == len(self):
            return self
        more = {n: self.more[place] for n, place in enumerate(places) if place in self.more} if self.more else {}
        return _made([[column[place] for place in places] for column in self._columns()], more)

    def lines(self, place: int) -> tuple[Line, ...]:
        """All lines of one."""
        return (self.digits[place], self.zones[place], self.kinds[place]), *self.more.get(place, ())

    def with_lines(self, changed: Mapping[int, Sequence[Line]]) -> Candidates:
        """The same, those at some places with other lines; each has at least one."""
        if not changed:
            return self
        digits, zones, kinds = list(self.digits), list(self.zones), list(self.kinds)
        more = {place: lines for place, lines in self.more.items() if place not in changed}
        for place, lines in changed.items():
            digits[place], zones[place], kinds[place] = lines[0]
            if len(lines) > 1:
                more[place] = tuple(lines[1:])
        return replace(self, digits=digits, zones=zones, kinds=kinds, more=more)

    def add(
        self, external: str | None, fields: str, priority: int, ground: Consent | None, lines: Sequence[Line]
    ) -> None:
        """Put one behind these; it has at least one line."""
        if len(lines) > 1:
            self.more[len(self)] = tuple(lines[1:])
        for column, value in zip(self._columns(), (external, fields, priority, ground, *lines[0]), strict=True):
            column.append(value)


def _made(columns: Sequence[list[Any]], more: dict[int, tuple[Line, ...]]) -> Candidates:
    externals, fields, priorities, grounds, digits, zones, kinds = columns
    return Candidates(externals, fields, priorities, grounds, digits, zones, kinds, more)


def specs_of(policy: CampaignPolicy, list_name: str) -> Mapping[str, FieldSpec]:
    """The types of a list's fields."""
    listed = policy.lists.get(list_name)
    return {} if listed is None else listed.fields


def add_contact(
    candidates: Candidates,
    new: NewContact,
    policy: CampaignPolicy,
    specs: Mapping[str, FieldSpec],
    *,
    validity: Validity = "valid",
    default_zone: str | None = None,
) -> str:
    """Put it behind the candidates; or the reason (`AddResult.reason`) why it can be none."""
    if not -MAX_PRIORITY <= new.priority <= MAX_PRIORITY:
        return "bad_priority"
    if new.zone is not None:
        try:
            zone_info(new.zone)
        except RulesError:
            return "bad_zone"
    values: Mapping[str, Any] = new.fields
    if specs:
        try:
            values = read_fields(specs, values)
        except FieldError as error:
            return f"bad_field {error.field}"
    try:
        fields = _text_of(values)
        if new.external_id is not None:
            new.external_id.encode()  # no lone surrogates
    except (TypeError, ValueError):
        return "bad_fields"
    if "\x00" in fields or "\\u0000" in fields or "\x00" in (new.external_id or ""):
        return "bad_fields"  # PostgreSQL takes no NUL in a text
    lines: dict[int, Line] = {}
    reason = "empty"
    fallback = default_zone or policy.rules.timezone
    for text in new.numbers:
        if isinstance(text, Number):
            number = text
        else:
            try:
                number = normalise(text, policy.region, validity=validity, zone=new.zone, default_zone=fallback)
            except NumberError as error:
                reason = error.reason if reason == "empty" else reason
                continue
        lines.setdefault(number.digits, number[:3])
    if not lines:
        return reason
    candidates.add(new.external_id, fields, new.priority, new.consent, tuple(lines.values()))
    return ""


def _text_of(fields: Mapping[str, Any]) -> str:
    """The fields as they are kept. Raises TypeError or ValueError for what is no JSON."""
    plain = dict(fields)
    if all(type(part) is str for pair in plain.items() for part in pair):  # not its subclasses, which are refused
        return orjson.dumps(plain).decode()
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode()  # no lone surrogates
    return text
