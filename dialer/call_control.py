"""What is done when a call moves: the actions that `CALL_TABLE` names, for the calls of one campaign."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from dialer import routing
from dialer.agent import Agent, AgentState, AgentTrigger
from dialer.call import Call, CallState, CallTrigger
from dialer.campaign import Campaign
from dialer.causes import FAIL_OVER, outcome_of
from dialer.events import CallAbandoned, CallAnswered, CallConnected, CallHandedOver, CallRinging
from dialer.leg import Bridge, g711_payload
from dialer.media import MediaError
from dialer.outcomes import OutcomeDesk, call_fields
from dialer.services import Services
from dialer.sip import Answered, Ended, Failed, InvitePlan, Offered, Provisional, Reinvited, ReinviteFailed
from dispositions import Outcome

if TYPE_CHECKING:
    from dialer.agent_control import AgentControl

log = structlog.get_logger(__name__)

#: Beyond its own length, how long a message may take before the call is ended anyway, seconds.
MESSAGE_SLACK = 5.0


class CallControl:
    """Runs the calls of one campaign through `CALL_TABLE`."""

    def __init__(self, campaign: Campaign, services: Services, agents: AgentControl, outcomes: OutcomeDesk) -> None:
        self.campaign = campaign
        self.services = services
        self.agents = agents
        self.outcomes = outcomes
        self.bridges: dict[str, Bridge] = {}

    def fire(self, call: Call, trigger: CallTrigger) -> None:
        """Move `call` and run the actions of the move, in order. CallStateError when the table has no such move."""
        for action in call.move(trigger):
            # an action may itself have moved the call on: what the table said next is then out of date
            _ACTIONS[action](self, call)

    def fire_if_open(self, call: Call, trigger: CallTrigger) -> None:
        """`fire`, unless the call is over: for timers and agents that speak of a call that has just ended."""
        if call.state is not CallState.OVER:
            self.fire(call, trigger)

    # -- ringing --------------------------------------------------------------------------------------------------

    def note_ringing(self, call: Call) -> None:
        clock = self.services.clock
        call.ringing = clock.now()
        self._tell(call, "call_ringing", call.id, call.ringing)
        self.arm_ring_timer(call)
        self.services.stream.publish(CallRinging(at=clock.at(), **call_fields(call)))

    def arm_ring_timer(self, call: Call) -> None:
        """The call counts as not answered after the campaign's ring time-out from now."""
        self.services.timer(
            call.timers,
            "ring",
            self.campaign.table.pacing.ring_timeout,
            lambda: self.fire(call, CallTrigger.RING_TIMEOUT),
        )

    def note_no_answer(self, call: Call) -> None:
        self._note_cancelling(call, Outcome.NO_ANSWER)

    def note_given_up(self, call: Call) -> None:
        self._note_cancelling(call, Outcome.CANCELLED)

    def _note_cancelling(self, call: Call, outcome: Outcome) -> None:
        call.cancel_outcome = outcome
        self.services.stop_timer(call.timers, "ring")
        self._tell_ended(call, outcome)

    def cancel(self, call: Call) -> None:
        if not call.leg_open or not self.services.switch.cancel(call.leg.id):
            # between two trunks there is no INVITE to cancel
            self.fire(call, CallTrigger.FAIL)

    def note_crossing(self, call: Call) -> None:
        call.crossed = True

    def note_cancelled(self, call: Call) -> None:
        self._settle_unconnected(call, call.cancel_outcome or Outcome.CANCELLED)

    def note_failure(self, call: Call) -> None:
        outcome = outcome_of(call.status, call.cause)
        self._tell_ended(call, outcome)
        self._settle_unconnected(call, outcome)

    def _settle_unconnected(self, call: Call, outcome: Outcome) -> None:
        self._free_reserved(call)
        self.outcomes.finish(call, outcome)

    # -- answered -------------------------------------------------------------------------------------------------

    def note_answer(self, call: Call) -> None:
        clock = self.services.clock
        call.answered, call.answered_at = clock.now(), clock.at()
        call.wait_from = call.answered
        self.services.stop_timer(call.timers, "ring")
        self._tell(call, "call_answered", call.id, call.answered)
        self.campaign.totals["answered"] += 1
        self.outcomes.note_answered(call)
        self.services.stream.publish(
            CallAnswered(at=call.answered_at, ring_seconds=call.answered - call.placed, **call_fields(call))
        )

    def seek_agent(self, call: Call) -> None:
        agent = self._agent_for(call)
        if agent is not None:
            self.give(call, agent)
            return
        left = self.campaign.table.pacing.patience - (self.services.clock.now() - call.wait_from)
        self.campaign.waiting.append(call)
        self.services.timer(call.timers, "patience", left, lambda: self.fire(call, CallTrigger.PATIENCE_OVER))

    def seek_agent_now(self, call: Call) -> None:
        agent = self._agent_for(call)
        if agent is not None:
            self.give(call, agent)
        else:
            self.fire(call, CallTrigger.PATIENCE_OVER)

    def _agent_for(self, call: Call) -> Agent | None:
        reserved = call.reserved
        if reserved is not None and reserved.state is AgentState.RESERVED and reserved.call is call:
            return reserved
        return self.campaign.roster.next_agent()

    def give(self, call: Call, agent: Agent) -> None:
        """Hand the waiting `call` to `agent`, who is free or reserved for it."""
        self.stop_waiting(call)
        call.agent = agent
        call.agent_found = self.services.clock.now()
        if agent.state is not AgentState.RESERVED:
            self.agents.move(agent, AgentTrigger.RESERVE, call=call)
            if not call.told_pacer or call.connected is not None:
                self._tell_unavailable(agent)
        agent.call = call
        self.fire(call, CallTrigger.AGENT_FOUND)

    def stop_waiting(self, call: Call) -> None:
        """The call is no longer in the queue for an agent."""
        self.services.stop_timer(call.timers, "patience")
        if call in self.campaign.waiting:
            self.campaign.waiting.remove(call)

    def offer_waiting(self) -> None:
        """An agent became free: the customer who has waited longest gets the agent."""
        while self.campaign.waiting:
            agent = self.campaign.roster.next_agent()
            if agent is None:
                return
            self.give(self.campaign.waiting[0], agent)

    def connect(self, call: Call) -> None:
        agent = _agent(call)
        if call.told_pacer:
            self._tell(call, "call_connected", call.id, agent.name, self.services.clock.now())
            call.pacer_agent = agent.name
        self._bridge(call, agent)

    def reconnect(self, call: Call) -> None:
        call.incoming = _agent(call)
        self._bridge(call, call.incoming)

    def _bridge(self, call: Call, agent: Agent) -> None:
        leg = agent.leg
        if leg is None:
            self.fire(call, CallTrigger.AGENT_GONE)
            return
        self._drop_bridge(call)
        if self.services.media.bridge(call.leg.media_key, leg.media_key):
            self.fire(call, CallTrigger.BRIDGED)
            return
        bridge = Bridge(call.leg, leg, on_done=lambda: self.fire_if_open(call, CallTrigger.BRIDGED))
        self.bridges[call.id] = bridge
        bridge.start()

    def _drop_bridge(self, call: Call) -> None:
        bridge = self.bridges.pop(call.id, None)
        if bridge is not None:
            bridge.release()

    def note_connected(self, call: Call) -> None:
        clock, agent = self.services.clock, _agent(call)
        call.connected = clock.now()
        self.agents.move(agent, AgentTrigger.CONNECT, call=call)
        agent.calls_taken += 1
        self.campaign.totals["connected"] += 1
        self.outcomes.note_connected(call, agent)
        answered, found = call.answered or call.connected, call.agent_found or call.connected
        self.services.stream.publish(
            CallConnected(
                at=clock.at(), agent=agent.name, answer_to_agent=call.connected - answered, wait=found - answered,
                **call_fields(call),
            )
        )  # fmt: skip

    # -- the end of a talk ----------------------------------------------------------------------------------------

    def note_talk_over(self, call: Call) -> None:
        self._drop_bridge(call)
        agent = call.agent
        if call.incoming is not None and call.incoming is not agent:
            self._release_incoming(call)
        if agent is not None:
            self.agents.call_over(agent, call, owes=True)
        self.outcomes.finish(call, Outcome.ANSWERED, standing=call.state is not CallState.OVER)

    def note_lost_connecting(self, call: Call) -> None:
        self._drop_bridge(call)
        agent = _agent(call)
        # the pacer was told of a connection that did not come about: it sees a very short talk
        self.agents.talk_ended(agent, call)
        self.agents.unreserve(agent)
        self._abandon(call, message=False)

    def note_abandoned(self, call: Call) -> None:
        self.stop_waiting(call)
        now = self.services.clock.now()
        self._tell(call, "call_abandoned", call.id, now)
        self._free_reserved(call)
        self._abandon(call, message=call.state is CallState.MESSAGE)

    def _abandon(self, call: Call, *, message: bool) -> None:
        self.campaign.totals["abandoned"] += 1
        clock = self.services.clock
        waited = clock.now() - (call.answered or clock.now())
        self.outcomes.finish(call, Outcome.ABANDONED, standing=call.state is not CallState.OVER)
        self.services.stream.publish(
            CallAbandoned(at=clock.at(), waited=waited, message_played=message, **call_fields(call))
        )

    def play_message(self, call: Call) -> None:
        far = call.leg.far
        campaign = self.campaign
        if far is None:
            self.fire(call, CallTrigger.MESSAGE_OVER)
            return
        slack = campaign.prompt_seconds + MESSAGE_SLACK
        self.services.timer(call.timers, "message", slack, lambda: self.fire_if_open(call, CallTrigger.MESSAGE_OVER))
        try:
            self.services.media.play(
                call.leg.media_key, (far.host, far.port), g711_payload(far), campaign.prompt, call.id
            )
        except MediaError as error:
            self.services.counters["message_refused"] += 1
            log.warning("the message cannot be played", call=call.id, problem=str(error))
            self.services.stop_timer(call.timers, "message")
            self.fire(call, CallTrigger.MESSAGE_OVER)

    def message_finished(self, call: Call) -> None:
        """The media process has played the message to its end."""
        self.services.stop_timer(call.timers, "message")
        if call.state is CallState.MESSAGE:
            self.fire(call, CallTrigger.MESSAGE_OVER)

    def hang_up(self, call: Call) -> None:
        self.services.stop_timer(call.timers, "message")
        if not self.services.switch.bye(call.leg.id):
            self.fire(call, CallTrigger.CUSTOMER_GONE)

    # -- an agent is lost, or hands over --------------------------------------------------------------------------

    def strand(self, call: Call) -> None:
        self._drop_bridge(call)
        call.agent = None
        call.wait_from = self.services.clock.now()
        call.leg.aim(None)

    def note_stranded(self, call: Call) -> None:
        self.stop_waiting(call)
        self.outcomes.finish(call, Outcome.ANSWERED, standing=call.state is not CallState.OVER)

    def hand_over(self, call: Call) -> None:
        colleague = call.incoming
        assert colleague is not None  # set by `start_hand_over`, the only place that fires HAND_OVER
        self._bridge(call, colleague)

    def start_hand_over(self, call: Call, colleague: Agent) -> None:
        """Move the live call to `colleague`, who is available; the agent of now stays on it until it is done."""
        self.agents.move(colleague, AgentTrigger.RESERVE, call=call)
        colleague.call = call
        call.incoming = colleague
        self._tell_unavailable(colleague)
        self.fire(call, CallTrigger.HAND_OVER)

    def note_handed_over(self, call: Call) -> None:
        colleague, before = call.incoming, call.agent
        if colleague is None:
            return
        call.incoming = None
        call.agent = colleague
        self.agents.move(colleague, AgentTrigger.CONNECT, call=call)
        colleague.calls_taken += 1
        self.outcomes.note_connected(call, colleague)
        if before is not None and before is not colleague:
            self.agents.call_over(before, call, owes=False)
            self.services.stream.publish(
                CallHandedOver(
                    at=self.services.clock.at(), agent=before.name, to_agent=colleague.name, **call_fields(call)
                )
            )

    def _release_incoming(self, call: Call) -> None:
        colleague, call.incoming = call.incoming, None
        if colleague is not None and colleague.state is AgentState.RESERVED:
            self.agents.unreserve(colleague)

    def agent_lost(self, agent: Agent, call: Call) -> None:
        """The leg of an agent who has to do with `call` is gone; the agent is logged out already."""
        if call.state is CallState.OVER:
            return
        if agent is call.incoming:
            call.incoming = None
            self._drop_bridge(call)
            if agent is not call.agent:
                self._hand_over_failed(call)
                return
        if agent is call.agent and call.state in (CallState.CONNECTING, CallState.TALKING):
            call.agent = None
            if call.incoming is not None:
                return  # the colleague is on the way: the hand-over goes on
            if call.state is CallState.CONNECTING:
                self._drop_bridge(call)
                if call.told_pacer and self.campaign.pacemaker is not None:
                    # connected was told too early: the pacer learns the truth at its next decision
                    self.campaign.pacemaker.needs_resync = True
            self.fire(call, CallTrigger.AGENT_GONE)
        elif agent is call.reserved and call.state in (CallState.PLACED, CallState.RINGING):
            call.reserved = None

    def _hand_over_failed(self, call: Call) -> None:
        if call.state is not CallState.TALKING:
            return
        if call.agent is None or call.agent.leg is None:
            self.fire(call, CallTrigger.AGENT_GONE)
            return
        # back to the agent who wanted to hand over
        bridge = Bridge(call.leg, call.agent.leg, on_done=lambda: None)
        self.bridges[call.id] = bridge
        bridge.start()

    # -- SIP events of a customer's leg ---------------------------------------------------------------------------

    def close(self, call: Call) -> None:
        self._drop_bridge(call)
        self.services.stop_timers(call.timers)
        self.services.switch.detach(call.leg.id)
        self.services.media.release(call.leg.media_key)
        call.leg.up = False
        call.trunk.free()
        self.campaign.calls.pop(call.id, None)
        self.outcomes.note_closed(call)
        self.campaign.wake()

    def failed_over(self, call: Call, event: Failed, send: Callable[[Call, InvitePlan], None]) -> bool:
        """Try the next trunk when this one could not take the call; True when the attempt goes on there."""
        now = self.services.clock.now()
        if event.status not in FAIL_OVER and event.kind != "timeout":
            return False
        call.trunk.rest(now, event.retry_after if event.retry_after is not None else call.trunk.table.retry_after)
        if call.state is not CallState.PLACED:
            return False
        call.tried.add(call.trunk.name)
        reserve = routing.choose(self.campaign.trunks, call.number, now, call.tried)
        if reserve is None:
            return False
        call.trunk.free()
        reserve.seize(now)
        call.trunk, call.leg_open = reserve, False
        plan = self.services.switch.udp.retarget(call.plan, reserve.destination, reserve.request_uri(call.number))
        call.plan = plan
        self.outcomes.note_retargeted(call, lambda: send(call, plan))
        return True

    # -- helpers --------------------------------------------------------------------------------------------------

    def _tell(self, call: Call, what: str, *args: object) -> None:
        if call.told_pacer and self.campaign.pacemaker is not None:
            self.campaign.pacemaker.tell(what, *args)
            self.campaign.wake()

    def _tell_unavailable(self, agent: Agent) -> None:
        if self.campaign.pacemaker is not None:
            self.campaign.pacemaker.tell("agent_unavailable", agent.name, self.services.clock.now())

    def _tell_ended(self, call: Call, outcome: Outcome) -> None:
        self._tell(call, "call_ended_unanswered", call.id, self.services.clock.now(), outcome.value)
        call.told_pacer = False

    def _free_reserved(self, call: Call) -> None:
        agent = call.reserved
        if agent is not None and agent.call is call and agent.state is AgentState.RESERVED:
            self.agents.unreserve(agent)


class CallLegOwner:
    """The owner of one customer's leg: turns SIP events into triggers."""

    __slots__ = ("call", "control", "send")

    def __init__(self, call: Call, control: CallControl, send: Callable[[Call, InvitePlan], None]) -> None:
        self.call, self.control, self.send = call, control, send

    def on_provisional(self, event: Provisional) -> None:
        if event.status in (180, 183) and self.call.state is not CallState.RINGING:
            self.control.fire(self.call, CallTrigger.PROGRESS)

    def on_answered(self, event: Answered) -> None:
        call = self.call
        call.dialog = event.dialog
        call.status = 200
        call.leg.note_far(event.sdp)
        call.leg.settle_initial()
        self.control.fire(call, CallTrigger.ANSWER)

    def on_failed(self, event: Failed) -> None:
        call = self.call
        call.status = 0 if event.kind == "timeout" else event.status
        call.cause = event.cause
        if not self.control.failed_over(call, event, self.send):
            self.control.fire(call, CallTrigger.FAIL)

    def on_reinvited(self, event: Reinvited) -> None:
        self.call.leg.accepted(event.sdp)

    def on_reinvite_failed(self, event: ReinviteFailed) -> None:
        call = self.call
        call.leg.refused()
        log.warning("customer's side refused a re-INVITE", call=call.id, leg=call.leg.id, status=event.status)
        self.control.services.counters["reinvite_refused_customer"] += 1
        if call.state in (CallState.CONNECTING, CallState.TALKING):
            self.control.fire(call, CallTrigger.HANGUP)

    def on_offered(self, event: Offered) -> None:
        call = self.call
        self.control.services.switch.answer(call.leg.id, call.leg.answer_to_offer(event.sdp))
        other = call.leg.aimed_at
        if other is not None and other.aimed_at is call.leg:
            other.sync()

    def on_ended(self, event: Ended) -> None:
        self.call.leg.up = False
        self.control.fire_if_open(self.call, CallTrigger.CUSTOMER_GONE)


def _agent(call: Call) -> Agent:
    if call.agent is None:
        raise LookupError(f"call {call.id} in state {call.state} has no agent")
    return call.agent


_ACTIONS: dict[str, Callable[[CallControl, Call], None]] = {
    name: getattr(CallControl, name)
    for name in (
        "note_ringing", "note_no_answer", "note_given_up", "cancel", "note_crossing", "note_cancelled", "note_failure",
        "note_answer", "seek_agent", "seek_agent_now", "connect", "reconnect", "note_connected", "note_talk_over",
        "note_lost_connecting", "note_abandoned", "play_message", "hang_up", "strand", "note_stranded", "hand_over",
        "note_handed_over", "close",
    )
}  # fmt: skip
