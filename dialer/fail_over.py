"""An INVITE that its trunk could not take goes on over the next one: same Call-ID, next CSeq (RFC 3263 4.3)."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from dialer import routing
from dialer.call import Call, CallState
from dialer.caller_id import caller_id
from dialer.campaign import Campaign
from dialer.causes import FAIL_OVER, RESTS, outcome_of
from dialer.outcomes import OutcomeDesk
from dialer.services import Services
from dialer.sip import Destination, Failed
from dialer.trunk import Trunk
from dialer.trunk_guard import guard_of
from dispositions import Outcome

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
        status = 0 if event.kind == "timeout" else event.status
        guard, trunk = guard_of(call.trunk, self.services), call.trunk
        reason = "connection" if event.kind == "transport" else str(status) if status else "timeout"
        another = False
        if status in RESTS:
            wait = event.retry_after if event.retry_after is not None else trunk.table.retry_after
            another = self._server_rests(trunk, call.plan.destination, wait, reason)
            if not another:
                guard.refused(reason, wait)
        elif event.kind != "cancelled":
            outcome = outcome_of(status, event.cause, announced=call.announced, own=trunk.causes)
            guard.result(call.id, congested=outcome is Outcome.CONGESTION)
        if call.state is not CallState.PLACED or status not in FAIL_OVER:
            return False
        if not another:
            call.tried.add(trunk.name)
        return self._next(call, self.services.clock.now() + LONGEST_WAIT)

    def _server_rests(self, trunk: Trunk, server: Destination, seconds: float, reason: str) -> bool:
        """RFC 3263 4.3: the next server of the same trunk has its turn before another trunk. True if there is one."""
        another = trunk.targets.failed(server, self.services.clock.now(), seconds)
        if another:
            self.services.counters["trunk_server_rests"] += 1
            log.warning("a server of a trunk rests", trunk=trunk.name, server=server[0], reason=reason, seconds=seconds)
        return another

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
        call.trunk, call.decided, call.announced, call.known_tag = reserve, now, False, None
        call.plan = self.services.switch.udp.retarget(
            call.plan,
            reserve.target(now),
            reserve.request_uri(call.number),
            credentials=reserve.credentials,
            large_over_tcp=reserve.table.large_over_tcp,
        )
        caller = caller_id(self.campaign.table, reserve.table, call.number, self.services.from_host)
        call.plan = call.plan._replace(headers=caller.headers)
        self.outcomes.note_retargeted(call, lambda: self.send(call))
