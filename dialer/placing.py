"""From a claimed contact to its INVITE: a trunk and a media port, the attempt on disk, and only then the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from dialer import aftermath, routing
from dialer.agent import Agent, AgentState
from dialer.agent_control import AgentControl
from dialer.call import Call, CallState, CallTrigger
from dialer.call_control import CallControl
from dialer.call_leg import CallLegOwner
from dialer.caller_id import caller_id
from dialer.campaign import Campaign
from dialer.condition import BARRIERS, must_not_leave
from dialer.doors import to_text
from dialer.events import CallPlaced
from dialer.fail_over import FailOver
from dialer.identity import AttemptIds
from dialer.leg import Leg
from dialer.media import MediaError
from dialer.outcomes import OutcomeDesk, call_fields
from dialer.services import Services
from dialer.sip import InvitePlan, SipError
from dialer.trunk import Trunk
from dispositions import Claim, DispositionsError, NewAttempt, Outcome

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Planned:
    claim: Claim
    trunk: Trunk
    plan: InvitePlan
    leg: Leg
    attempt: str
    reserved: Agent | None


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of claimed contacts: `dialed` (their INVITEs follow), `barred` (no trunk may ever be given them),
    `back` (given back to the list: no trunk or port could take them now), `passed_over` (the same, but other numbers
    could be taken: these wait aside).
    """

    dialed: int
    barred: int
    back: int
    passed_over: int = 0


class Placing:
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
        self._fail_over = FailOver(
            campaign, services, outcomes, self._resend, lambda call: calls.fire(call, CallTrigger.FAIL)
        )

    def place(self, claims: Sequence[Claim], agent: Agent | None = None, most: int | None = None) -> Placed:
        """Dial `claims`; for `agent`, who is reserved, or for whoever is free when they answer. Not more than `most`:
        the rest goes back to the list.
        """
        planned: list[_Planned] = []
        back: list[Claim] = []
        barred: list[Claim] = []
        aside: dict[float, list[Claim]] = {}
        now, trunks = self.services.clock.now(), self.campaign.trunks
        for taken, claim in enumerate(claims):
            if most is not None and len(planned) >= most:
                self.release(claims[taken:])
                break
            if not routing.routable(trunks, claim.number):
                barred.append(claim)
                continue
            trunk = routing.choose(trunks, claim.number, now)
            plan = self._plan(claim, trunk, agent) if trunk is not None else None
            until = routing.passed_over(trunks, claim.number, now) if trunk is None and agent is None else None
            if plan is not None:
                planned.append(plan)
            elif until is not None:
                aside.setdefault(until, []).append(claim)
            else:
                back.append(claim)
        if barred:
            self._bar(barred)
        if back:
            self.release(back)
        for until, waiting in aside.items():
            self.release(waiting, until - now)
        if planned:
            self._begin(planned)
        return Placed(len(planned), len(barred), len(back), sum(map(len, aside.values())))

    def release(self, claims: Sequence[Claim], seconds: float = 0.0) -> None:
        """Nothing was sent for them: back to the list, in `seconds`."""
        at, back = self.services.clock.at(), list(claims)
        self.services.ledger.post(lambda tx: tx.release(back, at, until=at + seconds))

    # -- before the commit ------------------------------------------------------------------------------------------

    def _plan(self, claim: Claim, trunk: Trunk, agent: Agent | None) -> _Planned | None:
        services = self.services
        attempt = self.ids.next()
        try:
            caller = caller_id(self.campaign.table, trunk.table, claim.number, services.from_host)
            plan = services.switch.udp.plan_invite(
                trunk.request_uri(claim.number),
                from_uri=caller.from_uri,
                destination=trunk.target(services.clock.now()),
                from_display=caller.display,
                headers=caller.headers,
                credentials=trunk.credentials,
                large_over_tcp=trunk.table.large_over_tcp,
            )
            port = services.media.allocate(attempt)
        except SipError as error:
            services.counters["plan_refused"] += 1
            log.error("no INVITE can be made for a contact", contact=claim.contact_id, problem=str(error))
            return None
        except MediaError as error:
            services.counters[type(error).__name__] += 1
            return None
        trunk.seize(services.clock.now(), attempt)
        session = int(attempt[-7:], 36) if attempt[-7:].isalnum() else 1
        leg = Leg(id=plan.call_id, media_key=attempt, port=port, line=services.switch, session=session)
        return _Planned(claim, trunk, plan, leg, attempt, agent)

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
        self.outcomes.post(lambda tx: aftermath.bar(tx, attempts, at))

    def _begin(self, planned: Sequence[_Planned]) -> None:
        """The attempts go to disk, and when they are there their INVITEs leave; meanwhile the next decision may be
        made.
        """
        at = self.services.clock.at()
        attempts = [
            NewAttempt(
                attempt_id=p.attempt, contact_id=p.claim.contact_id, number=p.claim.number, call_id=p.plan.call_id,
                trunk=p.trunk.name, agent=p.reserved.name if p.reserved else None, sip=to_text(p.plan.to_dict()),
            )
            for p in planned
        ]  # fmt: skip
        calls = [self._enter(plan) for plan in planned]

        def written(_: object) -> None:
            for call in calls:
                self._send(call)

        def refused(error: DispositionsError) -> None:
            self.services.counters["attempt_refused"] += len(calls)
            log.error("attempts were refused by the store: nothing is dialed for them", problem=str(error))
            for call in calls:
                self._unwritten(call)

        self.services.ledger.post(lambda tx: tx.start_attempts(attempts, at), written, refused)

    def _enter(self, planned: _Planned) -> Call:
        campaign, clock = self.campaign, self.services.clock
        call = Call(
            id=planned.attempt, campaign=campaign.name, claim=planned.claim, trunk=planned.trunk, leg=planned.leg,
            plan=planned.plan, placed=clock.now(), placed_at=clock.at(), decided=clock.now(), reserved=planned.reserved,
        )  # fmt: skip
        campaign.calls[call.id] = call
        if planned.reserved is not None:
            planned.reserved.call = call
        elif campaign.pacemaker is not None:
            call.told_pacer = True
            campaign.pacemaker.tell("call_placed", call.id, call.placed, planned.claim.list_name)
        return call

    # -- after it ---------------------------------------------------------------------------------------------------

    def _send(self, call: Call) -> None:
        if call.state is not CallState.PLACED:
            return  # given up before it left
        services, clock = self.services, self.services.clock
        wait = call.trunk.turn(clock.now(), call.id)
        if wait > 0:
            services.timer(call.timers, "turn", wait, lambda: self._send(call))
            return
        call.placed, call.placed_at = clock.now(), clock.at()
        if self._may_leave(call) and self._invite(call):
            self.campaign.totals["placed"] += 1
            services.stream.publish(CallPlaced(at=call.placed_at, **call_fields(call)))

    def _resend(self, call: Call) -> None:
        """The INVITE of a fail-over, once it is on disk."""
        if call.state is CallState.PLACED and self._may_leave(call):
            self._invite(call)

    def _may_leave(self, call: Call) -> bool:
        """Asked right before the INVITE: since the claim the number may have been marked, the calling hours have ended,
        the campaign been paused, the last agent have left.
        """
        decided = call.decided if call.reserved is None else None
        barrier = must_not_leave(self.campaign, self.services, call.claim, decided)
        if barrier is None:
            return True
        self.services.counters[barrier] += 1
        log.info("an INVITE does not leave", call=call.id, contact=call.claim.contact_id, reason=barrier)
        if call.sent:  # over another trunk
            self._unsent(call, Outcome.CANCELLED)
        else:
            self._forget(call, Outcome.CANCELLED)
            self.outcomes.withdraw(call, BARRIERS[barrier])
            self.calls.close(call)
        return False

    def _invite(self, call: Call) -> bool:
        owner = CallLegOwner(call, self.calls, self._fail_over)
        call.leg_open = True  # an answer may be handled before `invite` returns
        if not self.services.switch.invite(
            call.plan, owner, call.leg.own_offer(), call.trunk.credentials, hold_ack=True
        ):
            call.leg_open = False
            self._unsent(call, Outcome.UNKNOWN)
            return False
        call.sent = True
        call.trunk.left(self.services.clock.now(), call.id)
        if call.state is CallState.PLACED:
            self.calls.arm_ring_timer(call)
        return True

    def _unsent(self, call: Call, outcome: Outcome) -> None:
        """No INVITE leaves any more, though one did before or should have: that is an outcome."""
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
        self.calls.tell(call, "call_ended_unanswered", call.id, self.services.clock.now(), outcome.value)
        call.told_pacer = False
        call.state = CallState.OVER
        if call.reserved is not None and call.reserved.call is call and call.reserved.state is AgentState.RESERVED:
            self.agents.unreserve(call.reserved)
