"""The circuit breaker's table, with a clock moved by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.breaker import (
    ACTIONS,
    BREAKER_TABLE,
    LONGEST_REST,
    Breaker,
    BreakerState,
    BreakerStateError,
    BreakerTrigger,
)
from dialer.config.sip_tables import BreakerTable
from dialer.diagram import breaker_diagram

S, T = BreakerState, BreakerTrigger
DOC = Path(__file__).parents[2] / "docs" / "design" / "engine.md"


def breaker(**keys):
    return Breaker(BreakerTable(**{"share": 0.5, "calls": 10, "window": 60.0, "rest": 20.0, **keys}))


def calls(one: Breaker, now: float, *congested: bool) -> list[BreakerTrigger | None]:
    said = []
    for number, bad in enumerate(congested):
        one.began(f"{now}/{number}")
        said.append(one.result(f"{now}/{number}", now, bad))
    return said


def test_a_share_of_congestion_trips_it_and_fewer_calls_say_nothing():
    one = breaker()
    assert calls(one, 1.0, *[True] * 9) == [None] * 9
    assert calls(one, 2.0, True) == [T.TRIPPED]


def test_just_below_the_share_it_stays_closed():
    one = breaker()
    assert set(calls(one, 1.0, *[False] * 11, *[True] * 10)) == {None}
    assert one.share == pytest.approx(10 / 21)
    assert calls(one, 1.0, True) == [T.TRIPPED]


def test_what_is_older_than_the_window_does_not_count():
    one = breaker()
    calls(one, 1.0, *[True] * 9)
    assert calls(one, 61.5, *[True] * 9) == [None] * 9
    assert one.share == 1.0


def test_a_call_counts_once_by_its_first_sign():
    one = breaker()
    one.began("a")
    one.result("a", 1.0, False)
    one.result("a", 2.0, True)
    assert one.share == 0.0
    assert one.result("never begun", 2.0, True) is None
    assert one.share == 0.0


def test_open_then_a_trickle_then_closed():
    one = breaker(trickle=2, probes=3)
    one.fire(T.TRIPPED, 100.0)
    assert (one.state, one.until) == (S.OPEN, 120.0)
    assert one.allowance(110.0, asked=False) == 0
    assert one.allowance(120.0, asked=False) == 2
    assert one.allowance(120.0, asked=True) == 0  # OPTIONS first
    one.fire(T.REST_OVER, 120.0)
    one.began("a")
    one.began("b")
    assert one.allowance(121.0, asked=False) == 0
    assert one.result("a", 121.0, False) is None
    assert one.allowance(121.0, asked=False) == 1
    one.gone("b")  # never left: it proves nothing
    assert calls(one, 122.0, False, False) == [None, T.PROVEN]
    one.fire(T.PROVEN, 122.0)
    assert one.allowance(122.0, asked=False) is None


def test_a_failed_trial_doubles_the_rest_up_to_the_longest():
    one, now, rests = breaker(), 0.0, []
    one.fire(T.TRIPPED, now)
    for _ in range(6):
        rests.append(one.until - now)
        now = one.until
        one.fire(T.REST_OVER, now)
        assert calls(one, now, True) == [T.TRIPPED]
        one.fire(T.TRIPPED, now)
    assert rests == [20.0, 40.0, 80.0, 160.0, LONGEST_REST, LONGEST_REST]
    one.fire(T.RESET, now)
    one.fire(T.TRIPPED, now)
    assert one.until - now == 20.0


def test_a_silent_probe_rests_longer_and_an_answered_one_begins_the_trial():
    one = breaker()
    one.fire(T.TRIPPED, 0.0)
    one.fire(T.ASK, 20.0)
    assert one.allowance(21.0, asked=True) == 0
    one.fire(T.SILENT, 24.0)
    assert (one.state, one.until) == (S.OPEN, 64.0)
    one.fire(T.ASK, 64.0)
    one.fire(T.ANSWERED, 64.1)
    assert one.state is S.HALF_OPEN


def test_retry_after_is_the_rest_but_a_day_is_cut_to_the_longest():
    one = breaker()
    one.refused(10.0, 7.0)
    assert one.until == 17.0
    one.refused(11.0, 86400.0)  # a call that was on its way
    assert one.until == 11.0 + LONGEST_REST
    one.refused(12.0, 1.0)
    assert one.until == 11.0 + LONGEST_REST  # a shorter word does not cut a longer one


def test_calls_from_before_the_trial_prove_nothing():
    one = breaker(probes=1)
    one.began("old")
    one.fire(T.TRIPPED, 0.0)
    one.fire(T.REST_OVER, 20.0)
    assert one.result("old", 20.0, True) is None
    assert one.allowance(20.0, asked=False) == 2


def test_a_move_that_the_table_does_not_have_changes_nothing():
    one = breaker()
    with pytest.raises(BreakerStateError, match="proven in state closed"):
        one.fire(T.PROVEN, 0.0)
    assert one.state is S.CLOSED


def test_every_state_is_reached_can_be_reset_and_can_close():
    assert {to for to, _ in BREAKER_TABLE.values()} == set(S)
    assert all(BREAKER_TABLE[state, T.RESET][0] is S.CLOSED for state in S)
    assert {name for _, actions in BREAKER_TABLE.values() for name in actions} == set(ACTIONS)


def test_the_design_page_shows_the_table_as_it_is():
    assert breaker_diagram() in DOC.read_text(encoding="utf-8")
