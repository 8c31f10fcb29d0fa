"""The engine: campaigns, agents and trunks at work together, started, drained and closed in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from dialer import aftermath
from dialer.agent import Agent, AgentState
from dialer.agent_control import AgentControl
from dialer.agent_times import AgentTimes
from dialer.call import CallState, CallTrigger
from dialer.call_control import CallControl
from dialer.campaign import Campaign
from dialer.census import Census
from dialer.dialing import Dialing
from dialer.events import Event, TrunkChanged
from dialer.identity import AttemptIds
from dialer.inbound import Inbound
from dialer.outcomes import OutcomeDesk
from dialer.placing import Placing
from dialer.services import Services
from dialer.sharing import SharedAgents
from dialer.standing import RETRY_EVERY, StandingLegs
from dialer.trunk import Trunk
from dialer.trunk_registration import TrunkRegistration
from dialer.trunk_watch import TrunkWatch
from dialer.window import time_to_dial
from dispositions import StoreUnavailable

log = structlog.get_logger(__name__)

#: Seconds between two looks at the slow facts: the legal window, queue depths, callbacks past their grace.
TEND_EVERY = 2.0
#: Seconds between two savings of what the pacers learned.
SAVE_EVERY = 30.0
#: Key of the word that a campaign is paused by command: a crash must not make it dial again.
PAUSED_KEY = "paused/"


@dataclass(slots=True)
class Unit:
    """One campaign with the parts that run it."""

    campaign: Campaign
    agents: AgentControl
    calls: CallControl
    dialing: Dialing


class Engine:
    """Runs all campaigns of one daemon. `agents` and `trunks` by name; an agent serves one campaign at a time."""

    def __init__(
        self,
        services: Services,
        campaigns: Mapping[str, Campaign],
        agents: Mapping[str, Agent],
        trunks: Mapping[str, Trunk],
    ) -> None:
        self.services = services
        self.trunks = dict(trunks)
        self.agents = dict(agents)
        self.outcomes = OutcomeDesk(services)
        self.census = Census(services)
        self.times = AgentTimes(services)
        self.units: dict[str, Unit] = {}
        self.ending = False
        """shutting down, for good: nothing may be dialed any more, whatever a config says"""
        self.on_unit: Callable[[Unit], None] = lambda unit: None
        self.registrations = {trunk.name: TrunkRegistration(trunk, services) for trunk in trunks.values()}
        self.inbound = Inbound(services, self.trunks)
        self.inbound.campaigns = lambda: {name: unit.campaign.table for name, unit in self.units.items()}
        services.switch.on_incoming = self.inbound.on_call
        self.standing = StandingLegs(services, self.trunks)
        self._paused: set[str] = set()
        self._ids = AttemptIds(services.clock.at)
        self.sharing = SharedAgents(services, lambda: self.units, lambda: self.agents)
        self.sharing.stopped = lambda: self.ending
        self._tasks: asyncio.TaskGroup | None = None
        for campaign in campaigns.values():
            self.add_campaign(campaign)

    def add_campaign(self, campaign: Campaign) -> None:
        """One campaign more; while the engine runs it begins to dial at once, unless it is paused."""
        campaign.paused = campaign.paused or campaign.name in self._paused
        agents = AgentControl(campaign, self.services)
        calls = CallControl(campaign, self.services, agents, self.outcomes)
        agents.calls = calls
        placing = Placing(campaign, self.services, agents, calls, self.outcomes, self._ids)
        dialing = Dialing(campaign, self.services, agents, calls, placing)
        unit = Unit(campaign, agents, calls, dialing)
        self.units[campaign.name] = unit
        self.sharing.serve(unit)
        self.on_unit(unit)
        if self._tasks is not None:
            self._tasks.create_task(dialing.run(), name=f"dialing {campaign.name}")

    def add_trunk(self, trunk: Trunk) -> None:
        """One trunk more."""
        self.trunks[trunk.name] = trunk
        self.registrations[trunk.name] = TrunkRegistration(trunk, self.services)
        if self._tasks is not None:
            self.registrations[trunk.name].follow()
            self._tasks.create_task(TrunkWatch(trunk, self.services).run(), name=f"trunk {trunk.name}")

    # -- life -------------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        """After a crash: end what still stands, put back what was not sent, stay paused. Returns the calls that were
        interrupted.
        """
        paused = await self.services.ledger.read(lambda view: view.load_states(PAUSED_KEY))
        self._paused = {key.removeprefix(PAUSED_KEY) for key in paused}
        for unit in self.units.values():
            unit.campaign.paused = unit.campaign.name in self._paused
        recovery = await self.standing.take_over()
        if recovery.interrupted or recovery.released:
            log.warning("recovered", interrupted=len(recovery.interrupted), released=recovery.released)
        return len(recovery.interrupted)

    async def set_paused(self, unit: Unit, paused: bool) -> None:
        """Pause or resume by command; on disk when this returns. A pause holds from the call on."""
        campaign = unit.campaign
        campaign.paused = campaign.paused or paused
        await self.services.ledger.write(lambda tx: tx.save_state(f"{PAUSED_KEY}{campaign.name}", paused or None))
        campaign.paused = paused
        (self._paused.add if paused else self._paused.discard)(campaign.name)
        campaign.wake()

    async def run(self) -> None:
        """All loops of the engine, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for unit in self.units.values():
                tasks.create_task(unit.dialing.run(), name=f"dialing {unit.campaign.name}")
            for trunk in self.trunks.values():
                self.registrations[trunk.name].follow()
                tasks.create_task(TrunkWatch(trunk, self.services).run(), name=f"trunk {trunk.name}")
            tasks.create_task(self._tend(), name="tend")
            tasks.create_task(self.sharing.run(), name="shared agents")

    async def _tend(self) -> None:
        saved_at = ended_at = self.services.clock.now()
        while True:
            if not self.services.ledger.locked:
                self.outcomes.post(partial(aftermath.tend, at=self.services.clock.at()))
            units = list(self.units.values())  # a reload may add one meanwhile
            # the cap's figures of all campaigns first: they are cheap, and counting a long list is not
            looks = [partial(self.tend, unit) for unit in units]
            looks += [partial(self.census.look, unit.campaign) for unit in units]
            looks += [partial(self.census.look_ahead, unit.campaign) for unit in units]
            for look in looks:
                try:
                    await look()
                except StoreUnavailable as error:
                    self.services.counters["store_read_failed"] += 1
                    log.warning("the store could not be read", problem=str(error))
            if self.services.clock.now() - saved_at >= SAVE_EVERY:
                saved_at = self.services.clock.now()
                self.save_learned()
            if self.services.clock.now() - ended_at >= RETRY_EVERY:
                ended_at = self.services.clock.now()
                self.standing.end_all()
            await asyncio.sleep(TEND_EVERY)

    async def tend(self, unit: Unit) -> None:
        """What the legal cap leaves to one campaign."""
        campaign, clock = unit.campaign, self.services.clock
        name, at = campaign.name, clock.at()
        since, left = time_to_dial(campaign.window, at, campaign.policy.rules, campaign.time_scale)
        answered, abandoned = await self.services.ledger.read(lambda view: view.abandonment(name, since))
        campaign.budget = (answered, abandoned)
        if campaign.pacemaker is not None:
            campaign.pacemaker.tell("set_budget", clock.now(), answered, abandoned, left)

    def save_learned(self) -> None:
        """Write down what the pacers learned, for the next start, and how long agents were in which state."""
        self.times.save()
        for name, unit in self.units.items():
            if unit.campaign.pacemaker is not None:
                self.services.ledger.save(f"pacing/{name}", unit.campaign.pacemaker.state())

    async def drain(self, grace: float, on_progress: Callable[[int], None] = lambda calls: None) -> None:
        """Place nothing more; ringing calls end at their floor, talks go on for `grace` seconds, then all ends."""
        self.ending = True
        for unit in self.units.values():
            unit.campaign.draining = True
            unit.campaign.wake()
        deadline = self.services.clock.now() + grace
        while self.live_calls() and self.services.clock.now() < deadline:
            on_progress(self.live_calls())
            await asyncio.sleep(0.1)
        left = [call for unit in self.units.values() for call in unit.campaign.calls.values()]
        if left:
            states = dict(Counter(call.state.value for call in left))
            log.warning("the grace is over: calls are ended", calls=len(left), states=states, first=left[0].id)
        self.end_all()

    def end_all(self) -> None:
        """End every call and every agent's leg now."""
        self.ending = True
        for unit in self.units.values():
            unit.campaign.draining = True
            for call in list(unit.campaign.calls.values()):
                if call.state is CallState.WAITING:
                    unit.calls.fire(call, CallTrigger.PATIENCE_OVER)
                trigger = _LAST_TRIGGER.get(call.state)
                if trigger is not None:
                    unit.calls.fire(call, trigger)

    async def close(self, patience: float = 2.0) -> None:
        """Log all agents out, wait until the far ends have answered our BYEs (`patience` seconds for the customers,
        and as long again for the phones), save what was learned.
        """
        self.ending = True
        for unit in self.units.values():
            unit.campaign.draining = True
        await self._until(lambda: not self.live_calls(), patience)
        for agent in list(self.agents.values()):
            at_work = self.unit_of(agent)
            if at_work is not None:
                at_work.agents.log_out_now(agent)
        await self._until(lambda: not self.services.switch.legs, patience)
        left = self.services.switch.legs
        if left:
            log.warning("legs whose far end has not answered our BYE", legs=left)
        for registration in self.registrations.values():
            registration.leave()
        await self._until(lambda: all(r.id is None for r in self.registrations.values()), patience)
        self.save_learned()

    async def _until(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = self.services.clock.now() + seconds
        while not done() and self.services.clock.now() < deadline:
            await asyncio.sleep(0.02)

    def live_calls(self) -> int:
        """Calls that are not over."""
        return sum(len(unit.campaign.calls) for unit in self.units.values())

    # -- events from elsewhere --------------------------------------------------------------------------------------

    def message_finished(self, token: str, good: bool) -> None:
        """The media process has sent the message of the call `token`."""
        if not good:
            self.services.counters["message_cut"] += 1
        for unit in self.units.values():
            call = unit.campaign.calls.get(token)
            if call is not None:
                unit.calls.message_finished(call)

    def unit_of(self, agent: Agent) -> Unit | None:
        """The campaign that the agent is logged in to."""
        return self.units.get(agent.campaign) if agent.state is not AgentState.LOGGED_OUT else None

    def on_event(self, event: Event) -> None:
        """Reader of the stream: agents' times, and totals that status and the live view show."""
        self.times.on_event(event)
        if isinstance(event, TrunkChanged) and event.up:
            for each in self.units.values():
                each.campaign.wake()
            return
        unit = self.units.get(event.campaign)
        if unit is not None:
            unit.campaign.totals[f"event/{event.name}"] += 1
            outcome = getattr(event, "outcome", None)
            if event.name == "call_ended" and isinstance(outcome, str):
                unit.campaign.totals[f"outcome/{outcome}"] += 1


#: How a call in each state is brought to its end at shutdown.
_LAST_TRIGGER = {
    CallState.PLACED: CallTrigger.GIVE_UP,
    CallState.RINGING: CallTrigger.GIVE_UP,
    CallState.CONNECTING: CallTrigger.HANGUP,
    CallState.TALKING: CallTrigger.HANGUP,
    CallState.STRANDED: CallTrigger.HANGUP,
    CallState.MESSAGE: CallTrigger.HANGUP,
}
