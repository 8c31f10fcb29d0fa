"""The clock of the engine's tests: only what the loop works and asks to wait counts."""

from __future__ import annotations

import asyncio
import time

from benchmarks.rig.fair_loop import run_fairly


def test_being_held_up_costs_no_time() -> None:
    async def scene() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        time.sleep(0.3)  # as if another process had the core: no CPU of ours
        held = loop.time() - began
        await asyncio.sleep(0.02)
        return held, loop.time() - began

    held, passed = run_fairly(scene())
    assert held < 0.1
    assert 0.02 <= passed < 0.2


def test_a_thread_at_work_may_be_held_up_too() -> None:
    async def scene() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began, ticks = loop.time(), 0
        working = loop.run_in_executor(None, time.sleep, 0.3)
        while not working.done():
            await asyncio.sleep(0.002)
            ticks += 1
        return loop.time() - began, ticks

    passed, ticks = run_fairly(scene())
    assert ticks > 0, "the loop goes on"
    assert passed < 0.2


def test_it_never_runs_ahead() -> None:
    async def scene() -> float:
        loop = asyncio.get_running_loop()
        ahead, offset = 0.0, time.monotonic() - loop.time()
        for _ in range(20):
            await asyncio.sleep(0.001)
            ahead = max(ahead, loop.time() - time.monotonic() + offset)
        return ahead

    assert run_fairly(scene()) < 0.001
