"""Run a policy on a cell with common random numbers, and add the runs up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from benchmarks.pacing.cells import HOUR, Cell
from pacing.simulate import Outcome, Policy, simulate

WARM_UP = 900.0
#: Test seeds begin here; seeds of tuning lie from 9001 on.
FIRST_SEED = 100
Maker = Callable[[int], Policy]


@dataclass(slots=True)
class Tally:
    """Runs of one policy on one cell, one run per seed."""

    runs: list[Outcome] = field(default_factory=list)

    @property
    def occupancy(self) -> float:
        return sum(r.occupied for r in self.runs) / sum(r.logged_in for r in self.runs)

    @property
    def occupancy_error(self) -> float:
        """Half of the 95 % interval of the mean occupancy over runs."""
        k = len(self.runs)
        if k < 2:
            return math.nan
        mean = sum(r.occupancy for r in self.runs) / k
        return 1.96 * math.sqrt(sum((r.occupancy - mean) ** 2 for r in self.runs) / (k - 1) / k)

    @property
    def answered(self) -> int:
        return sum(r.connected + r.abandoned for r in self.runs)

    @property
    def abandoned(self) -> float:
        return sum(r.abandoned for r in self.runs) / max(1, self.answered)

    @property
    def abandoned_upper(self) -> float:
        """95 % upper bound of the share abandoned (one-sided): of the runs' mean where there are enough runs, else the
        score interval of independent calls."""
        k = len(self.runs)
        n, x, z = max(1, self.answered), self.abandoned, 1.645
        if k >= 8:
            # ratio estimator over runs: calls within a run are anything but independent
            mean = n / k
            spread = sum((r.abandoned - x * (r.connected + r.abandoned)) ** 2 for r in self.runs) / (k - 1)
            return x + z * math.sqrt(spread / k) / mean
        return (x + z * z / 2 / n + z * math.sqrt(x * (1 - x) / n + z * z / 4 / n / n)) / (1 + z * z / n)

    @property
    def worst_run(self) -> float:
        return max(r.abandon_rate for r in self.runs)

    @property
    def idle_per_contact(self) -> float:
        idle = sum(r.logged_in - r.occupied for r in self.runs)
        return idle / max(1, sum(r.connected for r in self.runs))

    @property
    def dials_per_contact(self) -> float:
        return sum(r.placed for r in self.runs) / max(1, sum(r.connected for r in self.runs))

    def over(self, cap: float) -> float:
        """Share of runs (days) above the cap."""
        return sum(r.abandon_rate > cap for r in self.runs) / len(self.runs)


def run(cell: Cell, make: Maker, seeds: Iterable[int], hours: float | None = None) -> Tally:
    """One run per seed; the same seed gives every policy the same calls and talk times."""
    seconds = (hours or cell.hours) * HOUR
    return Tally(
        [simulate(make(s), cell.laws, cell.staff(cell.agents, seconds, s), seconds, s, WARM_UP) for s in seeds]
    )
