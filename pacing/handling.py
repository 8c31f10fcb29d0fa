"""How long a call occupies its agent (talk + wrap-up), with calls still running counted.

Estimate: occupied seconds over completions, both fading at the same pace (Little's law). Occupied time
is counted as it passes and not when a call ends, so long calls still running are neither left out nor
counted twice; for exponential times it is the censored maximum-likelihood estimate, for any law it is
consistent for the mean. A gamma prior holds it in place before there is evidence.
"""

from __future__ import annotations

import math
from typing import Any

MEMORY = 600.0
SHORT = 60.0  # memory that a jump is looked for in, calls
Z = 3.5
KEPT = 0.1  # of what the shape of the law was learned from, after a jump


class HandleTime:
    """Mean handle time in seconds. `prior_calls`: what the prior mean is worth.

    `total` below is the occupied time of all agents so far (s), a clock that never runs backwards.
    """

    def __init__(self, prior_mean: float, prior_calls: float) -> None:
        self._prior_seconds = prior_mean * prior_calls
        self._prior_calls = prior_calls
        self._last = 0.0
        self.seconds = 0.0
        self.calls = 0.0
        self._recent_seconds = 0.0
        self._recent_calls = 0.0

    def observe(self, total: float) -> bool:
        """One call was completed when the occupied time was `total`. True: the mean has jumped, and what
        was learned before has been dropped (the test takes handle times as no more variable than exponential)."""
        keep, fast = 1.0 - 1.0 / MEMORY, 1.0 - 1.0 / SHORT
        spent = total - self._last
        self.seconds = self.seconds * keep + spent
        self.calls = self.calls * keep + 1.0
        self._recent_seconds = self._recent_seconds * fast + spent
        self._recent_calls = self._recent_calls * fast + 1.0
        self._last = total
        recent, calls = self._recent_calls, self.calls
        if recent < 0.4 * SHORT or calls < 2.0 * recent or self._recent_seconds <= 0.0:
            return False
        apart = math.log(self._recent_seconds / recent * calls / self.seconds)
        # the mean of a discounted memory m has the variance of one of 2 m calls
        if apart * apart < Z * Z * 0.5 * (1.0 / recent + 1.0 / calls):
            return False
        self.seconds, self.calls = self._recent_seconds, recent
        return True

    def skip_to(self, total: float) -> None:
        """The clock was set anew (a gap): what passed meanwhile does not count."""
        self._last = total

    def mean(self, total: float) -> float:
        """Mean, s, when the occupied time is `total`."""
        seconds = self._prior_seconds + self.seconds + max(0.0, total - self._last)
        return seconds / (self._prior_calls + self.calls)

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {"seconds": self.seconds, "calls": self.calls}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` wrote."""
        self.seconds = float(state["seconds"])
        self.calls = float(state["calls"])
