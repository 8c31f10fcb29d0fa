"""What pacing costs: a decision, the whole pacer beside a running team, a simulated day, the import."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.pacing.cells import HOUR, real_cell
from pacing import Pacer, Snapshot
from pacing.simulate import full_time, simulate

DECISIONS = 4000
IMPORTS = 7
PROGRAM = "import time; a = time.process_time(); import {}; print(time.process_time() - a)"


@dataclass(frozen=True, slots=True)
class Decisions:
    """CPU of `decide` with so many agents and calls in the air, s; given_up: mean calls per decision."""

    agents: int
    in_air: int
    answer_rate: float
    given_up: float
    median: float
    p99: float


def crowded(agents: int, in_air: int, answer_rate: float) -> tuple[Pacer, float]:
    """A pacer that has learned `answer_rate` from 15 minutes of ten agents and has `agents` now, nine of ten busy, with
    `in_air` calls placed over the last 24 s; and the time. Calls are 0 to `in_air` - 1, the oldest first."""
    cell = real_cell(10, answer_rate)
    pacer = Pacer(cell.config)
    simulate(pacer, cell.laws, full_time(10, 900.0), 900.0, 1)
    now = 1000.0
    idle = agents // 10
    pacer.resync(
        Snapshot(
            available=[f"idle {a}" for a in range(idle)],
            busy={f"busy {a}": now - 150.0 * (a + 1) / agents for a in range(agents - idle)},
            ringing={call: now - 24.0 * (1.0 - call / in_air) for call in range(in_air)},
        ),
        now,
    )
    return pacer, now


def decisions(agents: int, in_air: int, answer_rate: float, count: int = DECISIONS) -> Decisions:
    """The cost of a decision after each of `count` events: the oldest call fails, a new one is placed."""
    pacer, now = crowded(agents, in_air, answer_rate)
    spent = []
    given_up = 0
    for call in range(count):
        now += 24.0 / in_air
        if call % 2:
            pacer.call_placed(in_air + call // 2, now)
        else:
            pacer.call_ended_unanswered(call // 2, now, "no_answer")
        start = time.process_time()
        decision = pacer.decide(now)
        spent.append(time.process_time() - start)
        given_up += len(decision.cancel)
    median, p99 = np.percentile(spent, (50, 99)).tolist()
    return Decisions(agents, in_air, answer_rate, given_up / count, median, p99)


@dataclass(frozen=True, slots=True)
class Day:
    """A simulated day: CPU of the whole, s; of it the pacer's own, as a share of one core during the hours paced."""

    agents: int
    hours: float
    calls: int
    spent: float
    core: float


class _Timed:
    """The pacer under a stopwatch."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self.spent = 0.0

    def __getattr__(self, name: str) -> object:
        method = getattr(self._pacer, name)

        def call(*given: object) -> object:
            start = time.process_time()
            result = method(*given)
            self.spent += time.process_time() - start
            return result

        setattr(self, name, call)
        return call


def day(agents: int = 100, hours: float = 8.0) -> Day:
    """One simulated day twice: plain for the whole, under a stopwatch for the pacer's share (stopwatch included)."""
    cell = real_cell(agents)
    seconds = hours * HOUR
    start = time.process_time()
    out = simulate(Pacer(cell.config), cell.laws, full_time(agents, seconds), seconds, 1)
    spent = time.process_time() - start
    timed = _Timed(Pacer(cell.config))
    simulate(timed, cell.laws, full_time(agents, seconds), seconds, 1)  # type: ignore[arg-type]
    return Day(agents, hours, out.placed, spent, timed.spent / seconds)


def imports() -> Iterator[tuple[str, float]]:
    """(what, CPU s of importing it in a fresh interpreter, least of some)."""
    for module in ("numpy", "pacing"):
        command = [sys.executable, "-c", PROGRAM.format(module)]
        runs = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(IMPORTS))
        yield module, min(float(run.stdout) for run in runs)
