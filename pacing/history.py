"""What a store remembers of answered calls, so that a legal window over them can be counted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

#: now -> (since when the window runs, s left of it), on the pacer's clock
Window = Callable[[float], tuple[float, float]]


class History:
    """Answered and abandoned calls in the order of time."""

    def __init__(self) -> None:
        self._at: list[float] = []
        self._answered = [0]
        self._abandoned = [0]

    def add(self, at: float, answered: int = 1, abandoned: int = 0) -> None:
        """So many more at `at` (s, never before the last one); -1 takes back one that was no person."""
        self._at.append(at)
        self._answered.append(self._answered[-1] + answered)
        self._abandoned.append(self._abandoned[-1] + abandoned)

    def since(self, start: float, end: float) -> tuple[int, int]:
        """(answered, abandoned) after `start`, until `end` inclusive (s); never negative."""
        first, last = bisect_right(self._at, start), bisect_right(self._at, end)
        abandoned = self._abandoned[last] - self._abandoned[first]
        return max(abandoned, self._answered[last] - self._answered[first]), abandoned
