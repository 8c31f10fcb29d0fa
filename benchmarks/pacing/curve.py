"""Occupancy against the size of the team: the exact optimum, ours, power dialing at its best, progressive.

Memoryless laws, because the optimum is known there: p .2, ring 12 s, handle 150 s, cap 3 %, patience exponential of
mean 2 s, no call given up. Ours is told none of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.pacing.baselines import Power
from benchmarks.pacing.cells import exact_cell
from benchmarks.pacing.figure import Panel, figure, label
from benchmarks.pacing.rivals import power_at, tune
from benchmarks.pacing.run import FIRST_SEED, run
from pacing import Pacer
from pacing.optimum import optimum

TICKS = (2, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class Point:
    """Occupancies at one size of the team; `abandoned`: ours; `power`: read off at the same share."""

    agents: int
    optimum: float
    ours: float
    abandoned: float
    power: float
    progressive: float


def points(sizes: Sequence[int], hours: float) -> list[Point]:
    """Measured at these sizes; fewer runs for larger teams, two at least."""
    found = []
    for n in sizes:
        cell = replace(exact_cell(n, 0.2), hours=hours)
        seeds = range(FIRST_SEED, FIRST_SEED + 1 + math.ceil(24 / n))
        ours = run(cell, lambda _, cell=cell: Pacer(cell.config), seeds)  # type: ignore[misc]
        k = tune(cell, lambda k, _: Power(k), 0.5, 30.0, ours.abandoned)
        power, _ = power_at(cell, k, ours.abandoned, seeds)
        one = run(cell, lambda _: Power(1.0), seeds)
        best = optimum(n, 0.2).occupancy
        found.append(Point(n, best, ours.occupancy, ours.abandoned, power, one.occupancy))
    return found


def write_curve(found: Sequence[Point], path: Path) -> None:
    """The plot; agents on a logarithmic axis."""
    width, height = 680.0, 360.0
    first, last = math.log(found[0].agents), math.log(found[-1].agents)
    panel = Panel(56, 40, width - 250, height - 100, first, last, 0.6, 1.0)
    parts = [label(56, 22, "How busy agents can be, and how busy ours keeps them", "title")]
    parts += [panel.across(y, f"{100 * y:.0f} %") for y in (0.6, 0.7, 0.8, 0.9, 1.0)]
    parts += [panel.below(math.log(n), str(n)) for n in TICKS if found[0].agents <= n <= found[-1].agents]
    parts.append(label(56 + (width - 250) / 2, height - 26, "agents", anchor="middle"))
    series = [
        ("optimum", "exact optimum", [point.optimum for point in found], True),
        ("ours", "ours, told nothing", [point.ours for point in found], False),
        ("tuned", "power, tuned in hindsight", [point.power for point in found], False),
        ("shipped", "one call per idle agent", [point.progressive for point in found], False),
    ]
    for kind, words, values, dashed in series:
        parts.append(
            panel.line([(math.log(p.agents), v) for p, v in zip(found, values, strict=True)], kind, dashed=dashed)
        )
        away = {"optimum": -8.0, "ours": 8.0}.get(kind, 4.0)
        if kind == "tuned":
            away = 24.0
        parts.append(label(panel.left + panel.width + 10, panel.y(values[-1]) + away, words, kind))
    note = "cap 3 %, p .2, ring 12 s, handle 150 s, patience exponential (2 s), no call given up"
    parts.append(label(56, height - 8, note))
    path.write_text(figure(width, height, "Occupancy against agents", parts), encoding="utf-8")
