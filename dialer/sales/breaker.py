"""A circuit breaker for each third party: who is down is left alone for a while instead of being asked by everybody."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether tries are let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerEvent(StrEnum):
    """What happens to it."""

    SUCCESS = "success"
    FAILURES = "failures"  # so many in a row
    RESTED = "rested"
    FAILURE = "failure"


_S, _E = BreakerState, BreakerEvent
TABLE: dict[tuple[BreakerState, BreakerEvent], BreakerState] = {
    (_S.CLOSED, _E.SUCCESS): _S.CLOSED,
    (_S.CLOSED, _E.FAILURE): _S.CLOSED,
    (_S.CLOSED, _E.FAILURES): _S.OPEN,
    (_S.OPEN, _E.RESTED): _S.HALF_OPEN,
    # what was under way when it opened
    (_S.OPEN, _E.SUCCESS): _S.CLOSED,
    (_S.OPEN, _E.FAILURE): _S.OPEN,
    (_S.HALF_OPEN, _E.SUCCESS): _S.CLOSED,
    (_S.HALF_OPEN, _E.FAILURE): _S.OPEN,
    (_S.HALF_OPEN, _E.RESTED): _S.HALF_OPEN,
}


class Breaker:
    """`failures` in a row open it for `rest` seconds. Times are monotonic seconds; `on_change` hears of new states."""

    def __init__(self, failures: int, rest: float, on_change: Callable[[BreakerState], None]) -> None:
        self.state = BreakerState.CLOSED
        self._limit, self._rest, self._on_change = failures, rest, on_change
        self._in_a_row = 0
        self._until = 0.0
        self._probe_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a try may be let through; 0: this one is. While half open only one is on its way, and when
        nothing is heard of it, the next after another rest."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        if now < self._until:
            return self._until - now
        if now < self._probe_until:
            return self._probe_until - now
        self._fire(BreakerEvent.RESTED, now)
        self._probe_until = now + self._rest
        return 0.0

    def succeeded(self, now: float) -> None:
        """The third party answered, whatever it said."""
        self._in_a_row = 0
        self._fire(BreakerEvent.SUCCESS, now)

    def failed(self, now: float) -> None:
        """It did not."""
        self._in_a_row += 1
        full = self.state is BreakerState.CLOSED and self._in_a_row >= self._limit
        self._fire(BreakerEvent.FAILURES if full else BreakerEvent.FAILURE, now)

    def _fire(self, event: BreakerEvent, now: float) -> None:
        before, self.state = self.state, TABLE[self.state, event]
        if self.state is BreakerState.OPEN and before is not BreakerState.OPEN:
            self._until, self._probe_until = now + self._rest, 0.0
        if self.state is not before:
            self._on_change(self.state)
