"""Who is there and when: shifts, breaks (announced or not), late arrivals, agents who leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pacing.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Shift:
    """Agent `agent` is there from `start` to `end` (s); a call running at `end` is finished first.
    announced: s before `end` at which the end is told to the pacer (None: not)."""

    agent: int
    start: float
    end: float
    announced: float | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """A break of `length` s that each agent takes once, at about `at` s after the shift's start (normal, `spread` s).
    announced: s before it at which it is told to the pacer (None: not)."""

    at: float
    length: float
    spread: float = 600.0
    announced: float | None = None


def full_time(agents: int, seconds: float, start: float = 0.0) -> list[Shift]:
    """`agents` agents from `start` for `seconds`."""
    return [Shift(a, start, start + seconds) for a in range(agents)]


def day_shifts(
    agents: int,
    seconds: float,
    seed: int,
    start: float = 0.0,
    breaks: Sequence[Break] = (),
    late: float = 0.0,
) -> list[Shift]:
    """A day of `seconds` s for `agents` agents, with breaks, the arrivals spread evenly over the first `late` s."""
    if seconds <= 0.0 or late < 0.0 or late >= seconds:
        raise InvalidValueError(f"a day of {seconds!r} s with arrivals over {late!r} s is none")
    rng = np.random.default_rng([seed, 88])
    shifts = []
    for agent in range(agents):
        here = start + float(rng.uniform(0.0, late)) if late else start
        for rest in sorted(breaks, key=lambda b: b.at):
            leaves = min(max(here + 60.0, start + float(rng.normal(rest.at, rest.spread))), start + seconds)
            if leaves > here:
                shifts.append(Shift(agent, here, leaves, rest.announced))
            here = leaves + rest.length
        if here < start + seconds:
            shifts.append(Shift(agent, here, start + seconds))
    return shifts


def with_leavers(agents: int, seconds: float, share: float, at: float, announced: float | None = None) -> list[Shift]:
    """`agents` agents for `seconds` s, of whom the first `share` leave for good at `at` s."""
    gone = round(share * agents)
    return [Shift(a, 0.0, at if a < gone else seconds, announced if a < gone else None) for a in range(agents)]
