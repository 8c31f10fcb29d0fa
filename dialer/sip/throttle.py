"""Who fails too often waits: the guard of a door against guessing."""

from __future__ import annotations

from collections import OrderedDict, deque

__all__ = ["Throttle"]


class Throttle:
    """`limit` failures of one key within `window` seconds hold it for `hold` seconds. At most `most` keys are
    remembered; the one that has been silent longest goes first.
    """

    __slots__ = ("_failures", "_held", "hold", "limit", "most", "window")

    def __init__(self, limit: int, window: float = 60.0, hold: float = 60.0, most: int = 10_000) -> None:
        self.limit, self.window, self.hold, self.most = limit, window, hold, most
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._held: OrderedDict[str, float] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds that `key` must still wait; 0: it may try."""
        until = self._held.get(key)
        if until is None:
            return 0.0
        if now >= until:
            del self._held[key]
            return 0.0
        return until - now

    def failed(self, key: str, now: float) -> bool:
        """One failure more; true when it holds the key from now on."""
        times = self._failures.setdefault(key, deque())
        self._failures.move_to_end(key)
        times.append(now)
        while times[0] <= now - self.window:
            times.popleft()
        if len(self._failures) > self.most:
            self._failures.popitem(last=False)
        if len(times) < self.limit:
            return False
        del self._failures[key]
        self._held[key] = now + self.hold
        if len(self._held) > self.most:
            self._held.popitem(last=False)
        return True

    def succeeded(self, key: str) -> None:
        """Its failures are forgiven."""
        self._failures.pop(key, None)
