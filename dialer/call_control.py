"""What is done when a call moves: the actions that `CALL_TABLE` names, for the calls of one campaign.

Joining a call to an agent, and parting them, is in `dialer.bridging`; going on over another trunk in
`dialer.fail_over`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from dialer.agent import Agent, AgentState
from dialer.bridging import LAST_CHANCE, Bridging
from dialer.call import Call, CallState, CallTrigger
from dialer.campaign import IN_THE_AIR, Campaign
from dialer.causes import outcome_of
from dialer.events import CallAbandoned, CallAnswered, CallRinging
from dialer.leg import g711_payload
from dialer.media import MediaError
from dialer.outcomes import OutcomeDesk, call_fields
from dialer.services import Services
from dispositions import Outcome

if TYPE_CHECKING:
    from dialer.agent_control import AgentControl

log = structlog.get_logger(__name__)

#: Beyond its own length, how long a message may take before the call is ended anyway, seconds.
MESSAGE_SLACK = 5.0
#: How often a call is looked at again whose INVITE has had no response at all when it should be given up, seconds.
UNHEARD_AGAIN = 1.0
#: How long the ACK of a 200 may wait until the dialog is on disk, seconds; not at all while the store is locked: nobody
#: shall wait in silence for a disk. The far end repeats its 200 only after T1, 500 ms (RFC 3261 13.3.1.4).
LONGEST_HOLD = 0.4


class CallControl:
    """Runs the calls of one campaign through `CALL_TABLE`."""

    def __init__(self, campaign: Campaign, services: Services, agents: AgentControl, outcomes: OutcomeDesk) -> None:
        self.campaign = campaign
        self.services = services
        self.agents = agents
        self.outcomes = outcomes
        self.bridging = Bridging(self)

    def fire(self, call: Call, trigger: CallTrigger) -> None:
        """Move `call` and run the actions of the move, in order. CallStateError when the table has no such move.

        Only the last action of a move may itself move the call on.
        """
        for action in call.move(trigger):
            ACTIONS[action](self, call)

    def fire_if_open(self, call: Call, trigger: CallTrigger) -> None:
        """`fire`, unless the call is over: for timers and agents that speak of a call that has just ended."""
        if call.state is not CallState.OVER:
            self.fire(call, trigger)

    # -- ringing --------------------------------------------------------------------------------------------------

    def note_ringing(self, call: Call) -> None:
        clock = self.services.clock
        call.ringing = clock.now()
        self.tell(call, "call_ringing", call.id, call.ringing)
        self.arm_ring_timer(call)
        self.outcomes.note_ringing(call, self.services.switch.early_dialog(call.leg.id))
        self.services.stream.publish(CallRinging(at=clock.at(), **call_fields(call)))

    def arm_ring_timer(self, call: Call) -> None:
        """The call counts as not answered after the campaign's ring time-out from now."""
        self._arm(call, "ring", self.campaign.table.pacing.ring_timeout, self._ring_over)

    def _ring_over(self, call: Call) -> None:
        if call.leg_open and not self.services.switch.heard(call.leg.id):
            # There is nothing to cancel yet (RFC 3261 9.1), and no word from the trunk that anything rings: its silence
            # is the trunk's failure, which the INVITE's own time-out finds, not the customer's.
            self._arm(call, "ring", UNHEARD_AGAIN, self._ring_over)
        else:
            self.fire(call, CallTrigger.RING_TIMEOUT)

    def give_up_when_allowed(self, call: Call, still: Callable[[], bool] = lambda: True) -> None:
        """The call makes no sense any more: give it up as soon as it has rung for the legal floor, if it `still` makes
        none then.
        """
        if call.state not in IN_THE_AIR or not still():
            return
        rung = self.services.clock.now() - (call.ringing or call.placed)
        left = self.campaign.ring_floor - rung
        if left <= 0 or not call.leg_open:
            self.fire(call, CallTrigger.GIVE_UP)
        else:
            self._arm(call, "floor", left, lambda ringing: self.give_up_when_allowed(ringing, still))

    @staticmethod
    def at_floor(call: Call) -> bool:
        """Whether the call is to be given up already, as soon as it has rung for the legal floor."""
        return "floor" in call.timers

    def note_no_answer(self, call: Call) -> None:
        self._note_cancelling(call, Outcome.NO_ANSWER)

    def note_given_up(self, call: Call) -> None:
        self._note_cancelling(call, Outcome.CANCELLED)

    def _note_cancelling(self, call: Call, outcome: Outcome) -> None:
        call.cancel_outcome = outcome
        self._stop_ringing(call)
        self._tell_ended(call, outcome)

    def cancel(self, call: Call) -> None:
        if not call.leg_open or not self.services.switch.cancel(call.leg.id):
            # not sent yet, or between two trunks: there is no INVITE to cancel
            self.fire(call, CallTrigger.FAIL)

    def note_crossing(self, call: Call) -> None:
        """Who was told that the call had ended learns that somebody is on the line after all."""
        if self.campaign.pacemaker is not None and call.reserved is None:
            call.told_pacer = True
            self.campaign.pacemaker.needs_resync = True

    def note_cancelled(self, call: Call) -> None:
        self._settle_unconnected(call, call.cancel_outcome or Outcome.CANCELLED)

    def note_failure(self, call: Call) -> None:
        outcome = outcome_of(call.status, call.cause, announced=call.announced, own=call.trunk.causes)
        self._tell_ended(call, outcome)
        self._settle_unconnected(call, outcome)

    def note_no_audio(self, call: Call) -> None:
        """A 200 without audio that we could use: a person all the same, who hears nothing, so it is abandoned."""
        self.note_answer(call)
        self.services.counters["answer_without_audio"] += 1
        self.note_abandoned(call)

    def _settle_unconnected(self, call: Call, outcome: Outcome) -> None:
        self._free_reserved(call)
        if call.sent:
            self.outcomes.finish(call, outcome, standing=call.state is not CallState.OVER)
        else:
            self.services.counters["given_up_unsent"] += 1
            self.outcomes.withdraw(call, "given up before it left")

    def _stop_ringing(self, call: Call) -> None:
        self.services.stop_timer(call.timers, "ring")
        self.services.stop_timer(call.timers, "floor")

    # -- answered -------------------------------------------------------------------------------------------------

    def note_answer(self, call: Call) -> None:
        clock = self.services.clock
        call.answered, call.answered_at = clock.now(), clock.at()
        call.wait_from = call.answered
        self._stop_ringing(call)
        call.untold = call.told_pacer
        self.campaign.totals["answered"] += 1
        self.outcomes.note_answered(call, lambda: self.acknowledge(call))
        known = call.dialog is not None and call.dialog.remote_tag == call.known_tag
        if known or self.services.ledger.locked:
            self.acknowledge(call)
        else:
            self._arm(call, "ack", LONGEST_HOLD, self.acknowledge)
        self.services.stream.publish(
            CallAnswered(at=call.answered_at, ring_seconds=call.answered - call.placed, **call_fields(call))
        )

    def acknowledge(self, call: Call) -> None:
        """What a BYE after a crash needs is on disk, or was waited for long enough: the ACK of the 200 leaves, and the
        far end takes re-INVITEs.
        """
        self.services.stop_timer(call.timers, "ack")
        if call.leg.up or call.state in (CallState.ENDING, CallState.OVER):
            return
        if self.services.switch.acknowledge(call.leg.id):
            call.leg.settle_initial()
            call.leg.sync()

    def seek_agent(self, call: Call) -> None:
        left = self.patience_left(call)
        # a customer whose bridge came to nothing after patience was over does not wait for a second one
        agent = self._agent_for(call) if left > -LAST_CHANCE / 2 else None
        if agent is not None:
            self.bridging.give(call, agent)
            return
        # who was pointed at an agent that is gone must not talk into nothing
        call.leg.aim(None)
        self.tell_answer(call)
        self.campaign.waiting.append(call)
        self._arm(call, "patience", left, lambda waiting: self.fire(waiting, CallTrigger.PATIENCE_OVER))
        self.campaign.rescue()

    def patience_left(self, call: Call) -> float:
        """Seconds until a customer who waits must hear the message."""
        return self.campaign.table.pacing.patience - (self.services.clock.now() - call.wait_from)

    def seek_agent_now(self, call: Call) -> None:
        agent = self._agent_for(call)
        if agent is not None:
            self.bridging.give(call, agent)
            return
        self.tell_answer(call)
        self.campaign.waiting.append(call)
        self.campaign.rescue()
        if call in self.campaign.waiting:
            self.fire(call, CallTrigger.PATIENCE_OVER)

    def _agent_for(self, call: Call) -> Agent | None:
        reserved = call.reserved
        if reserved is not None and reserved.state is AgentState.RESERVED and reserved.call is call:
            return reserved
        return self.campaign.roster.next_agent()

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
            self.bridging.give(self.campaign.waiting[0], agent)

    def agent_lost(self, agent: Agent, call: Call) -> None:
        """The leg of an agent who has to do with `call` is gone; the agent is logged out already."""
        if agent is call.reserved and call.state in IN_THE_AIR:
            # dialed for this agent alone: nobody else was kept for it
            call.reserved = None
            self.give_up_when_allowed(call)
        elif call.state is not CallState.OVER:
            self.bridging.agent_lost(agent, call)

    # -- the end of a talk ----------------------------------------------------------------------------------------

    def note_talk_over(self, call: Call) -> None:
        self.bridging.part(call)
        self.outcomes.finish(call, Outcome.ANSWERED, standing=call.state is not CallState.OVER)

    def note_fax(self, call: Call) -> None:
        """A fax machine: not a person, so nobody was abandoned, and no agent owes a code. What an agent said all the
        same is kept to.
        """
        self.stop_waiting(call)
        self.tell(call, "call_relabelled", call.id, self.services.clock.now(), "fax")
        self._free_reserved(call)
        self.bridging.part(call, owes=False)
        coded = call.coded_by is not None
        self.outcomes.finish(call, Outcome.ANSWERED if coded else Outcome.FAX, standing=True)

    def note_lost_connecting(self, call: Call) -> None:
        # the pacer was told of a connection that did not come about: it sees a very short talk
        self.bridging.part(call)
        call.leg.aimed_at = None
        self._abandon(call, message=call.state is CallState.MESSAGE)

    def note_abandoned(self, call: Call) -> None:
        self.stop_waiting(call)
        self.tell(call, "call_abandoned", call.id, self.services.clock.now())
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

    def note_stranded(self, call: Call) -> None:
        self.stop_waiting(call)
        self.outcomes.finish(call, Outcome.ANSWERED, standing=call.state is not CallState.OVER)

    def play_message(self, call: Call) -> None:
        far = call.leg.far
        campaign = self.campaign
        if far is None:
            self.fire(call, CallTrigger.MESSAGE_OVER)
            return
        slack = campaign.prompt_seconds + MESSAGE_SLACK
        self._arm(call, "message", slack, lambda playing: self.fire_if_open(playing, CallTrigger.MESSAGE_OVER))
        try:
            self.services.media.play(
                call.leg.media_key, (far.host, far.port), g711_payload(far), campaign.prompt, call.id
            )
        except MediaError as error:
            self.services.counters["message_refused"] += 1
            log.warning("the message cannot be played", call=call.id, problem=str(error))
            self.fire(call, CallTrigger.MESSAGE_OVER)

    def message_finished(self, call: Call) -> None:
        """The media process has played the message to its end."""
        if call.state is CallState.MESSAGE:
            self.fire(call, CallTrigger.MESSAGE_OVER)

    def hang_up(self, call: Call) -> None:
        self.services.stop_timers(call.timers)
        if not self.services.switch.bye(call.leg.id):
            self.fire(call, CallTrigger.CUSTOMER_GONE)

    def close(self, call: Call) -> None:
        """The leg is gone: give back the line and the media port, forget the call."""
        self.bridging.forget(call)
        self.services.stop_timers(call.timers)
        self.services.switch.detach(call.leg.id)
        self.services.media.release(call.leg.media_key)
        call.leg.up = False
        call.trunk.free(call.id)
        self.campaign.calls.pop(call.id, None)
        self.outcomes.note_closed(call)
        self.campaign.wake()

    # -- helpers --------------------------------------------------------------------------------------------------

    def _arm(self, call: Call, name: str, seconds: float, then: Callable[[Call], None]) -> None:
        self.services.timer(call.timers, name, seconds, lambda: then(call))

    def tell(self, call: Call, what: str, *args: object) -> None:
        """Tell the pacer of `call`, if it is one of those that it was told of; of its answer first, which may have been
        put off while the customer was joined to an agent.
        """
        self.tell_answer(call)
        if call.told_pacer and self.campaign.pacemaker is not None:
            self.campaign.pacemaker.tell(what, *args)
            self.campaign.wake()

    def tell_answer(self, call: Call) -> None:
        """Tell the pacer of the answer, unless it knows. Nothing else has been told since."""
        if call.untold:
            call.untold = False
            self.tell(call, "call_answered", call.id, call.answered)

    def _tell_ended(self, call: Call, outcome: Outcome) -> None:
        self.tell(call, "call_ended_unanswered", call.id, self.services.clock.now(), outcome.value)
        call.told_pacer = False

    def _free_reserved(self, call: Call) -> None:
        agent = call.reserved
        if agent is not None and agent.call is call and agent.state is AgentState.RESERVED:
            self.agents.unreserve(agent)


_OF_CALLS = (
    "note_ringing", "note_no_answer", "note_given_up", "cancel", "note_crossing", "note_cancelled", "note_failure",
    "note_no_audio", "note_answer", "seek_agent", "seek_agent_now", "note_talk_over", "note_lost_connecting",
    "note_abandoned", "note_stranded", "note_fax", "play_message", "hang_up", "close",
)  # fmt: skip
_OF_BRIDGING = (
    "connect", "reconnect", "note_connected", "note_unconnected", "strand", "hand_over", "note_handed_over",
)  # fmt: skip


def _bridging_action(name: str) -> Callable[[CallControl, Call], None]:
    action = getattr(Bridging, name)
    return lambda control, call: action(control.bridging, call)


#: What the table's words do.
ACTIONS: dict[str, Callable[[CallControl, Call], None]] = {
    **{name: getattr(CallControl, name) for name in _OF_CALLS},
    **{name: _bridging_action(name) for name in _OF_BRIDGING},
}
