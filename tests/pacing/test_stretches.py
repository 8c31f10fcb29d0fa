"""The model of the worst ten minutes: a guard helps, costs, and helps less where abandoned calls come in clusters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.pacing.cells import real_cell
from benchmarks.pacing.stretches import MEAN, NEVER, followed, ours, stretch, worth


def test_a_guard_costs_and_clusters_set_its_limit() -> None:
    free, held = (stretch(times, 0.0, 71.0, 0.025, runs=24) for times in (NEVER, 2.0))
    clustered, held_clustered = (stretch(times, 0.3, 71.0, 0.025, runs=24) for times in (NEVER, 2.0))
    for one in (free, held, clustered, held_clustered):
        assert one.abandoned == pytest.approx(MEAN, rel=0.1)
    # without a guard the cost is none, but for the search
    assert abs(free.cost) < 0.002
    assert held.worst_ten < free.worst_ten - 0.008
    assert held_clustered.worst_ten < clustered.worst_ten - 0.01
    assert held_clustered.worst_ten > held.worst_ten + 0.01
    assert held_clustered.cost > held.cost > 0.001


def test_the_worst_of_independent_calls_is_that_of_the_binomial_law() -> None:
    from scipy.stats import binom

    free = stretch(NEVER, 0.0, 70.0, 0.025, runs=40)
    below = binom.cdf(range(40), 70, free.abandoned) ** 24
    assert 70.0 * free.worst_ten == pytest.approx(sum(1.0 - below), abs=0.5)


def test_what_a_cap_is_worth_falls_with_the_team() -> None:
    assert worth(5) > worth(12) > 0.01


def test_ten_minutes_of_a_team_are_counted() -> None:
    answered, follow = ours(replace(real_cell(8), hours=1.0), 1)
    assert 15.0 < answered < 40.0
    assert 0.0 <= follow <= 0.5


def test_followed_counts_what_was_lost_soon_after_another() -> None:
    assert followed([(0.0, True), (1.0, False), (4.0, True), (20.0, True), (21.0, True)]) == 0.5
    assert followed([(0.0, False)]) == 0.0
