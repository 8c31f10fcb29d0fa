"""What an argument must be before a pacer looks at it."""

from __future__ import annotations

import math
from collections.abc import Hashable

from pacing.errors import InvalidValueError, WrongOrderError


def check_id(value: Hashable) -> None:
    """Raises `InvalidValueError` for what cannot be an id."""
    try:
        hash(value)
    except TypeError as wrong:
        raise InvalidValueError(f"{value!r} cannot be an id: not hashable") from wrong


def fresh_id(value: Hashable, seen: set[Hashable]) -> None:
    """An id of a snapshot, which may be there once. Raises `InvalidValueError`, `WrongOrderError`."""
    check_id(value)
    if value in seen:
        raise WrongOrderError(f"{value!r} is in the snapshot twice")
    seen.add(value)


def finite(name: str, value: float) -> None:
    """Raises `InvalidValueError` for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidValueError(f"{name} is {value!r}, not a finite number")


def past(name: str, value: float, now: float) -> None:
    """Raises `InvalidValueError` for a time after `now`."""
    finite(name, value)
    if value > now:
        raise InvalidValueError(f"{name} {value!r} is after now {now!r}")
