"""Agents' times: added up by the hour, kept, and added up again over runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dialer.agent_times import AgentTimes, added_up
from dialer.events import AgentChanged, ServiceAlert

TEN = 10 * 3600.0


class Kept:
    """A clock moved by hand, and what was saved."""

    def __init__(self) -> None:
        self.time = TEN
        self.rows: dict[str, Any] = {}
        self.services: Any = SimpleNamespace(
            clock=SimpleNamespace(at=lambda: self.time), ledger=SimpleNamespace(save=self.rows.__setitem__)
        )

    def moved(self, times: AgentTimes, at: float, state: str, agent: str = "ana", campaign: str = "spring") -> None:
        self.time = at
        times.on_event(
            AgentChanged(
                at=at, campaign=campaign, agent=agent, previous="available", state=state, reason=None, call=None
            )
        )


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_each_state_has_its_seconds_in_each_hour(kept: Kept) -> None:
    times = AgentTimes(kept.services)
    kept.moved(times, TEN + 60, "available")
    kept.moved(times, TEN + 100, "talking")
    kept.moved(times, TEN + 3650, "wrap_up")
    kept.moved(times, TEN + 3670, "logged_out")
    times.on_event(ServiceAlert(at=TEN, campaign="", alert="x", detail=""))
    kept.time = TEN + 9000
    times.save()
    assert kept.rows == {
        "agent_time/spring/0000010/36000000": {"ana": {"available": 40.0, "talking": 3500.0}},
        "agent_time/spring/0000011/36000000": {"ana": {"talking": 50.0, "wrap_up": 20.0}},
    }


def test_a_state_that_lasts_is_saved_up_to_now_and_never_twice(kept: Kept) -> None:
    times = AgentTimes(kept.services)
    kept.moved(times, TEN, "available")
    for _ in range(3):
        kept.time += 30
        times.save()
    assert kept.rows == {"agent_time/spring/0000010/36000000": {"ana": {"available": 90.0}}}
    kept.time = TEN + 3610
    times.save()
    kept.time = TEN + 3620
    times.save()
    assert kept.rows["agent_time/spring/0000010/36000000"] == {"ana": {"available": 3600.0}}
    assert kept.rows["agent_time/spring/0000011/36000000"] == {"ana": {"available": 20.0}}


def test_each_campaign_has_the_time_in_which_the_agent_was_there(kept: Kept) -> None:
    times = AgentTimes(kept.services)
    kept.moved(times, TEN, "available")
    kept.moved(times, TEN + 10, "logged_out")
    kept.moved(times, TEN + 50, "break", campaign="autumn")
    kept.moved(times, TEN + 70, "logged_out", campaign="autumn")
    times.save()
    assert kept.rows == {
        "agent_time/spring/0000010/36000000": {"ana": {"available": 10.0}},
        "agent_time/autumn/0000010/36000000": {"ana": {"break": 20.0}},
    }


def test_a_clock_that_is_set_back_takes_nothing_away(kept: Kept) -> None:
    times = AgentTimes(kept.services)
    kept.moved(times, TEN + 100, "available")
    kept.moved(times, TEN + 40, "talking")
    kept.moved(times, TEN + 60, "logged_out")
    times.save()
    assert kept.rows == {"agent_time/spring/0000010/36000000": {"ana": {"talking": 20.0}}}


def test_two_lives_within_one_second_stand_beside_each_other(kept: Kept) -> None:
    for life in range(2):
        kept.time = TEN + 0.3 * life
        times = AgentTimes(kept.services)
        kept.moved(times, kept.time, "available")
        kept.time += 0.2
        times.save()
    rows = {key.removeprefix("agent_time/spring/"): row for key, row in kept.rows.items()}
    assert added_up(rows) == {"ana": {"available": pytest.approx(0.4)}}


def test_runs_in_the_same_hour_are_added_and_older_hours_left_out() -> None:
    rows = {
        "0000009/1": {"ana": {"talking": 1.0}},
        "0000010/1": {"ana": {"talking": 2.0}},
        "0000010/2": {"ana": {"talking": 3.0, "break": 4.0}, "ben": {"wrap_up": 5.0}},
    }
    assert added_up(rows, TEN + 1800) == {"ana": {"talking": 5.0, "break": 4.0}, "ben": {"wrap_up": 5.0}}
    assert added_up(rows)["ana"]["talking"] == 6.0
