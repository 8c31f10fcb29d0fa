"""The level of the answer rate, which drifts and jumps, per segment and over all.

A discounted Beta-binomial at several memories at once. The estimate is the one with the longest
memory that no shorter memory contradicts (the idea of Lepski 1991, in its simplest form): steady
evidence gives a narrow posterior, a jump is believed as soon as the short memory contradicts the longer
one, and then the longer memories are reset to the shorter one, so that the jump is not averaged with
the past. Everything is O(number of memories) per call.

What contradicts is the log likelihood ratio of two rates against one. Standard errors alone do not do: six answers
in sixty calls are so skewed that three of them are passed by chance every 5,000 calls, and each time the
answer rate was believed to have doubled. Beyond CONTRADICTED it is one in 20,000 calls; at 6.5 one in 100,000,
but then what `pacing.change` does not see was believed a minute later, which cost 0.3 points where rates jump.
That is for 20 agents, who need a call every 1.2 s. Rates jump so often in an hour, not in so many calls: with more
calls a second the odds against a jump at each of them are higher, by as much as the bar then is.
"""

from __future__ import annotations

import math
from typing import Any

CONTRADICTED = 5.0
PACE = 1.2  # s from one call to the next, from which on that holds
PACE_CALLS, PAUSE = 200.0, 10.0  # the pace is a mean over so many calls; no pause counts for more than so many s
Z = 2.0  # standard errors below which the ratio need not be asked for
MEMORIES = (60.0, 180.0, 540.0, 1620.0)


class Level:
    """P(answered by a person) with its evidence in calls. `slowest`: longest memory, in calls; `jumps`: those that
    somebody proved (`restart`), `doubts`: memories contradicted, by chance or drift for the most part."""

    def __init__(self, slowest: float) -> None:
        self.memories = [m for m in MEMORIES if m < slowest] + [slowest]
        self.answered = [0.0] * len(self.memories)
        self.failed = [0.0] * len(self.memories)
        self.jumps = self.doubts = 0
        self._pace = PACE
        self._placed_at = -math.inf

    def observe(self, answered: float, placed_at: float) -> None:
        """One call resolved, in the order of placing (s): 1 answered, 0 failed; between: given up with this chance of
        an answer.
        """
        self._pace += (min(max(placed_at - self._placed_at, 0.0), PAUSE) - self._pace) / PACE_CALLS
        self._placed_at = placed_at
        for i, memory in enumerate(self.memories):
            keep = 1.0 - 1.0 / memory
            self.answered[i] = self.answered[i] * keep + answered
            self.failed[i] = self.failed[i] * keep + 1.0 - answered
        self._reconcile()

    def take_back(self) -> None:
        """One answer was a machine after all."""
        for i, answered in enumerate(self.answered):
            moved = min(1.0, answered)
            self.answered[i] -= moved
            self.failed[i] += moved

    def restart(self, ratio: float, weight: float) -> None:
        """The rate has changed by the factor `ratio`; the past is worth `weight` calls at most from here on."""
        for i, (answered, failed) in enumerate(zip(self.answered, self.failed, strict=True)):
            calls = answered + failed
            if calls > 0.0:
                p = min(0.98, answered / calls * ratio)
                kept = min(calls, weight)
                self.answered[i], self.failed[i] = kept * p, kept * (1.0 - p)
        self.jumps += 1

    def _reconcile(self) -> None:
        a, f = self.answered, self.failed
        bar = CONTRADICTED + math.log(max(1.0, PACE / max(self._pace, 1e-3)))
        for short in range(len(a) - 1):
            n_short = a[short] + f[short]
            if n_short < 15.0:
                continue
            p_short = a[short] / n_short
            for long in range(short + 1, len(a)):
                n_long = a[long] + f[long]
                if n_long < 1.5 * n_short:
                    continue
                p_long = a[long] / n_long
                pooled = (a[long] + 1.0) / (n_long + 2.0)
                # the discounted mean of memory m has variance p q / (2 m); the two overlap
                spread = pooled * (1.0 - pooled) * 0.5 * (1.0 / n_short + 1.0 / n_long)
                if (p_short - p_long) ** 2 <= Z * Z * spread:
                    continue
                # twice as many independent calls would have that variance
                if 2.0 * _ratio(a[short], f[short], a[long], f[long]) > bar:
                    for later in range(long, len(a)):
                        a[later], f[later] = a[short], f[short]
                    self.doubts += 1
                    break

    def evidence(self) -> tuple[float, float]:
        """(answered, failed) of the longest uncontradicted memory, in effective calls.

        A discounted sum of memory m behaves like 2 m calls once it is full; it is reported so.
        """
        a, f = self.answered[-1], self.failed[-1]
        fill = (a + f) / self.memories[-1]
        worth = 1.0 + min(1.0, fill)
        return a * worth, f * worth

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {"memories": self.memories, "answered": self.answered[:], "failed": self.failed[:]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` wrote, if the memories are the same."""
        if list(state["memories"]) == self.memories:
            self.answered = [float(x) for x in state["answered"]]
            self.failed = [float(x) for x in state["failed"]]


def _ratio(answered: float, failed: float, others: float, other_failed: float) -> float:
    """Log likelihood ratio of two answer rates against one common rate, >= 0."""
    n, m = answered + failed, others + other_failed
    p = (answered + others) / (n + m)
    q = 1.0 - p
    parts = ((answered, n * p), (failed, n * q), (others, m * p), (other_failed, m * q))
    return sum(seen * math.log(seen / expected) for seen, expected in parts if seen > 0.0)


def posterior(answered: float, failed: float, prior_mean: float, prior_calls: float) -> tuple[float, float]:
    """Mean and coefficient of variation of the Beta posterior."""
    a = answered + prior_mean * prior_calls
    b = failed + (1.0 - prior_mean) * prior_calls
    mean = a / (a + b)
    return mean, math.sqrt((1.0 - mean) / (mean * (a + b + 1.0)))
