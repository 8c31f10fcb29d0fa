"""The figures of a report, computed from the store, the events and, where there is one, the carrier's own log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dialer.report.audit import Audit, CarrierRecord
from dialer.report.records import LegalWindow, StoreRecord
from dialer.report.timeline import Sample, Timeline, occupancy
from dispositions import Promises

#: The order in which outcomes are shown.
OUTCOMES = (
    "answered", "abandoned", "machine", "fax", "no_answer", "busy", "rejected", "invalid", "congestion", "cancelled",
    "unknown", "interrupted",
)  # fmt: skip


#: Seconds without a call after which nobody was dialing: a night, a break of all agents.
PAUSE = 900.0


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """One agent's work. Seconds are real ones; `occupancy` is None when nobody knows when the agent was logged in."""

    name: str
    calls: int
    talk_seconds: float
    wrap_up_seconds: float | None
    idle_seconds: float | None
    break_seconds: float | None
    occupancy: float | None
    codes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything a report shows. Rates are shares of 1; `answer_to_agent` is seconds, one value per connected call."""

    campaign: str
    seconds: float
    calls_placed: int
    answered: int
    connected: int
    abandoned: int
    abandon_cap: float | None
    occupancy: float | None
    answer_to_agent: Sequence[float]
    answer_to_agent_free: Sequence[float]
    talks: Sequence[float]
    outcomes: Mapping[str, int]
    codes: Mapping[str, int]
    contacts: Mapping[str, int]
    callbacks: Mapping[str, int]
    sales: int
    sales_by_state: Mapping[str, int]
    agents: Sequence[AgentFigures]
    samples: Sequence[Sample] = ()
    funnel: Mapping[str, int] = field(default_factory=dict)
    audit: Audit | None = None
    carrier: CarrierRecord | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    started_at: float = 0.0
    dialing_seconds: float = 0.0
    """the time in which calls were placed: without pauses longer than `PAUSE`"""
    window: LegalWindow | None = None
    promises: Promises | None = None
    promised_within: float = 0.0
    """seconds after it was due within which a callback's call must have left"""

    @property
    def calls_per_hour(self) -> float | None:
        """Calls placed an hour of dialing; None when there is no time to speak of."""
        return self.calls_placed * 3600 / self.dialing_seconds if self.dialing_seconds > 0 else None

    @property
    def window_rate(self) -> float | None:
        """Abandoned / answered by a person in the legal window; None without answers."""
        return self.window.abandoned / self.window.answered if self.window and self.window.answered else None

    @property
    def abandon_rate(self) -> float:
        """Abandoned / answered; 0 before the first answer."""
        return self.abandoned / self.answered if self.answered else 0.0


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of `values` do not exceed (nearest rank); None without values."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -int(-share * len(ordered) // 1))
    return ordered[min(rank, len(ordered)) - 1]


def replay(events: Iterable[Mapping[str, Any]], *, points: int = 240) -> tuple[Timeline, tuple[Sample, ...]]:
    """All events added up, and about `points` samples at equal distances over their time."""
    ordered = [event for event in events if "at" in event]
    timeline = Timeline()
    if not ordered:
        return timeline, ()
    first, last = ordered[0]["at"], max(event["at"] for event in ordered)
    step = max((last - first) / points, 0.1)
    samples = []
    due = first
    for event in ordered:
        while event["at"] > due:
            samples.append(timeline.sample(due))
            due += step
        timeline.apply(event)
    samples.append(timeline.sample(last))
    return timeline, tuple(samples)


def figures(
    store: StoreRecord,
    events: Iterable[Mapping[str, Any]] = (),
    *,
    carrier: CarrierRecord | None = None,
    audit: Audit | None = None,
    abandon_cap: float | None = None,
    list_rows: Mapping[str, int] | None = None,
    until: float | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Figures:
    """Join the sources. With a `carrier`, placed and answered calls are its, never ours; without `events` (a store of
    which no events were kept) occupancy is unknown. `list_rows`: the first steps
    of the funnel, before the contacts. Events after `until` (epoch seconds) do not
    count: the end of a run is no work.
    """
    timeline, samples = replay(event for event in events if until is None or event.get("at", 0.0) <= until)
    outcomes = Counter(attempt.outcome for attempt in store.attempts if attempt.outcome)
    codes = Counter(attempt.disposition for attempt in store.attempts if attempt.disposition)
    connected = [item for item in store.attempts if item.connected_at is not None]
    waits = [wait for wait, _ in timeline.answer_to_agent] or [
        item.connected_at - item.answered_at
        for item in connected
        if item.connected_at is not None and item.answered_at is not None
    ]
    free = [total - wait for total, wait in timeline.answer_to_agent]
    begun = min([item.started_at for item in store.attempts] or [0.0])
    ended = max([item.disposed_at or item.ended_at or item.started_at for item in store.attempts] or [0.0])
    return Figures(
        campaign=store.campaign,
        seconds=(timeline.at - timeline.started) if timeline.started is not None else ended - begun,
        calls_placed=len(carrier.calls) if carrier else len(store.attempts),
        answered=carrier.answered if carrier else sum(item.answered_at is not None for item in store.attempts),
        connected=len(connected),
        abandoned=outcomes["abandoned"],
        abandon_cap=abandon_cap,
        occupancy=occupancy(timeline.spent() if timeline.agents else _together(store.agent_times)),
        answer_to_agent=waits,
        answer_to_agent_free=free,
        talks=[item.talk_seconds for item in connected if item.talk_seconds is not None],
        outcomes=_ordered(outcomes),
        codes=dict(codes.most_common()),
        contacts=store.contacts,
        callbacks=store.callbacks,
        sales_by_state={state: count for state, count in store.sales.items() if state != "withdrawn"},
        sales=sum(count for state, count in store.sales.items() if state != "withdrawn"),
        agents=_agents(store, timeline),
        samples=samples,
        funnel=_funnel(store, list_rows or {}),
        audit=audit,
        carrier=carrier,
        settings=settings or {},
        started_at=begun,
        dialing_seconds=_dialing([item.started_at for item in store.attempts], ended),
        window=store.window,
        promises=store.promises,
        promised_within=store.promised_within,
    )


def _together(times: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """State -> seconds of all agents."""
    total: Counter[str] = Counter()
    for spent in times.values():
        total.update(spent)
    return dict(total)


def _dialing(starts: Sequence[float], ended: float) -> float:
    """Seconds from call to call, and from the last to its end, without pauses longer than `PAUSE`."""
    moments = [*sorted(starts), ended] if starts else []
    gaps = (later - earlier for earlier, later in pairwise(moments))
    return sum(gap for gap in gaps if 0 < gap <= PAUSE)


def _ordered(outcomes: Mapping[str, int]) -> dict[str, int]:
    known = {name: outcomes[name] for name in OUTCOMES if outcomes.get(name)}
    return known | {name: count for name, count in outcomes.items() if name not in known and count}


def _agents(store: StoreRecord, timeline: Timeline) -> list[AgentFigures]:
    talked: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    codes: dict[str, Counter[str]] = {}
    for attempt in store.attempts:
        if attempt.agent is None:
            continue
        calls[attempt.agent] += attempt.connected_at is not None
        talked[attempt.agent] += attempt.talk_seconds or 0.0  # type: ignore[assignment]
        if attempt.disposition:
            codes.setdefault(attempt.agent, Counter())[attempt.disposition] += 1
    lines = []
    kept = {} if timeline.agents else store.agent_times
    for name in sorted(set(timeline.agents) | set(calls) | set(kept)):
        line = timeline.agents.get(name)
        spent: Counter[str] = line.spent(timeline.at) if line else Counter(kept.get(name, {}))
        known = bool(spent)
        lines.append(
            AgentFigures(
                name,
                calls[name],
                spent["talking"] if known else talked[name],
                spent["wrap_up"] if known else None,
                spent["available"] + spent["reserved"] if known else None,
                spent["break"] if known else None,
                occupancy(spent),
                codes.get(name, {}),
            )
        )
    return lines


def _funnel(store: StoreRecord, rows: Mapping[str, int]) -> dict[str, int]:
    tried = {attempt.contact for attempt in store.attempts}
    reached = {attempt.contact for attempt in store.attempts if attempt.answered_at is not None}
    talked = {attempt.contact for attempt in store.attempts if attempt.connected_at is not None}
    return dict(rows) | {
        "contacts": sum(store.contacts.values()),
        "tried": len(tried),
        "answered": len(reached),
        "talked to": len(talked),
        "sold": store.contacts.get("sold", 0),
    }


def summary(report: Figures) -> dict[str, Any]:
    """The figures as one JSON object, without the samples."""

    def milliseconds(values: Sequence[float]) -> dict[str, float | None]:
        found = {"p50": percentile(values, 0.50), "p99": percentile(values, 0.99)}
        return {name: None if value is None else round(value * 1000, 2) for name, value in found.items()}

    result: dict[str, Any] = {
        "campaign": report.campaign,
        "calls_placed": report.calls_placed,
        "answered": report.answered,
        "connected": report.connected,
        "abandoned": report.abandoned,
        "abandon_rate": round(report.abandon_rate, 5),
        "abandon_cap": report.abandon_cap,
        "abandoned_in_window": _window(report),
        "calls_per_hour": None if report.calls_per_hour is None else round(report.calls_per_hour, 1),
        "occupancy": None if report.occupancy is None else round(report.occupancy, 4),
        "answer_to_agent_ms": milliseconds(report.answer_to_agent),
        "agent_free_to_connected_ms": milliseconds(report.answer_to_agent_free),
        "outcomes": dict(report.outcomes),
        "dispositions": dict(report.codes),
        "contacts": dict(report.contacts),
        "callbacks": sum(report.callbacks.values()),
        "callbacks_by_state": dict(report.callbacks),
        "callback_promises": _promises(report),
        "sales": report.sales,
        "sales_by_state": dict(report.sales_by_state),
    }
    result["by_agent"] = {agent.name: _agent_summary(agent) for agent in report.agents}
    if report.audit is not None:
        result["lost"] = len(report.audit.lost)
        result["doubled"] = len(report.audit.doubled)
        result["do_not_call_dialed"] = len(report.audit.forbidden)
        result["strays"] = len(report.audit.strays)
    if report.carrier is not None:
        result["sip_faults"] = len(report.carrier.faults)
        result["calls_left_standing"] = report.carrier.standing
        result["silent_calls"] = report.carrier.silent
    return result | dict(report.settings)


def _window(report: Figures) -> dict[str, Any] | None:
    """The legal window of the last call; None when it is not known."""
    window, rate = report.window, report.window_rate
    if window is None:
        return None
    return {
        "window": report.settings.get("window"),
        "since": window.since,
        "until": window.until,
        "answered": window.answered,
        "abandoned": window.abandoned,
        "rate": None if rate is None else round(rate, 5),
    }


def _promises(report: Figures) -> dict[str, Any] | None:
    """How the callbacks that were due were kept; None when it is not known."""
    kept = report.promises
    if kept is None:
        return None
    return {
        "due": kept.due,
        "in_time": kept.in_time,
        "reached": kept.reached,
        "share": None if kept.share is None else round(kept.share, 5),
        "within_seconds": report.promised_within,
    }


def _agent_summary(agent: AgentFigures) -> dict[str, Any]:
    def seconds(value: float | None) -> float | None:
        return None if value is None else round(value, 1)

    return {
        "calls": agent.calls,
        "talk_seconds": seconds(agent.talk_seconds),
        "wrap_up_seconds": seconds(agent.wrap_up_seconds),
        "idle_seconds": seconds(agent.idle_seconds),
        "break_seconds": seconds(agent.break_seconds),
        "occupancy": None if agent.occupancy is None else round(agent.occupancy, 4),
        "dispositions": dict(agent.codes),
    }
