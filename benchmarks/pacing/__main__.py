"""Measure pacing: `python -m benchmarks.pacing --quick` (under two minutes); `--help` names the rest."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.pacing import cost, stretches
from benchmarks.pacing import shared as sharing
from benchmarks.pacing import shocks as shaken
from benchmarks.pacing.cells import ASKED, Cell, exact_cell, full_cells, grid_cells, quick_cells, real_cell
from benchmarks.pacing.days import days, rolling, upper
from benchmarks.pacing.held_out import held_out_cells
from benchmarks.pacing.measure import Measured, Verdict, measure
from benchmarks.pacing.opening import opening
from benchmarks.pacing.report import NOTES, Row, markdown, plain, text, write_json
from benchmarks.pacing.scatter import write_scatter
from pacing import PacingConfig

Args = argparse.Namespace


def table(args: Args) -> int:
    """Ours, the rivals and the optimum on every cell; returns how many verdicts are not kept."""
    start = time.process_time()
    every = CELLS[args.which][0]() if args.which else full_cells()
    cells = [cell for cell in every if re.search(args.cells, cell.name)]
    if args.hours:
        cells = [replace(cell, hours=args.hours) for cell in cells]
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    for found in _measured(cells, args):
        rows += found.rows
        verdicts += found.verdicts
        print(text(found.rows))
        for verdict in found.verdicts:
            print(f"  {'kept  ' if verdict.kept else 'BROKEN'} {verdict.text}", flush=True)
        _write(args, rows, verdicts)  # after each cell: a long run may be broken off
    print(NOTES if rows else "no such cell")
    broken = [verdict for verdict in verdicts if not verdict.kept]
    print(f"\n{len(verdicts)} verdicts, {len(broken)} broken; {time.process_time() - start:.0f} s of CPU")
    for verdict in broken:
        print(f"  {verdict.cell}: {verdict.text}")
    return len(broken)


def _write(args: Args, rows: list[Row], verdicts: list[Verdict]) -> None:
    """The files that were asked for, with what is there."""
    if args.json:
        write_json(rows, args.json)
    if args.markdown:
        lines = [f"- {'kept' if v.kept else '**broken**'}: {v.cell}: {v.text}" for v in verdicts]
        args.markdown.write_text(markdown(rows) + "\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    if args.plot:
        write_scatter(rows, args.plot)


def _measured(cells: list[Cell], args: Args) -> Iterator[Measured]:
    only = () if args.rivals == "all" else ("power",)
    if args.processes == 1:
        yield from (measure(cell, args.runs, only_ours=args.ours, only=only) for cell in cells)
        return
    # the cells hold functions: let the children inherit them
    with multiprocessing.get_context("fork").Pool(args.processes, _inherit, (cells, args, only)) as pool:
        yield from pool.imap(_one, range(len(cells)))


_inherited: tuple[list[Cell], Args, tuple[str, ...]]


def _inherit(cells: list[Cell], args: Args, only: tuple[str, ...]) -> None:
    global _inherited
    _inherited = cells, args, only


def _one(place: int) -> Measured:
    cells, args, only = _inherited
    return measure(cells[place], args.runs, only_ours=args.ours, only=only)


def windows(args: Args) -> int:
    """Days with the cap over the day; how many are over it."""
    over = 0
    for agents in args.agents or [10, 40]:
        count = over_here = answered = lost = 0
        occupancy = worst = 0.0
        for found in days(agents, args.days, args.into, args.processes):
            count += 1
            over_here += found.over(0.03)
            answered, lost = answered + found.answered, lost + found.abandoned
            occupancy += found.occupancy
            worst = max(worst, found.abandoned / max(1, found.answered))
        print(
            f"n={agents}: {count} days of 8 h, {over_here} over 3 %"
            f" (95 % upper bound {100 * upper(over_here, count):.2f} %), worst {100 * worst:.2f} %,"
            f" mean {100 * lost / max(1, answered):.2f} %, occupancy {occupancy / count:.4f}",
            flush=True,
        )
        over += over_here
    return over


def months(args: Args) -> int:
    """Rolling 30-day windows; how many are over."""
    over = 0
    for agents in args.agents or [10]:
        for seed in range(args.runs or 1):
            found = rolling(agents, 200_000 + 1000 * seed, args.days)
            over += found.over
            print(
                f"n={agents}, {found.days} days of 8 h: {found.windows} windows of 30 days, {found.over} over 3 %,"
                f" worst {100 * found.worst:.2f} %, whole run {100 * found.abandoned:.2f} %, occupancy"
                f" {found.occupancy:.4f}",
                flush=True,
            )
    return over


def sudden(args: Args) -> int:
    """Sudden changes; how many break what was asked. --told: ours beside the exact table that is told of each jump."""
    broken = 0
    print(
        f"{'change':<28} {'n':>4} {'runs':>5} {'steady':>7} {'back min':>9} {'lowest':>7} {'abandoned':>10}"
        f" {'<= 95 %':>8} {'worst 10 min':>13} {'sliding':>8}"
    )
    for agents in args.agents or [20]:
        for one in _told(agents, args) if args.told else _shaken(agents, args):
            missed = one.missed()
            broken += bool(missed)
            print(
                f"{one.name:<28} {one.agents:>4} {one.runs:>5} {one.steady:>7.4f} {one.back:>9.0f} {one.lowest:>7.3f}"
                f" {100 * one.abandoned:>9.2f}% {100 * one.abandoned_upper:>7.2f}% {100 * one.worst_ten:>12.2f}%"
                f" {100 * one.worst_sliding:>7.2f}%  {'kept' if not missed else 'BROKEN: ' + ', '.join(missed)}",
                flush=True,
            )
    return broken


def _shaken(agents: int, args: Args) -> Iterator[shaken.Shock]:
    for peak in args.peak:
        note = "" if peak == PacingConfig().peak else f", peak {peak:g}"
        for name, cell in shaken.shocks(agents, peak).items():
            if re.search(args.cells, name):
                yield shaken.shock(name + note, cell, args.runs or 100)
        if re.search(args.cells, shaken.JUMPS):
            jumps = shaken.real_jumps(agents, args.runs or 100, peak)
            yield replace(jumps, name=jumps.name + note)


def _told(agents: int, args: Args) -> Iterator[shaken.Shock]:
    yield from shaken.told(agents, args.runs or 24)


def bought(args: Args) -> int:
    """What a guard of the worst ten minutes can do, by how many abandoned calls follow another; judges nothing."""
    for agents in args.agents or [20]:
        cell = replace(real_cell(agents), hours=args.hours or 4.0)
        answered, follow = stretches.ours(cell, args.runs or 8)
        gain = stretches.worth(agents)
        print(
            f"n={agents}: {answered:.0f} answered calls in ten minutes, {100 * follow:.0f} % of the abandoned within"
            f" {stretches.SOON:g} s of another; occupancy + {gain:.4f} x log share",
            flush=True,
        )
        for chance in (0.0, follow):
            for times in (stretches.NEVER, 3.0, 2.5, 2.0, 1.5):
                one = stretches.stretch(times, chance, answered, gain)
                guard = "no guard" if times == stretches.NEVER else f"peak {times:g}"
                print(
                    f"  {'by themselves' if chance == 0.0 else 'in clusters'}, {guard}: worst ten minutes"
                    f" {100 * one.worst_ten:.1f} %, {100 * one.cost:.1f} points lost, {100 * one.abandoned:.2f} %",
                    flush=True,
                )
    return 0


def cold(args: Args) -> int:
    """First 15 minutes; how many teams break what was asked. --told: what the exact optimum itself loses in them."""
    if args.told:
        for agents in args.agents or [5, 10, 20]:
            best = opening(agents)
            print(
                f"n={agents}, memoryless, all known: steady {best.steady:.4f}; first 15 min from an empty floor:"
                f" its table {best.table:.4f} (abandons {100 * best.abandoned:.2f} %), no policy above {best.bound:.4f}"
                f" ({100 * (best.bound - best.steady):+.1f} points)",
                flush=True,
            )
        return 0
    broken = 0
    for agents in args.agents or [5, 20, 100]:
        for cell in (real_cell(agents), real_cell(agents, cancel=False), exact_cell(agents, 0.2)):
            one = shaken.starts(cell, args.runs or 200)
            kept = one.abandoned <= 0.03 and one.occupancy >= one.steady - 0.05
            broken += not kept
            print(
                f"{one.name}: {one.starts} starts, first 15 min: occupancy {one.occupancy:.4f} ({one.steady:.4f}"
                f" steady, {100 * (one.occupancy - one.steady):+.1f} points), abandoned {100 * one.abandoned:.2f} %"
                f" (95 % bound {100 * one.abandoned_upper:.2f} %)  {'kept' if kept else 'BROKEN'}",
                flush=True,
            )
    return broken


def floors(args: Args) -> int:
    """Agents shared by three campaigns; 1 when the allocator is not better than the fixed split."""
    broken = 0
    for agents in args.agents or [12, 30]:
        busy = {}
        for way, found in sharing.compare(agents, range(1, 1 + (args.runs or 4)), args.hours or 4.0).items():
            count = len(found)
            busy[way] = sum(one.occupancy for one in found) / count
            talks = ", ".join(f"{sum(one.talks[k] for one in found) / count:.0f}" for k in range(len(found[0].talks)))
            print(
                f"n={agents} {way:<26} occupancy {busy[way]:.4f}, {sum(one.talks_an_hour for one in found) / count:.0f}"
                f" talks/h ({talks}), abandoned {100 * sum(one.abandoned for one in found) / count:.2f} %,"
                f" {sum(one.moves for one in found) / count:.1f} moves per agent and hour",
                flush=True,
            )
        broken += busy["allocator"] <= busy["fixed split"]
    return broken


def curve(args: Args) -> int:
    """Occupancy against agents: the plot of the README and of the docs."""
    from benchmarks.pacing.curve import points, write_curve

    found = points(args.agents or [2, 3, 5, 8, 12, 20, 35, 60, 100], args.hours or 8.0)
    for point in found:
        print(json.dumps(plain(asdict(point))))
    if args.plot:
        write_curve(found, args.plot)
    return 0


def worth(args: Args) -> int:
    """What giving up ringing calls past 15 s brings on the realistic laws; how many teams miss something asked."""
    broken = 0
    for agents in args.agents or list(ASKED):
        cells = [
            replace(real_cell(agents, cancel=cancel), hours=args.hours or 8.0, runs=args.runs or 6)
            for cancel in (False, True)
        ]
        none, some = (measure(cell, cell.runs, only_ours=True) for cell in cells)
        without, given = none.rows[0], some.rows[0]
        missed = [verdict.text for verdict in none.verdicts + some.verdicts if not verdict.kept]
        broken += bool(missed)
        print(
            f"n={agents}: none given up {without.occupancy:.4f} ({100 * without.abandoned:.2f} %,"
            f" {without.dials_per_contact:.2f} calls per contact), past 15 s {given.occupancy:.4f}"
            f" ({100 * given.abandoned:.2f} %, {given.dials_per_contact:.2f}):"
            f" {100 * (given.occupancy - without.occupancy):+.1f} points"
            f"  {'BROKEN: ' + '; '.join(missed) if missed else 'kept'}",
            flush=True,
        )
    return broken


def costs(_: Args) -> int:
    """What a decision, a day and the import cost, in CPU; how many of the bounds are broken."""
    broken = 0
    # so many calls as the answer rate asks for, and far too many
    for agents, in_air, rate in ((100, 600, 0.025), (500, 5000, 0.015), (500, 5000, 0.2)):
        one = cost.decisions(agents, in_air, rate)
        broken += one.p99 > 0.002
        print(
            f"decide, {agents} agents, {in_air} calls in the air, p {rate:g}, {one.given_up:.0f} given up:"
            f" median {1e3 * one.median:.2f} ms, p99 {1e3 * one.p99:.2f} ms"
            f"  {'kept' if one.p99 <= 0.002 else 'BROKEN'} (2 ms)",
            flush=True,
        )
    whole = cost.day()
    broken += (whole.spent > 15.0) + (whole.core > 0.02)
    print(
        f"a simulated day of {whole.hours:g} h, {whole.agents} agents, {whole.calls} calls: {whole.spent:.1f} s"
        f"  {'kept' if whole.spent <= 15.0 else 'BROKEN'} (15 s); the pacer's own {100 * whole.core:.3f} % of a core"
        f"  {'kept' if whole.core <= 0.02 else 'BROKEN'} (2 %)"
    )
    took = dict(cost.imports())
    more = took["pacing"] - took["numpy"]
    broken += more > 0.1
    print(
        f"import: numpy {took['numpy']:.3f} s, pacing {more:.3f} s more  {'kept' if more <= 0.1 else 'BROKEN'} (0.1 s)"
    )
    return broken


CELLS = {
    "quick": (quick_cells, "a few short cells, under two minutes"),
    "held-out": (held_out_cells, "the settings that nothing was tuned on"),
    "grid": (grid_cells, "memoryless teams over the whole range of agents, p, handle time and cap (with --ours)"),
}
PARTS = {
    "table": table,
    "days": windows,
    "rolling": months,
    "shocks": sudden,
    "stretches": bought,
    "starts": cold,
    "shared": floors,
    "curve": curve,
    "cost": costs,
    "giving-up": worth,
}


def main() -> int:
    """Parse the arguments, run, print. Ends with 1 when --strict is given and something asked for is not kept."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pacing", description="Measure pacing; see docs/design/pacing-benchmark.md."
    )
    parser.add_argument("part", nargs="?", choices=PARTS, default="table", help="what to measure (default: table)")
    which = parser.add_mutually_exclusive_group()
    for name, (_, words) in CELLS.items():
        which.add_argument(f"--{name}", dest="which", action="store_const", const=name, help=f"table: {words}")
    parser.add_argument("--ours", action="store_true", help="table: only our pacer")
    parser.add_argument(
        "--rivals", choices=("power", "all"), default="all", help="table: which rivals to tune in hindsight"
    )
    parser.add_argument(
        "--cells", default="", help="table, shocks: only cells whose name holds this regular expression"
    )
    parser.add_argument("--runs", type=int, help="runs per cell, starts, or months")
    parser.add_argument("--hours", type=float, help="simulated hours per run")
    parser.add_argument("--agents", type=int, nargs="*", help="team sizes (not for table)")
    parser.add_argument("--told", action="store_true", help="shocks, starts: what somebody who knows everything can do")
    parser.add_argument(
        "--peak", type=float, nargs="*", default=[PacingConfig().peak], help="shocks: guards of the worst ten minutes"
    )
    parser.add_argument("--days", type=int, default=None, help="days: 1000; rolling: 60")
    parser.add_argument(
        "--into", type=Path, default=Path("var/pacing-days.jsonl"), help="days: kept here, resumed from here"
    )
    parser.add_argument("--processes", type=int, default=1, help="processes for table and days")
    parser.add_argument("--json", type=Path, help="table: write the rows here")
    parser.add_argument("--markdown", type=Path, help="table: write rows and verdicts here")
    parser.add_argument("--plot", type=Path, help="table, curve: write an SVG here")
    parser.add_argument("--strict", action="store_true", help="end with 1 when something is not kept")
    args = parser.parse_args()
    args.days = args.days or (60 if args.part == "rolling" else 1000)
    if args.part == "days":
        args.into.parent.mkdir(parents=True, exist_ok=True)
    try:
        broken = PARTS[args.part](args)
    except KeyboardInterrupt:
        return 130
    return 1 if broken and args.strict else 0


if __name__ == "__main__":
    sys.exit(main())
