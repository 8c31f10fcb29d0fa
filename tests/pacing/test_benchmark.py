"""The pacing benchmark measures what it says: verdicts fall both ways, days resume, plots are well formed."""

from __future__ import annotations

import json
import math
import re
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.pacing.__main__ import worth
from benchmarks.pacing.baselines import Issabel, OpenLoop, Power, Predict1PI, Vicidial
from benchmarks.pacing.cells import exact_cell, full_cells, quick_cells, real_cell, real_talk
from benchmarks.pacing.curve import Point, write_curve
from benchmarks.pacing.days import DayResult, days, read, upper
from benchmarks.pacing.measure import against_limits, against_power, against_shipped, measure
from benchmarks.pacing.report import markdown, text, write_json
from benchmarks.pacing.rivals import best_mixture, power_at, tune
from benchmarks.pacing.run import Tally, run
from benchmarks.pacing.scatter import write_scatter
from benchmarks.pacing.shared import campaigns, share
from pacing.allocator import AllocatorConfig
from pacing.outcome import Outcome
from pacing.simulate import Policy

SMALL = replace(real_cell(3), hours=0.75)


def tally(occupied: float, answered: int, abandoned: int, runs: int = 1) -> Tally:
    one = Outcome(logged_in=100.0, occupied=occupied, connected=answered - abandoned, abandoned=abandoned, placed=900)
    return Tally([one] * runs)


def test_a_cell_is_measured_whole_and_reported(tmp_path: Path) -> None:
    found = measure(replace(SMALL, name="small"), 2, only=("power",))
    names = [row.policy for row in found.rows]
    assert names[:3] == ["ours, predictive", "ours, zero", "progressive"]
    assert any(name.startswith("power, tuned") for name in names)
    assert sum("VICIdial" in name for name in names) == 6
    assert found.verdicts
    assert "small" in text(found.rows)
    assert markdown(found.rows).count("\n") == len(found.rows) + 1
    write_json(found.rows, tmp_path / "rows.json")
    assert json.loads((tmp_path / "rows.json").read_text())[0]["best"] is None
    write_scatter(found.rows, tmp_path / "plot.svg")
    drawn = ElementTree.parse(tmp_path / "plot.svg").getroot()
    assert len(drawn.findall(".//{*}circle")) == len(found.rows)


def test_verdicts_fall_both_ways() -> None:
    cell = exact_cell(20, 0.2)
    good, poor = tally(90.0, 1000, 20, 10), tally(80.0, 1000, 40, 10)
    assert [verdict.kept for verdict in against_limits(cell, good, 0.905)] == [True, True]
    assert [verdict.kept for verdict in against_limits(cell, poor, 0.905)] == [False, False]
    assert against_power(cell, good, 0.904).kept
    assert not against_power(cell, good, 0.91).kept
    asked = real_cell(20)
    assert [verdict.kept for verdict in against_limits(asked, good, math.nan)] == [True, True]
    assert [verdict.kept for verdict in against_limits(asked, poor, math.nan)] == [False, False]
    small = exact_cell(5, 0.2)
    assert not against_power(small, good, 0.88).kept
    assert against_power(small, good, 0.86).kept


def test_a_rival_is_judged_at_its_own_share() -> None:
    ours, zero = tally(70.0, 1000, 25), tally(50.0, 1000, 0)
    rivals = {"progressive": tally(49.0, 1000, 0), "bold": tally(75.0, 1000, 80), "none": tally(10.0, 1000, 1)}
    found = list(against_shipped(SMALL, ours, zero, rivals, range(1), measure(SMALL, 1, only_ours=True), math.nan))
    assert [verdict.kept for verdict in found] == [True, False]


@pytest.mark.parametrize(
    "make",
    [Power, lambda: Vicidial("AVERAGE"), lambda: Vicidial("TAPERED"), Predict1PI, Issabel, lambda: OpenLoop(0.05)],
)
def test_every_rival_runs_through_the_contract(make) -> None:  # type: ignore[no-untyped-def]
    found = run(SMALL, lambda _: make(), [1])
    assert 0.1 < found.occupancy < 1.0


def test_the_knob_is_tuned_to_the_share_on_other_seeds() -> None:
    cell = replace(real_cell(10), hours=2.0)

    def make(k: float, _: int) -> Policy:
        return Power(k)

    k = tune(cell, make, 0.5, 30.0, 0.03)
    assert 1.5 < k < 6.0
    occupancy, nearest = power_at(cell, k, 0.03, range(100, 103))
    assert occupancy == pytest.approx(nearest.occupancy, abs=0.05)


def test_power_is_read_off_the_best_mixture() -> None:
    points = [(0.01, 0.70), (0.02, 0.71), (0.03, 0.80), (0.05, 0.84)]
    assert best_mixture(points, 0.02) == pytest.approx(0.75)
    assert best_mixture(points, 0.03) == pytest.approx(0.80)
    assert best_mixture(points, 0.04) == pytest.approx(0.82)
    assert best_mixture(points, 0.2) == 0.84
    assert best_mixture(points, 0.001) == 0.70


def test_days_go_on_where_they_stood(tmp_path: Path) -> None:
    kept = tmp_path / "days.jsonl"
    kept.write_text('{"agents": 1, "seed": 100000, "answered": 100, "abandoned": 4, "occupancy": 0.5}\n')
    found = list(days(1, 2, kept))
    assert [day.seed for day in found] == [100000, 100001]
    assert found[0].over(0.03)
    assert read(kept) == found
    assert list(days(1, 2, kept)) == found
    assert read(tmp_path / "none") == []
    assert not DayResult(1, 1, 100, 3, 0.5).over(0.03)


def test_the_upper_bound_is_clopper_and_pearson() -> None:
    assert upper(0, 1000) == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert upper(0, 10) > upper(0, 100)
    assert upper(5, 5) == 1.0


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    points = [Point(2, 0.76, 0.75, 0.02, 0.74, 0.7), Point(20, 0.9, 0.89, 0.03, 0.88, 0.71)]
    write_curve(points, tmp_path / "curve.svg")
    drawn = ElementTree.parse(tmp_path / "curve.svg").getroot()
    assert len(drawn.findall(".//{*}polyline")) == 4


def test_cells_have_names_of_their_own_and_real_talk_times() -> None:
    names = [cell.name for cell in full_cells()]
    assert len(names) == len(set(names)) >= 12
    assert {cell.agents for cell in full_cells()} >= {5, 8, 10, 12, 20, 50, 100}
    assert sum("real talk" in name for name in names) >= 3
    assert len(quick_cells()) >= 3
    import numpy as np

    drawn = real_talk()(np.random.default_rng(1), 10_000)
    assert 150.0 < drawn.mean() < 400.0


def test_what_giving_up_brings_is_told_with_what_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    broken = worth(Namespace(agents=[3, 10], hours=0.75, runs=1))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert sum("BROKEN" in line for line in lines) == broken
    for line in lines:
        found = re.search(r"none given up (\S+) .* past 15 s (\S+) .*: (\S+) points  (kept|BROKEN: .+)$", line)
        assert found is not None
        none, some, points = (float(found.group(i)) for i in (1, 2, 3))
        assert some > none > 0.5
        assert 100 * (some - none) == pytest.approx(points, abs=0.06)


def test_shared_agents_are_busier_with_the_allocator() -> None:
    units = campaigns(2.0)
    fixed, moved = (share(units, 12, 2.0, 1, config) for config in (None, AllocatorConfig()))
    assert moved.occupancy > fixed.occupancy + 0.01
    assert moved.abandoned <= 0.03
    assert fixed.moves == 0.0
    assert 0.0 < moved.moves < 20.0
