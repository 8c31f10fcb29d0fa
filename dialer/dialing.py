"""The dialing of one campaign: when to decide, what may be placed now, and the calls kept for one agent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import structlog

from dialer import routing
from dialer.agent import Agent, AgentState
from dialer.agent_control import AgentControl
from dialer.call_control import CallControl
from dialer.campaign import IN_THE_AIR, Campaign, CampaignState
from dialer.condition import condition, is_open, own_lines, stale
from dialer.events import CampaignChanged, Decided
from dialer.placing import Placing
from dialer.services import Services
from dispositions import Claim, DispositionsError, NotDialable, StoreUnavailable
from pacing import Decision

log = structlog.get_logger(__name__)

#: The longest time between two looks at a campaign, seconds.
LOOK_AGAIN = 1.0
#: The shortest, so that a burst of events is one decision. Calls ring for seconds: nothing is lost by 50 ms.
BREATH = 0.05
#: After the list gave fewer contacts than asked for, seconds until it is asked again (a new contact wakes it at once).
EMPTY_PAUSE = 1.0
#: A claim that is not dialed within so many seconds goes back to the list by itself (`tend_leases`).
LEASE = 120.0
#: Most contacts in one claim.
BATCH = 200
#: When a personal callback may not be dialed and nobody knows when it may: seconds until it is tried again.
NOT_NOW = 60.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A claim on its way: how many contacts, how many of them may be dialed, since when, and the decision behind it."""

    count: int
    place: int
    since: float
    decision: Decision


class Dialing:
    """Decides for one campaign and has its calls placed."""

    def __init__(
        self,
        campaign: Campaign,
        services: Services,
        agents: AgentControl,
        calls: CallControl,
        placing: Placing,
    ) -> None:
        self.campaign = campaign
        self.services = services
        self.agents = agents
        self.calls = calls
        self.placing = placing
        self._wake = asyncio.Event()
        self._asked: _Asked | None = None
        self._empty_until = 0.0
        self._reach = 0
        """how far to look into a list that begins with numbers which no trunk takes now"""
        self._not_before: dict[int, float] = {}
        campaign.wake = self._wake.set

    def contacts_arrived(self) -> None:
        """New or newly due contacts: ask the list again at once."""
        self._empty_until = 0.0
        self._wake.set()

    async def run(self) -> None:
        """Decide and place until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._decide(), name=f"deciding {self.campaign.name}")
            tasks.create_task(self._keep_promises(), name=f"callbacks {self.campaign.name}")

    async def _decide(self) -> None:
        """Never waits for the store: calls are given up, and answered, whatever the disk does."""
        while True:
            next_at = self.step(self.services.clock.now())
            wait = min(LOOK_AGAIN, max(BREATH, next_at - self.services.clock.now()))
            await asyncio.sleep(BREATH)
            try:
                async with asyncio.timeout(max(0.0, wait - BREATH)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    def step(self, now: float) -> float:
        """One decision and what follows from it; returns when to look again at the latest (monotonic seconds)."""
        campaign = self.campaign
        state, reason = condition(campaign, self.services, now)
        if self._nobody():
            for call in list(campaign.calls.values()):
                self.calls.give_up_when_allowed(call, self._nobody)
            now = self.services.clock.now()  # giving up has told the pacer of a later time
        if campaign.pacemaker is None or state is CampaignState.NO_AGENTS or state is CampaignState.DRAINING:
            self._enter(state, reason)
            return now + LOOK_AGAIN
        room = min(routing.free_lines(campaign.trunks, now), self._own_lines())
        told = sum(1 for call in campaign.calls.values() if call.told_pacer)
        rate = max(routing.rate(campaign.trunks, now), 0.001)
        campaign.pacemaker.tell("set_limits", now, told + room, rate, None)
        started = perf_counter()
        decision = campaign.pacemaker.decide(now)
        campaign.decide_seconds = perf_counter() - started
        campaign.last_why = decision.why
        cancelled = self._give_up(decision.cancel)
        if cancelled:
            self._publish(decision, 0, cancelled)
        if state is not CampaignState.RUNNING:
            self._enter(state, reason)
        elif self._asked is None and now >= self._empty_until:
            place = min(decision.place, room, routing.starts(campaign.trunks, now), BATCH)
            if place > 0:
                self._ask(_Asked(max(place, self._reach), place, now, decision))
            else:
                self._enter(CampaignState.RUNNING, "")
        if decision.place > 0 and room > 0:
            return min(decision.next_at, routing.next_start(campaign.trunks, now) or decision.next_at)
        return min(decision.next_at, now + LOOK_AGAIN)

    # -- its state ---------------------------------------------------------------------------------------------------

    def _enter(self, state: CampaignState, reason: str) -> None:
        campaign = self.campaign
        if state is campaign.state and reason == campaign.reason:
            return
        campaign.state, campaign.reason = state, reason
        self.services.stream.publish(
            CampaignChanged(at=self.services.clock.at(), campaign=campaign.name, state=state.value, reason=reason)
        )

    def _enter_empty(self) -> None:
        closed = self.campaign.closed_contacts
        if closed:
            self._enter(CampaignState.CLOSED, f"outside the calling hours of {closed} contacts")
        else:
            self._enter(CampaignState.NO_CONTACTS, "no contact of the list may be dialed now: see dialer check")

    def _own_lines(self) -> int:
        lines = own_lines(self.campaign)
        return BATCH if lines is None else lines

    def _runs(self, now: float) -> bool:
        return condition(self.campaign, self.services, now)[0] is CampaignState.RUNNING

    # -- giving up --------------------------------------------------------------------------------------------------

    def _nobody(self) -> bool:
        """Whether nobody is, or will be, there to talk."""
        return self.campaign.draining or not self.campaign.somebody_at_work()

    def _give_up(self, ids: Sequence[object]) -> int:
        count = 0
        for attempt in ids:
            call = self.campaign.calls.get(str(attempt))
            if call is not None and call.state in IN_THE_AIR and not self.calls.at_floor(call):
                # the pacer counts the floor from its own order; the law counts from the INVITE
                self.calls.give_up_when_allowed(call)
                count += 1
        return count

    # -- placing ----------------------------------------------------------------------------------------------------

    def _ask(self, asked: _Asked) -> None:
        """Ask the list for contacts; what it gives is placed when it comes."""
        self._asked = asked
        name, clock, count = self.campaign.name, self.services.clock, asked.count

        def refused(error: DispositionsError) -> None:
            self._asked = None
            self._empty_until = clock.now() + EMPTY_PAUSE
            self.services.counters["claim_refused"] += 1
            log.error("the store gives no contacts", campaign=name, problem=str(error))

        # the time of the claim is the time of its commit: a locked store may keep it waiting past the calling hours
        self.services.ledger.post(
            lambda tx: tx.claim(name, count, at := clock.at(), at + LEASE), self._claimed, refused, last=True
        )

    def _claimed(self, claims: list[Claim]) -> None:
        asked, self._asked = self._asked, None
        now = self.services.clock.now()
        if asked is None or stale(asked.since, now) or not self._runs(now):
            if claims:
                self.placing.release(claims)
            self._wake.set()
            return
        placed = self.placing.place(claims, most=asked.place)
        self._reach = min(BATCH, 4 * asked.count) if placed.passed_over else 0
        if placed.dialed:
            self._publish(asked.decision, placed.dialed, 0)
        if placed.back:
            # asking at once would give the same contacts again
            self._empty_until = now + EMPTY_PAUSE
            self._enter(CampaignState.NO_TRUNK, f"no trunk or RTP port could take {placed.back} calls just now")
        elif len(claims) < asked.count and placed.dialed < asked.place:
            self._empty_until = now + EMPTY_PAUSE
            if placed.passed_over and not placed.dialed:
                self._enter(CampaignState.NO_TRUNK, f"the trunks for {placed.passed_over} contacts take no call now")
            else:
                self._enter_empty()
        else:
            self._enter(CampaignState.RUNNING, "")
        self._wake.set()

    def _publish(self, decision: Decision, place: int, cancel: int) -> None:
        campaign = self.campaign
        self.services.stream.publish(
            Decided(
                at=self.services.clock.at(), campaign=campaign.name, place=place, cancel=cancel,
                seconds=campaign.decide_seconds, why=decision.why,
            )
        )  # fmt: skip

    # -- calls for one agent ------------------------------------------------------------------------------------------

    async def _keep_promises(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            now = self.services.clock.now()
            state, _ = condition(self.campaign, self.services, now)
            # its agents may all serve other campaigns now: the one who promised the call is borrowed
            may = state in (CampaignState.RUNNING, CampaignState.NO_AGENTS, CampaignState.NO_CONTACTS)
            if may and routing.starts(self.campaign.trunks, now) > 0:
                await self.personal_callbacks()

    async def personal_callbacks(self) -> None:
        """Promised calls that are due and whose agent is free."""
        name, at = self.campaign.name, self.services.clock.at()
        free = {agent.name: agent for agent in self.campaign.roster.in_state(AgentState.AVAILABLE)}
        if not free and not self.campaign.elsewhere():
            return
        try:
            due = await self.services.ledger.read(lambda view: view.due_personal_callbacks(name, at, 100))
        except StoreUnavailable:
            self.services.counters["store_read_failed"] += 1
            return
        self._not_before = {contact: until for contact, until in self._not_before.items() if until > at}
        for card in due:
            if card.contact_id in self._not_before:
                continue
            agent = free.pop(card.agent, None) if card.agent is not None else None
            if agent is None and card.agent is not None:
                agent = self.campaign.borrow(card.agent)
            if agent is not None and agent.state is AgentState.AVAILABLE:
                await self.dial_for(agent, card.contact_id)

    async def dial_for(self, agent: Agent, contact_id: int) -> str | None:
        """Reserve `agent`, claim the contact and dial it; None when it worked, else why it did not."""
        name, clock = self.campaign.name, self.services.clock
        problem = self._not_for_an_agent()
        if problem is not None:
            return problem
        self.agents.reserve(agent)
        try:
            claim = await self.services.ledger.write(
                lambda tx: tx.claim_contact(name, contact_id, at := clock.at(), at + LEASE, reserved=True)
            )
        except DispositionsError as refusal:
            later = refusal.next_at if isinstance(refusal, NotDialable) else None
            self._not_before[contact_id] = later if later is not None else clock.at() + NOT_NOW
            self._unreserve_if_kept(agent)
            return str(refusal)
        return self.dial_claimed(agent, claim)

    def dial_claimed(self, agent: Agent, claim: Claim) -> str | None:
        """Dial a claimed contact for an agent who is reserved; None when it worked, else why it did not."""
        if agent.state is not AgentState.RESERVED or agent.call is not None or self.campaign.draining:
            self.placing.release([claim])
            self._unreserve_if_kept(agent)
            return "the agent is not there any more"
        problem = self._not_for_an_agent()
        if problem is None and not is_open(self.campaign, self.services, claim):
            problem = "outside the calling hours of this number"
        if problem is not None:
            self.placing.release([claim])
            self._unreserve_if_kept(agent)
            return problem
        placed = self.placing.place([claim], agent)
        if placed.dialed:
            return None
        self._unreserve_if_kept(agent)
        return "no trunk may be given this number" if placed.barred else "no trunk can take the call now"

    def _not_for_an_agent(self) -> str | None:
        """Why no call of an agent's own may be placed now."""
        state, reason = condition(self.campaign, self.services, self.services.clock.now())
        if state is not CampaignState.RUNNING:
            return reason
        lines = own_lines(self.campaign)
        return "all lines of the campaign are in use (max_lines)" if lines is not None and lines <= 0 else None

    def _unreserve_if_kept(self, agent: Agent) -> None:
        if agent.state is AgentState.RESERVED and agent.call is None and agent.shown is None:
            self.agents.unreserve(agent)
