"""The random laws of a simulated campaign: how calls ring, answer, talk, and lose patience.

Every law is a function (generator, size) -> array of seconds. Named sets: `memoryless` (the model of
`pacing.optimum`), `realistic` (gamma ringing after a dead time, lognormal talk, fixed patience) and
`lifelike` (people near the phone and far from it, machines, busy lines, mixed talk).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def constant(value: float) -> Draw:
    """Always `value` s."""
    return lambda rng, size: np.full(size, value)


def exponential(mean: float) -> Draw:
    """Exponential with this mean, s."""
    return lambda rng, size: rng.exponential(mean, size)


def gamma_after(dead: float, mean: float, shape: float) -> Draw:
    """`dead` s, then gamma of this mean (s) and shape."""
    return lambda rng, size: dead + rng.gamma(shape, mean / shape, size)


def lognormal(mean: float, cv: float) -> Draw:
    """Lognormal by mean (s) and coefficient of variation."""
    sigma = math.sqrt(math.log1p(cv * cv))
    mu = math.log(mean) - sigma * sigma / 2.0
    return lambda rng, size: rng.lognormal(mu, sigma, size)


def erlang(mean: float, stages: int) -> Draw:
    """Erlang of `stages` stages with this mean, s."""
    return lambda rng, size: rng.gamma(stages, mean / stages, size)


def empirical(values: Sequence[float]) -> Draw:
    """Drawn with replacement from `values`, s."""
    kept = np.asarray(values, dtype=np.float64)
    return lambda rng, size: rng.choice(kept, size)


def mixture(parts: Sequence[tuple[float, Draw]]) -> Draw:
    """Each draw from one of `parts`, by weight."""
    weights = np.array([w for w, _ in parts])
    weights = weights / weights.sum()

    def draw(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        which = rng.choice(len(parts), size, p=weights)
        drawn = np.stack([d(rng, size) for _, d in parts])
        return np.asarray(drawn[which, np.arange(size)])

    return draw


def bimodal(near: Draw, far: Draw, share: float) -> Draw:
    """`near` with probability `share`, else `far`: people beside the phone, and those who walk to it."""
    return mixture([(share, near), (1.0 - share, far)])


def scaled(draw: Draw, factor: float) -> Draw:
    """Every draw times `factor`."""
    return lambda rng, size: factor * draw(rng, size)


class Stream:
    """An endless stream of draws in blocks."""

    def __init__(self, draw: Draw, seed: Sequence[int]) -> None:
        self._draw = draw
        self._rng = np.random.default_rng(list(seed))
        self._block: Iterator[float] = iter(())

    def next(self) -> float:
        """The next draw."""
        for value in self._block:
            return value
        self._block = iter(self._draw(self._rng, 1024).tolist())
        return next(self._block)


@dataclass(frozen=True, slots=True)
class Laws:
    """What happens to the calls of a campaign. Times in s; rates are functions of the time (`pacing.rates`).

    answer_rate     P(answered by a person), by the time of placing
    ring_answered, ring_failed   from placing to the answer or the failure
    talk, wrap_up, patience      of a connected call; how long an answered call waits for an agent
    timeout         a call that still rings then ends as no_answer
    quick_fail      share of failing calls that end at once (busy, invalid) after `quick`
    machine_rate    P(answered by a machine), by the time of placing; None: no machines
    ring_machine    from placing to the machine's answer; None: as people
    machine_talk    until the agent has noticed the machine; None: 8
    noticed         chance that a connected machine is relabelled when its call ends
    handle_scale    factor on talk and wrap-up, by the time of connecting; None: 1
    progress        from placing to the first 180; None: none is ever told
    message         how long an abandoned call stays on its line for the message
    """

    answer_rate: Callable[[float], float]
    ring_answered: Draw
    ring_failed: Draw
    talk: Draw
    wrap_up: Draw
    patience: Draw
    timeout: float
    quick_fail: float = 0.0
    quick: float = 2.0
    machine_rate: Callable[[float], float] | None = None
    ring_machine: Draw | None = None
    machine_talk: Draw | None = None
    noticed: float = 1.0
    handle_scale: Callable[[float], float] | None = None
    progress: Draw | None = None
    message: float = 0.0


def memoryless(p: float, ring: float = 12.0, handle: float = 150.0, patience: float = 2.0) -> Laws:
    """Every time exponential: the model of `pacing.optimum`. No ring timeout."""
    return Laws(
        lambda _: p, exponential(ring), exponential(ring), exponential(handle), constant(0.0),
        exponential(patience), math.inf,
    )  # fmt: skip


def realistic(
    p: float | Callable[[float], float] = 0.2,
    talk: Draw | None = None,
    timeout: float = 25.0,
    patience: float = 2.0,
    handle_scale: float = 1.0,
) -> Laws:
    """Ring 3 s + gamma(2) of mean 9 s, no-answer at `timeout`, talk lognormal mean 120 s (cv 0.9),
    wrap-up 30 s, patience fixed."""
    rate = p if callable(p) else (lambda _: p)
    return Laws(
        rate, gamma_after(3.0, 9.0, 2.0), constant(timeout), talk or lognormal(120.0 * handle_scale, 0.9),
        constant(30.0 * handle_scale), constant(patience), timeout,
    )  # fmt: skip


def lifelike(
    p: float | Callable[[float], float] = 0.2,
    machines: float = 0.1,
    talk: Draw | None = None,
    wrap_up: Draw | None = None,
    timeout: float = 25.0,
    patience: float = 2.0,
    noticed: float = 0.9,
) -> Laws:
    """What an open list sounds like: 70 % of those who answer sit near the phone (about 7 s), the others walk
    to it (about 15 s); machines take over after 20 s; one failing call of seven is busy or invalid at once; the
    first 180 comes after about 2 s; half the talks are a short no, half a conversation (`talk` replaces them)."""
    rate = p if callable(p) else (lambda _: p)
    return Laws(
        rate,
        bimodal(gamma_after(2.5, 4.5, 3.0), gamma_after(8.0, 7.0, 3.0), 0.7),
        constant(timeout),
        talk or mixture([(0.5, lognormal(35.0, 0.8)), (0.5, lognormal(200.0, 0.7))]),
        wrap_up or lognormal(25.0, 0.6),
        constant(patience),
        timeout,
        quick_fail=0.15,
        machine_rate=(lambda _: machines) if machines > 0.0 else None,
        ring_machine=gamma_after(18.0, 2.0, 2.0),
        machine_talk=gamma_after(3.0, 5.0, 2.0),
        noticed=noticed,
        progress=gamma_after(0.5, 1.5, 2.0),
        message=8.0,
    )
