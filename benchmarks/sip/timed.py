"""The timed part of a caller, the same for ours and for the floor: settings of the process, CPU, set-up times."""

from __future__ import annotations

import gc
import time
from typing import Any, Protocol


class Caller(Protocol):
    """What places the calls; `setup` holds the set-up time of each, in seconds."""

    calls: int
    setup: list[float]

    async def run(self) -> None:
        """Until every call has ended."""
        ...


async def timed(caller: Caller) -> dict[str, Any]:
    """One run as a JSON-able object, with the collector set as the daemon sets it; times in microseconds and
    milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    cpu, wall = time.process_time(), time.monotonic()
    await caller.run()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    setup = sorted(caller.setup) or [float("nan")]
    return {
        "calls": caller.calls,
        "cpu_us_per_call": cpu / caller.calls * 1e6,
        "core": cpu / wall,
        "setup_p50_ms": setup[len(setup) // 2] * 1e3,
        "setup_p99_ms": setup[int(len(setup) * 0.99)] * 1e3,
    }
