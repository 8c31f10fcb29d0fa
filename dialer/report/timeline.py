"""The dialer's events, added up: the state of now for a live view, and samples over time for a report.

Feed it the dicts of `Event.to_dict` in order. What it does not know (an unknown event, an agent never seen) it leaves
alone: a newer daemon may say more than this reader understands.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

WORKING: Final = frozenset({"talking", "wrap_up"})
AT_WORK: Final = frozenset({"available", "reserved", "talking", "wrap_up"})
"""Occupancy = time in WORKING / time in AT_WORK."""
STAGES: Final = ("dialing", "ringing", "waiting", "talking", "message")
AGENT_STATES: Final = ("talking", "wrap_up", "reserved", "available", "break", "logged_out")


@dataclass(slots=True)
class AgentLine:
    """One agent so far. `seconds` by state, without the state of now, which runs since `since`."""

    name: str
    state: str = "logged_out"
    since: float = 0.0
    campaign: str = ""
    reason: str | None = None
    seconds: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def spent(self, at: float) -> Counter[str]:
        """Seconds by state up to `at`, the state of now included."""
        spent = self.seconds.copy()
        spent[self.state] += max(0.0, at - self.since)  # type: ignore[assignment]
        return spent


@dataclass(frozen=True, slots=True)
class Sample:
    """An instant: agents by state, calls by stage, and the totals so far."""

    at: float
    agents: Mapping[str, int]
    lines: Mapping[str, int]
    occupancy: float | None
    placed: int
    answered: int
    connected: int
    abandoned: int


def occupancy(spent: Mapping[str, float]) -> float | None:
    """Share of the time at work that went into talking and wrap-up; None before there was any."""
    base = sum(spent.get(state, 0.0) for state in AT_WORK)
    return sum(spent.get(state, 0.0) for state in WORKING) / base if base > 0 else None


class Timeline:
    """See the module."""

    def __init__(self) -> None:
        self.started: float | None = None
        self.at = 0.0
        self.agents: dict[str, AgentLine] = {}
        self.stages: dict[str, str] = {}
        self.totals: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.answer_to_agent: list[tuple[float, float]] = []
        self.ring_seconds: list[float] = []
        self.talk_seconds: list[float] = []
        self.placed_per_second: Counter[int] = Counter()
        self.trunks: dict[str, tuple[bool, str]] = {}
        self.campaign = ("", "")
        self.decision: Mapping[str, Any] = {}
        self.decisions = 0
        self.decision_seconds: deque[float] = deque(maxlen=1000)
        self.messages: deque[tuple[float, str]] = deque(maxlen=8)
        self._appliers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "call_placed": self._placed,
            "call_ringing": self._ringing,
            "call_answered": self._answered,
            "call_connected": self._connected,
            "call_abandoned": self._abandoned,
            "call_ended": self._ended,
            "disposition": self._disposition,
            "callback": self._callback,
            "sale": self._sale,
            "agent": self._agent,
            "agent_alert": self._alert,
            "alert": self._alert,
            "trunk": self._trunk,
            "decision": self._decided,
            "campaign": self._campaign,
        }

    def apply(self, event: Mapping[str, Any]) -> None:
        """Add one event."""
        at = float(event.get("at", self.at))
        if self.started is None:
            self.started = at
        self.at = max(self.at, at)
        applier = self._appliers.get(str(event.get("event")))
        if applier is not None:
            applier(event)

    # -- what can be asked --------------------------------------------------------------------------------------------

    def spent(self, at: float | None = None) -> Counter[str]:
        """Agents' seconds by state, all agents together."""
        total: Counter[str] = Counter()
        for agent in self.agents.values():
            total.update(agent.spent(self.at if at is None else at))
        return total

    def abandon_rate(self) -> float:
        """Abandoned calls / answered calls, 0 before the first answer."""
        return self.totals["abandoned"] / self.totals["answered"] if self.totals["answered"] else 0.0

    def sample(self, at: float) -> Sample:
        """The picture at `at`, which must not lie before the last event."""
        return Sample(
            at,
            Counter(agent.state for agent in self.agents.values()),
            Counter(self.stages.values()),
            occupancy(self.spent(at)),
            self.totals["placed"],
            self.totals["answered"],
            self.totals["connected"],
            self.totals["abandoned"],
        )

    # -- events -------------------------------------------------------------------------------------------------------

    def _placed(self, event: Mapping[str, Any]) -> None:
        self.totals["placed"] += 1
        self.placed_per_second[int(event["at"])] += 1
        self.stages[event["call"]] = "dialing"

    def _ringing(self, event: Mapping[str, Any]) -> None:
        self.totals["ringing"] += 1
        self.stages[event["call"]] = "ringing"

    def _answered(self, event: Mapping[str, Any]) -> None:
        self.totals["answered"] += 1
        self.ring_seconds.append(float(event["ring_seconds"]))
        self.stages[event["call"]] = "waiting"

    def _connected(self, event: Mapping[str, Any]) -> None:
        self.totals["connected"] += 1
        self.answer_to_agent.append((float(event["answer_to_agent"]), float(event["wait"])))
        self.stages[event["call"]] = "talking"
        agent = self.agents.get(event["agent"])
        if agent is not None:
            agent.calls += 1

    def _abandoned(self, event: Mapping[str, Any]) -> None:
        self.totals["abandoned"] += 1
        if event["message_played"] and event["call"] in self.stages:
            self.stages[event["call"]] = "message"

    def _ended(self, event: Mapping[str, Any]) -> None:
        self.outcomes[event["outcome"]] += 1
        self.stages.pop(event["call"], None)
        if event.get("talk_seconds"):
            self.talk_seconds.append(float(event["talk_seconds"]))

    def _disposition(self, event: Mapping[str, Any]) -> None:
        self.codes[event["code"]] += 1
        agent = self.agents.get(event["agent"])
        if agent is not None:
            agent.codes[event["code"]] += 1

    def _callback(self, _: Mapping[str, Any]) -> None:
        self.totals["callbacks"] += 1

    def _sale(self, _: Mapping[str, Any]) -> None:
        self.totals["sales"] += 1

    def _agent(self, event: Mapping[str, Any]) -> None:
        at = float(event["at"])
        agent = self.agents.get(event["agent"])
        if agent is None:
            agent = self.agents[event["agent"]] = AgentLine(event["agent"], event["previous"], at)
        agent.seconds[agent.state] += max(0.0, at - agent.since)  # type: ignore[assignment]
        agent.state, agent.since, agent.reason = event["state"], at, event.get("reason")
        agent.campaign = str(event.get("campaign") or "")

    def _alert(self, event: Mapping[str, Any]) -> None:
        who = f"{event['agent']}: " if "agent" in event else ""
        self.messages.append((float(event["at"]), f"{who}{event['alert']} {event['detail']}"))

    def _trunk(self, event: Mapping[str, Any]) -> None:
        self.trunks[event["trunk"]] = (bool(event["up"]), str(event["reason"]))
        self.messages.append(
            (float(event["at"]), f"trunk {event['trunk']} {'up' if event['up'] else 'down'}: {event['reason']}")
        )

    def _decided(self, event: Mapping[str, Any]) -> None:
        self.decisions += 1
        self.decision = event
        self.decision_seconds.append(float(event["seconds"]))

    def _campaign(self, event: Mapping[str, Any]) -> None:
        self.campaign = (str(event["state"]), str(event["reason"]))
