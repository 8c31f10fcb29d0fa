"""The lawful basis of a row: cells to `Consent`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from dispositions.consent import BASES, Basis, Consent
from dispositions.errors import FieldError
from dispositions.fields import FieldSpec

_DATE = FieldSpec("date")
_MOST_KNOWN = 50_000  # different grounds that are remembered


@dataclass(frozen=True, slots=True)
class ConsentColumns:
    """Columns that say on what ground a row may be called; None: there is none."""

    basis: str | None = None
    at: str | None = None
    source: str | None = None
    until: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(c for c in (self.basis, self.at, self.source, self.until) if c is not None)


class GroundReader:
    """Reads the columns of `columns`, at their places in a row; `otherwise` is for rows that name no basis."""

    def __init__(self, columns: ConsentColumns, otherwise: Consent | None, at: Mapping[str, int]) -> None:
        self._otherwise = otherwise
        self._known: dict[tuple[str, ...], Consent | str | None] = {}
        self._places = {
            name: at[column]
            for name, column in (
                ("basis", columns.basis),
                ("consent_at", columns.at),
                ("consent_source", columns.source),
                ("consent_until", columns.until),
            )
            if column is not None
        }

    @property
    def columns(self) -> frozenset[int]:
        """The places that are no fields."""
        return frozenset(self._places.values())

    def _read(self, cells: Sequence[str]) -> Consent | None:
        """The ground that these cells name; a date of consent without a basis means consent. Raises `FieldError` with
        the name of the cell: `basis`, `consent_at`, `consent_until`."""
        found = {name: cell.strip() for name, cell in zip(self._places, cells, strict=True)}
        basis = found.get("basis", "").lower().replace(" ", "_").replace("-", "_")
        given = instant("consent_at", found.get("consent_at", ""))
        if not basis:
            if given is None:
                return self._otherwise
            basis = "consent"
        if basis not in BASES:
            raise FieldError("basis", "is none of the lawful bases")
        until = instant("consent_until", found.get("consent_until", ""))
        return Consent(cast(Basis, basis), given, found.get("consent_source") or None, until)

    def read_columns(
        self, columns: Sequence[Sequence[str]], count: int, reasons: dict[int, str]
    ) -> list[Consent | None]:
        """The grounds of `count` rows, given all their columns. Where one cannot be read, `reasons` gets `bad_` and
        the name of the cell at the row's place, unless there is another reason already."""
        if not self._places:
            return [self._otherwise] * count
        known = self._known
        grounds: list[Consent | None] = []
        for place, cells in enumerate(zip(*[columns[n] for n in self._places.values()], strict=True)):
            if cells not in known:
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                known[cells] = self._ground(cells)
            found = known[cells]
            if isinstance(found, str):
                reasons.setdefault(place, found)
                found = None
            grounds.append(found)
        return grounds

    def _ground(self, cells: Sequence[str]) -> Consent | str | None:
        try:
            return self._read(cells)
        except FieldError as error:
            return f"bad_{error.field}"


def instant(name: str, text: str) -> float | None:
    """A day as the instant of its first second in UTC (epoch seconds); None when empty. Raises `FieldError`."""
    day = _DATE.read(name, text)
    return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
