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

    def read(self, cells: Sequence[str]) -> Consent | None:
        """The row's ground; a date of consent without a basis means consent. Raises `FieldError` with the name of the
        cell: `basis`, `consent_at`, `consent_until`."""
        found = {name: cells[place].strip() for name, place in self._places.items()}
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


def instant(name: str, text: str) -> float | None:
    """A day as the instant of its first second in UTC (epoch seconds); None when empty. Raises `FieldError`."""
    day = _DATE.read(name, text)
    return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
