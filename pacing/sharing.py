"""Shared agents over time: the allocator's moves, made so that the campaign an agent leaves keeps its promises.

`pacing.allocator` says what should be moved at an instant and keeps nothing. But the calls that ring count on every
idle agent: with one taken away at once, one of them may find nobody. So a move for the targets begins with a *notice*:
the campaign's pacer hears that the agent will leave (`Pacer.agent_leaving`) and places nothing more on the agent's
account; the agent goes when the calls placed before have had their time (a mean ring time and patience), or at once
where the chance to be needed until then is below `SPARE`. Where no idle agent is left to move, a busy one is told of as
leaving after the call. A campaign that can use nobody any more (paused, closed, its
list run dry) places nothing: its agents go one by one as its calls end. A rescue waits for nothing: what the agent is
worth where it is has been weighed already.

Time is passed in; the caller makes the moves and tells the pacers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pacing.allocator import (
    AgentId,
    AllocatorConfig,
    CampaignId,
    Claim,
    Move,
    Shared,
    allot,
    chance_taken,
    rescues,
)

#: An agent who is less likely than this to be needed before the calls in the air have ended goes without notice.
SPARE = 0.02


class Cause(StrEnum):
    """Why an agent is moved."""

    RESCUE = "rescue"
    """a call waits there and nobody is idle"""
    TARGETS = "targets"
    """an agent is worth more there"""
    CLOSED = "closed"
    """the campaign that it leaves can use nobody: paused, closed, out of contacts, ended"""
    MEMBERSHIP = "membership"
    """it may not work any more where it is"""
    OWN_CALL = "own_call"
    """for a callback that it promised, or a call handed over to it: whoever makes the moves decides that"""


class Kind(StrEnum):
    """What is to be done with an agent."""

    MOVE = "move"
    NOTICE = "notice"
    STAY = "stay"


@dataclass(frozen=True, slots=True)
class Step:
    """move: the agent serves `target` from now on; notice: tell the pacer of `source` that it will leave at `at` (s);
    stay: take the notice back. why: the numbers behind it."""

    kind: Kind
    cause: Cause
    agent: AgentId
    source: CampaignId
    target: CampaignId
    at: float
    why: Mapping[str, float]


class Sharing:
    """Remembers who has been given notice. `patience`: s; with the mean ring time it is how long notice lasts."""

    def __init__(self, config: AllocatorConfig | None = None, patience: float = 2.0) -> None:
        self.config = config or AllocatorConfig()
        self.patience = patience
        self.targets: Mapping[CampaignId, int] = {}
        """agents that each campaign should have, as of the last look"""
        self._notices: dict[AgentId, Step] = {}

    @property
    def notices(self) -> Mapping[AgentId, Step]:
        """Who has been given notice."""
        return self._notices

    def forget(self, agent: AgentId) -> None:
        """The agent has logged out or been moved by somebody else."""
        self._notices.pop(agent, None)

    def rescue(self, now: float, claims: Mapping[CampaignId, Claim], idle: Mapping[AgentId, Shared]) -> list[Step]:
        """A call has begun to wait, or an agent is idle: who of the `idle` goes to which call, at once.

        Raises `InvalidValueError`."""
        found = []
        for move in rescues(now, claims, idle, self.config):
            self.forget(move.agent)
            why = {"worth_there": move.worth_there, "worth_here": move.worth_here}
            why["waiting_there"] = float(claims[move.target].waiting)
            found.append(Step(Kind.MOVE, Cause.RESCUE, move.agent, move.source, move.target, now, why))
        return found

    def look(self, now: float, claims: Mapping[CampaignId, Claim], agents: Mapping[AgentId, Shared]) -> list[Step]:
        """What to do at `now` with all agents. A source that is not among `claims` gives its agents away at once.

        Raises `InvalidValueError`."""
        steps = self._withdrawn(now, claims, agents)
        seen = {name: self._seen(name, agent) for name, agent in agents.items()}
        found = allot(now, claims, seen, self.config)
        self.targets = found.targets
        idle = dict.fromkeys(claims, 0)
        for agent in agents.values():
            if agent.idle and agent.campaign in idle:
                idle[agent.campaign] += 1
        count = dict.fromkeys(claims, 0)
        for agent in seen.values():
            if agent.campaign in count:
                count[agent.campaign] += 1
        for move in found.moves:
            step = self._step(now, move, claims, agents[move.agent], count)
            if step.cause is Cause.RESCUE or self._spare(claims, idle, step.source):
                steps.append(self._go(step, now, idle))
            else:
                self._notices[move.agent] = step
                steps.append(step)
            seen[move.agent] = replace(seen[move.agent], campaign=move.target, idle=False)
        steps += self._ahead(now, claims, agents, seen, count)
        return steps + self.due(now, claims, agents, idle, {step.agent for step in steps})

    def _ahead(
        self, now: float, claims: Mapping[CampaignId, Claim], agents: Mapping[AgentId, Shared],
        seen: Mapping[AgentId, Shared], count: dict[CampaignId, int],
    ) -> list[Step]:  # fmt: skip
        """Where no idle agent is left to move, notice to busy ones: they go after their call, and no call in the air
        has counted on them.
        """
        calm = {campaign: replace(claim, waiting=0) for campaign, claim in claims.items()}
        busy = {
            name: replace(agent, idle=not agents[name].idle and agent.campaign != self._going_to(name))
            for name, agent in seen.items()
        }
        steps = []
        for move in allot(now, calm, busy, self.config).moves:
            step = replace(self._step(now, move, claims, agents[move.agent], count), at=now)
            self._notices[move.agent] = step
            steps.append(step)
        return steps

    def _going_to(self, name: AgentId) -> CampaignId | None:
        return self._notices[name].target if name in self._notices else None

    def _step(
        self, now: float, move: Move, claims: Mapping[CampaignId, Claim], agent: Shared, count: dict[CampaignId, int]
    ) -> Step:
        """The move as a notice, with its numbers; counted as made."""
        source = agent.campaign
        why = {"worth_there": move.worth_there, "worth_here": move.worth_here}
        for key, campaign in (("there", move.target), ("here", source)):
            if campaign in claims:
                why |= {f"agents_{key}": count[campaign], f"target_{key}": self.targets[campaign]}
        if move.source in count:
            count[move.source] -= 1
        count[move.target] += 1
        at = now + claims[source].ring + self.patience if source in claims else now
        return Step(Kind.NOTICE, self._cause(move, claims, agent), move.agent, source, move.target, at, why)

    def _withdrawn(
        self, now: float, claims: Mapping[CampaignId, Claim], agents: Mapping[AgentId, Shared]
    ) -> list[Step]:
        """Notices that make no sense any more."""
        back = []
        for name, step in list(self._notices.items()):
            agent = agents.get(name)
            if agent is None or agent.campaign != step.source:
                del self._notices[name]  # gone, or elsewhere already: that pacer has forgotten the agent
            elif step.target not in agent.allowed or step.target not in claims or claims[step.target].most == 0:
                del self._notices[name]
                back.append(replace(step, kind=Kind.STAY, at=now))
        return back

    def due(
        self, now: float, claims: Mapping[CampaignId, Claim], agents: Mapping[AgentId, Shared],
        idle: dict[CampaignId, int] | None = None, handled: Collection[AgentId] = (),
    ) -> list[Step]:  # fmt: skip
        """Idle agents whose notice is over, or who can be spared before; also for the moment in which one becomes idle.
        `idle`: how many are, by campaign, if that is at hand.
        """
        free = Counter(agent.campaign for agent in agents.values() if agent.idle) if idle is None else idle
        gone = []
        for name, step in list(self._notices.items()):
            if name in handled or name not in agents or not agents[name].idle or agents[name].campaign != step.source:
                continue
            closed = step.source in claims and claims[step.source].most == 0
            # nothing is placed on anybody's account where nobody is wanted: only the calls in the air are left
            if (now >= step.at and not closed) or self._spare(claims, free, step.source):
                gone.append(self._go(step, now, free))
        return gone

    def _go(self, step: Step, now: float, idle: dict[CampaignId, int]) -> Step:
        self._notices.pop(step.agent, None)
        if step.source in idle:
            idle[step.source] -= 1
        if step.target in idle:
            idle[step.target] += 1
        return replace(step, kind=Kind.MOVE, at=now)

    def _seen(self, name: AgentId, agent: Shared) -> Shared:
        """As the allocator shall see the agent: where it will be; nowhere if it may not be where it is."""
        if name in self._notices:
            return replace(agent, campaign=self._notices[name].target, idle=False)
        return agent if agent.campaign in agent.allowed else replace(agent, campaign=None)

    @staticmethod
    def _spare(claims: Mapping[CampaignId, Claim], idle: Mapping[CampaignId, int], source: CampaignId) -> bool:
        """Whether one idle agent less is none too few for the calls in the air."""
        claim = claims.get(source)
        return claim is None or chance_taken(claim, idle[source]) < SPARE

    @staticmethod
    def _cause(move: Move, claims: Mapping[CampaignId, Claim], agent: Shared) -> Cause:
        if move.rescue:
            return Cause.RESCUE
        if agent.campaign not in agent.allowed:
            return Cause.MEMBERSHIP
        closed = agent.campaign not in claims or claims[agent.campaign].most == 0
        return Cause.CLOSED if closed else Cause.TARGETS
