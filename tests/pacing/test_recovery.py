"""After agents have left, or calls have grown longer, the team is soon as busy as before. Statistical: see the runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.pacing.baselines import Power
from benchmarks.pacing.cells import Cell, exact_cell, real_cell
from benchmarks.pacing.shocks import (
    CHANGE,
    END,
    HALF,
    WARM,
    Shock,
    jumping,
    minutes,
    shock,
    shocks,
    starts,
    worst_window,
)
from pacing import Pacer
from pacing.laws import memoryless
from pacing.rates import alternating
from pacing.simulate import simulate

CHANGES = ["30 % leave", "handle x1.5"]


@pytest.mark.parametrize("name", CHANGES)
def test_soon_after_a_change_agents_are_as_busy_as_before(name: str) -> None:
    """The minutes 3 to 15 after the change, five runs of 20 agents together, against the hour before."""
    cell = shocks(20)[name]
    outs = [
        simulate(Pacer(cell.config), cell.laws, cell.staff(20, END, seed), END, seed, by_minute=True)
        for seed in range(40, 45)
    ]
    curve = minutes(outs, int(END // 60))
    change = int(CHANGE // 60)
    before = curve[int(WARM // 60) : change]
    after = curve[change + 3 : change + 15]
    assert sum(after) / len(after) >= 0.95 * sum(before) / len(before)


@pytest.mark.soak
@pytest.mark.parametrize("name", CHANGES)
def test_within_three_minutes_for_good(name: str) -> None:
    """Mean of 100 runs: from the third minute on no minute is below 95 % of the steady occupancy."""
    found = shock(name, shocks(20)[name], runs=100)
    assert found.back <= 3.0
    assert found.abandoned <= 0.03


@pytest.mark.soak
@pytest.mark.parametrize("agents", [5, 20])
@pytest.mark.parametrize("cell", [real_cell, exact_cell])
def test_two_hundred_cold_starts_keep_the_cap_and_five_points(agents: int, cell: Callable[..., Cell]) -> None:
    found = starts(cell(agents, 0.2), 200)
    assert found.abandoned <= 0.03
    assert found.occupancy >= found.steady - 0.05


def test_worst_windows_are_found_by_the_clock_and_anywhere() -> None:
    ends = [(float(at), 550 <= at < 650) for at in range(0, 1800, 10)]
    assert worst_window(ends) == pytest.approx(5 / 60)
    assert worst_window(ends, sliding=True) == pytest.approx(10 / 60)
    assert worst_window([]) == 0.0


def test_what_was_missed_is_said_with_its_distance() -> None:
    fine = Shock("p doubles", 20, 100, 0.89, 3.0, 0.85, 0.027, 0.029, 0.06, 0.07)
    assert fine.missed() == []
    poor = replace(fine, back=5.0, abandoned_upper=0.032, worst_ten=0.075)
    assert poor.missed() == [
        "bound 0.20 over the cap", "worst ten minutes 1.5 over twice the cap", "back 2 min late",
    ]  # fmt: skip


def test_jumps_are_judged_by_both_directions() -> None:
    """Progressive dialing when p falls to a tenth: its occupancy cannot come back within the half-hour."""
    rate = alternating(0.3, 0.03, HALF)
    found = jumping("x", 6, replace(memoryless(0.3), answer_rate=rate), lambda _: Power(1.0), 2, hours=3.0)
    assert found.back == 30.0
    assert found.lowest < 0.5 * found.steady
    assert found.abandoned == 0.0
    still = jumping("x", 6, memoryless(0.3), lambda _: Power(1.0), 8, hours=3.0)
    assert still.lowest > 0.8 * still.steady
