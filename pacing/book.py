"""The live book: which agents and calls there are, and what may follow what.

Two state machines, as tables. A missing key is a wrong order and raises; the book is then unchanged.
Agents that log out, calls that ended unanswered or were abandoned leave the book; answered calls are
remembered for a while so that a later relabelling ("that was a machine") can correct the counts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from pacing.decision import AgentId, CallId
from pacing.errors import UnknownIdError, WrongOrderError

GONE = "gone"

# (state, event) -> next state; GONE: the agent or call is unknown before, or forgotten after.
AGENT_TABLE: dict[tuple[str, str], str] = {
    (GONE, "available"): "available",
    ("wrap_up", "available"): "available",
    ("available", "connected"): "talking",
    ("talking", "talk_ended"): "wrap_up",
    ("available", "unavailable"): GONE,
    ("talking", "unavailable"): GONE,
    ("wrap_up", "unavailable"): GONE,
    ("available", "leaving"): "available",
    ("talking", "leaving"): "talking",
    ("wrap_up", "leaving"): "wrap_up",
}

# A repeated 18x is ordinary on the wire (180 then 183), so ringing may follow ringing.
CALL_TABLE: dict[tuple[str, str], str] = {
    (GONE, "placed"): "placed",
    ("placed", "ringing"): "ringing",
    ("ringing", "ringing"): "ringing",
    ("placed", "ended"): GONE,
    ("ringing", "ended"): GONE,
    ("placed", "answered"): "waiting",
    ("ringing", "answered"): "waiting",
    ("waiting", "connected"): "connected",
    ("waiting", "abandoned"): "abandoned",
    ("waiting", "relabelled"): "relabelled",
    ("connected", "relabelled"): "relabelled",
    ("abandoned", "relabelled"): "relabelled",
    ("connected", "placed"): "placed",
    ("abandoned", "placed"): "placed",
    ("relabelled", "placed"): "placed",
}

REMEMBERED_CALLS = 20_000


@dataclass(slots=True)
class Agent:
    """state: available | talking | wrap_up; since: when it began to be occupied (s) while busy,
    or to be available; leaving_at: announced end (s), if any; call: the call it talks to, if told."""

    state: str
    since: float
    leaving_at: float | None = None
    call: CallId | None = None


@dataclass(slots=True)
class Call:
    """state: placed | ringing | waiting | connected | abandoned | relabelled; times in s."""

    state: str
    placed_at: float
    ringing_at: float | None = None
    answered_at: float | None = None
    trial: Any = None  # its place in the estimates (`pacing.air.Trial`)

    def floor_from(self) -> float:
        """When the ring floor began to count: the 18x, or the placing if none came yet."""
        return self.placed_at if self.ringing_at is None else self.ringing_at


class Book:
    """Agents, live calls, and the answered calls of late. Methods check first, then change."""

    def __init__(self) -> None:
        self.agents: dict[AgentId, Agent] = {}
        self.in_air: dict[CallId, Call] = {}  # placed or ringing, oldest first
        self.waiting: dict[CallId, Call] = {}  # answered, no agent yet
        self.remembered: OrderedDict[CallId, Call] = OrderedDict()
        self.available = 0
        self._occupied_since = 0.0  # sum of `since` over busy agents
        self._occupied_before = 0.0  # occupied seconds of calls that are over
        self.busy = 0
        self.talking = 0
        self.leaving = 0  # agents with an announced end

    # -- checks: raise, change nothing -------------------------------------------------------

    def agent_after(self, agent: AgentId, event: str) -> str:
        """The state after `event`. Raises `UnknownIdError` or `WrongOrderError`."""
        known = self.agents.get(agent)
        state = GONE if known is None else known.state
        after = AGENT_TABLE.get((state, event))
        if after is None:
            if known is None:
                raise UnknownIdError(f"agent {agent!r} is not known")
            raise WrongOrderError(f"agent {agent!r} is {state}: {event} cannot follow")
        return after

    def call(self, call: CallId) -> Call | None:
        """The call wherever it is kept, or None."""
        return self.in_air.get(call) or self.waiting.get(call) or self.remembered.get(call)

    def call_after(self, call: CallId, event: str) -> str:
        """The state after `event`. Raises `UnknownIdError` or `WrongOrderError`."""
        known = self.call(call)
        state = GONE if known is None else known.state
        after = CALL_TABLE.get((state, event))
        if after is None:
            if known is None:
                raise UnknownIdError(f"call {call!r} is not known")
            raise WrongOrderError(f"call {call!r} is {state}: {event} cannot follow")
        return after

    # -- changes: the caller has checked -----------------------------------------------------

    def put_agent(self, agent: AgentId, record: Agent) -> None:
        """Add an agent, in whatever state."""
        self.agents[agent] = record
        self._count(record, 1)

    def drop_agent(self, agent: AgentId, now: float) -> None:
        """Forget an agent."""
        record = self.agents.pop(agent)
        self._count(record, -1)
        if record.state != "available":
            self._occupied_before += now - record.since

    def move_agent(self, agent: AgentId, state: str, since: float) -> None:
        """Change an agent's state; `since` as in `Agent`: now, unless it stays occupied."""
        record = self.agents[agent]
        self._count(record, -1)
        if state == "available":
            self._occupied_before += since - record.since
        record.state, record.since = state, since
        self._count(record, 1)

    def announce(self, agent: AgentId, at: float) -> None:
        """Note when an agent will leave."""
        record = self.agents[agent]
        self._count(record, -1)
        record.leaving_at = at
        self._count(record, 1)

    def remember(self, call: CallId, record: Call) -> None:
        """Keep an answered call for later relabelling; the oldest are forgotten."""
        self.remembered[call] = record
        self.remembered.move_to_end(call)
        if len(self.remembered) > REMEMBERED_CALLS:
            self.remembered.popitem(last=False)

    def _count(self, record: Agent, sign: int) -> None:
        if record.state == "available":
            self.available += sign
        else:
            self.busy += sign
            self.talking += sign if record.state == "talking" else 0
            self._occupied_since += sign * record.since
        if record.leaving_at is not None:
            self.leaving += sign

    # -- readings ----------------------------------------------------------------------------

    def occupied(self, now: float) -> float:
        """Occupied seconds of all agents so far, calls still running included."""
        return self._occupied_before + self.busy * now - self._occupied_since

    def staying(self, until: float) -> tuple[int, int]:
        """(available, busy) agents that have not announced to be gone by `until`."""
        if not self.leaving:
            return self.available, self.busy
        going_free = going_busy = 0
        for record in self.agents.values():
            if record.leaving_at is not None and record.leaving_at <= until:
                if record.state == "available":
                    going_free += 1
                else:
                    going_busy += 1
        return self.available - going_free, self.busy - going_busy
