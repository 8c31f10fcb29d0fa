"""Everything on one cell: ours, the rivals, the optimum, and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from benchmarks.pacing.cells import Cell
from benchmarks.pacing.report import Row
from benchmarks.pacing.rivals import exact, power_at, shipped, tuned
from benchmarks.pacing.run import FIRST_SEED, Tally, run
from pacing import Pacer
from pacing.optimum import optimum

#: Below this share a rival counts as one that abandons nobody.
NOBODY = 0.005
#: Fewer runs bear no bound.
ENOUGH = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence that a cell must bear out."""

    cell: str
    text: str
    kept: bool


@dataclass(slots=True)
class Measured:
    """The rows and verdicts of one cell."""

    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


def row(cell: Cell, name: str, kind: str, tally: Tally, best: float) -> Row:
    """One line of the table."""
    return Row(
        cell.name, cell.agents, name, kind, tally.occupancy, tally.occupancy_error, best, tally.abandoned,
        tally.abandoned_upper, tally.worst_run, tally.over(cell.cap), tally.idle_per_contact,
        tally.dials_per_contact,
    )  # fmt: skip


def measure(cell: Cell, runs: int | None = None, *, only_ours: bool = False, only: tuple[str, ...] = ()) -> Measured:
    """Run the cell; test seeds start at 100. only: of the rivals tuned in hindsight, these (power is always run)."""
    seeds = range(FIRST_SEED, FIRST_SEED + (runs or cell.runs))
    solved = None
    if cell.memory is not None:
        p, handle, ring = cell.memory
        solved = optimum(cell.agents, p, cell.cap, handle, ring)
    best = solved.occupancy if solved else math.nan
    ours = run(cell, lambda _: Pacer(cell.config), seeds)
    found = Measured([row(cell, "ours, predictive", "ours", ours, best)])
    told = [(rival, run(rival.cell, rival.make, seeds)) for rival in exact(cell, solved)] if solved else []
    found.verdicts += against_limits(cell, ours, best, told[0][1].occupancy if told else math.nan)
    if only_ours:
        found.rows += [row(cell, rival.name, rival.kind, tally, best) for rival, tally in told[:1]]
        return found
    zero = run(cell, lambda _: Pacer(replace(cell.config, mode="zero")), seeds)
    found.rows.append(row(cell, "ours, zero", "ours", zero, best))
    as_shipped = {}
    for rival in shipped(cell):
        tally = run(rival.cell, rival.make, seeds)
        found.rows.append(row(cell, rival.name, rival.kind, tally, best))
        if rival.cell is cell:
            as_shipped[rival.name] = tally
    found.verdicts += against_shipped(cell, ours, zero, as_shipped, seeds, found, best)
    for rival in tuned(cell, ours.abandoned, only or ()):
        if rival.name.startswith("power"):
            k = float(rival.name.partition("(")[2].rstrip(")"))
            occupancy, nearest = power_at(cell, k, ours.abandoned, seeds)
            line = row(cell, rival.name, rival.kind, nearest, best)
            found.rows.append(line)
            found.verdicts.append(against_power(cell, ours, occupancy, best))
        else:
            found.rows.append(row(cell, rival.name, rival.kind, run(rival.cell, rival.make, seeds), best))
    found.rows += [row(cell, rival.name, rival.kind, tally, best) for rival, tally in told]
    return found


def against_limits(cell: Cell, ours: Tally, best: float, told: float = math.nan) -> Iterable[Verdict]:
    """The cap, the distance to the exact optimum where there is one, the occupancy that is asked for.

    told: occupancy of the optimum's own table on the same calls: how lucky they were."""
    # a few short runs bear no bound: there the share itself is judged
    bound = ours.abandoned_upper if len(ours.runs) >= ENOUGH else ours.abandoned
    text = (
        f"abandoned {100 * ours.abandoned:.2f} %, 95 % upper bound {100 * ours.abandoned_upper:.2f} %"
        f" <= cap {100 * cell.cap:g} %{'' if len(ours.runs) >= ENOUGH else ' (too few runs for the bound)'}"
    )
    yield Verdict(cell.name, text, bound <= cell.cap)
    if not math.isnan(best):
        allowed = 0.02 if cell.agents <= 10 else 0.01
        luck = "" if math.isnan(told) else f"; its own table, on the same calls, {100 * (best - told):.2f}"
        yield Verdict(
            cell.name,
            f"{100 * (best - ours.occupancy):.2f} points below the exact optimum (<= {100 * allowed:.0f}){luck}",
            best - ours.occupancy <= allowed,
        )
    if cell.asked is not None:
        text = f"occupancy {ours.occupancy:.4f} (>= {cell.asked:g})"
        yield Verdict(cell.name, text, ours.occupancy >= cell.asked)


def against_shipped(
    cell: Cell, ours: Tally, zero: Tally, rivals: dict[str, Tally], seeds: range, found: Measured, best: float
) -> Iterable[Verdict]:
    """Above every rival as shipped that abandons, at its own share or less; not below progressive where nobody does.

    A rival that abandons less than ours is met by ours at a lower cap: run at the smallest such share, and read off
    between the two where the rival's lies between them.
    """
    lower = min((t.abandoned for t in rivals.values() if NOBODY < t.abandoned < ours.abandoned), default=None)
    meek = ours
    if lower is not None:
        config = replace(cell.config, abandon_cap=max(0.0001, lower))
        meek = run(cell, lambda _: Pacer(config), seeds)
        found.rows.append(row(cell, f"ours at cap {100 * lower:.2f} %", "ours", meek, best))
    for name, tally in rivals.items():
        if name == "progressive":
            gap = 100 * (zero.occupancy - tally.occupancy)
            text = f"zero mode (abandons {100 * zero.abandoned:.2f} %) {gap:+.2f} points against progressive (>= 0)"
            yield Verdict(cell.name, text, gap >= -0.05)
        elif tally.abandoned > NOBODY:
            share = min(tally.abandoned, ours.abandoned)
            gap = 100 * (_at_share(share, meek, ours) - tally.occupancy)
            shares = f"{100 * share:.2f} % against {100 * tally.abandoned:.2f} %"
            yield Verdict(cell.name, f"{gap:+.2f} points against {name}, at {shares}", gap > 0)


def _at_share(share: float, low: Tally, high: Tally) -> float:
    """Our occupancy where `share` is abandoned, between two caps of ours; below the lower one, its own."""
    span = high.abandoned - low.abandoned
    if span <= 1e-9:
        return high.occupancy
    at = min(1.0, max(0.0, (share - low.abandoned) / span))
    return low.occupancy + at * (high.occupancy - low.occupancy)


def against_power(cell: Cell, ours: Tally, occupancy: float, best: float = math.nan) -> Verdict:
    """Against the best hindsight-tuned power dialing at our share abandoned."""
    n = cell.agents
    wanted = 3.0 if n <= 5 else 1.0 if n <= 12 else -0.5
    gap = 100 * (ours.occupancy - occupancy)
    text = f"{gap:+.2f} points against the best power dialing at the same share abandoned (>= {wanted:+.1f})"
    if not math.isnan(best):
        text += f"; the exact optimum, at the whole cap: {100 * (best - occupancy):+.2f}"
    return Verdict(cell.name, text, gap >= wanted)
