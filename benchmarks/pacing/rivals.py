"""Who runs beside ours on a cell: every rival as shipped, tuned in hindsight, and the exact table.

Tuned in hindsight means: the rival's one knob is set, on seeds kept for tuning, so that it abandons the share that ours
abandons. It then knows the future of that cell, which no user does. Power dialing is the strongest of them; it is run
at seven settings around its best and read off at exactly our share from the best mixture of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.pacing.baselines import Exact, Issabel, OpenLoop, Power, Predict1PI, Vicidial
from benchmarks.pacing.cells import HOUR, Cell
from benchmarks.pacing.run import Maker, Tally, run
from pacing.erlang import rate_for_abandonment
from pacing.laws import constant, realistic
from pacing.optimum import Optimum
from pacing.simulate import Policy

TUNING_SEEDS = (9001, 9002, 9003)
STEPS = 7
VICIDIAL_DROP = 5.0
AROUND = (0.6, 0.75, 0.87, 1.0, 1.15, 1.35, 1.6)


@dataclass(frozen=True, slots=True)
class Rival:
    """kind: shipped (no knob touched, told nothing), tuned (in hindsight), told (knows the parameters)."""

    name: str
    kind: str
    cell: Cell
    make: Maker


def shipped(cell: Cell) -> Iterator[Rival]:
    """The rivals as their users get them. All drop after the campaign's patience; VICIdial also after its own 5 s."""
    hours = cell.hours * HOUR
    yield Rival("progressive", "shipped", cell, lambda _: Power(1.0))
    slow = replace(cell, laws=replace(cell.laws, patience=constant(VICIDIAL_DROP)))
    for mode in ("AVERAGE", "HARD", "TAPERED"):

        def make(_: int, mode: str = mode) -> Policy:
            return Vicidial(mode, cell.cap, hours)

        yield Rival(f"VICIdial {mode.lower()}, drop 5 s", "shipped", slow, make)
        yield Rival(f"VICIdial {mode.lower()}, drop 2 s", "shipped", cell, make)
    yield Rival("Predict1PI", "shipped", cell, lambda _: Predict1PI(cell.cap * 0.028 / 0.03))
    yield Rival("Issabel", "shipped", cell, lambda _: Issabel())


def _knobs(cell: Cell) -> dict[str, tuple[Callable[[float, int], Policy], float, float]]:
    """Rival -> (knob, seed) -> policy, and the knob's range from timid to bold."""
    hours = cell.hours * HOUR
    p, handle, _ = cell.memory or (cell.laws.answer_rate(0.0), 150.0, 12.0)
    rate = rate_for_abandonment(cell.agents, handle, 2.0, cell.cap) / p
    return {
        "power": (lambda k, _: Power(k), 0.5, 30.0),
        "VICIdial average": (lambda limit, _: Vicidial("AVERAGE", limit, hours), 0.0005, 0.5),
        "Predict1PI": (lambda aim, _: Predict1PI(aim), 0.0005, 0.3),
        "Issabel": (lambda odds, _: Issabel(1.0 / (1.0 + odds)), 0.001, 30.0),
        "Erlang A open loop": (lambda factor, s: OpenLoop(factor * rate, s), 0.3, 3.0),
    }


def tuned(cell: Cell, share: float, only: tuple[str, ...] = ()) -> Iterator[Rival]:
    """The rivals whose knob was set in hindsight so that `share` is abandoned; `only`: these names."""
    for name, (make, low, high) in _knobs(cell).items():
        if only and name not in only:
            continue
        knob = tune(cell, make, low, high, share)
        yield Rival(f"{name}, tuned ({knob:.3g})", "tuned", cell, lambda s, make=make, knob=knob: make(knob, s))  # type: ignore[misc]


def tune(cell: Cell, make: Callable[[float, int], Policy], low: float, high: float, share: float) -> float:
    """The boldest knob of a geometric bisection that abandons at most `share` on the tuning seeds."""
    hours = min(cell.hours, max(1.0, 60.0 / cell.agents))
    for _ in range(STEPS):
        knob = math.sqrt(low * high)
        if run(cell, lambda s, knob=knob: make(knob, s), TUNING_SEEDS, hours).abandoned > share:  # type: ignore[misc]
            high = knob
        else:
            low = knob
    return low


def power_at(cell: Cell, k: float, share: float, seeds: range) -> tuple[float, Tally]:
    """(occupancy of power dialing where it abandons exactly `share` on these seeds, the tally nearest to it).

    A small team knows few distinct k (2.04 and 1.74 calls for one idle agent are both two): so it is read off the
    best mixture of two k about `k`, and a k that another mixture beats is not taken."""
    tallies = [
        run(cell, lambda _, k=k * around: Power(k), seeds)  # type: ignore[misc]
        for around in AROUND
    ]
    nearest = min(tallies, key=lambda tally: abs(tally.abandoned - share))
    return best_mixture([(tally.abandoned, tally.occupancy) for tally in tallies], share), nearest


def best_mixture(points: Sequence[tuple[float, float]], share: float) -> float:
    """The highest occupancy of a mixture of two of `points` (share abandoned, occupancy) that abandons `share` at most;
    of all of them the least abandoning one, where all abandon more."""
    within = [occupancy for lost, occupancy in points if lost <= share]
    if not within:
        return min(points)[1]
    mixed = [
        low[1] + (share - low[0]) / (high[0] - low[0]) * (high[1] - low[1])
        for low in points
        for high in points
        if low[0] <= share < high[0]
    ]
    return max(within + mixed)


def exact(cell: Cell, solved: Optimum) -> Iterator[Rival]:
    """The exact table, parameters known; also where people wait exactly 2 s instead of 2 s in the mean."""
    yield Rival("exact table", "told", cell, lambda s: Exact(solved, s))
    fixed = replace(cell, laws=replace(cell.laws, patience=realistic().patience))
    yield Rival("exact table, 2 s fixed", "told", fixed, lambda s: Exact(solved, s))
