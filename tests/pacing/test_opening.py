"""The best first minutes: bounds in the right order, the long run's limit, and the table as the simulator has it."""

from __future__ import annotations

import pytest

from benchmarks.pacing.baselines import Exact, Told
from benchmarks.pacing.held_out import bursts, held_out_cells, uniform, weibull
from benchmarks.pacing.opening import least, opening
from pacing.laws import memoryless
from pacing.optimum import optimum
from pacing.rates import stepping
from pacing.simulate import full_time, simulate


def test_an_empty_floor_costs_what_the_simulator_shows() -> None:
    found = opening(3, seconds=300.0)
    # the table was made for the long run: here it may abandon a little more than the cap, the bound may not
    assert found.table - 0.001 <= found.bound < found.steady
    assert 0.0 < found.abandoned < 0.05
    solved = optimum(3, 0.2)
    outs = [simulate(Exact(solved, s), memoryless(0.2), full_time(3, 300.0), 300.0, s) for s in range(300)]
    busy = sum(out.occupied for out in outs) / sum(out.logged_in for out in outs)
    assert busy == pytest.approx(found.table, abs=0.025)


def test_a_longer_opening_loses_less() -> None:
    assert opening(1, seconds=100.0).bound < opening(1, seconds=300.0).bound


def test_the_least_of_a_convex_function() -> None:
    assert least(lambda x: (x - 3.0) ** 2, 0.1, 50.0, 20) == pytest.approx(0.0, abs=1e-3)


def test_a_told_table_changes_with_the_rate() -> None:
    tables = {p: optimum(3, p) for p in (0.1, 0.3)}
    told = Told(tables, stepping(0.1, 0.3, 10.0))
    for agent in range(3):
        told.agent_available(agent, 0.0)
    before = told.decide(0.0).place
    assert before in (tables[0.1].target(0), tables[0.1].bolder[0])
    assert told.decide(20.0).place in (tables[0.3].target(0), tables[0.3].bolder[0])
    assert told.decide(20.0).place < before


def test_held_out_laws_have_their_means() -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    assert weibull(140.0, 0.7)(rng, 100_000).mean() == pytest.approx(140.0, rel=0.02)
    drawn = uniform(4.0, 22.0)(rng, 1000)
    assert drawn.min() >= 4.0
    assert drawn.max() <= 22.0
    machines = bursts(0.3, 600.0, 0.4)
    assert [machines(at) for at in (0.0, 239.0, 241.0, 599.0, 601.0)] == [0.3, 0.3, 0.0, 0.0, 0.3]
    assert len({cell.name for cell in held_out_cells()}) == 6
