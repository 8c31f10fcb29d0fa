"""The counts that operators rely on, read back from the page as Prometheus would."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dialer import events
from dialer.metrics import AbandonWindow, Gauges, Metrics
from dialer.metrics.metrics import PARTS

CALL: dict[str, Any] = {
    "campaign": "sales", "call": "a1", "sip_call_id": "x@y", "contact": 7, "number": "+441632960001", "trunk": "main",
}  # fmt: skip


def page(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return page(metrics).get((name, frozenset(labels.items())))


def test_a_call_from_invite_to_outcome_is_counted_once_at_every_step() -> None:
    metrics = Metrics()
    stream = events.EventStream()
    stream.subscribe(metrics.on_event)
    stream.publish(events.CallPlaced(at=0.0, **CALL))
    stream.publish(events.CallRinging(at=1.0, **CALL))
    stream.publish(events.CallAnswered(at=9.0, ring_seconds=9.0, **CALL))
    stream.publish(events.CallConnected(at=9.1, agent="ana", answer_to_agent=0.1, wait=0.0, **CALL))
    stream.publish(
        events.CallEnded(
            at=69.1, outcome="answered", status=200, agent="ana", ring_seconds=9.0, talk_seconds=60.0,
            next_state="done", next_at=None, **CALL,
        )
    )  # fmt: skip
    stream.publish(events.DispositionRecorded(at=80, agent="ana", code="sale", next_state="sold", next_at=None, **CALL))
    stream.publish(events.SaleQueued(at=80, sale=1, agent="ana", fields={"price": 3}, **CALL))
    leg = {"campaign": "sales", "trunk": "main"}
    assert value(metrics, "dialer_calls_placed_total", **leg) == 1
    assert value(metrics, "dialer_calls_answered_total", **leg) == 1
    assert value(metrics, "dialer_calls_connected_total", **leg) == 1
    assert value(metrics, "dialer_calls_ended_total", outcome="answered", **leg) == 1
    assert value(metrics, "dialer_sip_final_responses_total", trunk="main", status="200") == 1
    assert value(metrics, "dialer_answer_to_agent_seconds_bucket", campaign="sales", le="0.1") == 1
    assert value(metrics, "dialer_answer_to_agent_seconds_bucket", campaign="sales", le="0.05") == 0
    assert value(metrics, "dialer_talk_seconds_sum", campaign="sales") == 60
    assert value(metrics, "dialer_dispositions_total", campaign="sales", code="sale") == 1
    assert value(metrics, "dialer_sales_total", campaign="sales") == 1
    assert value(metrics, "dialer_calls_abandoned_total", message="played", **leg) is None
    stream.publish(events.CallAbandoned(at=3.0, waited=2.0, message_played=True, **CALL))
    assert value(metrics, "dialer_calls_abandoned_total", message="played", **leg) == 1


def test_a_status_outside_sip_is_none() -> None:
    metrics = Metrics()
    for status in (0, 99, 700, 486):
        metrics.on_event(
            events.CallEnded(
                at=1, outcome="busy", status=status, agent=None, ring_seconds=None, talk_seconds=None,
                next_state="waiting", next_at=None, **CALL,
            )
        )  # fmt: skip
    assert value(metrics, "dialer_sip_final_responses_total", trunk="main", status="none") == 3
    assert value(metrics, "dialer_sip_final_responses_total", trunk="main", status="486") == 1


def test_every_kind_of_event_is_counted_or_known_to_have_no_metric() -> None:
    kinds = {
        k for k in vars(events).values() if isinstance(k, type) and issubclass(k, events.Event) and hasattr(k, "name")
    }
    assert kinds - set(Metrics()._on) == {events.CallRinging}


def test_no_label_carries_a_number_a_call_or_an_agent() -> None:
    metrics = Metrics()
    metrics.on_event(events.CallPlaced(at=0.0, **CALL))
    metrics.on_event(
        events.AgentChanged(
            at=0, campaign="sales", agent="ana", previous="logged_out", state="available", reason=None, call=None
        )
    )
    metrics.observe(Gauges(at=5.0))
    text = metrics.render().decode()
    assert "441632960001" not in text
    assert "x@y" not in text
    assert "ana" not in text.replace("management", "")


def test_predicted_answers_add_up_beside_the_actual_ones() -> None:
    metrics = Metrics()
    for place, why in ((4, {"answer_rate": 0.25}), (2, {"answer_rate": 0.5}), (3, {"other": 1.0})):
        metrics.on_event(events.Decided(at=0, campaign="sales", place=place, cancel=1, seconds=0.0002, why=why))
    assert value(metrics, "dialer_predicted_answers_total", campaign="sales") == pytest.approx(2.0)
    assert value(metrics, "dialer_answer_probability_ratio", campaign="sales") == 0.5
    assert value(metrics, "dialer_decisions_total", campaign="sales") == 3
    assert value(metrics, "dialer_calls_given_up_total", campaign="sales") == 3
    assert value(metrics, "dialer_decision_seconds_bucket", campaign="sales", le="0.00025") == 3


def test_what_is_observed_replaces_the_family_and_what_is_left_out_stays() -> None:
    metrics = Metrics()
    metrics.observe(
        Gauges(at=0, agents={("sales", "talking"): 3, ("old", "available"): 1}, lines={"main": 4}, outbox=7)
    )
    metrics.observe(Gauges(at=1, agents={("sales", "talking"): 2}))
    assert value(metrics, "dialer_agents", campaign="sales", state="talking") == 2
    assert value(metrics, "dialer_agents", campaign="old", state="available") is None
    assert value(metrics, "dialer_trunk_lines_in_use", trunk="main") == 4
    assert value(metrics, "dialer_outbox_depth") == 7


def test_the_outbox_is_one_number_though_each_campaign_reports_it() -> None:
    metrics = Metrics()
    queues = {("sales", "outbox"): 40, ("polls", "outbox"): 40, ("sales", "retry"): 3}
    metrics.observe(Gauges(at=0, queues=queues, outbox=7))
    assert value(metrics, "dialer_outbox_depth") == 40
    assert value(metrics, "dialer_queue_depth", campaign="sales", queue="retry") == 3
    assert value(metrics, "dialer_queue_depth", campaign="sales", queue="outbox") is None


def test_the_legal_window_is_a_ratio_beside_its_cap() -> None:
    metrics = Metrics()
    windows = {"sales": AbandonWindow(200, 5, 0.03), "new": AbandonWindow(0, 0, 0.03)}
    metrics.observe(Gauges(at=0, abandonment=windows))
    assert value(metrics, "dialer_abandonment_window_ratio", campaign="sales") == 0.025
    assert value(metrics, "dialer_abandonment_window_ratio", campaign="new") == 0
    assert value(metrics, "dialer_abandonment_cap_ratio", campaign="sales") == 0.03


def test_connections_of_sip_and_how_many_there_may_be() -> None:
    metrics = Metrics()
    metrics.observe(Gauges(at=0, sip_connections=(7, 4096)))
    metrics.observe(Gauges(at=1))  # no transports that connect: nothing is said
    assert value(metrics, "dialer_sip_connections") == 7
    assert value(metrics, "dialer_sip_connections_limit") == 4096


def test_running_totals_become_counters_and_may_begin_anew() -> None:
    metrics = Metrics()
    for total in (5, 5, 9, 2):
        metrics.observe(Gauges(at=0, sip_drops={"malformed": total}, sip_messages={("in", "2xx"): total}))
    assert value(metrics, "dialer_sip_dropped_total", reason="malformed") == 11
    assert value(metrics, "dialer_sip_messages_total", direction="in", kind="2xx") == 11


def test_a_campaign_is_in_one_state() -> None:
    metrics = Metrics()
    for state in ("running", "paused"):
        metrics.on_event(events.CampaignChanged(at=0, campaign="sales", state=state, reason="asked"))
    assert value(metrics, "dialer_campaign_state", campaign="sales", state="running") == 0
    assert value(metrics, "dialer_campaign_state", campaign="sales", state="paused") == 1


def test_alerts_about_agents_are_zero_before_the_first_one() -> None:
    metrics = Metrics()
    metrics.observe(Gauges(at=0, campaigns={"sales": "running"}))
    assert value(metrics, "dialer_agent_alerts_total", campaign="sales", alert="leg_lost") == 0
    metrics.on_event(events.AgentAlert(at=1, campaign="sales", agent="ana", alert="leg_lost", detail="gone"))
    assert value(metrics, "dialer_agent_alerts_total", campaign="sales", alert="leg_lost") == 1


@pytest.mark.parametrize("alert", sorted(PARTS))
def test_a_part_is_degraded_until_it_is_well_again(alert: str) -> None:
    metrics = Metrics()
    metrics.on_event(events.ServiceAlert(at=0, campaign="", alert=alert, detail=""))
    part, degraded = PARTS[alert]
    assert value(metrics, "dialer_degraded", part=part) == float(degraded)
    assert value(metrics, "dialer_service_alerts_total", alert=alert) == 1


def test_a_family_does_not_grow_without_end() -> None:
    metrics = Metrics()
    for i in range(1500):
        metrics.on_event(events.ContactsAdded(at=0, campaign="sales", list_name=f"l{i}", added=1, refused=0))
    children = [key for key in page(metrics) if key[0] == "dialer_contacts_added_total"]
    assert len(children) <= 1001
    assert value(metrics, "dialer_contacts_added_total", campaign="other", list="other") == 500


def test_a_trunk_event_moves_the_gauge_at_once() -> None:
    metrics = Metrics()
    metrics.on_event(events.TrunkChanged(at=0, campaign="", trunk="main", up=False, reason="options_lost"))
    assert value(metrics, "dialer_trunk_up", trunk="main") == 0
    assert value(metrics, "dialer_trunk_changes_total", trunk="main", reason="options_lost") == 1


def test_a_refused_phone_is_an_increase_the_first_time() -> None:
    metrics, labels = Metrics(), {"campaign": "", "alert": "register_refused"}
    assert metrics.registry.get_sample_value("dialer_agent_alerts_total", labels) == 0.0
    metrics.on_event(events.AgentAlert(at=1.0, campaign="", agent="ana", alert="register_refused", detail="x"))
    assert metrics.registry.get_sample_value("dialer_agent_alerts_total", labels) == 1.0


def test_moves_of_shared_agents_are_counted_and_their_time_goes_with_them() -> None:
    metrics = Metrics()
    common = {"agent": "ana", "reason": None, "call": None}
    metrics.on_event(events.AgentChanged(at=0.0, campaign="a", previous="logged_out", state="available", **common))
    metrics.on_event(
        events.AgentMoved(
            at=40.0, campaign="b", agent="ana", from_campaign="a", cause="rescue", why={"worth_there": 1.0}
        )
    )
    metrics.on_event(events.AgentChanged(at=40.0, campaign="b", previous="available", state="available", **common))
    metrics.observe(Gauges(at=100.0, agent_targets={"a": 3, "b": 4}))
    moves = {"campaign": "b", "from_campaign": "a", "cause": "rescue"}
    assert value(metrics, "dialer_agent_moves_total", **moves) == 1
    assert value(metrics, "dialer_agents_target", campaign="b") == 4
    assert value(metrics, "dialer_agent_seconds_total", campaign="a", state="available") == 40.0
    assert value(metrics, "dialer_agent_seconds_total", campaign="b", state="available") == 60.0
