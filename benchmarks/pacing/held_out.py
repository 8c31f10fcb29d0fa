"""Settings that nothing was tuned on: written down before they were run, and not changed since.

Other teams, answer rates and caps than the named cells, and other families of laws: Weibull and gamma talk, uniform
ringing, failures at once, answering machines in bursts.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.pacing.cells import Cell, exact_cell
from pacing import PacingConfig
from pacing.laws import Draw, Laws, constant, erlang, exponential, gamma_after, mixture
from pacing.rates import Rate


def weibull(mean: float, shape: float) -> Draw:
    """Weibull of this mean (s); a shape below 1 has many short times and a few very long ones."""
    scale = mean / math.gamma(1.0 + 1.0 / shape)

    def draw(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        return np.asarray(scale * rng.weibull(shape, size))

    return draw


def uniform(low: float, high: float) -> Draw:
    """Even between `low` and `high` s."""
    return lambda rng, size: rng.uniform(low, high, size)


def bursts(rate: float, every: float, share: float) -> Rate:
    """`rate` during the first `share` of every `every` s, else none."""
    return lambda now: rate if now % every < share * every else 0.0


def held_out_cells() -> list[Cell]:
    """Six settings: three with the exact optimum beside, three with laws of other families (calls may be given up)."""
    spread_out = Laws(
        lambda _: 0.3, uniform(4.0, 22.0), constant(30.0), weibull(140.0, 0.7), erlang(40.0, 2), constant(2.0), 30.0
    )
    busy_lines = Laws(
        lambda _: 0.07, uniform(2.0, 18.0), constant(28.0), erlang(70.0, 3), exponential(30.0), constant(2.0), 28.0,
        quick_fail=0.3, quick=1.5,
    )  # fmt: skip
    machines = Laws(
        lambda _: 0.18, mixture([(0.6, gamma_after(2.0, 5.0, 2.5)), (0.4, uniform(8.0, 24.0))]), constant(30.0),
        weibull(160.0, 1.4), constant(20.0), constant(2.0), 30.0,
        machine_rate=bursts(0.3, 600.0, 0.4), ring_machine=gamma_after(14.0, 4.0, 2.0), noticed=0.8,
    )  # fmt: skip
    cells = [
        exact_cell(7, 0.07, 95.0, 0.02, 9.0),
        exact_cell(33, 0.65, 240.0, 0.03, 15.0),
        replace(exact_cell(140, 0.28, 110.0, 0.01, 12.0), hours=4.0),
        _cell("uniform ring, Weibull talk n=7 p=.3", 7, 0.03, spread_out),
        _cell("gamma talk, busy lines n=33 p=.07", 33, 0.05, busy_lines),
        replace(_cell("bursts of machines n=140 p=.18", 140, 0.03, machines), hours=4.0),
    ]
    return [replace(cell, name=f"held out: {cell.name}", runs=8) for cell in cells]


def _cell(name: str, agents: int, cap: float, laws: Laws) -> Cell:
    config = PacingConfig(abandon_cap=cap, ring_timeout=laws.timeout)
    return Cell(f"{name} cap={100 * cap:g}%", agents, cap, laws, config)
