"""A campaign at work: its settings, agents, calls, and the customers who wait for an agent."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dialer.agent import Agent, AgentState
from dialer.call import Call, CallState
from dialer.config.campaign_tables import CampaignTable
from dialer.pacemaker import Pacemaker
from dialer.roster import Roster
from dialer.trunk import Trunk
from dispositions import CampaignPolicy, ContactState, Jurisdiction, Promises
from pacing import Snapshot


class CampaignState(StrEnum):
    """Why a campaign dials, or does not."""

    RUNNING = "running"
    PAUSED = "paused"
    CLOSED = "closed"
    NO_AGENTS = "no_agents"
    NO_CONTACTS = "no_contacts"
    NO_TRUNK = "no_trunk"
    DRAINING = "draining"
    STOPPED = "stopped"


#: Call states in which the customer rings or has answered and waits: what the pacer knows as ringing or answered.
IN_THE_AIR = (CallState.PLACED, CallState.RINGING)
#: States of agents who are or will be there for a call.
AT_WORK = frozenset((AgentState.AVAILABLE, AgentState.RESERVED, AgentState.TALKING, AgentState.WRAP_UP))


@dataclass(slots=True, eq=False)
class Campaign:
    """One campaign. Durations in seconds (already divided by the time scale); times monotonic unless named `_at`."""

    name: str
    table: CampaignTable
    policy: CampaignPolicy
    jurisdiction: Jurisdiction
    trunks: list[Trunk]
    roster: Roster
    prompt: str
    prompt_seconds: float
    ring_floor: float
    abandon_cap: float
    window: str
    time_scale: float = 1.0
    """what the legal window is divided by, as all durations here are already"""
    pacemaker: Pacemaker | None = None
    """None: manual and preview dialing"""
    calls: dict[str, Call] = field(default_factory=dict)
    waiting: deque[Call] = field(default_factory=deque)
    paused: bool = False
    draining: bool = False
    state: CampaignState = CampaignState.NO_AGENTS
    reason: str = ""
    wake: Callable[[], None] = lambda: None
    rescue: Callable[[], None] = lambda: None
    """a customer waits here, or an agent is idle: agents shared with other campaigns may be moved"""
    borrow: Callable[[str], Agent | None] = lambda name: None
    """the agent of this name from another campaign, for a call of its own"""
    elsewhere: Callable[[], int] = lambda: 0
    """agents logged in for this campaign who serve another one now"""
    totals: Counter[str] = field(default_factory=Counter)
    budget: tuple[int, int] = (0, 0)
    """answered and abandoned in the legal window, at the last look"""
    queue_depths: Mapping[str, int] = field(default_factory=dict)
    contact_counts: Mapping[ContactState, int] = field(default_factory=dict)
    dialable_contacts: int | None = None
    """contacts that could be dialed at the last look; None before it"""
    closed_contacts: int = 0
    """contacts that could be dialed but for their calling hours, at the last look; 0 while others can be"""
    dry_at: float | None = None
    """when its contacts run out at the present rate, epoch seconds; None: not soon, or nothing is dialed"""
    call_rate: float = 0.0
    """calls an open hour that the forecast was made with"""
    due_next_hour: int = 0
    promises: Promises | None = None
    """callbacks of the last day: how many were due, and kept in time"""
    last_why: Mapping[str, float] = field(default_factory=dict)
    decide_seconds: float = 0.0

    def snapshot(self) -> Snapshot:
        """The truth of now, for a pacer that lost track."""
        agents = self.roster.agents.values()
        live = [call for call in self.calls.values() if call.told_pacer]
        ringing = [call for call in live if call.state in IN_THE_AIR]
        # Only agents who talk, or are being connected, on a call that the pacer paced: it was told that the others are
        # unavailable, and will hear of them when they are available again.
        busy: dict[Hashable, float] = {
            agent.name: agent.call.agent_found or agent.since
            for agent in agents
            if agent.call is not None
            and agent.call.pacer_agent == agent.name
            and agent.state in (AgentState.RESERVED, AgentState.TALKING)
        }
        return Snapshot(
            available=[a.name for a in agents if a.state is AgentState.AVAILABLE],
            busy=busy,
            wrap_up={a.name: a.since for a in agents if a.state is AgentState.WRAP_UP},
            ringing={call.id: call.placed for call in ringing},
            ring_since={call.id: call.ringing for call in ringing if call.ringing is not None},
            answered={call.id: call.answered or call.placed for call in live if call.state is CallState.WAITING},
            segments={call.id: call.claim.list_name for call in live},
        )

    def somebody_at_work(self) -> bool:
        """Whether an agent is or will be there for a call: anybody logged in and not on a break."""
        return any(agent.state in AT_WORK for agent in self.roster.agents.values())
