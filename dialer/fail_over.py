"""An INVITE that its trunk could not take goes on over the next one: same Call-ID, next CSeq (RFC 3263 4.3)."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from dialer import routing
from dialer.call import Call, CallState
from dialer.campaign import Campaign
from dialer.causes import FAIL_OVER, RESTS
from dialer.events import TrunkChanged
from dialer.outcomes import OutcomeDesk
from dialer.services import Services
from dialer.sip import Failed
from dialer.trunk import Trunk

log = structlog.get_logger(__name__)

#: How long a call may wait for its turn in the next trunk's calls per second, seconds; then it counts as congestion.
LONGEST_WAIT = 5.0


class FailOver:
    """For the calls of one campaign. `send(call)` sends the INVITE of `call.plan` over `call.trunk`; `fail(call)` ends
    one that has waited for a trunk in vain.
    """

    def __init__(
        self,
        campaign: Campaign,
        services: Services,
        outcomes: OutcomeDesk,
        send: Callable[[Call], None],
        fail: Callable[[Call], None],
    ) -> None:
        self.campaign = campaign
        self.services = services
        self.outcomes = outcomes
        self.send = send
        self.fail = fail

    def take(self, call: Call, event: Failed) -> bool:
        """True when the attempt goes on over another trunk. A trunk that was busy or silent rests."""
        now = self.services.clock.now()
        timed_out = event.kind == "timeout"
        if timed_out or event.status in RESTS:
            self._rest(call.trunk, now, event)
        if call.state is not CallState.PLACED or not (timed_out or event.status in FAIL_OVER):
            return False
        call.tried.add(call.trunk.name)
        return self._next(call, now + LONGEST_WAIT)

    def _next(self, call: Call, until: float) -> bool:
        """Take the best trunk that is left, now or when its calls per second allow; False when there is none."""
        now = self.services.clock.now()
        able = routing.candidates(self.campaign.trunks, call.number, now, call.tried)
        reserve = routing.choose(self.campaign.trunks, call.number, now, call.tried)
        if reserve is not None:
            self._go_on(call, reserve, now)
            return True
        turn = min((trunk.next_start(now) for trunk in able), default=until)
        if turn >= until:
            return False
        # a hair later, so that rounding does not leave it a fraction of a token short
        self.services.timer(call.timers, "turn", turn - now + 0.001, lambda: self._turn(call, until))
        return True

    def _turn(self, call: Call, until: float) -> None:
        if call.state is CallState.PLACED and not self._next(call, until):
            self.fail(call)

    def _go_on(self, call: Call, reserve: Trunk, now: float) -> None:
        call.trunk.free(call.id)
        reserve.seize(now, call.id)
        call.trunk, call.decided, call.announced = reserve, now, False
        call.plan = self.services.switch.udp.retarget(
            call.plan, reserve.destination, reserve.request_uri(call.number), credentials=reserve.credentials
        )
        self.outcomes.note_retargeted(call, lambda: self.send(call))

    def _rest(self, trunk: Trunk, now: float, event: Failed) -> None:
        was_well = trunk.well(now)
        trunk.rest(now, event.retry_after if event.retry_after is not None else trunk.table.retry_after)
        if was_well and not trunk.well(now):
            reason = "timeout" if event.kind == "timeout" else str(event.status)
            log.warning("trunk rests", trunk=trunk.name, reason=reason, seconds=trunk.blocked_until - now)
            self._changed(trunk, up=False, reason=reason)
            self.services.loop.call_later(trunk.blocked_until - now, self._rested, trunk)

    def _rested(self, trunk: Trunk) -> None:
        now = self.services.clock.now()
        if now < trunk.blocked_until:  # told to rest longer meanwhile
            self.services.loop.call_later(trunk.blocked_until - now, self._rested, trunk)
        elif trunk.up:
            self._changed(trunk, up=True, reason="rested")
            self.campaign.wake()

    def _changed(self, trunk: Trunk, *, up: bool, reason: str) -> None:
        at = self.services.clock.at()
        self.services.stream.publish(TrunkChanged(at=at, campaign="", trunk=trunk.name, up=up, reason=reason))
