"""The live ladder of a running dialer: what its SIP side says and hears, for those who watch one call, number, agent.

The endpoint is tapped only while somebody watches; each watcher has a bounded queue, and one that reads too slowly is
told how many messages it missed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from dialer.agent import Agent
from dialer.agent_phone import AgentLegOwner
from dialer.call import Call
from dialer.call_leg import CallLegOwner
from dialer.ladder import Rung, call_id_of, rung
from dialer.sip.flow import Destination
from dialer.switchboard import LegOwner, Switchboard

#: Rungs waiting for one watcher, and watchers at once.
WAITING = 2000
WATCHERS = 8


class TraceFull(Exception):
    """As many watch as may."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose messages: an attempt's id, a number (E.164), an agent's name; None: anybody's. All that is given must fit.

    A call's ladder has the agent's leg in it while that agent is on the call.
    """

    call: str | None = None
    number: str | None = None
    agent: str | None = None

    @property
    def everything(self) -> bool:
        """Nothing is asked for by name: also OPTIONS, REGISTER, and what belongs to no leg."""
        return self.call is None and self.number is None and self.agent is None

    def fits(self, owner: LegOwner | None) -> bool:
        """Whether the owner of a leg is one of those."""
        call: Call | None
        agent: Agent | None
        if isinstance(owner, CallLegOwner):
            call, agent = owner.call, owner.call.agent
        elif isinstance(owner, AgentLegOwner):
            call, agent = owner.agent.call, owner.agent
        else:
            return False
        return (
            (self.call is None or (call is not None and call.id == self.call))
            and (self.number is None or (call is not None and call.number == self.number))
            and (self.agent is None or (agent is not None and agent.name == self.agent))
        )


class _Watcher:
    __slots__ = ("known", "missed", "waiting", "wake", "wanted")

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.waiting: deque[Rung] = deque()
        self.wake = asyncio.Event()
        self.missed = 0
        self.known: set[str] = set()
        """Call-IDs of customers' legs that fitted once: their last messages come when the owner has gone"""


class Tracer:
    """Taps the endpoint for its watchers. `at`: epoch seconds."""

    def __init__(self, switch: Switchboard, at: Callable[[], float]) -> None:
        self._switch = switch
        self._at = at
        self._watchers: list[_Watcher] = []
        self._closed = False

    def watch(self, wanted: Wanted) -> AsyncIterator[Rung | int]:
        """The rungs from now on, until `close`; an int says how many were missed. Raises TraceFull."""
        if len(self._watchers) >= WATCHERS:
            raise TraceFull
        return self._rungs(_Watcher(wanted))

    def close(self) -> None:
        """End every watcher's ladder."""
        self._closed = True
        for watcher in self._watchers:
            watcher.wake.set()

    async def _rungs(self, watcher: _Watcher) -> AsyncIterator[Rung | int]:
        self._watchers.append(watcher)
        self._switch.watch(self._seen)
        try:
            while not self._closed:
                await watcher.wake.wait()
                watcher.wake.clear()
                while watcher.waiting:
                    yield watcher.waiting.popleft()
                if watcher.missed:
                    missed, watcher.missed = watcher.missed, 0
                    yield missed
        finally:
            self._watchers.remove(watcher)
            if not self._watchers:
                self._switch.watch(None)

    def _seen(self, sent: bool, data: bytes, far: Destination) -> None:
        made: Rung | None = None
        leg = call_id_of(data)
        owner = self._switch.owner(leg)
        for watcher in self._watchers:
            if not watcher.wanted.everything and leg not in watcher.known:
                if not watcher.wanted.fits(owner):
                    continue
                if isinstance(owner, CallLegOwner):
                    watcher.known.add(leg)
            if len(watcher.waiting) >= WAITING:
                watcher.missed += 1
            else:
                made = made or rung(sent, data, far, self._at())
                watcher.waiting.append(made)
            watcher.wake.set()
