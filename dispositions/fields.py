"""Custom fields with types: what a list's columns may hold. A value that does not fit refuses its row, with the field's
name in the reason.

Kept as JSON: numbers as numbers, dates as `YYYY-MM-DD`, booleans as booleans, texts and choices as texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, get_args

from dispositions.errors import FieldError

FieldKind = Literal["text", "number", "date", "bool", "choice"]
KINDS: tuple[str, ...] = get_args(FieldKind)

_TRUE = frozenset({"true", "yes", "y", "1", "si", "sí", "oui", "ja", "x"})
_FALSE = frozenset({"false", "no", "n", "0", "non", "nein"})
_NUMBER = re.compile(r"[+-]?(\d{1,15})([.,]\d{1,15})?")
_LONGEST_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field's type. `choices`: of a choice. `least`, `most`: of a number. `day_first`: of dates written 03/04/2026.
    `required`: an empty cell refuses the row."""

    kind: FieldKind = "text"
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    day_first: bool = True
    required: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a field is one of {', '.join(KINDS)}")
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("choices belong to a choice, and a choice needs them")

    def read(self, name: str, value: Any) -> Any:
        """The value as it is kept; None for an empty one. Raises `FieldError`."""
        if value is None or (isinstance(value, str) and not value.strip()):
            if self.required:
                raise FieldError(name, "is empty")
            return None
        try:
            return _READERS[self.kind](self, value)
        except ValueError as error:
            raise FieldError(name, str(error)) from None


def _text(_: FieldSpec, value: Any) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError("is no text")
    text = str(value)
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"is longer than {_LONGEST_TEXT} characters")
    return text


def _number(spec: FieldSpec, value: Any) -> int | float:
    if isinstance(value, bool):
        raise ValueError("is no number")
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value.strip())
        if match is None:
            raise ValueError("is no number")
        number: int | float = float(value.strip().replace(",", ".")) if match[2] else int(value)
    elif isinstance(value, int | float) and math.isfinite(value):
        number = value
    else:
        raise ValueError("is no number")
    if spec.least is not None and number < spec.least:
        raise ValueError(f"is less than {spec.least:g}")
    if spec.most is not None and number > spec.most:
        raise ValueError(f"is more than {spec.most:g}")
    return number


def _date(spec: FieldSpec, value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise ValueError("is no date")
    text = value.strip()
    if len(text) == 10 and text[4] == text[7] == "-":
        try:
            return date.fromisoformat(text).isoformat()  # what nearly all are, fifty times as fast
        except ValueError:
            pass
    orders = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y") if spec.day_first else ("%m/%d/%Y", "%m.%d.%Y", "%m-%d-%Y")
    for form in ("%Y-%m-%d", "%Y/%m/%d", *orders):
        try:
            return datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise ValueError("is no date") from None


def _bool(_: FieldSpec, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("is neither yes nor no")


def _choice(spec: FieldSpec, value: Any) -> str:
    word = str(value).strip()
    for choice in spec.choices:
        if word.casefold() == choice.casefold():
            return choice
    raise ValueError("is none of its choices")


_READERS: Mapping[str, Callable[[FieldSpec, Any], Any]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "bool": _bool,
    "choice": _choice,
}


def read_fields(specs: Mapping[str, FieldSpec], values: Mapping[str, Any], *, partly: bool = False) -> dict[str, Any]:
    """All of `values`, those with a type as it wants them, the others as they are. `partly`: only some fields are
    given, so that a required one may be missing. Raises `FieldError` for the first that does not fit."""
    result = dict(values)
    for name, spec in specs.items():
        if name in values or not partly:
            found = spec.read(name, values.get(name))
            if found is not None or name in values:
                result[name] = found
    return result


_REFUSED = object()
_MOST_KNOWN = 50_000  # different texts of a column that are remembered


class FieldColumn:
    """One field of many rows. A text that a column has again is read once."""

    def __init__(self, name: str, spec: FieldSpec) -> None:
        self.name, self.spec = name, spec
        self._known: dict[str, Any] = {}

    def read(self, cells: Sequence[str], reasons: dict[int, str]) -> Sequence[Any]:
        """The values as they are kept. Where one does not fit, `reasons` gets `bad_field NAME` at its place, unless
        there is another reason already."""
        if self.spec.kind == "text" and all(map(str.strip, cells)) and max(map(len, cells), default=0) <= _LONGEST_TEXT:
            return cells
        known = self._known
        values: list[Any] = []
        for place, cell in enumerate(cells):
            if cell in known:
                value = known[cell]
            else:
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                value = known[cell] = self._value(cell)
            if value is _REFUSED:
                reasons.setdefault(place, f"bad_field {self.name}")
                value = None
            values.append(value)
        return values

    def _value(self, cell: str) -> Any:
        try:
            return self.spec.read(self.name, cell)
        except FieldError:
            return _REFUSED
