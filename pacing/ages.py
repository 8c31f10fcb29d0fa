"""Calls counted by their age, in equal bins, as time goes on: one array that is shifted.

Bin k holds the calls placed about k x width seconds ago; the last bin holds all older ones, too. A
decision reads the array as it is or shifted once, so it costs the same with 5 calls or 5,000.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class AgeCounts:
    """width: of a bin, s; bins: their number."""

    __slots__ = ("_at", "_width", "counts", "total")

    def __init__(self, width: float, bins: int) -> None:
        self._width = width
        self._at: int | None = None  # the bin of the clock at which `counts` is true
        self.counts = np.zeros(bins)
        self.total = 0.0

    def key(self, at: float) -> int:
        """The bin of the clock that holds the moment `at`."""
        return math.floor(at / self._width)

    def add(self, placed_at: float, now: float, weight: float = 1.0) -> None:
        """Count a call placed at `placed_at` <= now with `weight` (negative: take it away)."""
        key = self.key(now)
        if self._at is None:
            self._at = key
        elif key > self._at:
            self.counts = self._shifted(key - self._at)
            self._at = key
        self.counts[min(max(0, self._at - self.key(placed_at)), len(self.counts) - 1)] += weight
        self.total += weight

    def seen(self, now: float) -> Array:
        """Counts by age at `now`, shape (bins,); to be read only."""
        if self._at is None:
            return self.counts
        # a call of this clock bin was placed half a bin ago on average: round to the nearest bin
        return self._shifted(math.floor(now / self._width - 0.5) - self._at)

    def drop_older(self, age: float) -> None:
        """Forget all calls older than `age` s (as of the last `add`)."""
        self.counts = self.counts.copy()
        self.counts[max(1, int(age / self._width)) :] = 0.0
        self.total = float(self.counts.sum())

    def _shifted(self, by: int) -> Array:
        counts = self.counts
        if by == 0:
            return counts
        out = np.zeros(len(counts))
        if by < 0:
            out[:-2] = counts[1:-1]
            out[-1] = counts[-1]
            out[0] += counts[0]
        elif by < len(counts):
            out[by:] = counts[: len(counts) - by]
            out[-1] += counts[len(counts) - by :].sum()
        else:
            out[-1] = self.total
        return out
