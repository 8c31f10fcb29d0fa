"""When the next packet of every playing leg is due: a calendar of 5 ms ticks, one timer for all.

Ticks are absolute (origin + n * 5 ms), so a late loop delays a packet and never the schedule. Streams are begun in
the emptiest of the next four ticks: a hundred prompts are sent in four batches, not in one burst. Every operation is
O(1) but for the heap of ticks in use, which holds at most one entry per tick of the longest period (200).
"""

from __future__ import annotations

import heapq
from typing import Protocol

TICK = 0.005  # seconds
FRAME_TICKS = 4  # a packet of 20 ms
SECOND_TICKS = 200
MAX_LATE_TICKS = 20  # 100 ms: what is later is not caught up in a burst but skipped
_EARLY = 0.001  # loops round their timers to milliseconds


class Stream(Protocol):
    """Something that sends a packet each `period` ticks."""

    period: int

    def fire(self, skipped: int) -> bool:
        """Send one packet, `skipped` ticks of schedule having been given up before it. False: at its end, wants no
        further turn."""


class Schedule:
    """The calendar. `now` is in seconds on one monotonic clock; `origin` is any instant of it."""

    def __init__(self, origin: float) -> None:
        self._origin = origin
        self._buckets: dict[int, list[Stream]] = {}
        self._ticks: list[int] = []
        self.late = 0  # streams that lost more than MAX_LATE_TICKS at once

    def add(self, stream: Stream, now: float) -> None:
        """`stream` begins within the next 20 ms and fires each period until it returns False."""
        first = self._tick(now) + 1
        self._put(min(range(first, first + FRAME_TICKS), key=lambda t: len(self._buckets.get(t, ()))), stream)

    def next_at(self) -> float | None:
        """When `run` is wanted next; None: nothing is playing."""
        return self._origin + self._ticks[0] * TICK if self._ticks else None

    def run(self, now: float) -> None:
        """Fire everything that is due."""
        current = self._tick(now + _EARLY)
        while self._ticks and self._ticks[0] <= current:
            tick = heapq.heappop(self._ticks)
            behind = current - tick
            skipped = behind if behind > MAX_LATE_TICKS else 0
            for stream in self._buckets.pop(tick):
                if skipped:
                    self.late += 1
                if stream.fire(skipped):
                    self._put(tick + skipped + stream.period, stream)

    def _tick(self, now: float) -> int:
        return int((now - self._origin) / TICK)

    def _put(self, tick: int, stream: Stream) -> None:
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = [stream]
            heapq.heappush(self._ticks, tick)
        else:
            bucket.append(stream)
