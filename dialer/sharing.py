"""Agents who serve several campaigns: moved between them while idle, as `pacing.sharing` decides.

An agent is logged in for campaigns (`Agent.choice`) and serves one of them at a time (`Agent.campaign`): on that
campaign's roster and in its pacer's book, nowhere else. Moves are made here: once a second for the targets, and the
moment a customer begins to wait or an agent becomes idle for a rescue. Campaigns in manual and preview mode take no
part: there the agent starts the calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dialer.agent import Agent, AgentState
from dialer.campaign import AT_WORK, Campaign, CampaignState
from dialer.config.membership import may_serve
from dialer.events import AgentMoved
from dialer.services import Services
from pacing.allocator import AllocatorConfig, Claim, Shared
from pacing.sharing import Cause, Kind, Sharing, Step

if TYPE_CHECKING:
    from dialer.engine import Unit

#: Seconds between two looks at all shared agents.
LOOK = 1.0
#: A notice that is taken back is put off so far, seconds: an agent cannot be announced as staying.
NEVER = 1e9
#: The states in which a campaign has found its list with nothing to dial.
_DRY = (CampaignState.NO_CONTACTS, CampaignState.CLOSED)


class SharedAgents:
    """Moves the agents of one daemon. `units` and `agents`: those of now, by name."""

    def __init__(
        self,
        services: Services,
        units: Callable[[], Mapping[str, Unit]],
        agents: Callable[[], Mapping[str, Agent]],
    ) -> None:
        self.services = services
        self.rule = Sharing()
        self.stopped: Callable[[], bool] = lambda: False
        """shutting down: everybody stays where they are"""
        self._units = units
        self._agents = agents
        self._moving = False
        self._claims: Mapping[Hashable, Claim] = {}

    def configure(self, config: AllocatorConfig) -> None:
        """Other settings from now on."""
        self.rule.config = config

    def serve(self, unit: Unit) -> None:
        """One campaign more that may share agents."""
        unit.campaign.rescue = self.rescue
        unit.campaign.borrow = lambda name: self.borrow(name, unit)
        unit.campaign.elsewhere = lambda: self.elsewhere(unit)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look(self.services.clock.now())
            await asyncio.sleep(LOOK)

    # -- who serves what --------------------------------------------------------------------------------------------

    def serves(self, agent: Agent) -> list[str]:
        """The campaigns that a logged-in agent may be moved to, or is in; one name: nobody moves this agent."""
        unit = self._units().get(agent.campaign)
        if unit is None or unit.campaign.pacemaker is None:
            return [agent.campaign]
        return [
            name
            for name, each in self._units().items()
            if each.campaign.pacemaker is not None
            and (agent.choice is None or name in agent.choice)
            and may_serve(agent.name, agent.table, name, each.campaign.table)
        ]

    def elsewhere(self, unit: Unit) -> int:
        """Agents at work who are logged in for this campaign and serve another one now."""
        name = unit.campaign.name
        return sum(
            agent.campaign != name and agent.state in AT_WORK and name in self.serves(agent)
            for agent in self._agents().values()
        )

    def first(self, agent: Agent, allowed: Iterable[Unit]) -> Unit:
        """Where an agent who logs in for all of `allowed` begins: where one more is worth most."""
        units = {unit.campaign.name: unit for unit in allowed}
        now = self.services.clock.now()
        # a whole shift logs in at once: those whose phones still ring count where they are going
        claims, agents = self._claims_of_all(now), self._at_work(*AT_WORK, AgentState.LOGGING_IN)
        agents[agent.name] = Shared(None, now, True, frozenset(units))
        for step in Sharing(self.rule.config).look(now, claims, agents):
            if step.agent == agent.name and step.kind is Kind.MOVE:
                return units[str(step.target)]
        return next(iter(units.values()))

    # -- moving -----------------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Move, and give notice, as the targets say (`now` monotonic)."""
        if self.stopped() or self._blind():
            return
        agents = self._at_work()
        if not self.rule.notices and not any(agent.allowed - {agent.campaign} for agent in agents.values()):
            return
        self.rule.patience = max(unit.campaign.table.pacing.patience for unit in self._units().values())
        self._claims = self._claims_of_all(now)
        for step in self.rule.look(now, self._claims, agents):
            self._carry_out(step, now)

    def rescue(self) -> None:
        """A customer waits, or an agent is idle: if both, in campaigns apart, they are brought together. Who has been
        given notice and is idle now goes.
        """
        if self._moving or self.stopped():
            return
        units, now = self._units(), self.services.clock.now()
        if self.rule.notices:
            for step in self.rule.due(now, self._claims, self._at_work()):
                self._carry_out(step, now)
        if len(units) < 2 or not any(unit.campaign.waiting for unit in units.values()):
            return
        idle = self._at_work(AgentState.AVAILABLE)
        if not any(agent.allowed - {agent.campaign} for agent in idle.values()):
            return
        claims = {
            name: replace(claim, waiting=len(units[str(name)].campaign.waiting))
            for name, claim in self._claims.items()
            if name in units
        }
        for step in self.rule.rescue(now, claims, idle):
            self._carry_out(step, now)

    def borrow(self, name: str, unit: Unit) -> Agent | None:
        """The agent, moved to this campaign for a call of its own, if the agent is idle in another one and serves this
        one as well.
        """
        agent = self._agents().get(name)
        if agent is None or agent.state is not AgentState.AVAILABLE or agent.campaign == unit.campaign.name:
            return None
        if unit.campaign.name not in self.serves(agent):
            return None
        now = self.services.clock.now()
        self.rule.forget(name)
        why: dict[str, float] = {}
        self._carry_out(Step(Kind.MOVE, Cause.OWN_CALL, name, agent.campaign, unit.campaign.name, now, why), now)
        return agent

    def _carry_out(self, step: Step, now: float) -> None:
        source, agent = self._units()[str(step.source)], self._agents()[str(step.agent)]
        if step.kind is not Kind.MOVE:
            leaves_at = step.at if step.kind is Kind.NOTICE else now + NEVER
            if source.campaign.pacemaker is not None:
                source.campaign.pacemaker.leaving(agent.name, leaves_at, now)
            return
        if agent.state is not AgentState.AVAILABLE:
            self.services.counters["moved_too_late"] += 1  # a call of the same batch came first
            return
        target = self._units()[str(step.target)]
        self._moving = True  # an agent who arrives asks for a rescue, and this is one
        try:
            source.agents.release(agent)
            at = self.services.clock.at()
            self.services.stream.publish(
                AgentMoved(
                    at=at, campaign=target.campaign.name, agent=agent.name, from_campaign=source.campaign.name,
                    cause=step.cause.value, why=step.why,
                )
            )  # fmt: skip
            target.agents.take_in(agent)
        finally:
            self._moving = False

    # -- what is known ------------------------------------------------------------------------------------------------

    def _blind(self) -> bool:
        """Nothing can be dialed anywhere: nobody is worth more in one place than in another."""
        return self.services.ledger.locked or not self.services.media.alive

    def _at_work(self, *states: AgentState) -> dict[Hashable, Shared]:
        """Agents who are or will be there for a call, in campaigns that dial by themselves."""
        wanted, units = states or AT_WORK, self._units()
        found: dict[Hashable, Shared] = {}
        for agent in self._agents().values():
            unit = units.get(agent.campaign)
            if agent.state not in wanted or unit is None:
                continue
            if unit.campaign.pacemaker is not None:
                idle = agent.state is AgentState.AVAILABLE
                found[agent.name] = Shared(agent.campaign, agent.arrived, idle, frozenset(self.serves(agent)))
        return found

    def _claims_of_all(self, now: float) -> dict[Hashable, Claim]:
        return {
            name: self._claim(unit.campaign, now)
            for name, unit in self._units().items()
            if unit.campaign.pacemaker is not None
        }

    def _claim(self, campaign: Campaign, now: float) -> Claim:
        """What the campaign's pacer believes, and how many agents its trunks and its list can use."""
        share, pacemaker = campaign.table.sharing, campaign.pacemaker
        assert pacemaker is not None  # the caller looked
        why = {**pacemaker.pacer.estimates(now), "waiting": len(campaign.waiting)}
        claim = Claim.of(why, weight=share.weight, least=share.least_agents, cap=campaign.abandon_cap)
        return replace(claim, most=self._most(campaign, claim, now))

    def _most(self, campaign: Campaign, claim: Claim, now: float) -> int:
        left = campaign.dialable_contacts
        if campaign.paused or campaign.draining or left == 0 or campaign.state in _DRY:
            return 0
        trunks = [trunk for trunk in campaign.trunks if trunk.well(now)]
        if not trunks:
            return 0
        lines = sum(trunk.table.lines for trunk in trunks)
        own = campaign.table.pacing.max_lines
        most = claim.agents_for(lines if own is None else min(lines, own))
        if campaign.table.sharing.most_agents is not None:
            most = min(most, campaign.table.sharing.most_agents)
        if left is not None:
            most = min(most, claim.agents_for_list(left, self.rule.config.dwell))
        return most
