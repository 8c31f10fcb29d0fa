from itertools import pairwise

import pytest

from pacing.peak import LEAST, Peak


def filled(answered: int, abandoned: int, times: float = 2.0, window: float = 600.0) -> Peak:
    """The calls spread evenly over a window that ends at 600 s; the first ones abandoned."""
    peak = Peak(times, 0.03, window)
    for i in range(answered):
        peak.observe(i < abandoned, 600.0 * (i + 1) / answered)
    return peak


def test_a_third_of_the_quota_is_free_and_the_rest_tightens() -> None:
    factors = [filled(200, lost).factor(600.0, 0.3) for lost in range(15)]
    assert factors[:5] == [1.0] * 5
    assert all(a > b for a, b in pairwise(factors[4:13]))
    assert factors[12] == factors[14] == LEAST


def test_what_leaves_the_window_is_forgiven_without_an_event() -> None:
    peak = filled(200, 12)
    assert peak.factor(600.0, 0.3) == LEAST
    assert peak.factor(600.0 + 0.2 * 600.0, 0.3) == 1.0


def test_few_agents_are_not_stopped_by_one_abandoned_call() -> None:
    assert filled(15, 1).factor(600.0, 0.02) == 1.0
    assert filled(15, 2).factor(600.0, 0.02) == 1.0
    assert 1.0 > filled(15, 4).factor(600.0, 0.02) > 0.3
    assert filled(15, 7).factor(600.0, 0.02) == LEAST


def test_a_lower_peak_is_tighter_at_twenty_agents_too() -> None:
    """70 answered calls in ten minutes: two abandoned are expected, twice the cap is four of them."""
    factors = [filled(71, 4, times).factor(600.0, 0.11) for times in (3.0, 2.0, 1.5, 1.0)]
    assert 1.0 > factors[0] > 0.9
    assert 0.7 > factors[1] > 0.5 > factors[2] > 0.1 > factors[3] == LEAST


@pytest.mark.parametrize("now", [600.0, 900.0, 5000.0])
def test_reading_changes_nothing(now: float) -> None:
    peak = filled(100, 5)
    first = peak.factor(600.0, 0.2)
    peak.factor(now, 0.2)
    assert peak.factor(600.0, 0.2) == first
