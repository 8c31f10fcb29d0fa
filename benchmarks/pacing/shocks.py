"""What a sudden change costs: p doubled or halved, agents gone, longer calls; and the first minutes of a shift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.pacing.cells import HOUR, Cell, real_cell
from pacing import Pacer
from pacing.laws import realistic
from pacing.rates import alternating, stepping
from pacing.simulate import Outcome, simulate
from pacing.staffing import full_time, with_leavers

#: The change comes after so long; what is steady is measured before it, from WARM on.
CHANGE, WARM, END = 1.5 * HOUR, 0.5 * HOUR, 2.25 * HOUR
TEN = 600.0


@dataclass(frozen=True, slots=True)
class Shock:
    """Means over runs. steady: occupancy before; back: minutes after the change until the mean occupancy of a minute is
    at 95 % of that again and stays there; worst_ten, worst_sliding: share abandoned in the worst ten minutes of a run,
    by the clock and anywhere; abandoned: whole runs."""

    name: str
    agents: int
    runs: int
    steady: float
    back: float
    lowest: float
    abandoned: float
    worst_ten: float
    worst_sliding: float


def shocks(agents: int) -> dict[str, Cell]:
    """Name -> cell whose change comes at CHANGE."""
    base = real_cell(agents)
    low = {"p doubles": stepping(0.1, 0.2, CHANGE), "p halves": stepping(0.2, 0.1, CHANGE)}
    cells = {name: replace(base, name=name, laws=realistic(rate)) for name, rate in low.items()}
    cells["30 % leave"] = replace(base, staff=lambda a, s, _: with_leavers(a, s, 0.3, CHANGE))
    cells["handle x1.5"] = replace(base, laws=replace(realistic(), handle_scale=stepping(1.0, 1.5, CHANGE)))
    return cells


def shock(name: str, cell: Cell, runs: int, first_seed: int = 500) -> Shock:
    """The cell's change over `runs` runs."""
    outs = []
    for seed in range(first_seed, first_seed + runs):
        pacer = Pacer(cell.config)
        outs.append(simulate(pacer, cell.laws, cell.staff(cell.agents, END, seed), END, seed, by_minute=True))
    curve = minutes(outs, int(END // 60))
    change = int(CHANGE // 60)
    steady = sum(curve[int(WARM // 60) : change]) / (change - int(WARM // 60))
    after = curve[change:]
    low = [minute for minute, value in enumerate(after) if value < 0.95 * steady]
    answered = sum(out.connected + out.abandoned for out in outs)
    return Shock(
        name, cell.agents, runs, steady, float(low[-1] + 1) if low else 0.0, min(after),
        sum(out.abandoned for out in outs) / max(1, answered),
        sum(worst_window(out.ends) for out in outs) / len(outs),
        sum(worst_window(out.ends, sliding=True) for out in outs) / len(outs),
    )  # fmt: skip


def jumping(agents: int, runs: int, hours: float = 4.0, first_seed: int = 700) -> Shock:
    """p doubles and halves every 30 minutes, whole runs."""
    laws = realistic(alternating(0.1, 0.2, 1800.0))
    config = real_cell(agents).config
    seconds = hours * HOUR
    outs = [
        simulate(Pacer(config), laws, full_time(agents, seconds), seconds, seed)
        for seed in range(first_seed, first_seed + runs)
    ]
    lost, answered = sum(out.abandoned for out in outs), sum(out.connected + out.abandoned for out in outs)
    occupancy = sum(out.occupancy for out in outs) / runs
    worst = sum(worst_window(out.ends) for out in outs) / runs
    sliding = sum(worst_window(out.ends, sliding=True) for out in outs) / runs
    return Shock(
        "p jumps every 30 min", agents, runs, occupancy, 0.0, occupancy, lost / max(1, answered), worst, sliding
    )


def minutes(outs: Sequence[Outcome], count: int) -> list[float]:
    """Occupancy per minute over all runs together."""
    curve = []
    for minute in range(count):
        there = sum(out.agents_by_minute.get(minute, 0.0) for out in outs)
        curve.append(sum(out.busy_by_minute.get(minute, 0.0) for out in outs) / there if there else 0.0)
    return curve


def worst_window(ends: Sequence[tuple[float, bool]], length: float = TEN, *, sliding: bool = False) -> float:
    """The highest share abandoned in a window of `length` s: one that begins every `length` s, or, sliding, one that
    ends with any answered call after the first `length` s."""
    if not sliding:
        answered = Counter(int(when // length) for when, _ in ends)
        lost = Counter(int(when // length) for when, abandoned in ends if abandoned)
        return max((lost[window] / answered[window] for window in answered), default=0.0)
    worst, first, gone = 0.0, 0, 0
    for last, (when, abandoned) in enumerate(ends):
        gone += abandoned
        while ends[first][0] <= when - length:
            gone -= ends[first][1]
            first += 1
        if when >= ends[0][0] + length:
            worst = max(worst, gone / (last - first + 1))
    return worst


@dataclass(frozen=True, slots=True)
class Starts:
    """The first 15 minutes of shifts with nothing learned, against the hour after the first; means over starts."""

    agents: int
    starts: int
    occupancy: float
    steady: float
    abandoned: float
    abandoned_upper: float


def starts(agents: int, count: int, steady_runs: int = 8, first_seed: int = 900) -> Starts:
    """`count` cold starts of `agents` agents on the realistic laws."""
    cell = real_cell(agents)
    outs = [
        simulate(Pacer(cell.config), cell.laws, full_time(agents, 900.0), 900.0, seed)
        for seed in range(first_seed, first_seed + count)
    ]
    answered = [out.connected + out.abandoned for out in outs]
    share = sum(out.abandoned for out in outs) / max(1, sum(answered))
    spread = sum((out.abandoned - share * all_) ** 2 for out, all_ in zip(outs, answered, strict=True)) / max(
        1, count - 1
    )
    upper = share + 1.645 * (spread / count) ** 0.5 / max(1e-9, sum(answered) / count)
    long = [
        simulate(Pacer(cell.config), cell.laws, full_time(agents, 4 * HOUR), 4 * HOUR, seed, HOUR)
        for seed in range(first_seed, first_seed + steady_runs)
    ]
    return Starts(
        agents, count, sum(out.occupied for out in outs) / sum(out.logged_in for out in outs),
        sum(out.occupied for out in long) / sum(out.logged_in for out in long), share, upper,
    )  # fmt: skip
