"""Timers without a clock: a heap, and lazy cancellation so that stopping one costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

__all__ = ["Timer", "Timers"]

_MANY = 512


class Timer:
    """One pending timer. `act(name, now)` is called once, unless `Timers.cancel` came first."""

    __slots__ = ("act", "name")

    def __init__(self, act: Callable[[str, float], None], name: str) -> None:
        self.act: Callable[[str, float], None] | None = act
        self.name = name


class Timers:
    """All timers of an endpoint. Cancelled ones stay in the heap until they surface or outnumber the live ones."""

    __slots__ = ("_cancelled", "_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._cancelled = 0

    def __len__(self) -> int:
        """How many are pending."""
        return len(self._heap) - self._cancelled

    def start(self, when: float, act: Callable[[str, float], None], name: str) -> Timer:
        """Have `act(name, now)` called at `when` (monotonic seconds)."""
        timer = Timer(act, name)
        self._count += 1  # a tie-breaker: equal times fire in the order of their start
        heappush(self._heap, (when, self._count, timer))
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Forget a timer; nothing happens if it is None, has fired or was cancelled before."""
        if timer is None or timer.act is None:
            return
        timer.act = None
        self._cancelled += 1
        if self._cancelled > _MANY and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].act is not None]
            heapify(self._heap)
            self._cancelled = 0

    def next(self) -> float | None:
        """When the earliest pending timer is due, or None."""
        heap = self._heap
        while heap:
            if heap[0][2].act is not None:
                return heap[0][0]
            heappop(heap)
            self._cancelled -= 1
        return None

    def run(self, now: float) -> None:
        """Fire everything due at `now`, in order of time."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            timer = heappop(heap)[2]
            act = timer.act
            if act is None:
                self._cancelled -= 1
                continue
            timer.act = None
            act(timer.name, now)
            heap = self._heap  # a compaction inside `act` makes a new list
