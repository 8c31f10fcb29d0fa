"""What a guard of the worst ten minutes can do at best, and why clusters of abandoned calls set its limit.

A model without ringing, agents or anything to learn. Answered calls come evenly; each is abandoned with a chance that
the guard (`pacing.peak`) steers without delay, and once one is, the next is, too, with chance `follow`: it rang already
when the agents ran out. Abandoning at a rate r keeps agents busier by `worth` x log r, as under the exact optimum; so
a guard that holds the rate back in some minutes and lets it go in others costs occupancy although the mean stays the
same, and the model says how much. It leaves out what makes a real guard worse: delay, and an answer rate that jumps.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.pacing.cells import HOUR, Cell
from benchmarks.pacing.run import WARM_UP, run
from benchmarks.pacing.shocks import TEN, worst_window
from pacing import Pacer
from pacing.optimum import optimum
from pacing.peak import Peak

CAP, MEAN = 0.03, 0.028
#: An abandoned call so soon after another one belongs to its cluster, s.
SOON = 5.0
NEVER = 1e6


@dataclass(frozen=True, slots=True)
class Stretch:
    """One guard. times: `PacingConfig.peak`; follow: chance that the call after an abandoned one is abandoned, too;
    abandoned: share; worst_ten: share in the worst ten minutes of a run; cost: occupancy lost, a fraction."""

    times: float
    follow: float
    abandoned: float
    worst_ten: float
    cost: float


def worth(agents: int, p: float = 0.2) -> float:
    """Occupancy gained per unit of log share abandoned, off the exact optimum at 1 and 3 %."""
    return (optimum(agents, p, 0.03).occupancy - optimum(agents, p, 0.01).occupancy) / math.log(3.0)


def stretch(times: float, follow: float, answered: float, gain: float, runs: int = 200, windows: int = 24) -> Stretch:
    """`runs` runs of `windows` times ten minutes of `answered` calls each; gain: that of `worth`. MEAN is abandoned in
    the long run: the free rate is searched for."""
    low, high = 0.2 * MEAN, 20.0 * MEAN
    for _ in range(9):
        middle = math.sqrt(low * high)
        if _play(middle, times, follow, answered, runs // 2, windows)[0] < MEAN:
            low = middle
        else:
            high = middle
    share, worst, log_rate = _play(math.sqrt(low * high), times, follow, answered, runs, windows)
    return Stretch(times, follow, share, worst, gain * (math.log(share) - log_rate))


def _play(
    free: float, times: float, follow: float, answered: float, runs: int, windows: int
) -> tuple[float, float, float]:
    """(share abandoned, mean of the worst ten minutes, mean log of the rate); free: the rate without a guard."""
    rng = random.Random(1)
    lost = calls = 0
    worst = logs = 0.0
    step = TEN / answered
    for _ in range(runs):
        peak = Peak(times, CAP, TEN)
        ends: list[tuple[float, bool]] = []
        last = False
        for i in range(int(windows * answered)):
            now = (i + 0.5) * step
            rate = min(1.0, free * peak.factor(now, 1.0 / step))
            logs += math.log(rate)
            last = rng.random() < (follow if last else rate * (1.0 - follow))
            peak.observe(last, now)
            ends.append((now, last))
        lost += sum(abandoned for _, abandoned in ends)
        calls += len(ends)
        worst += worst_window(ends)
    return lost / calls, worst / runs, logs / calls


def ours(cell: Cell, runs: int) -> tuple[float, float]:
    """(answered calls in ten minutes, `followed`) of our pacer on the cell."""
    found = run(cell, lambda _: Pacer(cell.config), range(700, 700 + runs))
    answered = found.answered / runs / (cell.hours * HOUR - WARM_UP) * TEN
    return answered, sum(followed(out.ends) for out in found.runs) / runs


def followed(ends: Sequence[tuple[float, bool]]) -> float:
    """The share of the abandoned calls that was lost within SOON s of the one before."""
    lost = [when for when, abandoned in ends if abandoned]
    soon = sum(b - a <= SOON for a, b in pairwise(lost))
    return soon / len(lost) if lost else 0.0
