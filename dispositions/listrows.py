"""The rows of a list, many at a time: cells to contacts, column by column.

What a column repeats (zones, priorities, grounds, typed fields) is understood once; so a row costs little more than
the reading of its numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from dispositions.candidate import Candidates, Line, specs_of
from dispositions.contact import MAX_PRIORITY, NewContact
from dispositions.errors import NumberError, RulesError
from dispositions.fields import FieldColumn, FieldSpec
from dispositions.ground import GroundReader
from dispositions.hours import zone_info
from dispositions.number import Number, normalise
from dispositions.policy import CampaignPolicy

if TYPE_CHECKING:
    from dispositions.consent import Consent
    from dispositions.importer import ListSpec

_MOST_KNOWN = 50_000  # different texts of a column that are remembered
_ODD = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')  # what JSON does not write as it is
Cells = Sequence[list[str]]
Columns = Sequence[Sequence[str]]


@dataclass(slots=True)
class _Understood:
    """What the columns mean, side by side. `more`: a row's numbers after its first. `reasons`: why a row, by its place,
    is refused: the first that was found."""

    externals: Sequence[str | None]
    zones: Sequence[str | None]
    priorities: Sequence[int]
    grounds: Sequence[Consent | None]
    numbers: Sequence[Number | None]
    more: Mapping[int, tuple[Number, ...]]
    reasons: dict[int, str]


class Refused(NamedTuple):
    """Why the row at this place among those given is refused."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class RowPlan:
    """How the rows of one list of a campaign are read: all that there is to know, and it can be pickled."""

    spec: ListSpec
    columns: tuple[str, ...]
    region: str | None
    default_zone: str | None
    kinds: Mapping[str, FieldSpec]


def plan_of(spec: ListSpec, policy: CampaignPolicy, columns: Sequence[str]) -> RowPlan:
    """The plan for a file with these columns."""
    region, zone = spec.region or policy.region, spec.default_zone or policy.rules.timezone
    return RowPlan(spec, tuple(columns), region, zone, dict(specs_of(policy, spec.name)))


class RowReader:
    """Reads rows as a plan says."""

    def __init__(self, plan: RowPlan) -> None:
        spec, columns = plan.spec, plan.columns
        at = {column: n for n, column in enumerate(columns)}
        self._width = len(columns)
        self._number_places = [at[column] for column in spec.numbers]
        self._external = None if spec.external_id is None else at[spec.external_id]
        self._zone = None if spec.zone is None else at[spec.zone]
        self._priority = None if spec.priority is None else at[spec.priority]
        self._ground = GroundReader(spec.consent, spec.ground, at)
        taken = {*self._number_places, self._external, self._zone, self._priority, *self._ground.columns}
        fields = {spec.rename.get(c, c): n for n, c in enumerate(columns) if c and n not in taken}
        self._names, self._places = tuple(fields), tuple(fields.values())
        self._typed = {name: FieldColumn(name, kind) for name, kind in plan.kinds.items()}
        written = (orjson.dumps(name).decode().replace("%", "%%") for name in self._names)
        self._template = "{" + ",".join(f'{name}:"%s"' for name in written) + "}"
        self._texts_only = not any(name in plan.kinds for name in self._names)
        self._region, self._default_zone = plan.region, plan.default_zone
        self._validity, self._reference = spec.validity, spec.reference
        self._known_zones: dict[str, bool] = {}
        self._known_priorities: dict[str, int | None] = {}

    def contacts(self, rows: Cells) -> tuple[list[NewContact], list[Refused]]:
        """The contacts with their fields as they stand, and the rows that are refused, both in order."""
        columns, found = self._understand(rows)
        values = zip(*[columns[place] for place in self._places], strict=True) if self._places else _nothing(rows)
        whole = zip(
            found.numbers, found.externals, values, found.priorities, found.zones, found.grounds, strict=True
        )  # fmt: skip
        good = [
            NewContact(
                (number, *found.more.get(place, ())), external, dict(zip(self._names, own, strict=True)), priority,
                zone, ground,
            )
            for place, (number, external, own, priority, zone, ground) in enumerate(whole)
            if number is not None and place not in found.reasons
        ]  # fmt: skip
        return good, _refused(found.reasons)

    def candidates(self, rows: Cells) -> tuple[Candidates, list[Refused]]:
        """What may be entered, its fields by their types, and the rows that are refused, both in order."""
        columns, found = self._understand(rows)
        fields = self._fields(columns, len(rows), found.reasons)
        reasons = found.reasons
        places: Sequence[int] = range(len(rows))
        if reasons:
            places = [place for place in places if place not in reasons]
        numbers = [number for number in map(found.numbers.__getitem__, places) if number is not None]
        more: dict[int, tuple[Line, ...]] = {}
        if found.more:
            at = {place: n for n, place in enumerate(places)}
            more = {at[p]: tuple([one[:3] for one in numbers]) for p, numbers in found.more.items() if p in at}
        return Candidates(
            [found.externals[n] for n in places], [fields[n] for n in places], [found.priorities[n] for n in places],
            [found.grounds[n] for n in places], [number[0] for number in numbers], [number[1] for number in numbers],
            [number[2] for number in numbers], more,
        ), _refused(reasons)  # fmt: skip

    def _understand(self, rows: Cells) -> tuple[Columns, _Understood]:
        reasons: dict[int, str] = {}
        if any(len(cells) != self._width for cells in rows):
            rows = [self._squared(place, cells, reasons) for place, cells in enumerate(rows)]
        columns: Columns = list(zip(*rows, strict=True)) or [()] * self._width
        zones = self._zones(columns, len(rows), reasons)
        priorities = self._priorities(columns, len(rows), reasons)
        numbers, more = self._numbers(columns, zones, reasons)
        grounds = self._ground.read_columns(columns, len(rows), reasons)
        externals: Sequence[str | None] = [None] * len(rows)
        if self._external is not None:
            externals = [cell.strip() or None for cell in columns[self._external]]
        return columns, _Understood(externals, zones, priorities, grounds, numbers, more, reasons)

    def _squared(self, place: int, cells: list[str], reasons: dict[int, str]) -> list[str]:
        if len(cells) > self._width:
            reasons[place] = "too_many_cells"
            return cells[: self._width]
        return cells + [""] * (self._width - len(cells))

    def _zones(self, columns: Columns, count: int, reasons: dict[int, str]) -> list[str | None]:
        if self._zone is None:
            return [None] * count
        zones: list[str | None] = []
        for place, cell in enumerate(columns[self._zone]):
            zone = cell.strip() or None
            if zone is not None and not self._is_zone(zone):
                reasons.setdefault(place, "bad_zone")
                zone = None
            zones.append(zone)
        return zones

    def _is_zone(self, zone: str) -> bool:
        known = self._known_zones.get(zone)
        if known is None:
            if len(self._known_zones) >= _MOST_KNOWN:
                self._known_zones.clear()
            try:
                zone_info(zone)
                known = True
            except RulesError:
                known = False
            self._known_zones[zone] = known
        return known

    def _priorities(self, columns: Columns, count: int, reasons: dict[int, str]) -> list[int]:
        if self._priority is None:
            return [0] * count
        known = self._known_priorities
        priorities: list[int] = []
        for place, cell in enumerate(columns[self._priority]):
            if cell not in known:
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                known[cell] = _priority(cell.strip())
            priority = known[cell]
            if priority is None:
                reasons.setdefault(place, "bad_priority")
            priorities.append(priority or 0)
        return priorities

    def _numbers(
        self, columns: Columns, zones: Sequence[str | None], reasons: dict[int, str]
    ) -> tuple[list[Number | None], dict[int, tuple[Number, ...]]]:
        """Each row's numbers, as its columns stand: the first, and what more there are; where there is none, what was
        found first says why."""
        read = [self._read_numbers(columns[place], zones) for place in self._number_places]
        firsts: list[Number | None] = []
        more: dict[int, tuple[Number, ...]] = {}
        for place, found in enumerate(zip(*read, strict=True)):
            first = found[0]
            if isinstance(first, str) or len(found) > 1:
                numbers = {one.digits: one for one in found if not isinstance(one, str)}
                if not numbers:
                    reasons.setdefault(place, next((str(one) for one in found if one != "empty"), "empty"))
                    firsts.append(None)
                    continue
                first, *others = numbers.values()
                if others:
                    more[place] = tuple(others)
            firsts.append(first)
        return firsts, more

    def _read_numbers(self, cells: Sequence[str], zones: Sequence[str | None]) -> list[Number | str]:
        """The number of each cell, or why there is none."""
        region, default_zone = self._region, self._default_zone
        validity, reference = self._validity, self._reference
        read: list[Number | str] = []
        for cell, zone in zip(cells, zones, strict=True):
            try:
                read.append(
                    normalise(
                        cell, region, validity=validity, zone=zone, default_zone=default_zone, reference=reference
                    )
                )
            except NumberError as error:
                read.append(error.reason)
        return read

    def _fields(self, columns: Columns, count: int, reasons: dict[int, str]) -> Sequence[str]:
        """Each row's fields as they are kept."""
        own: list[Sequence[Any]] = [columns[place] for place in self._places]
        for name, column in self._typed.items():
            if name in self._names:
                at = self._names.index(name)
                own[at] = column.read(own[at], reasons)
            elif column.spec.required:
                for place in range(count):
                    reasons.setdefault(place, f"bad_field {name}")
        if not own:
            return ["{}"] * count
        if not self._texts_only or _ODD.search("".join(map("".join, own))):
            return self._odd_fields(own, reasons)
        return list(map(self._template.__mod__, zip(*own, strict=True)))

    def _odd_fields(self, own: Sequence[Sequence[Any]], reasons: dict[int, str]) -> Sequence[str]:
        """The same of values that are no texts, or such as JSON does not write as they are."""
        names, dumps = self._names, orjson.dumps
        texts = [dumps(dict(zip(names, row))) for row in zip(*own)]  # noqa: B905 - as long as each other
        if b"\\u0000" in b"".join(texts):  # PostgreSQL takes no NUL in a text
            for place, text in enumerate(texts):
                if b"\\u0000" in text:
                    reasons.setdefault(place, "bad_fields")
        return [text.decode() for text in texts]


def _priority(text: str) -> int | None:
    """The priority; 0 for an empty cell, None for what is none."""
    if not text:
        return 0
    if not text.removeprefix("-").isdecimal() or len(text) > 8 or abs(int(text)) > MAX_PRIORITY:
        return None
    return int(text)


def _nothing(rows: Cells) -> list[tuple[str, ...]]:
    return [()] * len(rows)


def _refused(reasons: dict[int, str]) -> list[Refused]:
    return [Refused(place, reasons[place]) for place in sorted(reasons)]
