"""What a sudden change costs: p doubled or halved, agents gone, longer calls; and the first minutes of a shift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.pacing.baselines import Exact, Told
from benchmarks.pacing.cells import HOUR, Cell, exact_cell, real_cell
from benchmarks.pacing.run import Maker, Tally
from pacing import Pacer, PacingConfig
from pacing.laws import Laws, memoryless, realistic
from pacing.optimum import Optimum, optimum
from pacing.rates import alternating, stepping
from pacing.simulate import Outcome, Policy, simulate
from pacing.staffing import full_time, with_leavers

#: The change comes after so long; what is steady is measured before it, from WARM on.
CHANGE, WARM, END = 1.5 * HOUR, 0.5 * HOUR, 2.25 * HOUR
TEN = 600.0
#: p jumps between LOW and HIGH so often, s.
HALF, LOW, HIGH = 1800.0, 0.1, 0.2
JUMPS = "p jumps every 30 min"


@dataclass(frozen=True, slots=True)
class Shock:
    """Means over runs. steady: occupancy before the change (`jumping`: in the second half of each half-hour); back:
    whole minutes after the change until the runs' mean occupancy of a minute is at 95 % of that and stays there;
    lowest: that of the lowest such minute; abandoned: share over whole runs, abandoned_upper: its 95 % bound (`Tally`);
    worst_ten, worst_sliding: share abandoned in the worst ten minutes of a run, by the clock and anywhere."""

    name: str
    agents: int
    runs: int
    steady: float
    back: float
    lowest: float
    abandoned: float
    abandoned_upper: float
    worst_ten: float
    worst_sliding: float

    def missed(self, cap: float = 0.03) -> list[str]:
        """What was asked and is not kept, in words with the distance."""
        out = []
        if self.abandoned_upper > cap:
            out.append(f"bound {100 * (self.abandoned_upper - cap):.2f} over the cap")
        if self.worst_ten > 2.0 * cap:
            out.append(f"worst ten minutes {100 * (self.worst_ten - 2.0 * cap):.1f} over twice the cap")
        if self.back > 3.0:
            out.append(f"back {self.back - 3.0:.0f} min late")
        return out


def shocks(agents: int, peak: float = 3.0) -> dict[str, Cell]:
    """Name -> cell whose change comes at CHANGE; peak: `PacingConfig.peak`."""
    base = with_peak(real_cell(agents), peak)
    low = {"p doubles": stepping(0.1, 0.2, CHANGE), "p halves": stepping(0.2, 0.1, CHANGE)}
    cells = {name: replace(base, name=name, laws=realistic(rate)) for name, rate in low.items()}
    cells["30 % leave"] = replace(base, staff=lambda a, s, _: with_leavers(a, s, 0.3, CHANGE))
    cells["handle x1.5"] = replace(base, laws=replace(realistic(), handle_scale=stepping(1.0, 1.5, CHANGE)))
    return cells


def with_peak(cell: Cell, peak: float) -> Cell:
    """The cell with a tighter (lower) or looser guard of the worst ten minutes."""
    return replace(cell, config=replace(cell.config, peak=peak))


def shock(name: str, cell: Cell, runs: int, first_seed: int = 500) -> Shock:
    """The cell's change over `runs` runs."""
    outs = []
    for seed in range(first_seed, first_seed + runs):
        pacer = Pacer(cell.config)
        outs.append(simulate(pacer, cell.laws, cell.staff(cell.agents, END, seed), END, seed, by_minute=True))
    curve = minutes(outs, int(END // 60))
    change = int(CHANGE // 60)
    steady = sum(curve[int(WARM // 60) : change]) / (change - int(WARM // 60))
    return _shock(name, cell.agents, outs, steady, [curve[change:]])


def jumping(name: str, agents: int, laws: Laws, make: Maker, runs: int, hours: float = 4.0) -> Shock:
    """`laws` whose p may jump every HALF s, over whole runs."""
    seconds = hours * HOUR
    seeds = range(700, 700 + runs)
    outs = [simulate(make(s), laws, full_time(agents, seconds), seconds, s, by_minute=True) for s in seeds]
    curve = minutes(outs, int(seconds // 60))
    length = int(HALF // 60)
    halves = [curve[at : at + length] for at in range(length, len(curve), length)]
    late = [value for half in halves for value in half[length // 2 :]]
    # jumps up and jumps down apart: each minute of a half-hour is a mean over its like
    after = [[sum(column) / len(column) for column in zip(*halves[way::2], strict=True)] for way in (0, 1)]
    return _shock(name, agents, outs, sum(late) / len(late), after)


def _shock(name: str, agents: int, outs: list[Outcome], steady: float, after: list[list[float]]) -> Shock:
    low = [minute for curve in after for minute, value in enumerate(curve) if value < 0.95 * steady]
    tally = Tally(outs)
    return Shock(
        name, agents, len(outs), steady, max(low) + 1.0 if low else 0.0, min(min(curve) for curve in after),
        tally.abandoned, tally.abandoned_upper,
        sum(worst_window(out.ends) for out in outs) / len(outs),
        sum(worst_window(out.ends, sliding=True) for out in outs) / len(outs),
    )  # fmt: skip


def real_jumps(agents: int, runs: int, peak: float = 3.0) -> Shock:
    """Ours on the realistic laws: p doubles and halves every HALF s."""
    config = with_peak(real_cell(agents), peak).config
    laws = realistic(alternating(LOW, HIGH, HALF))
    return jumping(JUMPS, agents, laws, lambda _: Pacer(config), runs)


def told(agents: int, runs: int) -> Iterator[Shock]:
    """What can be done about the worst ten minutes: ours beside the exact table that is told of each jump,
    memoryless laws (exponential patience, no call given up), p constant and jumping; and both at a lower cap."""
    rate = alternating(LOW, HIGH, HALF)
    still, jumps = memoryless(HIGH), replace(memoryless(HIGH), answer_rate=rate)
    for cap in (0.03, 0.015):
        tables = {p: optimum(agents, p, cap) for p in (LOW, HIGH)}
        config = replace(exact_cell(agents, HIGH).config, abandon_cap=cap)

        def table(seed: int, tables: dict[float, Optimum] = tables) -> Policy:
            return Told(tables, rate, seed)

        def constant(seed: int, tables: dict[float, Optimum] = tables) -> Policy:
            return Exact(tables[HIGH], seed)

        def ours(_: int, config: PacingConfig = config) -> Policy:
            return Pacer(config)

        at = f", cap {100 * cap:g} %"
        if cap == 0.03:
            yield jumping("exact table, p stays" + at, agents, still, constant, runs)
            yield jumping("ours, p stays" + at, agents, still, ours, runs)
        yield jumping("exact table, told" + at, agents, jumps, table, runs)
        yield jumping("ours, p jumps" + at, agents, jumps, ours, runs)


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
    """The first 15 minutes of shifts with nothing learned, against the hours after the first; means over starts."""

    name: str
    agents: int
    starts: int
    occupancy: float
    steady: float
    abandoned: float
    abandoned_upper: float


def starts(cell: Cell, count: int, steady_runs: int = 8, first_seed: int = 900) -> Starts:
    """`count` cold starts of the cell's agents."""
    agents = cell.agents
    outs = [
        simulate(Pacer(cell.config), cell.laws, full_time(agents, 900.0), 900.0, seed)
        for seed in range(first_seed, first_seed + count)
    ]
    tally = Tally(outs)
    long = [
        simulate(Pacer(cell.config), cell.laws, full_time(agents, 4 * HOUR), 4 * HOUR, seed, HOUR)
        for seed in range(first_seed, first_seed + steady_runs)
    ]
    return Starts(
        cell.name, agents, count, tally.occupancy, Tally(long).occupancy, tally.abandoned, tally.abandoned_upper
    )
