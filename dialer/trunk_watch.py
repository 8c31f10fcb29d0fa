"""Keep-alive of trunks: OPTIONS at an interval; one that does not answer them counts as down until it does again."""

from __future__ import annotations

import asyncio

import structlog

from dialer.services import Services
from dialer.sip import OptionsAnswered, OptionsFailed
from dialer.trunk import Trunk
from dialer.trunk_guard import tell_trunk

log = structlog.get_logger(__name__)

#: How often a trunk without OPTIONS is looked at, seconds.
UNWATCHED = 30.0


def unwatch(trunk: Trunk, services: Services) -> None:
    """No OPTIONS is sent to the trunk any more (a reload): nothing can say that it is down, so it is up."""
    trunk.ping, trunk.options_missed = None, 0
    if not trunk.up:
        trunk.up, trunk.down_reason = True, ""
        _changed(trunk, services, "unwatched")


class TrunkWatch:
    """Watches one trunk. An OPTIONS still unanswered when the next is due is a lost one (timer F takes 32 s)."""

    def __init__(self, trunk: Trunk, services: Services) -> None:
        self.trunk = trunk
        self.services = services
        self._server = trunk.destination

    async def run(self) -> None:
        """Ping until cancelled. An interval of 0 sends nothing, until a reload says otherwise."""
        while True:
            interval = self.trunk.table.options_interval
            if interval > 0:
                self.beat()
            await asyncio.sleep(interval or UNWATCHED)

    def beat(self) -> None:
        """One interval has passed: count the OPTIONS that is still out, send the next."""
        trunk = self.trunk
        if trunk.ping is not None:
            self._missed()
        self._server = trunk.target(self.services.clock.now())
        trunk.ping = self.services.switch.ping(trunk.options_uri, self._server, self)

    def on_pong(self, event: OptionsAnswered | OptionsFailed) -> None:
        """How an OPTIONS ended. Any answer shows life (RFC 3261 11.2)."""
        trunk = self.trunk
        if event.ping == trunk.ping:
            trunk.ping = None
        if isinstance(event, OptionsFailed):
            return  # counted by the beat that found it unanswered
        trunk.options_missed = 0
        if not trunk.up:
            trunk.up, trunk.down_reason = True, ""
            _changed(trunk, self.services, "recovered")

    def _missed(self) -> None:
        trunk = self.trunk
        trunk.options_missed += 1
        self.services.counters["options_lost"] += 1
        trunk.targets.failed(self._server, self.services.clock.now(), trunk.table.retry_after)
        if trunk.up and trunk.options_missed >= trunk.table.options_lost:
            trunk.up, trunk.down_reason = False, f"{trunk.options_missed} OPTIONS in a row were not answered"
            _changed(trunk, self.services, "options_lost")


def _changed(trunk: Trunk, services: Services, reason: str) -> None:
    log.warning("trunk changed", trunk=trunk.name, up=trunk.up, reason=reason, detail=trunk.down_reason)
    tell_trunk(trunk, services, reason)
