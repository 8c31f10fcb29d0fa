"""Measure pacing: `python -m benchmarks.pacing --quick` (under two minutes) or in full."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.pacing.baselines import Exact, Issabel, OpenLoop, Power, Predict1PI, Vicidial
from benchmarks.pacing.cells import Cell, exact_cell, real_cell, real_talk
from benchmarks.pacing.report import Row, text, write_json, write_plot
from benchmarks.pacing.run import Maker, Tally, run, tuned_power
from pacing import Pacer
from pacing.erlang import rate_for_abandonment
from pacing.laws import realistic
from pacing.optimum import Optimum, optimum
from pacing.rates import swinging

TUNING_SEEDS = [9001, 9002]


def quick_cells() -> list[tuple[Cell, int, float]]:
    """(cell, runs, hours)."""
    return [
        (exact_cell(5, 0.2), 4, 6.0),
        (exact_cell(20, 0.2), 2, 4.0),
        (exact_cell(50, 0.5), 1, 3.0),
        (real_cell(5), 4, 6.0),
        (real_cell(5, cancel=True), 4, 6.0),
        (real_cell(20, cancel=True), 2, 4.0),
    ]


def full_cells(talk: Path | None) -> list[tuple[Cell, int, float]]:
    """The named cells of the full run: a dozen and more."""
    cells = [exact_cell(n, p, handle, cap) for n, p, handle, cap in (
        (5, 0.2, 150, 0.03), (10, 0.3, 180, 0.03), (20, 0.1, 300, 0.05), (20, 0.2, 150, 0.03),
        (50, 0.5, 60, 0.01), (100, 0.2, 150, 0.03),
    )]  # fmt: skip
    for n in (5, 10, 20, 50, 100):
        cells += [real_cell(n), real_cell(n, cancel=True)]
    swing = real_cell(20, cancel=True)
    cells.append(replace(swing, name="realistic n=20 p swings .1 to .3", laws=realistic(swinging(0.1, 0.3, 7200.0))))
    if talk is not None:
        cells += [real_cell(n, cancel=True, talk=real_talk(talk)) for n in (5, 20)]
    return [(cell, 30 if cell.agents <= 20 else 8, 8.0) for cell in cells]


def rivals(cell: Cell, solved: Optimum | None, level: float, hours: float) -> Iterator[tuple[str, bool, Cell, Maker]]:
    """(name, told, cell, maker) of every rival; `level`: the share abandoned to tune power to."""
    yield "progressive", False, cell, lambda _: Power(1.0)
    for mode in ("AVERAGE", "HARD", "TAPERED"):
        yield f"vicidial {mode.lower()}", False, cell, lambda _, m=mode: Vicidial(m, cell.cap, hours * 3600.0)  # type: ignore[misc]
    yield "predict1pi", False, cell, lambda _: Predict1PI(cell.cap * 0.028 / 0.03)
    yield "issabel", False, cell, lambda _: Issabel()
    if level > 0.0:
        k = tuned_power(cell, level, TUNING_SEEDS, hours)
        yield f"power, best k={k:.2f}", True, cell, lambda _: Power(k)
    p, handle, _ = cell.memory or (cell.laws.answer_rate(0.0), 150.0, 12.0)
    rate = rate_for_abandonment(cell.agents, handle, 2.0, cell.cap) / p
    yield "erlang A open loop", True, cell, lambda s: OpenLoop(rate, s)
    if solved is not None:
        yield "exact table", True, cell, lambda s: Exact(solved, s)
        fixed = replace(cell, laws=replace(cell.laws, patience=realistic().patience))
        yield "exact table, 2 s fixed", True, fixed, lambda s: Exact(solved, s)


def row(cell: Cell, name: str, told: bool, tally: Tally, best: float, seconds: float) -> Row:
    """One line of the table."""
    return Row(
        cell.name, cell.agents, name, told, tally.occupancy, tally.occupancy_error, best, tally.abandoned,
        tally.abandoned_upper, tally.worst_run, tally.over(cell.cap), tally.idle_per_contact,
        tally.dials_per_contact, seconds,
    )  # fmt: skip


def measure(cell: Cell, runs: int, hours: float, only_ours: bool) -> Iterator[Row]:
    """All policies on one cell; test seeds start at 100, tuning seeds at 9001."""
    seeds = range(100, 100 + runs)
    solved = None
    if cell.memory is not None:
        p, handle, ring = cell.memory
        solved = optimum(cell.agents, p, cell.cap, handle, ring)
    best = solved.occupancy if solved else math.nan
    start = time.perf_counter()
    ours = run(cell, lambda _: Pacer(cell.config), seeds, hours)
    yield row(cell, "ours, predictive", False, ours, best, time.perf_counter() - start)
    if only_ours:
        return
    for name, told, where, make in rivals(cell, solved, ours.abandoned, hours):
        start = time.perf_counter()
        yield row(cell, name, told, run(where, make, seeds, hours), best, time.perf_counter() - start)


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few short cells, under two minutes")
    parser.add_argument("--ours", action="store_true", help="only our pacer")
    parser.add_argument("--runs", type=int, help="runs per cell (the full run has 30, or 8 above 20 agents)")
    parser.add_argument("--hours", type=float, help="simulated hours per run")
    parser.add_argument("--cells", default="", help="only cells whose name contains this")
    parser.add_argument("--talk", type=Path, help="CSV with a column `duration` (s): adds cells with these talk times")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--plot", type=Path, help="write an SVG here")
    args = parser.parse_args()
    rows: list[Row] = []
    start = time.perf_counter()
    for cell, runs, hours in quick_cells() if args.quick else full_cells(args.talk):
        if args.cells in cell.name:
            found = list(measure(cell, args.runs or runs, args.hours or hours, args.ours))
            rows += found
            print(text(found).rsplit("\n\n", 1)[0], flush=True)
    print(text(rows).rsplit("\n\n", 1)[1] if rows else "no such cell")
    print(f"  {time.perf_counter() - start:.0f} s")
    if args.json:
        write_json(rows, args.json)
    if args.plot:
        write_plot(rows, args.plot)


if __name__ == "__main__":
    main()
