"""The cells of the benchmark: laws, agents, cap; and the real talk times."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

from pacing import PacingConfig
from pacing.laws import Draw, Laws, empirical, lifelike, memoryless, realistic
from pacing.rates import alternating, drifting, stepping
from pacing.staffing import Break, Shift, day_shifts, full_time, with_leavers

HOUR = 3600.0
TALK_TIMES = Path(__file__).parent.parent / "callcentre" / "data" / "talk_times.csv"

Staff = Callable[[int, float, int], list[Shift]]


def _all_day(agents: int, seconds: float, _: int) -> list[Shift]:
    return full_time(agents, seconds)


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting. memory: (p, handle, ring) of the memoryless model, if it is one; staff: (agents, seconds, seed) ->
    who is there; runs: of the full benchmark, `hours` each; asked: the occupancy that is asked for, if any."""

    name: str
    agents: int
    cap: float
    laws: Laws
    config: PacingConfig
    memory: tuple[float, float, float] | None = None
    hours: float = 8.0
    runs: int = 30
    staff: Staff = _all_day
    asked: float | None = None


#: Agents -> occupancy asked for on the realistic laws at p .2 and a cap of 3 %.
ASKED = {5: 0.74, 10: 0.81, 20: 0.865, 50: 0.925, 100: 0.95}


def exact_cell(n: int, p: float, handle: float = 150.0, cap: float = 0.03, ring: float = 12.0) -> Cell:
    """A cell of the memoryless model: no ring timeout, nothing given up."""
    config = PacingConfig(abandon_cap=cap, cancel=False, ring_timeout=8 * ring)
    name = f"memoryless n={n} p={p:g} handle={handle:g} cap={100 * cap:g}%"
    return Cell(name, n, cap, memoryless(p, ring, handle), config, (p, handle, ring), runs=_runs(n))


def real_cell(n: int, p: float = 0.2, cap: float = 0.03, cancel: bool = True, talk: Draw | None = None) -> Cell:
    """Realistic laws; `cancel`: calls may be given up after 15 s; `talk`: talk times, else lognormal."""
    name = f"realistic n={n}" + (" real talk" if talk else "") + ("" if cancel else " none given up")
    config = PacingConfig(abandon_cap=cap, cancel=cancel)
    asked = ASKED.get(n) if (p, cap, talk) == (0.2, 0.03, None) else None
    return Cell(name, n, cap, realistic(p, talk), config, runs=_runs(n), asked=asked)


def jumping_cell(n: int) -> Cell:
    """p doubles and halves every 30 minutes."""
    return replace(real_cell(n), asked=None, name=f"jumping p n={n}", laws=realistic(alternating(0.1, 0.2, 1800.0)))


def leaving_cell(n: int) -> Cell:
    """30 % of the agents leave without a word after half the time."""
    return replace(
        real_cell(n), asked=None, name=f"30% leave n={n}", staff=lambda a, s, _: with_leavers(a, s, 0.3, s / 2)
    )


def longer_cell(n: int) -> Cell:
    """Talk and wrap-up take half as long again from two hours on."""
    laws = replace(realistic(), handle_scale=stepping(1.0, 1.5, 2 * HOUR))
    return replace(real_cell(n), asked=None, name=f"handle x1.5 n={n}", laws=laws)


def lifelike_cell(n: int) -> Cell:
    """Machines, busy lines, two kinds of talk, a drifting answer rate, breaks, arrivals over 15 minutes."""
    breaks = (Break(2 * HOUR, 900.0, announced=300.0), Break(4 * HOUR, 1800.0))
    return replace(
        real_cell(n),
        asked=None,
        name=f"lifelike n={n}",
        laws=lifelike(drifting(0.15, 0.3, 5), 0.1),
        staff=lambda a, s, seed: day_shifts(a, s, seed, breaks=breaks, late=900.0),
    )


@cache
def real_talk() -> Draw:
    """The real talk times that ship with the simulated call centre (s), drawn with replacement."""
    with TALK_TIMES.open(newline="", encoding="utf-8") as file:
        return empirical([float(row["seconds"]) for row in csv.DictReader(file) if float(row["seconds"]) > 0])


def quick_cells() -> list[Cell]:
    """Short ones, under two minutes with all rivals on a quiet core."""
    short = [(exact_cell(5, 0.2), 2, 4.0), (real_cell(5), 3, 4.0), (real_cell(20), 1, 4.0)]
    return [replace(cell, runs=runs, hours=hours) for cell, runs, hours in short]


def full_cells() -> list[Cell]:
    """The named cells of the full run."""
    return [
        exact_cell(5, 0.2),
        exact_cell(10, 0.3, 180.0),
        exact_cell(20, 0.1, 300.0, 0.05),
        exact_cell(20, 0.2),
        exact_cell(50, 0.5, 60.0, 0.01),
        exact_cell(100, 0.2),
        real_cell(5),
        real_cell(8),
        real_cell(10),
        real_cell(12),
        real_cell(20),
        real_cell(50),
        real_cell(100),
        real_cell(5, talk=real_talk()),
        real_cell(10, talk=real_talk()),
        real_cell(20, talk=real_talk()),
        jumping_cell(20),
        leaving_cell(20),
        longer_cell(20),
        lifelike_cell(20),
    ]


def grid_cells() -> list[Cell]:
    """Memoryless teams over the whole range that the distance to the optimum is asked for."""
    grid = product((5, 10, 20, 50, 100), (0.1, 0.3, 0.5), (60.0, 150.0, 300.0), (0.01, 0.03, 0.05))
    return [exact_cell(n, p, handle, cap) for n, p, handle, cap in grid]


def _runs(agents: int) -> int:
    return 30 if agents <= 20 else 8
