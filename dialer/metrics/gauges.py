"""The engine's present state as one value, given to `Metrics.observe` about once a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AbandonWindow:
    """The legal window so far, from the store: answered calls (persons), abandoned ones among them, and
    the share allowed."""

    answered: int
    abandoned: int
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """A snapshot. Only `at` is required: what is not given stays as it was, what is given replaces the whole family.

    at            epoch seconds
    agents        (campaign, state) -> agents logged in or on a break
    agent_targets campaign -> agents that it should have of those shared; empty where none are
    calls         (campaign, state) -> calls in progress; states: ringing, waiting, connected, ...
    lines         trunk -> lines in use
    line_limits   trunk -> lines that may be in use
    trunks_up     trunk -> takes calls
    breakers      (trunk, state) -> 1 for the state that its circuit breaker is in, 0 for the others
    registered    trunk -> whether we are registered with it; only those that want it
    congestion    trunk -> share of its latest calls that met congestion
    queues        (campaign, queue) -> entries; queues: retry, callback, sale, ...
    contacts      (campaign, state) -> contacts in that state
    dialable      campaign -> contacts that could be dialed now
    abandonment   campaign -> the legal window so far
    answer_probability   campaign -> the pacer's present estimate that a placed call is answered
    campaigns     campaign -> running, paused, closed, no_agents, no_contacts, stopped
    phones_registered  agents whose phone is registered with us
    dry_in        campaign -> seconds until its contacts run out at the present rate; not there: not within a week
    due_next_hour campaign -> retries and callbacks that come due within the hour
    promises      campaign -> share of the last day's callbacks whose call left within 5 minutes of being due
    outbox        outcomes on disk that the broker has not acknowledged yet
    degraded      part -> whether it is degraded now; parts: store, broker, media
    sip_connections  TCP and TLS connections of SIP, and how many there may be; None: none are used
    sip_drops     reason -> running total of SIP input that was dropped (since start, never falling)
    engine_refusals  reason -> running total of steps that the engine dropped or had refused (a state table, the
    store, ...)
    sip_messages  (direction, kind) -> running total; direction: in, out; kind: a method or a class such as 2xx
    """

    at: float
    agents: Mapping[tuple[str, str], int] | None = None
    agent_targets: Mapping[str, int] | None = None
    calls: Mapping[tuple[str, str], int] | None = None
    lines: Mapping[str, int] | None = None
    line_limits: Mapping[str, int] | None = None
    trunks_up: Mapping[str, bool] | None = None
    breakers: Mapping[tuple[str, str], int] | None = None
    congestion: Mapping[str, float] | None = None
    registered: Mapping[str, bool] | None = None
    queues: Mapping[tuple[str, str], int] | None = None
    contacts: Mapping[tuple[str, str], int] | None = None
    dialable: Mapping[str, int] | None = None
    abandonment: Mapping[str, AbandonWindow] | None = None
    answer_probability: Mapping[str, float] | None = None
    campaigns: Mapping[str, str] | None = None
    phones_registered: int | None = None
    dry_in: Mapping[str, float] | None = None
    due_next_hour: Mapping[str, int] | None = None
    promises: Mapping[str, float] | None = None
    outbox: int | None = None
    degraded: Mapping[str, bool] = field(default_factory=dict)
    sip_connections: tuple[int, int] | None = None
    sip_drops: Mapping[str, int] = field(default_factory=dict)
    engine_refusals: Mapping[str, int] = field(default_factory=dict)
    sip_messages: Mapping[tuple[str, str], int] = field(default_factory=dict)
