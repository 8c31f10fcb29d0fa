"""Figures agree with what they are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dialer.report import audit, figures, summary
from dialer.report.figures import percentile, replay
from dialer.report.timeline import Timeline, occupancy


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.5, None),
        ([5.0], 0.99, 5.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        (list(range(1, 101)), 0.99, 99),
        ([3.0, 1.0], 1.0, 3.0),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, found: float | None) -> None:
    assert percentile(values, share) == found


def test_occupancy_leaves_breaks_out() -> None:
    assert occupancy({"talking": 30, "wrap_up": 10, "available": 50, "reserved": 10, "break": 900}) == pytest.approx(
        0.4
    )
    assert occupancy({"break": 10}) is None


def test_states_add_up_to_the_time(day: Any) -> None:
    timeline, samples = replay(day.events)
    spent = timeline.spent()
    logged_in = sum(timeline.at - timeline.started - index * 0.2 for index in range(len(timeline.agents)))  # type: ignore[operator]
    assert sum(spent.values()) == pytest.approx(logged_in)
    assert [sample.placed for sample in samples] == sorted(sample.placed for sample in samples)
    assert samples[-1].placed == 240
    assert samples[-1].lines == {}


def test_with_a_carrier_placed_and_answered_are_its(day: Any) -> None:
    report = figures(day.store, day.events, carrier=day.carrier)
    assert report.calls_placed == len(day.carrier.calls)
    assert report.answered == day.carrier.answered
    fewer = type(day.carrier)(day.carrier.calls[:100])
    assert figures(day.store, day.events, carrier=fewer).calls_placed == 100


def test_without_events_the_store_alone_makes_a_report(day: Any) -> None:
    report = figures(day.store)
    assert report.calls_placed == 240
    assert report.occupancy is None
    assert len(report.answer_to_agent) == report.connected > 0
    assert all(agent.occupancy is None and agent.calls for agent in report.agents)


def test_the_summary_has_every_key_that_is_promised(day: Any) -> None:
    verdict = audit(day.listed, (), day.carrier, day.store, 30)
    settings = {"seconds": 60.0, "speed": 10.0, "seed": 7, "agents": 6}
    result = summary(figures(day.store, day.events, carrier=day.carrier, audit=verdict, settings=settings))
    promised = {
        "calls_placed", "answered", "connected", "abandoned", "abandon_rate", "occupancy", "answer_to_agent_ms",
        "outcomes", "contacts", "callbacks", "sales", "lost", "doubled", "seconds", "speed", "seed", "agents",
    }  # fmt: skip
    assert promised <= set(result)
    assert set(result["answer_to_agent_ms"]) == {"p50", "p99"}
    assert result["abandon_rate"] == pytest.approx(result["abandoned"] / result["answered"], abs=1e-5)
    assert sum(result["outcomes"].values()) == 240


def test_unknown_events_and_agents_do_no_harm() -> None:
    timeline = Timeline()
    timeline.apply({"event": "from_the_future", "at": 1.0, "x": 2})
    timeline.apply(
        {"event": "call_connected", "at": 2.0, "call": "c", "agent": "nobody", "answer_to_agent": 0.1, "wait": 0.0}
    )
    assert timeline.totals["connected"] == 1


def test_calls_an_hour_leave_out_the_night(day: Any) -> None:
    attempts = [replace(day.store.attempts[0], id=str(i), started_at=at, ended_at=at + 1, disposed_at=None)
                for i, at in enumerate((0.0, 60.0, 120.0, 60_000.0, 60_060.0))]  # fmt: skip
    report = figures(replace(day.store, attempts=tuple(attempts)))
    assert report.dialing_seconds == 181.0
    assert report.calls_per_hour == pytest.approx(5 * 3600 / 181)
    assert figures(replace(day.store, attempts=())).calls_per_hour is None
