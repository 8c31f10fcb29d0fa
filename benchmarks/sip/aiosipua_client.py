"""The caller of `client.py`, made with aiosipua, for comparison: prints the same JSON object."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import time
from collections import Counter
from typing import Any

from aiosipua import SipResponse, build_sdp
from aiosipua.transport import UdpSipTransport
from aiosipua.uac import SipUAC

HOLD = 0.05
TICK = 0.005


async def measure(port: int, rate: float, calls: int) -> dict[str, Any]:
    """One run; times in microseconds and milliseconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        local = sock.getsockname()
    transport = UdpSipTransport(local_addr=local)
    uac = SipUAC(transport)
    transport.on_message = lambda message, addr: (
        uac.handle_response(message, addr) if isinstance(message, SipResponse) else None
    )
    await transport.start()
    failures: Counter[str] = Counter()
    setup: list[float] = []
    offer = build_sdp("127.0.0.1", 40_000, 0, "PCMU")
    far = ("127.0.0.1", port)

    async def one() -> None:
        began = time.monotonic()
        call = uac.send_invite("sip:bench@127.0.0.1", f"sip:service@127.0.0.1:{port}", far, offer)
        try:
            await call.wait_answered(10.0)
        except (TimeoutError, RuntimeError) as error:
            failures[type(error).__name__] += 1
            return
        setup.append(time.monotonic() - began)
        await asyncio.sleep(HOLD)
        call.hangup(uac)

    loop, all_placed, placed = asyncio.get_running_loop(), asyncio.Event(), 0
    running: set[asyncio.Task[None]] = set()

    def tick() -> None:
        """Every `TICK` seconds, by a bare timer of the loop: place what is due."""
        nonlocal placed
        due = min(calls, int((time.monotonic() - wall) * rate) + 1)
        for _ in range(due - placed):
            task = loop.create_task(one())
            running.add(task)
            task.add_done_callback(running.discard)
        placed = due
        if placed < calls:
            loop.call_later(TICK, tick)
        else:
            all_placed.set()

    cpu, wall = time.process_time(), time.monotonic()
    tick()
    await all_placed.wait()
    await asyncio.gather(*running)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    await transport.stop()
    times = sorted(setup) or [float("nan")]
    return {
        "calls": calls,
        "cpu_us_per_call": cpu / calls * 1e6,
        "core": cpu / wall,
        "setup_p50_ms": times[len(times) // 2] * 1e3,
        "setup_p99_ms": times[int(len(times) * 0.99)] * 1e3,
        "failures": dict(failures),
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=200.0, help="calls per second")
    parser.add_argument("--calls", type=int, default=2_000)
    options = parser.parse_args()
    # its UDP transport insists on asyncio's own loop
    result = asyncio.run(measure(options.port, options.rate, options.calls))
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
