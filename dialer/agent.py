"""An agent: the states, what moves between them, and the leg to the agent's phone.

The table is the whole truth: a pair that it does not have is an `AgentStateError` and changes nothing.
`logging_in` and `leaving` are inner states, seen from outside as logged out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from dialer.config.sip_tables import AgentTable

if TYPE_CHECKING:
    from dialer.agent_control import AgentControl
    from dialer.call import Call
    from dialer.leg import Leg


class AgentState(StrEnum):
    """Where an agent is."""

    LOGGED_OUT = "logged_out"
    LOGGING_IN = "logging_in"
    AVAILABLE = "available"
    RESERVED = "reserved"
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    BREAK = "break"


class AgentTrigger(StrEnum):
    """What moves an agent."""

    LOGIN = "login"
    LEG_UP = "leg_up"
    RESERVE = "reserve"
    UNRESERVE = "unreserve"
    CONNECT = "connect"
    CALL_OVER = "call_over"
    READY = "ready"
    BREAK = "break"
    LOGOUT = "logout"
    LEG_LOST = "leg_lost"


S, T = AgentState, AgentTrigger

#: (state, trigger) -> next state. Drawn in docs/design/engine.md from here.
AGENT_TABLE: dict[tuple[AgentState, AgentTrigger], AgentState] = {
    (S.LOGGED_OUT, T.LOGIN): S.LOGGING_IN,
    (S.LOGGING_IN, T.LEG_UP): S.AVAILABLE,
    (S.LOGGING_IN, T.LEG_LOST): S.LOGGED_OUT,
    (S.LOGGING_IN, T.LOGOUT): S.LOGGED_OUT,
    (S.AVAILABLE, T.RESERVE): S.RESERVED,
    (S.AVAILABLE, T.BREAK): S.BREAK,
    (S.AVAILABLE, T.LOGOUT): S.LOGGED_OUT,
    (S.AVAILABLE, T.LEG_LOST): S.LOGGED_OUT,
    (S.RESERVED, T.UNRESERVE): S.AVAILABLE,
    (S.RESERVED, T.CONNECT): S.TALKING,
    (S.RESERVED, T.LEG_LOST): S.LOGGED_OUT,
    (S.TALKING, T.CALL_OVER): S.WRAP_UP,
    (S.TALKING, T.LEG_LOST): S.LOGGED_OUT,
    (S.WRAP_UP, T.READY): S.AVAILABLE,
    (S.WRAP_UP, T.BREAK): S.BREAK,
    (S.WRAP_UP, T.LOGOUT): S.LOGGED_OUT,
    (S.WRAP_UP, T.LEG_LOST): S.LOGGED_OUT,
    (S.BREAK, T.READY): S.AVAILABLE,
    (S.BREAK, T.BREAK): S.BREAK,
    (S.BREAK, T.LOGOUT): S.LOGGED_OUT,
    (S.BREAK, T.LEG_LOST): S.LOGGED_OUT,
}


class AgentStateError(Exception):
    """`trigger` makes no sense in the agent's state; nothing has changed."""

    def __init__(self, agent: str, state: AgentState, trigger: AgentTrigger) -> None:
        super().__init__(
            f"agent {agent} is {state.value.replace('_', ' ')}: {trigger.value.replace('_', ' ')} is not possible now"
        )
        self.agent, self.state, self.trigger = agent, state, trigger


@dataclass(slots=True, eq=False)
class Agent:
    """An agent at work. Times are monotonic seconds."""

    name: str
    table: AgentTable
    state: AgentState = AgentState.LOGGED_OUT
    since: float = 0.0
    idle_since: float = 0.0
    calls_taken: int = 0
    campaign: str = ""
    """the one that the agent serves now, or served last"""
    choice: tuple[str, ...] | None = None
    """the campaigns that the log-in was for; None: all that the agent may serve"""
    arrived: float = 0.0
    """since when the agent serves its campaign"""
    control: AgentControl | None = None
    """who moves the agent: of the campaign served now"""
    reason: str | None = None
    leg: Leg | None = None
    call: Call | None = None
    """the call being talked, or the one that wrap-up is about"""
    withdrawn: bool = False
    """not in the config any more: may finish, and not log in again"""
    shown: object | None = None
    """preview: the claim on the agent's screen"""
    pending: AgentTrigger | None = None
    pending_reason: str | None = None
    undisposed: Call | None = None
    """the call whose code the agent still owes"""
    timers: dict[str, object] = field(default_factory=dict)

    def can(self, trigger: AgentTrigger) -> bool:
        """Whether the table has `trigger` for the state of now."""
        return (self.state, trigger) in AGENT_TABLE

    def move(self, trigger: AgentTrigger, now: float) -> AgentState:
        """Make the transition and return the state before it; AgentStateError when the table has none."""
        before = self.state
        if (before, trigger) not in AGENT_TABLE:
            raise AgentStateError(self.name, before, trigger)
        self.state = AGENT_TABLE[before, trigger]
        self.since = now
        if self.state is AgentState.AVAILABLE and before is not AgentState.RESERVED:
            # an unused reservation does not cost the agent the place in the queue
            self.idle_since = now
        if self.state is not AgentState.BREAK:
            self.reason = None
        return before
