"""Every metric the dialer shows: name, meaning, labels, buckets. Units are in the names, as Prometheus asks.

Labels are campaign, trunk, state, outcome, code, list, reason: words of the config or of the code. Numbers, call ids,
contacts and agents' names never become labels.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dialer.metrics.children import Children, CounterFamily, GaugeFamily, HistogramFamily, Totals

#: From a round trip on loopback to the longest patience that a config allows.
ANSWER_TO_AGENT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
RING = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0, 120.0, 180.0)
TALK = (5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 3600.0)
SALE_WAIT = (0.25, 0.5, 1.0, 2.0, 5.0, 9.0, 15.0, 34.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
SALE = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0)
FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Families:
    """All families, made in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> CounterFamily:
            return Children(Counter(f"dialer_{name}", text, labels, registry=registry), len(labels))

        def totals(name: str, text: str, *labels: str) -> Totals:
            return Totals(Counter(f"dialer_{name}", text, labels, registry=registry), len(labels))

        def gauge(name: str, text: str, *labels: str) -> GaugeFamily:
            return GaugeFamily(Gauge(f"dialer_{name}", text, labels, registry=registry), len(labels))

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> HistogramFamily:
            family = Histogram(f"dialer_{name}", text, labels, registry=registry, buckets=buckets)
            return Children(family, len(labels))

        # calls
        self.placed = counter("calls_placed_total", "INVITEs sent to customers", "campaign", "trunk")
        self.answered = counter("calls_answered_total", "Customers' 200 OK", "campaign", "trunk")
        self.connected = counter("calls_connected_total", "Answered calls connected to an agent", "campaign", "trunk")
        self.abandoned = counter(
            "calls_abandoned_total", "Answered calls without an agent within patience", "campaign", "trunk", "message"
        )
        self.handed_over = counter("calls_handed_over_total", "Live calls handed to a colleague", "campaign")
        self.ended = counter("calls_ended_total", "Attempts over, outcome on disk", "campaign", "trunk", "outcome")
        self.responses = counter("sip_final_responses_total", "SIP status that decided an attempt", "trunk", "status")
        self.ring = histogram("ring_seconds", "INVITE to 200 OK of answered calls", RING, "campaign")
        self.talk = histogram("talk_seconds", "Talk time of connected calls", TALK, "campaign")
        self.answer_to_agent = histogram(
            "answer_to_agent_seconds",
            "200 OK of the customer until both sides hear each other",
            ANSWER_TO_AGENT,
            "campaign",
        )
        self.agent_wait = histogram(
            "agent_wait_seconds", "The part of answer-to-agent in which no agent was free", ANSWER_TO_AGENT, "campaign"
        )
        self.calls = gauge("calls", "Calls in progress", "campaign", "state")
        # outcomes and queues
        self.dispositions = counter("dispositions_total", "Agents' codes on disk", "campaign", "code")
        self.callbacks = counter("callbacks_scheduled_total", "Promised callbacks", "campaign", "kind")
        self.reminders = counter("callback_reminders_total", "Callbacks due soon, told", "campaign", "kind")
        self.sales = counter("sales_total", "Sales on disk", "campaign")
        self.sales_by_state = gauge("sales_by_state", "Sales by state", "campaign", "state")
        self.sale_oldest = gauge(
            "sale_oldest_seconds",
            "Age of the oldest sale that waits (queued) or is under way (open)",
            "campaign",
            "state",
        )
        self.sale_pickup = histogram("sale_pickup_seconds", "From the queue to the start", SALE_WAIT, "campaign")
        self.sale_seconds = histogram("sale_seconds", "From the start to the end", SALE, "campaign", "state")
        self.sale_steps = histogram("sale_step_seconds", "One step, all tries", SALE_WAIT, "step", "phase")
        self.sale_results = counter("sale_steps_total", "Steps by what they came to", "step", "phase", "result")
        self.sale_tries = counter("sale_tries_total", "Tries of steps", "step", "phase")
        self.connector_open = gauge("sale_connector_open", "1: the circuit breaker lets nobody through", "connector")
        self.contacts_added = counter("contacts_added_total", "Contacts that arrived", "campaign", "list")
        self.contacts_refused = counter("contacts_refused_total", "Contacts refused on arrival", "campaign", "list")
        self.contacts = gauge("contacts", "Contacts by state", "campaign", "state")
        self.dialable = gauge("contacts_dialable", "Contacts that could be dialed now", "campaign")
        self.dry = gauge("list_dry_seconds", "Until the contacts run out at the present rate of calls", "campaign")
        self.due_next_hour = gauge("contacts_due_next_hour", "Retries and callbacks due within the hour", "campaign")
        self.promises = gauge(
            "callbacks_in_time_ratio", "Of the last day's callbacks, called within 5 minutes of being due", "campaign"
        )
        self.queues = gauge("queue_depth", "Entries of a queue", "campaign", "queue")
        self.incoming = counter("incoming_calls_total", "Calls that came in", "campaign", "trunk", "taken")
        # the company's systems
        self.webhook_sent = counter("webhook_requests_total", "Events sent to webhooks", "webhook", "result")
        self.webhook_waiting = gauge("webhook_waiting", "Events that were not taken yet", "webhook")
        self.webhook_oldest = gauge("webhook_oldest_seconds", "Age of the oldest event not taken yet", "webhook")
        self.webhook_down = gauge("webhook_down", "1: takes nothing, left alone for a while", "webhook")
        # agents
        self.agents = gauge("agents", "Agents by state", "campaign", "state")
        self.agent_seconds = counter("agent_seconds_total", "Agents' time by state", "campaign", "state")
        self.agent_moves = counter(
            "agent_moves_total", "Idle agents moved to this campaign from another", "campaign", "from_campaign", "cause"
        )
        self.agent_targets = gauge("agents_target", "Agents that the campaign should have of those shared", "campaign")
        self.phone_changes = counter("agent_phone_changes_total", "Agents' phones registered, or no more", "reason")
        self.phones_registered = Gauge(
            "dialer_agent_phones_registered", "Agents whose phone is registered here", registry=registry
        )
        self.occupancy = gauge(
            "occupancy_ratio", "Talking and wrap-up in logged-in, not-on-break time, since start", "campaign"
        )
        self.agent_alerts = counter("agent_alerts_total", "leg_lost, leg_refused, ...", "campaign", "alert")
        # pacing
        self.decisions = counter("decisions_total", "Pacing decisions that placed or gave up calls", "campaign")
        self.decision_seconds = histogram("decision_seconds", "Time to compute one", FAST, "campaign")
        self.given_up = counter("calls_given_up_total", "Ringing calls given up by pacing", "campaign")
        self.predicted = counter(
            "predicted_answers_total", "Answers that pacing expected of the calls it placed", "campaign"
        )
        self.answer_probability = gauge("answer_probability_ratio", "Pacing's present estimate", "campaign")
        self.window_ratio = gauge("abandonment_window_ratio", "Abandoned share in the legal window", "campaign")
        self.window_answered = gauge("abandonment_window_answered", "Answered calls in the legal window", "campaign")
        self.window_abandoned = gauge("abandonment_window_abandoned", "Abandoned calls in the legal window", "campaign")
        self.window_cap = gauge("abandonment_cap_ratio", "Share that may be abandoned", "campaign")
        self.campaign_state = gauge("campaign_state", "1 for the state that the campaign is in", "campaign", "state")
        # trunks and SIP
        self.trunk_up = gauge("trunk_up", "1: the trunk takes calls", "trunk")
        self.trunk_registered = gauge("trunk_registered", "1: registered with its registrar", "trunk")
        self.trunk_breaker = gauge("trunk_breaker", "1 for the state of its circuit breaker", "trunk", "state")
        self.trunk_congestion = gauge("trunk_congestion_ratio", "Its latest calls that met congestion", "trunk")
        self.trunk_changes = counter("trunk_changes_total", "Trunk went up or down", "trunk", "reason")
        self.lines = gauge("trunk_lines_in_use", "Calls at once on a trunk", "trunk")
        self.line_limit = gauge("trunk_lines_limit", "Calls at once that a trunk allows", "trunk")
        self.sip_connections = Gauge(
            "dialer_sip_connections", "TCP and TLS connections of SIP, open and opening", registry=registry
        )
        self.sip_connection_limit = Gauge("dialer_sip_connections_limit", "So many of them at once", registry=registry)
        self.sip_drops = totals("sip_dropped_total", "SIP input dropped", "reason")
        self.engine_refusals = totals("engine_refusals_total", "Steps that the engine dropped or had refused", "reason")
        self.sip_messages = totals("sip_messages_total", "SIP messages", "direction", "kind")
        # the dialer itself
        self.commits = Histogram(
            "dialer_store_commit_seconds", "Time of a group commit", registry=registry, buckets=FAST
        )
        self.outbox = Gauge(
            "dialer_outbox_depth", "Outcomes on disk not yet acknowledged by the broker", registry=registry
        )
        self.degraded = gauge("degraded", "1: this part is degraded", "part")
        self.alerts = counter("service_alerts_total", "A part degraded or well again", "alert")
        self.mqtt_published = counter("mqtt_published_total", "Messages handed to the broker", "kind")
        self.mqtt_dropped = counter("mqtt_dropped_total", "Events not sent", "reason")
        self.refused = counter("requests_refused_total", "Commands and requests refused", "door", "code")
        self.build = Gauge("dialer_build_info", "1, labelled with what runs", ["version", "python"], registry=registry)
