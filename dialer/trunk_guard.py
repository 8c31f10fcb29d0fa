"""What a trunk's circuit breaker leads to: it is timed, asked by OPTIONS when its rest is over, and everybody is told.

One guard per trunk, made with it; the calls of all campaigns report to it.
"""

from __future__ import annotations

from asyncio import TimerHandle
from typing import TYPE_CHECKING

import structlog

from dialer.breaker import BreakerState, BreakerTrigger
from dialer.events import TrunkChanged
from dialer.sip import OptionsAnswered, OptionsFailed

if TYPE_CHECKING:
    from dialer.services import Services
    from dialer.trunk import Trunk

log = structlog.get_logger(__name__)

#: How long an OPTIONS may go unanswered before the trunk counts as silent, seconds (timer F would take 32).
PROBE_TIMEOUT = 4.0


class TrunkGuard:
    """Moves one trunk's breaker."""

    def __init__(self, trunk: Trunk, services: Services) -> None:
        self.trunk = trunk
        self.services = services
        self._timer: TimerHandle | None = None
        self._probe: str | None = None

    def refused(self, reason: str, seconds: float) -> None:
        """The trunk as a whole takes no calls: `reason` is its status, or timeout. It rests for `seconds`."""
        now = self.services.clock.now()
        self._look(now)
        took_calls = self.trunk.breaker.state in (BreakerState.CLOSED, BreakerState.HALF_OPEN)
        self.trunk.breaker.refused(now, seconds)
        self._rest(now, reason, tell=took_calls)

    def result(self, call: str, *, congested: bool) -> None:
        """The first sign of how the network took `call`: it rings, is answered or refused."""
        breaker, now = self.trunk.breaker, self.services.clock.now()
        if breaker.state is not BreakerState.CLOSED:
            self._look(now)
        trigger = breaker.result(call, now, congested)
        if trigger is BreakerTrigger.TRIPPED:
            share = breaker.share
            breaker.fire(trigger, now)
            self.services.counters["trunk_tripped"] += 1
            log.warning("trunk fails too many calls", trunk=self.trunk.name, share=round(share, 3))
            self._rest(now, "congestion", tell=True)
        elif trigger is BreakerTrigger.PROVEN:
            breaker.fire(trigger, now)
            self._tell("proven")

    def reset(self) -> None:
        """The operator asks for the trunk to be tried again (a reload)."""
        was_closed = self.trunk.breaker.state is BreakerState.CLOSED
        self._stop()
        self.trunk.breaker.fire(BreakerTrigger.RESET, self.services.clock.now())
        if not was_closed:
            self._tell("reset")

    def on_pong(self, event: OptionsAnswered | OptionsFailed) -> None:
        """How the probe ended. Any answer shows life, but not a 503 (RFC 3261 21.5.4)."""
        if event.ping != self._probe or self.trunk.breaker.state is not BreakerState.PROBING:
            return
        if isinstance(event, OptionsFailed) or event.status == 503:
            self._silent()
        else:
            self._alive(BreakerTrigger.ANSWERED)

    # -- the rest and what follows it -------------------------------------------------------------------------------

    def _rest(self, now: float, reason: str, *, tell: bool) -> None:
        seconds = self.trunk.breaker.until - now
        self._arm(seconds)
        if tell:
            log.warning("trunk rests", trunk=self.trunk.name, reason=reason, seconds=round(seconds, 3))
            self._tell(reason)

    def _due(self) -> None:
        self._timer = None
        now = self.services.clock.now()
        if self.trunk.breaker.state is BreakerState.PROBING:
            self._silent()
        elif not self._look(now) and self.trunk.breaker.state is BreakerState.OPEN:
            self._arm(self.trunk.breaker.until - now)

    def _look(self, now: float) -> bool:
        """If the rest is over: ask, or begin the trickle. True if it was."""
        trunk, breaker = self.trunk, self.trunk.breaker
        if breaker.state is not BreakerState.OPEN or now < breaker.until:
            return False
        if not trunk.asked:
            self._alive(BreakerTrigger.REST_OVER)
            return True
        breaker.fire(BreakerTrigger.ASK, now)
        self._arm(PROBE_TIMEOUT)
        self._probe = self.services.switch.ping(trunk.options_uri, trunk.target(now), self)
        return True

    def _alive(self, trigger: BreakerTrigger) -> None:
        self._stop()
        self.trunk.breaker.fire(trigger, self.services.clock.now())
        self._tell("rested")

    def _silent(self) -> None:
        self._probe = None
        now = self.services.clock.now()
        self.trunk.breaker.fire(BreakerTrigger.SILENT, now)
        self.services.counters["trunk_probe_lost"] += 1
        self._rest(now, "silent", tell=False)

    def _arm(self, seconds: float) -> None:
        self._stop()
        self._timer = self.services.loop.call_later(max(0.0, seconds), self._due)

    def _stop(self) -> None:
        self._probe = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, reason: str) -> None:
        tell_trunk(self.trunk, self.services, reason)


def guard_of(trunk: Trunk, services: Services) -> TrunkGuard:
    """The guard of `trunk`."""
    if trunk.guard is None:
        trunk.guard = TrunkGuard(trunk, services)
    return trunk.guard


def tell_trunk(trunk: Trunk, services: Services, reason: str) -> None:
    """Everybody learns how the trunk is now, and `reason` for it."""
    services.stream.publish(trunk_event(trunk, services.clock.at(), services.clock.now(), reason))


def trunk_event(trunk: Trunk, at: float, now: float, reason: str) -> TrunkChanged:
    """How the trunk is at `now` (monotonic seconds), which is `at` (epoch seconds)."""
    return TrunkChanged(
        at=at, campaign="", trunk=trunk.name, up=trunk.well(now), reason=reason, breaker=trunk.breaker.state.value
    )
