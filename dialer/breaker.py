"""The circuit breaker of one trunk: a trunk that fails too many of its calls is left alone, asked whether it lives,
tried with a few calls, and only then given all of them again.

    closed      all calls
    open        none, for as long as it rests
    probing     none: an OPTIONS is out (only where the trunk is asked by OPTIONS)
    half_open   a trickle: a few calls at once, until enough of them have gone well

The table is the whole truth; its diagram in docs/design/engine.md is drawn from it. Time is passed in, nothing is sent
from here: `dialer.trunk_guard` times the rests and sends the OPTIONS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from dialer.config.sip_tables import BreakerTable

#: No rest is longer, seconds: a carrier may ask for a day (Retry-After), and is asked again after this.
LONGEST_REST = 300.0


class BreakerState(StrEnum):
    """Where the breaker is."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"
    HALF_OPEN = "half_open"


class BreakerTrigger(StrEnum):
    """What moves it. `refused`: a 503 or a time-out; `tripped`: too large a share of calls met congestion; `answered`,
    `silent`: the OPTIONS; `proven`: enough calls of the trickle went well; `reset`: the operator's reload.
    """

    REFUSED = "refused"
    TRIPPED = "tripped"
    ASK = "ask"
    REST_OVER = "rest_over"
    ANSWERED = "answered"
    SILENT = "silent"
    PROVEN = "proven"
    RESET = "reset"


S, T = BreakerState, BreakerTrigger

#: (state, trigger) -> (next state, actions)
BREAKER_TABLE: dict[tuple[BreakerState, BreakerTrigger], tuple[BreakerState, tuple[str, ...]]] = {
    (S.CLOSED, T.REFUSED): (S.OPEN, ("rest",)),
    (S.CLOSED, T.TRIPPED): (S.OPEN, ("rest",)),
    (S.CLOSED, T.RESET): (S.CLOSED, ("forget",)),
    # calls that were on their way when it opened
    (S.OPEN, T.REFUSED): (S.OPEN, ("rest",)),
    (S.OPEN, T.ASK): (S.PROBING, ()),
    (S.OPEN, T.REST_OVER): (S.HALF_OPEN, ("begin_trickle",)),
    (S.OPEN, T.RESET): (S.CLOSED, ("forget",)),
    (S.PROBING, T.REFUSED): (S.OPEN, ("rest",)),
    (S.PROBING, T.ANSWERED): (S.HALF_OPEN, ("begin_trickle",)),
    (S.PROBING, T.SILENT): (S.OPEN, ("rest_longer",)),
    (S.PROBING, T.RESET): (S.CLOSED, ("forget",)),
    (S.HALF_OPEN, T.REFUSED): (S.OPEN, ("rest_longer",)),
    (S.HALF_OPEN, T.TRIPPED): (S.OPEN, ("rest_longer",)),
    (S.HALF_OPEN, T.PROVEN): (S.CLOSED, ("forget",)),
    (S.HALF_OPEN, T.RESET): (S.CLOSED, ("forget",)),
}


class BreakerStateError(Exception):
    """The table has no such move; nothing has changed."""


@dataclass(slots=True)
class Breaker:
    """Times are monotonic seconds."""

    table: BreakerTable
    state: BreakerState = BreakerState.CLOSED
    until: float = 0.0
    """the rest is over then"""
    _asked_rest: float = 0.0
    _last_rest: float = 0.0
    _results: deque[tuple[float, bool]] = field(default_factory=deque)
    """(when, met congestion) of the calls in the window"""
    _failed: int = 0
    _good: int = 0
    """calls of the trickle that went well"""
    _open_calls: set[str] = field(default_factory=set)
    """calls that have begun and of which nothing is known yet"""

    def fire(self, trigger: BreakerTrigger, now: float) -> None:
        """One move. Raises BreakerStateError when the table has none."""
        step = BREAKER_TABLE.get((self.state, trigger))
        if step is None:
            raise BreakerStateError(f"{trigger.value} in state {self.state.value}")
        self.state = step[0]
        for action in step[1]:
            ACTIONS[action](self, now)

    # -- calls ------------------------------------------------------------------------------------------------------

    def allowance(self, now: float, asked: bool) -> int | None:
        """Calls that may begin now; None: as many as there are lines. `asked`: its life is shown by OPTIONS first."""
        if self.state is S.CLOSED:
            return None
        if self.state is S.HALF_OPEN or (self.state is S.OPEN and now >= self.until and not asked):
            return max(0, self.table.trickle - len(self._open_calls))
        return 0

    def began(self, call: str) -> None:
        """A call is given to the trunk."""
        self._open_calls.add(call)

    def gone(self, call: str) -> None:
        """The call is over for this trunk, or never left."""
        self._open_calls.discard(call)

    def refused(self, now: float, seconds: float) -> None:
        """The trunk as a whole takes no calls for `seconds`: a 503, or silence."""
        self._asked_rest = min(seconds, LONGEST_REST)
        self.fire(T.REFUSED, now)

    def result(self, call: str, now: float, congested: bool) -> BreakerTrigger | None:
        """How the network took `call`: the first sign counts, once. What it leads to is returned, and not done."""
        if call not in self._open_calls:
            return None
        self._open_calls.discard(call)
        if self.state is S.HALF_OPEN:
            self._good += not congested
            if congested:
                return T.TRIPPED
            return T.PROVEN if self._good >= self.table.probes else None
        if self.state is not S.CLOSED:
            return None
        results, oldest = self._results, now - self.table.window
        results.append((now, congested))
        self._failed += congested
        while results[0][0] < oldest:
            self._failed -= results.popleft()[1]
        enough = congested and len(results) >= self.table.calls
        return T.TRIPPED if enough and self._failed >= self.table.share * len(results) else None

    @property
    def share(self) -> float:
        """The share of calls in the window that met congestion; 0 without calls."""
        return self._failed / len(self._results) if self._results else 0.0

    # -- actions ----------------------------------------------------------------------------------------------------

    def rest(self, now: float) -> None:
        seconds = self._asked_rest or self.table.rest
        self._begin_rest(now, seconds)

    def rest_longer(self, now: float) -> None:
        self._begin_rest(now, max(self._asked_rest, 2 * (self._last_rest or self.table.rest)))

    def _begin_rest(self, now: float, seconds: float) -> None:
        self._last_rest = min(seconds, LONGEST_REST)
        self._asked_rest = 0.0
        self.until = max(self.until, now + self._last_rest)
        self._clear()

    def begin_trickle(self, now: float) -> None:
        self._good = 0
        self._open_calls.clear()  # those from before tell nothing about now

    def forget(self, now: float) -> None:
        self.until = self._last_rest = self._asked_rest = 0.0
        self._clear()

    def _clear(self) -> None:
        self._results.clear()
        self._failed = self._good = 0


#: What the table's words do.
ACTIONS: dict[str, Callable[[Breaker, float], None]] = {
    "rest": Breaker.rest,
    "rest_longer": Breaker.rest_longer,
    "begin_trickle": Breaker.begin_trickle,
    "forget": Breaker.forget,
}
