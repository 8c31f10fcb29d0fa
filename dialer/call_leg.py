"""The owner of a customer's leg: turns SIP events into triggers of the call."""

from __future__ import annotations

import structlog

from dialer.call import Call, CallState, CallTrigger
from dialer.call_control import CallControl
from dialer.fail_over import FailOver
from dialer.fax import offers_fax
from dialer.sip import Answered, Ended, Failed, Offered, Provisional, Reinvited, ReinviteFailed
from dialer.trunk_guard import guard_of

log = structlog.get_logger(__name__)


class CallLegOwner:
    """Owns one customer's leg from its INVITE to its end."""

    __slots__ = ("call", "control", "fail_over", "rang")

    def __init__(self, call: Call, control: CallControl, fail_over: FailOver) -> None:
        self.call, self.control, self.fail_over = call, control, fail_over
        self.rang = False

    def on_provisional(self, event: Provisional) -> None:
        self.rang = self.rang or event.status == 180
        self.call.announced = not self.rang and (self.call.announced or event.sdp is not None)
        if event.status in (180, 183):
            self._taken()
        if event.status in (180, 183) and self.call.state is not CallState.RINGING:
            self.control.fire(self.call, CallTrigger.PROGRESS)

    def _taken(self) -> None:
        """The trunk has carried the call to its end."""
        guard_of(self.call.trunk, self.control.services).result(self.call.id, congested=False)

    def on_answered(self, event: Answered) -> None:
        call = self.call
        self._taken()
        call.dialog = event.dialog
        call.status = 200
        usable = call.leg.note_far(event.sdp)
        self.control.fire(call, CallTrigger.ANSWER if usable else CallTrigger.NO_AUDIO)

    def on_failed(self, event: Failed) -> None:
        call = self.call
        call.status = 0 if event.kind == "timeout" else event.status
        call.cause, call.moved_to = event.cause, event.moved_to
        call.leg_open = False
        if not self.fail_over.take(call, event):
            self.control.fire(call, CallTrigger.FAIL)

    def on_reinvited(self, event: Reinvited) -> None:
        self.call.leg.accepted(event.sdp)

    def on_reinvite_failed(self, event: ReinviteFailed) -> None:
        call = self.call
        call.leg.refused()
        log.warning("customer's side refused a re-INVITE", call=call.id, leg=call.leg.id, status=event.status)
        self.control.services.counters["reinvite_refused_customer"] += 1
        if call.state is CallState.CONNECTING:
            self.control.fire(call, CallTrigger.NOT_JOINED)
        elif call.state is CallState.TALKING:
            self.control.fire(call, CallTrigger.HANGUP)

    def on_offered(self, event: Offered) -> None:
        call = self.call
        if offers_fax(event.sdp):
            self.control.services.switch.reject(call.leg.id, 488)
            log.info("a fax machine, the network says", call=call.id, leg=call.leg.id)
            self.control.fire_if_open(call, CallTrigger.FAX)
            return
        self.control.services.switch.answer(call.leg.id, call.leg.answer_to_offer(event.sdp))
        call.leg.tell_partner()

    def on_ended(self, event: Ended) -> None:
        self.call.leg.up = False
        self.control.fire_if_open(self.call, CallTrigger.CUSTOMER_GONE)
