"""Timers without a clock: a heap, lazy cancellation so that stopping one costs nothing, and queues for mere waits.

Nearly every transaction ends with a wait of fixed length after which it is forgotten (D, I, J, K, M). Waits of one
length end in the order in which they began: a queue does, and thousands of them do not make the heap of the
retransmissions deep. Nobody notices the very moment, so `next` names one when several are over, instead of waking its
caller for each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Protocol

__all__ = ["Timer", "Timers", "Watched"]

_MANY = 512
_SLACK = 0.5
"""Seconds that `next` lets lingering timers be late, at most."""
_NEVER = float("inf")


class Timer:
    """One pending timer. `act(name, now)` is called once, unless `Timers.cancel` came first."""

    __slots__ = ("act", "name")

    def __init__(self, act: Callable[[str, float], None], name: str) -> None:
        self.act: Callable[[str, float], None] | None = act
        self.name = name


class Watched(Protocol):
    """What `Timers.watch` looks at: whether it still waits."""

    waiting: bool

    def overdue(self, name: str, now: float) -> None:
        """It waited until now in vain. Asks `waiting` itself, too."""
        ...


class Timers:
    """All timers of an endpoint. Cancelled ones stay in the heap until they surface or outnumber the live ones.

    `soonest` is the earliest time that was asked for since `next` was asked: whoever has armed an earlier moment need
    not ask.
    """

    __slots__ = ("_cancelled", "_count", "_heap", "_lanes", "_sweep_at", "_watched", "soonest")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._lanes: dict[float, deque[tuple[float, Callable[[str, float], None], str]]] = {}
        self._watched: deque[tuple[float, Watched]] = deque()
        self._sweep_at = self.soonest = _NEVER
        self._count = 0
        self._cancelled = 0

    def __len__(self) -> int:
        """How many are pending."""
        waiting = sum(watched.waiting for _, watched in self._watched)
        return len(self._heap) - self._cancelled + waiting + sum(map(len, self._lanes.values()))

    def start(self, when: float, act: Callable[[str, float], None], name: str) -> Timer:
        """Have `act(name, now)` called at `when` (monotonic seconds)."""
        timer = Timer(act, name)
        self._count += 1  # a tie-breaker: equal times fire in the order of their start
        heappush(self._heap, (when, self._count, timer))
        if when < self.soonest:
            self.soonest = when
        return timer

    def watch(self, when: float, watched: Watched) -> None:
        """Have `watched.overdue("", now)` called at `when`, unless it waits no more by then: what is answered in good
        time costs no cancelling. For waits of one length, the first of every request.
        """
        queue = self._watched
        if queue and when < queue[-1][0]:  # a clock that went backwards
            self.start(when, watched.overdue, "")
            return
        queue.append((when, watched))
        if when < self.soonest:
            self.soonest = when

    def linger(self, now: float, seconds: float, act: Callable[[str, float], None], name: str) -> None:
        """Have `act(name, now)` called `seconds` from `now`, or up to half a second later; it cannot be cancelled. For
        the few fixed lengths of the configuration: each has a queue of its own.
        """
        when = now + seconds
        lane = self._lanes.get(seconds)
        if lane is None:
            lane = self._lanes[seconds] = deque()
        if not seconds or (lane and when < lane[-1][0]):  # at once, or a clock that went backwards
            self.start(when, act, name)
            return
        lane.append((when, act, name))
        when += _SLACK
        if when < self._sweep_at:
            self._sweep_at = when
            if when < self.soonest:
                self.soonest = when

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
        """When the earliest pending timer should fire, or None."""
        heap, queue, at = self._heap, self._watched, self._sweep_at
        self.soonest = _NEVER
        while queue and not queue[0][1].waiting:
            queue.popleft()
        if queue:
            at = min(queue[0][0], at)
        while heap:
            if heap[0][2].act is not None:
                return min(heap[0][0], at)
            heappop(heap)
            self._cancelled -= 1
        return None if at == _NEVER else at

    def run(self, now: float) -> None:
        """Fire everything due at `now`: in order of time, and then those that linger."""
        heap, queue = self._heap, self._watched
        while (heap and heap[0][0] <= now) or (queue and queue[0][0] <= now):
            if queue and queue[0][0] <= now and not (heap and heap[0][0] < queue[0][0]):
                watched = queue.popleft()[1]
                if watched.waiting:
                    watched.overdue("", now)
                heap = self._heap
                continue
            timer = heappop(heap)[2]
            act = timer.act
            if act is None:
                self._cancelled -= 1
                continue
            timer.act = None
            act(timer.name, now)
            heap = self._heap  # a compaction inside `act` makes a new list
        self._sweep(now)

    def _sweep(self, now: float) -> None:
        self._sweep_at = soonest = _NEVER
        for lane in list(self._lanes.values()):
            while lane and lane[0][0] <= now:
                _, act, name = lane.popleft()
                act(name, now)
            if lane:
                soonest = min(soonest, lane[0][0])
        self._sweep_at = min(self._sweep_at, soonest + _SLACK)
