"""The random laws of a simulated campaign: how calls ring, answer, talk, and lose patience.

Every law is a function (generator, size) -> array of seconds. Named sets: `memoryless` (the model of
`pacing.optimum`) and `realistic` (gamma ringing after a dead time, lognormal talk, fixed patience).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Laws:
    """What happens to the calls of a campaign.

    answer_rate: P(answered by a person) as a function of the time of placing (s since the start);
    ring_answered, ring_failed: s from placing to the answer or the failure; talk, wrap_up, patience: s;
    timeout: s after which a call that still rings ends as no_answer;
    quick_fail: share of failing calls that end at once (busy, invalid) after `quick` s.
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
