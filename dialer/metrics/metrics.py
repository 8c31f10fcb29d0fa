"""Counts what the event stream says and shows it to Prometheus.

Events are read in the loop's thread. `render` may run in any thread: the client library guards every child by a lock.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from dialer import events
from dialer.metrics.families import Families
from dialer.metrics.gauges import Gauges
from dialer.metrics.occupancy import Occupancy
from dispositions.sale import SaleBacklog

#: The pacer's estimate that a call is answered, in `Decided.why`.
ANSWER_RATE = "answer_rate"
#: Alerts about agents that rules watch: shown as 0 from the start, since a counter that first appears as 1
#: has not risen.
AGENT_ALERTS = ("leg_lost", "leg_refused")

#: alert of a ServiceAlert -> (part, degraded from now on)
PARTS: dict[str, tuple[str, bool]] = {
    "store_locked": ("store", True),
    "store_ok": ("store", False),
    "broker_lost": ("broker", True),
    "broker_ok": ("broker", False),
    "media_lost": ("media", True),
    "media_restarted": ("media", False),
    "sales_lost": ("sales", True),
    "sales_ok": ("sales", False),
    "config_rejected": ("config", True),
    "config_ok": ("config", False),
}


class Metrics:
    """Everything at /metrics. `on_event` is a reader of the stream; `observe` takes the engine's gauges."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        # No `_created` series: a second one for every counter, that tells Prometheus nothing.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._all = Families(self.registry)
        self._occupancy = Occupancy(lambda c, s, seconds: self._all.agent_seconds.at(c, s).inc(seconds))
        self._states: dict[str, str] = {}
        # there from the start: Prometheus sees no increase in a counter that begins with its first event
        self._all.agent_alerts.at("", "register_refused").inc(0)
        self._all.mqtt_dropped.at("queue_full").inc(0)
        for door in ("http", "mqtt"):
            for code in ("unauthorized", "too_many"):
                self._all.refused.at(door, code).inc(0)
        self._all.build.labels(version("predictive-dialer"), platform.python_version()).set(1)
        self._on: dict[type[events.Event], Callable[[Any], None]] = {
            events.CallPlaced: self._placed,
            events.CallAnswered: self._answered,
            events.CallConnected: self._connected,
            events.CallAbandoned: self._abandoned,
            events.CallHandedOver: self._handed_over,
            events.CallEnded: self._ended,
            events.DispositionRecorded: self._disposition,
            events.CallbackScheduled: self._callback,
            events.CallbackReminder: self._reminder,
            events.SaleQueued: self._sale,
            events.SaleChanged: self._sale_changed,
            events.SaleStepEnded: self._sale_step,
            events.ConnectorChanged: self._connector,
            events.AgentChanged: self._agent,
            events.AgentMoved: self._agent_moved,
            events.AgentAlert: self._agent_alert,
            events.AgentPhoneChanged: self._phone,
            events.IncomingCall: self._incoming,
            events.TrunkChanged: self._trunk,
            events.Decided: self._decided,
            events.CampaignChanged: self._campaign,
            events.ContactsAdded: self._contacts_added,
            events.ServiceAlert: self._alert,
        }

    # the stream

    def on_event(self, event: events.Event) -> None:
        """Count one event. Kinds without a metric are passed over."""
        count = self._on.get(type(event))
        if count is not None:
            count(event)

    def _placed(self, event: events.CallPlaced) -> None:
        self._all.placed.at(event.campaign, event.trunk).inc()

    def _answered(self, event: events.CallAnswered) -> None:
        self._all.answered.at(event.campaign, event.trunk).inc()
        self._all.ring.at(event.campaign).observe(event.ring_seconds)

    def _connected(self, event: events.CallConnected) -> None:
        self._all.connected.at(event.campaign, event.trunk).inc()
        self._all.answer_to_agent.at(event.campaign).observe(event.answer_to_agent)
        self._all.agent_wait.at(event.campaign).observe(event.wait)

    def _abandoned(self, event: events.CallAbandoned) -> None:
        played = "played" if event.message_played else "not_played"
        self._all.abandoned.at(event.campaign, event.trunk, played).inc()

    def _handed_over(self, event: events.CallHandedOver) -> None:
        self._all.handed_over.at(event.campaign).inc()

    def _ended(self, event: events.CallEnded) -> None:
        self._all.ended.at(event.campaign, event.trunk, event.outcome).inc()
        status = str(event.status) if 100 <= event.status <= 699 else "none"
        self._all.responses.at(event.trunk, status).inc()
        if event.talk_seconds is not None:
            self._all.talk.at(event.campaign).observe(event.talk_seconds)

    def _disposition(self, event: events.DispositionRecorded) -> None:
        self._all.dispositions.at(event.campaign, event.code).inc()

    def _callback(self, event: events.CallbackScheduled) -> None:
        self._all.callbacks.at(event.campaign, "shared" if event.agent is None else "personal").inc()

    def _reminder(self, event: events.CallbackReminder) -> None:
        self._all.reminders.at(event.campaign, "shared" if event.agent is None else "personal").inc()

    def _sale(self, event: events.SaleQueued) -> None:
        self._all.sales.at(event.campaign).inc()

    def _sale_changed(self, event: events.SaleChanged) -> None:
        if event.waited is not None:
            self._all.sale_pickup.at(event.campaign).observe(event.waited)
        if event.seconds is not None:
            self._all.sale_seconds.at(event.campaign, event.state).observe(event.seconds)

    def _sale_step(self, event: events.SaleStepEnded) -> None:
        self._all.sale_steps.at(event.step, event.phase).observe(event.seconds)
        self._all.sale_results.at(event.step, event.phase, event.result).inc()
        self._all.sale_tries.at(event.step, event.phase).inc(event.tries)

    def _connector(self, event: events.ConnectorChanged) -> None:
        self._all.connector_open.set(float(event.state != "closed"), event.connector)

    def observe_sales(self, backlogs: Sequence[SaleBacklog]) -> None:
        """Take over how many sales are where, and how long the oldest has waited."""
        self._all.sales_by_state.replace(
            {(b.campaign, state): float(count) for b in backlogs for state, count in b.states.items()}
        )
        ages: dict[tuple[str, ...], float] = {(b.campaign, "queued"): b.oldest for b in backlogs}
        ages.update({(b.campaign, "open"): b.oldest_open for b in backlogs})
        self._all.sale_oldest.replace(ages)

    def webhook(self, name: str, delivered: int, failed: int, given_up: int) -> None:
        """What one round of a webhook came to."""
        for result, count in (("delivered", delivered), ("failed", failed), ("given_up", given_up)):
            if count:
                self._all.webhook_sent.at(name, result).inc(count)

    def observe_webhook(self, name: str, waiting: int, oldest: float, down: bool) -> None:
        """What a webhook has not taken yet; `oldest`: seconds."""
        self._all.webhook_sent.at(name, "given_up").inc(0)
        self._all.webhook_waiting.set(float(waiting), name)
        self._all.webhook_oldest.set(oldest, name)
        self._all.webhook_down.set(float(down), name)

    def _agent(self, event: events.AgentChanged) -> None:
        self._occupancy.changed(event.agent, event.campaign, event.state, event.at)

    def _agent_moved(self, event: events.AgentMoved) -> None:
        self._all.agent_moves.at(event.campaign, event.from_campaign, event.cause).inc()

    def _agent_alert(self, event: events.AgentAlert) -> None:
        self._all.agent_alerts.at(event.campaign, event.alert).inc()

    def _phone(self, event: events.AgentPhoneChanged) -> None:
        self._all.phone_changes.at(event.reason).inc()

    def _incoming(self, event: events.IncomingCall) -> None:
        self._all.incoming.at(event.campaign, event.trunk, "yes" if event.taken else "no").inc()

    def _trunk(self, event: events.TrunkChanged) -> None:
        self._all.trunk_up.set(float(event.up), event.trunk)
        self._all.trunk_changes.at(event.trunk, event.reason).inc()

    def _decided(self, event: events.Decided) -> None:
        self._all.decisions.at(event.campaign).inc()
        self._all.decision_seconds.at(event.campaign).observe(event.seconds)
        if event.cancel:
            self._all.given_up.at(event.campaign).inc(event.cancel)
        probability = event.why.get(ANSWER_RATE)
        if isinstance(probability, (int, float)) and 0 <= probability <= 1:
            self._all.answer_probability.set(probability, event.campaign)
            self._all.predicted.at(event.campaign).inc(event.place * probability)

    def _campaign(self, event: events.CampaignChanged) -> None:
        self._campaign_state(event.campaign, event.state)

    def _campaign_state(self, campaign: str, state: str) -> None:
        before = self._states.get(campaign)
        if before is None:
            for alert in AGENT_ALERTS:
                self._all.agent_alerts.at(campaign, alert).inc(0)
        if before is not None and before != state:
            self._all.campaign_state.set(0, campaign, before)
        self._states[campaign] = state
        self._all.campaign_state.set(1, campaign, state)

    def _contacts_added(self, event: events.ContactsAdded) -> None:
        self._all.contacts_added.at(event.campaign, event.list_name).inc(event.added)
        self._all.contacts_refused.at(event.campaign, event.list_name).inc(event.refused)

    def _alert(self, event: events.ServiceAlert) -> None:
        self._all.alerts.at(event.alert).inc()
        part = PARTS.get(event.alert)
        if part is not None:
            self._all.degraded.set(float(part[1]), part[0])

    # gauges

    def observe(self, gauges: Gauges) -> None:
        """Take over the engine's present state and book agents' time up to `gauges.at`."""
        families = self._all
        queues, outbox = gauges.queues, gauges.outbox
        if queues is not None:
            # The store counts the outbox of all campaigns beside each campaign's queues: it is one number, shown once.
            depths = [depth for (_, queue), depth in queues.items() if queue == "outbox"]
            outbox = max(depths) if depths else outbox
            queues = {key: depth for key, depth in queues.items() if key[1] != "outbox"}
        for family, pairs in (
            (families.agents, gauges.agents),
            (families.calls, gauges.calls),
            (families.queues, queues),
            (families.contacts, gauges.contacts),
            (families.trunk_breaker, gauges.breakers),
        ):
            if pairs is not None:
                family.replace({(*key,): value for key, value in pairs.items()})
        for family, singles in (
            (families.lines, gauges.lines),
            (families.line_limit, gauges.line_limits),
            (families.trunk_up, gauges.trunks_up),
            (families.trunk_congestion, gauges.congestion),
            (families.trunk_registered, gauges.registered),
            (families.dialable, gauges.dialable),
            (families.agent_targets, gauges.agent_targets),
            (families.dry, gauges.dry_in),
            (families.due_next_hour, gauges.due_next_hour),
            (families.promises, gauges.promises),
            (families.answer_probability, gauges.answer_probability),
        ):
            if singles is not None:
                family.replace({(name,): float(value) for name, value in singles.items()})
        if gauges.phones_registered is not None:
            families.phones_registered.set(gauges.phones_registered)
        if gauges.sip_connections is not None:
            families.sip_connections.set(gauges.sip_connections[0])
            families.sip_connection_limit.set(gauges.sip_connections[1])
        if gauges.abandonment is not None:
            windows = gauges.abandonment
            families.window_answered.replace({(name,): w.answered for name, w in windows.items()})
            families.window_abandoned.replace({(name,): w.abandoned for name, w in windows.items()})
            families.window_cap.replace({(name,): w.cap for name, w in windows.items()})
            families.window_ratio.replace(
                {(name,): w.abandoned / w.answered if w.answered else 0.0 for name, w in windows.items()}
            )
        for campaign, state in (gauges.campaigns or {}).items():
            self._campaign_state(campaign, state)
        if outbox is not None:
            families.outbox.set(outbox)
        for part, degraded in gauges.degraded.items():
            families.degraded.set(float(degraded), part)
        for reason, total in gauges.sip_drops.items():
            families.sip_drops.raise_to(total, reason)
        for reason, total in gauges.engine_refusals.items():
            families.engine_refusals.raise_to(total, reason)
        for labels, total in gauges.sip_messages.items():
            families.sip_messages.raise_to(total, *labels)
        self._occupancy.advance(gauges.at)
        families.occupancy.replace({(c,): self._occupancy.share(c) or 0.0 for c in self._occupancy.campaigns()})

    # told directly

    def store_committed(self, seconds: float) -> None:
        """One group commit took `seconds`. May be called from the store's thread."""
        self._all.commits.observe(seconds)

    def mqtt_published(self, kind: str, count: int = 1) -> None:
        """`count` messages of `kind` (event, outcome, state, answer) went to the broker."""
        self._all.mqtt_published.at(kind).inc(count)

    def mqtt_dropped(self, reason: str, count: int = 1) -> None:
        """`count` events were not sent: queue_full, disconnected."""
        self._all.mqtt_dropped.at(reason).inc(count)

    def refused(self, door: str, code: str) -> None:
        """A request at `door` (http, mqtt) was refused with `code`."""
        self._all.refused.at(door, code).inc()

    def occupancy(self, campaign: str | None = None) -> float | None:
        """Occupancy since start (0..1), as of the last event or `observe`; None before anybody was there."""
        return self._occupancy.share(campaign)

    def render(self) -> bytes:
        """The page for Prometheus, in its text format. Callable from any thread."""
        return generate_latest(self.registry)
