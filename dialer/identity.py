"""Names of attempts: unique for ever, rising with time, so that rows append."""

from __future__ import annotations

import secrets
from collections.abc import Callable

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class AttemptIds:
    """`at`: epoch seconds. An id is milliseconds, a counter and 20 random bits of this process, in base 36: 17
    characters.
    """

    def __init__(self, at: Callable[[], float]) -> None:
        self._at = at
        self._count = 0
        self._process = secrets.randbits(20)

    def next(self) -> str:
        """A new attempt id."""
        self._count = (self._count + 1) % 36**4
        return _base36(int(self._at() * 1000), 9) + _base36(self._count, 4) + _base36(self._process, 4)


def _base36(value: int, width: int) -> str:
    digits = ""
    while value:
        value, rest = divmod(value, 36)
        digits = _DIGITS[rest] + digits
    return digits.rjust(width, "0")
