"""Keeps what DNS said about trunks fresh: a name is asked for again when its answer's time to live is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import structlog

from dialer.assembly import place_of_trunk
from dialer.clock import Clock
from dialer.locate import Located, Locator
from dialer.resolve import ResolveError
from dialer.sip import Destination
from dialer.trunk import Trunk

__all__ = ["TargetKeeper"]

log = structlog.get_logger(__name__)

#: How often the times are looked at, and how long to wait after an answer that did not come, seconds.
LOOK_EVERY, AFTER_FAILURE = 5.0, 30.0


class TargetKeeper:
    """For all trunks of an engine, whose table may change under us."""

    def __init__(self, trunks: Mapping[str, Trunk], locator: Locator, clock: Clock, counters: Counter[str]) -> None:
        self._trunks = trunks
        self._locator = locator
        self._clock = clock
        self._counters = counters
        self._due: dict[str, tuple[Located, float]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.renew(self._clock.now())
            await asyncio.sleep(LOOK_EVERY)

    async def renew(self, now: float) -> None:
        """Ask again where the time is over at `now` (monotonic seconds). What cannot be had stays as it was."""
        for name, trunk in list(self._trunks.items()):
            located = trunk.targets.located
            known = self._due.get(name)
            if located.seconds is None:
                continue
            if known is None or known[0] is not located:  # new, or read again by a reload
                self._due[name] = located, now + located.seconds
            elif known[1] <= now:
                await self._ask(trunk, now)

    async def _ask(self, trunk: Trunk, now: float) -> None:
        old = trunk.targets.located
        try:
            fresh = await self._locator.locate(place_of_trunk(trunk.name, trunk.table))
        except ResolveError as error:
            self._counters["trunk_not_located"] += 1
            log.warning("a trunk's name cannot be looked up: its servers stay", trunk=trunk.name, problem=str(error))
            self._due[trunk.name] = old, now + AFTER_FAILURE
            return
        if trunk.targets.located is not old:
            return  # a reload came between
        if _servers(fresh) != _servers(old):
            log.info("a trunk's servers have changed", trunk=trunk.name, first=fresh.first[0])
        trunk.targets.located = fresh
        self._due[trunk.name] = fresh, now + (fresh.seconds or AFTER_FAILURE)


def _servers(located: Located) -> set[tuple[frozenset[Destination], int, int]]:
    """Without the order of addresses, which name servers shuffle."""
    return {(frozenset(target.addresses), target.priority, target.weight) for target in located.targets}
