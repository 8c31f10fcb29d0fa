"""What a decision costs, counted in calls of functions: no clock enters. It does not grow with the calls in the air."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

from benchmarks.pacing.cost import crowded, day, decisions
from pacing import Pacer


def operations(pacer: Pacer, now: float) -> list[int]:
    """Calls of Python and C functions, numpy's included, in each of some decisions."""
    counts = []
    called = 0

    def count(_: FrameType, event: str, __: Any) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    for i in range(40):
        called = 0
        sys.setprofile(count)
        try:
            pacer.decide(now + 0.01 * i)
        finally:
            sys.setprofile(None)
        counts.append(called)
    return counts


@pytest.mark.parametrize(("agents", "in_air", "rate"), [(100, 600, 0.025), (500, 5000, 0.015)])
def test_a_decision_is_a_few_hundred_calls_of_functions(agents: int, in_air: int, rate: float) -> None:
    """370 and 350 in the median when written, 680 at most; numpy's arrays have 76 elements."""
    found = operations(*crowded(agents, in_air, rate))
    assert np.median(found) < 700
    assert max(found) < 1500


def test_the_work_does_not_grow_with_the_calls_in_the_air() -> None:
    few = operations(*crowded(500, 500, 0.015))
    many = operations(*crowded(500, 10_000, 0.015))
    assert np.median(many) < 1.5 * np.median(few) + 50


def test_the_command_measures_what_it_says() -> None:
    found = decisions(20, 40, 0.2, count=60)
    assert 0.0 < found.median <= found.p99 < 0.5
    whole = day(3, 0.1)
    assert whole.calls > 0
    assert 0.0 < whole.core < 1.0
