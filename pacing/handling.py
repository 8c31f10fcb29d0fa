"""How long a call occupies its agent (talk + wrap-up), with calls still running counted.

Estimate: occupied seconds over completions, both fading at the same pace (Little's law). Occupied time
is counted as it passes and not when a call ends, so long calls still running are neither left out nor
counted twice; for exponential times it is the censored maximum-likelihood estimate, for any law it is
consistent for the mean. A gamma prior holds it in place before there is evidence.
"""

from __future__ import annotations

from typing import Any

MEMORY = 600.0


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

    def observe(self, total: float) -> None:
        """One call was completed when the occupied time was `total`."""
        keep = 1.0 - 1.0 / MEMORY
        self.seconds = self.seconds * keep + (total - self._last)
        self.calls = self.calls * keep + 1.0
        self._last = total

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
