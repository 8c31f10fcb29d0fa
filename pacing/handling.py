"""How long a call occupies its agent (talk + wrap-up), with calls still running counted.

Censored exponential estimate with a gamma prior: total occupied seconds over completions. For laws
that are not exponential this is still the consistent estimate of the mean. Old evidence fades.
"""

from __future__ import annotations

from typing import Any

MEMORY = 400.0


class HandleTime:
    """Mean handle time in seconds. `prior_calls`: what the prior mean is worth."""

    def __init__(self, prior_mean: float, prior_calls: float) -> None:
        self._prior_seconds = prior_mean * prior_calls
        self._prior_calls = prior_calls
        self.seconds = 0.0
        self.calls = 0.0

    def observe(self, seconds: float) -> None:
        """One call was completed and took `seconds` of its agent."""
        keep = 1.0 - 1.0 / MEMORY
        self.seconds = self.seconds * keep + seconds
        self.calls = self.calls * keep + 1.0

    def mean(self, running: float) -> float:
        """Mean, s; `running`: seconds that the calls now running have taken so far, in total."""
        return (self._prior_seconds + self.seconds + running) / (self._prior_calls + self.calls)

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {"seconds": self.seconds, "calls": self.calls}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` wrote."""
        self.seconds = float(state["seconds"])
        self.calls = float(state["calls"])
