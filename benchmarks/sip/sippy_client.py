"""The caller of `client.py`, made with sippy, for comparison: prints the same JSON object."""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections import Counter
from typing import Any

from sippy.CCEvents import CCEventConnect, CCEventFail, CCEventTry
from sippy.Core.EventDispatcher import ED2
from sippy.MsgBody import MsgBody
from sippy.SipTransactionManager import SipTransactionManager
from sippy.Time.Timeout import Timeout
from sippy.UA import UA

from dialer.sip import sdp

HOLD = 0.05
TICK = 0.005


class _Silent:
    """A log that keeps nothing."""

    def write(self, *_: Any, **__: Any) -> None:
        """Say nothing."""


class Caller:
    """Places calls at a rate, hangs each up after `HOLD` seconds."""

    def __init__(self, port: int, rate: float, calls: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            local = sock.getsockname()[1]
        self.config: dict[str, Any] = {
            "_sip_address": "127.0.0.1",
            "_sip_port": local,
            "_sip_logger": _Silent(),
            "nh_addr": ("127.0.0.1", port),
        }
        self.config["_sip_tm"] = SipTransactionManager(self.config, lambda request, transaction: None)
        self.rate, self.calls = rate, calls
        self.placed = self.over = 0
        self.began = 0.0
        self.setup: list[float] = []
        self.failures: Counter[str] = Counter()
        self.offer = sdp.audio("127.0.0.1", 40_000).decode()

    def run(self) -> None:
        """Until every call has ended."""
        self.began = time.monotonic()
        Timeout(self._tick, TICK, -1)
        ED2.loop()

    def _tick(self) -> None:
        passed = time.monotonic() - self.began
        due = min(self.calls, int(passed * self.rate) + 1)
        while self.placed < due:
            self.placed += 1
            self._call()
        if self.over >= self.calls or passed > self.calls / self.rate + 60:
            self.failures["stuck"] += self.calls - self.over
            ED2.breakLoop()

    def _call(self) -> None:
        began = time.monotonic()

        def on_event(event: Any, ua: Any) -> None:
            if isinstance(event, CCEventConnect):
                self.setup.append(time.monotonic() - began)
                Timeout(ua.disconnect, HOLD)
            elif isinstance(event, CCEventFail):
                self.failures["failed"] += 1

        def dead(*_: Any) -> None:
            self.over += 1

        ua = UA(self.config, on_event, nh_address=self.config["nh_addr"], disc_cbs=(dead,), fail_cbs=(dead,))
        ua.recvEvent(CCEventTry((None, "bench", "service", MsgBody(self.offer), None, "")))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=200.0, help="calls per second")
    parser.add_argument("--calls", type=int, default=2_000)
    options = parser.parse_args()
    caller = Caller(options.port, options.rate, options.calls)
    cpu, wall = time.process_time(), time.monotonic()
    caller.run()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    setup = sorted(caller.setup) or [float("nan")]
    result = {
        "calls": options.calls,
        "cpu_us_per_call": cpu / options.calls * 1e6,
        "core": cpu / wall,
        "setup_p50_ms": setup[len(setup) // 2] * 1e3,
        "setup_p99_ms": setup[int(len(setup) * 0.99)] * 1e3,
        "failures": dict(+caller.failures),
    }
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
