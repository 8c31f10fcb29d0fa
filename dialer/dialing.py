"""The dialing of one campaign: decision -> claim -> attempt on disk -> INVITE, and the calls kept for one agent."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import structlog

from dialer import routing
from dialer.agent import Agent, AgentState
from dialer.agent_control import AgentControl
from dialer.call import Call, CallState, CallTrigger
from dialer.call_control import CallControl, CallLegOwner
from dialer.campaign import IN_THE_AIR, Campaign, CampaignState
from dialer.events import CallPlaced, CampaignChanged, Decided
from dialer.identity import AttemptIds
from dialer.leg import Leg
from dialer.media import MediaError
from dialer.outcomes import OutcomeDesk, call_fields
from dialer.services import Services
from dialer.sip import InvitePlan, SipError
from dialer.trunk import Trunk
from dispositions import Claim, DispositionsError, NewAttempt, Outcome, StoreUnavailable, WriteTransaction

log = structlog.get_logger(__name__)

#: The longest time between two looks at a campaign, seconds.
LOOK_AGAIN = 1.0
#: The shortest, so that a burst of events is one decision.
BREATH = 0.01
#: After the list gave fewer contacts than asked for, seconds until it is asked again (a new contact wakes it at once).
EMPTY_PAUSE = 1.0
#: A claim that is not dialed within so many seconds goes back to the list by itself (`tend_leases`).
LEASE = 120.0
#: The same for a contact on an agent's screen.
PREVIEW_LEASE = 3600.0
#: Most contacts in one claim.
BATCH = 200


@dataclass(slots=True)
class _Planned:
    claim: Claim
    trunk: Trunk
    plan: InvitePlan
    leg: Leg
    attempt: str
    reserved: Agent | None


class Dialing:
    """Places the calls of one campaign."""

    def __init__(
        self,
        campaign: Campaign,
        services: Services,
        agents: AgentControl,
        calls: CallControl,
        outcomes: OutcomeDesk,
        ids: AttemptIds,
    ) -> None:
        self.campaign = campaign
        self.services = services
        self.agents = agents
        self.calls = calls
        self.outcomes = outcomes
        self.ids = ids
        self._wake = asyncio.Event()
        self._empty_until = 0.0
        self._personal_at = 0.0
        campaign.wake = self._wake.set

    def contacts_arrived(self) -> None:
        """New or newly due contacts: ask the list again at once."""
        self._empty_until = 0.0
        self._wake.set()

    async def run(self) -> None:
        """Decide and place until cancelled."""
        while True:
            now = self.services.clock.now()
            next_at = await self.step(now)
            wait = min(LOOK_AGAIN, max(BREATH, next_at - self.services.clock.now()))
            await asyncio.sleep(BREATH)
            try:
                async with asyncio.timeout(max(0.0, wait - BREATH)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def step(self, now: float) -> float:
        """One decision and what follows from it; returns when to look again at the latest (monotonic seconds)."""
        campaign = self.campaign
        state, reason = self._state(now)
        if state not in (CampaignState.RUNNING, CampaignState.NO_CONTACTS):
            self._enter(state, reason)
            self._give_up_without_agents(now)
            return now + LOOK_AGAIN
        if now >= self._personal_at:
            self._personal_at = now + LOOK_AGAIN
            await self._personal_callbacks()
            now = self.services.clock.now()
        if campaign.pacemaker is None:
            self._enter(state, reason)
            return now + LOOK_AGAIN
        room = min(routing.free_lines(campaign.trunks, now), self._own_lines())
        told = sum(1 for call in campaign.calls.values() if call.told_pacer)
        rate = sum(t.table.calls_per_second for t in campaign.trunks if t.well(now))
        campaign.pacemaker.tell("set_limits", now, told + room, max(rate, 0.001), None)
        started = perf_counter()
        decision = campaign.pacemaker.decide(now)
        campaign.decide_seconds = perf_counter() - started
        campaign.last_why = decision.why
        cancelled = self._give_up(decision.cancel)
        place = min(decision.place, room, routing.starts(campaign.trunks, now), BATCH)
        placed = 0
        if place > 0 and now >= self._empty_until:
            placed = await self._claim_and_place(place)
            if placed < place:
                self._empty_until = self.services.clock.now() + EMPTY_PAUSE
                state, reason = CampaignState.NO_CONTACTS, "no contact of the list may be dialed now: see dialer check"
            else:
                state, reason = CampaignState.RUNNING, ""
            self._enter(state, reason)
        elif now >= self._empty_until:
            self._enter(CampaignState.RUNNING, "")
        if placed or cancelled:
            self.services.stream.publish(
                Decided(
                    at=self.services.clock.at(), campaign=campaign.name, place=placed, cancel=cancelled,
                    seconds=campaign.decide_seconds, why=decision.why,
                )
            )  # fmt: skip
        if decision.place > place and room > 0:
            starts = [t.next_start(now) for t in campaign.trunks if t.free_lines(now) > 0]
            return min([decision.next_at, *starts])
        return decision.next_at if math.isfinite(decision.next_at) else now + LOOK_AGAIN

    # -- whether ----------------------------------------------------------------------------------------------------

    def _state(self, now: float) -> tuple[CampaignState, str]:
        campaign = self.campaign
        if campaign.draining:
            return CampaignState.DRAINING, "shutting down: calls in progress end, no new ones are placed"
        if campaign.paused:
            return CampaignState.PAUSED, "paused by command: dialer resume goes on"
        if self.services.ledger.locked:
            return campaign.state, "the store is locked: no call is placed until it is back"
        if campaign.agents_at_work() == 0:
            return CampaignState.NO_AGENTS, "no agent is logged in and off break"
        if not any(trunk.well(now) for trunk in campaign.trunks):
            return CampaignState.NO_TRUNK, "no trunk takes calls: " + "; ".join(
                f"{t.name} {t.down_reason or 'rests after a failure'}" for t in campaign.trunks
            )
        return CampaignState.RUNNING, ""

    def _enter(self, state: CampaignState, reason: str) -> None:
        campaign = self.campaign
        if state is campaign.state and reason == campaign.reason:
            return
        campaign.state, campaign.reason = state, reason
        self.services.stream.publish(
            CampaignChanged(at=self.services.clock.at(), campaign=campaign.name, state=state.value, reason=reason)
        )

    def _own_lines(self) -> int:
        limit = self.campaign.table.pacing.max_lines
        return BATCH if limit is None else max(0, limit - len(self.campaign.calls))

    # -- giving up --------------------------------------------------------------------------------------------------

    def _give_up(self, ids: Sequence[object]) -> int:
        count = 0
        for attempt in ids:
            call = self.campaign.calls.get(str(attempt))
            if call is not None and call.state in IN_THE_AIR:
                self.calls.fire(call, CallTrigger.GIVE_UP)
                count += 1
        return count

    def _give_up_without_agents(self, now: float) -> None:
        """Nobody is there to talk: ringing calls end once they have rung as long as the law wants."""
        if self.campaign.agents_at_work() > 0 and not self.campaign.draining:
            return
        floor = self.campaign.ring_floor
        for call in list(self.campaign.calls.values()):
            if call.state in IN_THE_AIR and now - (call.ringing or call.placed) >= floor:
                self.calls.fire(call, CallTrigger.GIVE_UP)

    # -- placing ----------------------------------------------------------------------------------------------------

    async def _claim_and_place(self, count: int) -> int:
        name, clock = self.campaign.name, self.services.clock
        at = clock.at()
        claims = await self.services.ledger.write(lambda tx: tx.claim(name, count, at, at + LEASE))
        if not claims:
            return 0
        if self.campaign.draining or self.campaign.paused or self.campaign.agents_at_work() == 0:
            await self._release(claims)
            return len(claims)
        return await self._place([(claim, None) for claim in claims])

    async def place_for(self, claim: Claim, agent: Agent) -> bool:
        """Dial `claim` for `agent`, who is reserved; False when it could not be placed."""
        return await self._place([(claim, agent)]) == 1

    async def _place(self, wanted: Sequence[tuple[Claim, Agent | None]]) -> int:
        planned: list[_Planned] = []
        back: list[Claim] = []
        barred: list[Claim] = []
        now = self.services.clock.now()
        for claim, agent in wanted:
            if not routing.routable(self.campaign.trunks, claim.number):
                barred.append(claim)
                continue
            trunk = routing.choose(self.campaign.trunks, claim.number, now)
            plan = self._plan(claim, trunk, agent) if trunk is not None else None
            if plan is None:
                back.append(claim)
            else:
                planned.append(plan)
        if barred:
            self._bar(barred)
        if back:
            await self._release(back)
        if planned:
            self._begin(planned)
        return len(planned) + len(back) + len(barred)

    def _begin(self, planned: Sequence[_Planned]) -> None:
        """The attempts go to disk, and when they are there their INVITEs leave; meanwhile the next decision may be
        made.
        """
        at = self.services.clock.at()
        attempts = [
            NewAttempt(
                attempt_id=p.attempt, contact_id=p.claim.contact_id, number=p.claim.number, call_id=p.plan.call_id,
                trunk=p.trunk.name, agent=p.reserved.name if p.reserved else None, sip=json.dumps(p.plan.to_dict()),
            )
            for p in planned
        ]  # fmt: skip
        calls = [self._enter_call(plan) for plan in planned]

        def written(_: object) -> None:
            for call in calls:
                self._send(call)

        def refused(error: DispositionsError) -> None:
            self.services.counters["attempt_refused"] += len(calls)
            log.error("attempts were refused by the store: nothing is dialed for them", problem=str(error))
            for call in calls:
                self._unwritten(call)

        self.services.ledger.post(lambda tx: tx.start_attempts(attempts, at), written, refused)

    def _enter_call(self, planned: _Planned) -> Call:
        campaign, clock = self.campaign, self.services.clock
        call = Call(
            id=planned.attempt, campaign=campaign.name, claim=planned.claim, trunk=planned.trunk, leg=planned.leg,
            plan=planned.plan, placed=clock.now(), placed_at=clock.at(), reserved=planned.reserved,
        )  # fmt: skip
        campaign.calls[call.id] = call
        if planned.reserved is not None:
            planned.reserved.call = call
        elif campaign.pacemaker is not None:
            call.told_pacer = True
            campaign.pacemaker.tell("call_placed", call.id, call.placed, planned.claim.list_name)
        return call

    def _plan(self, claim: Claim, trunk: Trunk, agent: Agent | None) -> _Planned | None:
        services, table = self.services, self.campaign.table
        attempt = self.ids.next()
        try:
            port = services.media.allocate(attempt)
        except MediaError as error:
            services.counters[type(error).__name__] += 1
            return None
        caller = table.caller_id
        try:
            plan = services.switch.udp.plan_invite(
                trunk.request_uri(claim.number),
                from_uri=f"sip:{caller}@{services.from_host}",
                destination=trunk.destination,
                from_display=table.caller_name,
                credentials=trunk.credentials,
            )
        except SipError as error:
            services.media.release(attempt)
            services.counters["plan_refused"] += 1
            log.error("no INVITE can be made for a contact", contact=claim.contact_id, problem=str(error))
            return None
        trunk.seize(services.clock.now())
        session = int(attempt[-7:], 36) if attempt[-7:].isalnum() else 1
        leg = Leg(id=plan.call_id, media_key=attempt, port=port, line=services.switch, session=session)
        return _Planned(claim, trunk, plan, leg, attempt, agent)

    def _send(self, call: Call) -> None:
        if call.state is not CallState.PLACED:
            return  # given up before it left
        services, clock = self.services, self.services.clock
        call.placed, call.placed_at = clock.now(), clock.at()
        if services.ledger.store.is_do_not_call(call.number, self.campaign.name):
            # marked between the claim and now: this INVITE must not leave
            services.counters["do_not_call_at_invite"] += 1
            self._unsent(call, Outcome.CANCELLED)
        elif self._invite(call, call.plan):
            self.campaign.totals["placed"] += 1
            services.stream.publish(CallPlaced(at=call.placed_at, **call_fields(call)))

    def _invite(self, call: Call, plan: InvitePlan) -> bool:
        owner = CallLegOwner(call, self.calls, self._resend)
        call.leg_open = self.services.switch.invite(plan, owner, call.leg.own_offer(), call.trunk.credentials)
        if not call.leg_open:
            self._unsent(call, Outcome.UNKNOWN)
            return False
        self.calls.arm_ring_timer(call)
        return True

    def _resend(self, call: Call, plan: InvitePlan) -> None:
        """The INVITE of a fail-over, once it is on disk."""
        if call.state is CallState.PLACED:
            self._invite(call, plan)

    def _unsent(self, call: Call, outcome: Outcome) -> None:
        """Its attempt is on disk, but no INVITE left: that is an outcome."""
        if call.state is CallState.PLACED:
            self._forget(call, outcome)
            self.outcomes.finish(call, outcome)
            self.calls.close(call)

    def _unwritten(self, call: Call) -> None:
        """Not even its attempt is on disk: the lease goes back by itself."""
        if call.state is CallState.PLACED:
            self._forget(call, Outcome.CANCELLED)
            self.calls.close(call)

    def _forget(self, call: Call, outcome: Outcome) -> None:
        call.status = 0
        if call.told_pacer and self.campaign.pacemaker is not None:
            self.campaign.pacemaker.tell("call_ended_unanswered", call.id, self.services.clock.now(), outcome.value)
        call.told_pacer = False
        call.state = CallState.OVER
        if call.reserved is not None and call.reserved.call is call and call.reserved.state is AgentState.RESERVED:
            self.agents.unreserve(call.reserved)

    def _bar(self, claims: Sequence[Claim]) -> None:
        """No trunk may be given these numbers (allowed prefixes): an attempt that ends before it began, so that it is
        on record.
        """
        at = self.services.clock.at()
        attempts = [
            NewAttempt(attempt_id=self.ids.next(), contact_id=c.contact_id, number=c.number, call_id="", trunk=None)
            for c in claims
        ]
        self.services.counters["no_route"] += len(claims)
        log.warning("no trunk may dial these numbers: see prefixes in the trunks' tables", contacts=len(claims))

        def operation(tx: WriteTransaction) -> None:
            tx.start_attempts(attempts, at)
            for attempt in attempts:
                tx.finish_attempt(attempt.attempt_id, Outcome.REJECTED, at, cause="no route: prefix not allowed")

        self.services.ledger.post(operation)

    async def _release(self, claims: Sequence[Claim]) -> None:
        at = self.services.clock.at()
        await self.services.ledger.write(lambda tx: tx.release(claims, at))

    # -- calls for one agent ------------------------------------------------------------------------------------------

    async def _personal_callbacks(self) -> None:
        """Promised calls that are due and whose agent is free."""
        name, at = self.campaign.name, self.services.clock.at()
        free = {agent.name: agent for agent in self.campaign.roster.in_state(AgentState.AVAILABLE)}
        if not free:
            return
        try:
            due = await self.services.ledger.read(lambda view: view.due_personal_callbacks(name, at, 100))
        except StoreUnavailable:
            self.services.counters["store_read_failed"] += 1
            return
        for card in due:
            agent = free.pop(card.agent, None)
            if agent is not None and agent.state is AgentState.AVAILABLE:
                await self.dial_for(agent, card.contact_id)

    async def dial_for(self, agent: Agent, contact_id: int) -> str | None:
        """Reserve `agent`, claim the contact and dial it; None when it worked, else why it did not."""
        name, at = self.campaign.name, self.services.clock.at()
        self.agents.reserve(agent)
        try:
            claim = await self.services.ledger.write(
                lambda tx: tx.claim_contact(name, contact_id, at, at + LEASE, reserved=True)
            )
        except DispositionsError as refusal:
            self._unreserve_if_kept(agent)
            return str(refusal)
        if agent.state is not AgentState.RESERVED:
            await self._release([claim])
            return "the agent is gone"
        placed = await self.place_for(claim, agent)
        if not placed or agent.call is None:
            self._unreserve_if_kept(agent)
            return "no trunk can take the call now"
        return None

    def _unreserve_if_kept(self, agent: Agent) -> None:
        if agent.state is AgentState.RESERVED and agent.call is None:
            self.agents.unreserve(agent)
