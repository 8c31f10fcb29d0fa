"""Our caller as a process of its own: INVITE 180 200 ACK, 50 ms, BYE 200, at a fixed rate. Prints one JSON object.

Only what happens between the first INVITE and the last BYE is counted, as CPU seconds of this process (user
and system).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Coroutine
from os import urandom
from typing import Any

from benchmarks.sip.timed import timed
from dialer.config.sip_tables import SipTable
from dialer.sip import Answered, Destination, Ended, Event, Failed, Flow, Registrar, sdp
from dialer.transport import Transports

TICK = 0.005
HOLD = 0.05


class Caller:
    """Places calls, hangs each up after `HOLD` seconds, keeps the set-up times (seconds)."""

    def __init__(self, target: Destination, rate: float, calls: int) -> None:
        self.endpoint: Transports
        self.target, self.rate, self.calls = target, rate, calls
        self.offer = sdp.audio("127.0.0.1", 40_000)
        self.placed: dict[str, float] = {}
        self.setup: list[float] = []
        self.failures: Counter[str] = Counter()
        self.left = calls
        self.done = asyncio.Event()
        self.standing: deque[tuple[float, str]] = deque()
        self.count = 0
        self.began = 0.0
        self.loop = asyncio.get_running_loop()
        host, port = target[:2]
        self.uri = f"sip:service@{host}:{port}"

    async def open(self) -> None:
        """The endpoint of the daemon with its default settings: UDP alone, or TCP beside it."""
        registrar = Registrar("bench", {})
        self.endpoint = await Transports.start(
            "127.0.0.1", 0, self.on_event, tcp=("127.0.0.1", 0) if isinstance(self.target, Flow) else None,
            branch_key=urandom(32), registrar=registrar, session_expires=int(SipTable().session_expires),
        )  # fmt: skip

    def on_event(self, event: Event) -> None:
        """One step of one call."""
        if isinstance(event, Answered):
            now = time.monotonic()
            self.setup.append(now - self.placed.pop(event.leg))
            self.standing.append((now + HOLD, event.leg))
        elif isinstance(event, Ended | Failed):
            if isinstance(event, Failed):
                self.failures[f"{event.status} {event.kind}"] += 1
            elif event.by != "local":
                self.failures[event.by] += 1
            self.left -= 1

    async def run(self) -> None:
        """Until every call has ended."""
        self.began = time.monotonic()
        self._tick()
        await self.done.wait()

    def _tick(self) -> None:
        """Every `TICK` seconds, by a bare timer of the loop: place what is due, hang up what is due."""
        endpoint, standing = self.endpoint, self.standing
        now = time.monotonic()
        due = min(self.calls, int((now - self.began) * self.rate) + 1)
        while self.count < due:
            plan = endpoint.plan_invite(
                self.uri, from_uri="sip:bench@127.0.0.1", destination=self.target, sdp=self.offer
            )
            self.placed[plan.call_id] = time.monotonic()
            endpoint.invite(plan)
            self.count += 1
        while standing and standing[0][0] <= now:
            endpoint.bye(standing.popleft()[1])
        if now - self.began > self.calls / self.rate + 60:
            self.failures["stuck"] += self.left
        elif self.left:
            self.loop.call_later(TICK, self._tick)
            return
        self.done.set()


async def measure(target: Destination, rate: float, calls: int) -> dict[str, Any]:
    """One run as a JSON-able object; times in microseconds and milliseconds."""
    caller = Caller(target, rate, calls)
    await caller.open()
    result = await timed(caller)
    caller.endpoint.close()
    drops = caller.endpoint.drops + caller.endpoint.errors
    return {**result, "failures": dict(caller.failures), "drops": dict(drops)}


def run_fast(main: Coroutine[Any, Any, dict[str, Any]], plain: bool) -> dict[str, Any]:
    """On uvloop unless asked otherwise, or it is not there."""
    if not plain:
        try:
            import uvloop
        except ModuleNotFoundError:
            pass
        else:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(main)
    return asyncio.run(main)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=500.0, help="calls per second")
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--asyncio", action="store_true", help="the standard loop instead of uvloop")
    parser.add_argument("--tcp", action="store_true", help="over one TCP connection")
    options = parser.parse_args()
    target = Flow("127.0.0.1", options.port, "tcp") if options.tcp else ("127.0.0.1", options.port)
    result = run_fast(measure(target, options.rate, options.calls), options.asyncio)
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
