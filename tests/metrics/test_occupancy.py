"""Occupancy is an exact integral of agents' states over time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer import events
from dialer.metrics import Gauges, Metrics
from dialer.metrics.occupancy import ABSENT, WORKING, Occupancy

STATES = ["available", "reserved", "talking", "wrap_up", "break", "logged_out"]


def change(agent: str, state: str, at: float) -> events.AgentChanged:
    return events.AgentChanged(at=at, campaign="sales", agent=agent, previous="", state=state, reason=None, call=None)


def test_talking_and_wrap_up_over_present_time() -> None:
    metrics = Metrics()
    for state, at in (
        ("available", 0),
        ("reserved", 10),
        ("talking", 12),
        ("wrap_up", 62),
        ("break", 72),
        ("available", 500),
    ):
        metrics.on_event(change("ana", state, at))
    metrics.on_event(change("ana", "logged_out", 528))
    assert metrics.occupancy("sales") == pytest.approx(60 / 100)
    metrics.observe(Gauges(at=10_000))
    assert metrics.occupancy("sales") == pytest.approx(60 / 100)


def test_a_state_that_lasts_counts_while_it_lasts() -> None:
    metrics = Metrics()
    metrics.on_event(change("ana", "available", 0))
    metrics.on_event(change("ana", "talking", 50))
    assert metrics.occupancy() == 0
    metrics.observe(Gauges(at=100))
    assert metrics.occupancy() == pytest.approx(0.5)


def test_nobody_has_no_occupancy() -> None:
    assert Metrics().occupancy() is None
    assert Metrics().occupancy("sales") is None


def test_a_clock_stepping_back_books_nothing_twice() -> None:
    booked: list[float] = []
    occupancy = Occupancy(lambda _c, _s, seconds: booked.append(seconds))
    occupancy.changed("ana", "sales", "talking", 100.0)
    occupancy.changed("ana", "sales", "wrap_up", 90.0)
    occupancy.changed("ana", "sales", "available", 95.0)
    assert booked == [5.0]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(STATES), st.integers(0, 100)), max_size=40))
def test_seconds_booked_are_the_seconds_that_passed(steps: list[tuple[str, str, int]]) -> None:
    booked: dict[str, float] = {}

    def book(_campaign: str, state: str, seconds: float) -> None:
        booked[state] = booked.get(state, 0.0) + seconds

    occupancy = Occupancy(book)
    expected: dict[str, float] = {}
    current: dict[str, str] = {}
    now = 0.0
    for agent, state, pause in steps:
        now += pause
        for held in current.values():
            expected[held] = expected.get(held, 0.0) + pause
        occupancy.changed(agent, "sales", state, now)
        current.pop(agent, None)
        if state != "logged_out":
            current[agent] = state
    occupancy.advance(now)
    for state in STATES:
        assert booked.get(state, 0.0) == pytest.approx(expected.get(state, 0.0), abs=1e-6)
    present = sum(v for s, v in expected.items() if s not in ABSENT)
    working = sum(v for s, v in expected.items() if s in WORKING)
    share = occupancy.share("sales")
    assert (share is None) == (present == 0)
    if share is not None:
        assert share == pytest.approx(working / present, abs=1e-6)
