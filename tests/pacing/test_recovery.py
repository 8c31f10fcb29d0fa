"""After agents have left, or calls have grown longer, the team is soon as busy as before. Statistical: see the runs."""

from __future__ import annotations

import pytest

from benchmarks.pacing.shocks import CHANGE, END, WARM, minutes, shock, shocks, starts, worst_window
from pacing import Pacer
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
def test_two_hundred_cold_starts_keep_the_cap(agents: int) -> None:
    found = starts(agents, 200)
    assert found.abandoned <= 0.03
    assert found.occupancy >= found.steady - 0.10


def test_worst_windows_are_found_by_the_clock_and_anywhere() -> None:
    ends = [(float(at), 550 <= at < 650) for at in range(0, 1800, 10)]
    assert worst_window(ends) == pytest.approx(5 / 60)
    assert worst_window(ends, sliding=True) == pytest.approx(10 / 60)
    assert worst_window([]) == 0.0
