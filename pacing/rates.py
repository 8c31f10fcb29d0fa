"""Rates that move with time: answer rates that jump, swing, drift, or follow the hour; one-way steps.

Every function returns (time in s) -> value. All are functions of the time alone, so that every policy meets the
same world.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

Rate = Callable[[float], float]

DAY = 86400.0


def alternating(low: float, high: float, every: float) -> Rate:
    """Jumps between two levels every `every` s, `low` first."""
    return lambda now: low if int(now // every) % 2 == 0 else high


def swinging(low: float, high: float, period: float) -> Rate:
    """Swings geometrically between two levels, once in `period` s."""
    middle, half = 0.5 * math.log(low * high), 0.5 * math.log(high / low)
    return lambda now: math.exp(middle + half * math.sin(2.0 * math.pi * now / period))


def stepping(before: float, after: float, at: float) -> Rate:
    """`before` until `at` (s), `after` from then on."""
    return lambda now: before if now < at else after


def drifting(mean: float, spread: float, seed: int, memory: float = 3600.0, step: float = 300.0) -> Rate:
    """Wanders around `mean`: an Ornstein-Uhlenbeck path of the logit, standard deviation `spread`.

    memory: s after which a deviation has faded to 1/e; the value changes every `step` s. Kept for a week; after it the
    path begins again.
    """
    count = int(7 * DAY / step)
    keep = math.exp(-step / memory)
    noise = np.random.default_rng([seed, 77]).normal(0.0, spread, count)
    level, path = float(noise[0]), []
    for value in noise.tolist():
        level = keep * level + math.sqrt(1.0 - keep * keep) * value
        path.append(level)
    centre = math.log(mean / (1.0 - mean))
    values = [1.0 / (1.0 + math.exp(-centre - at)) for at in path]
    return lambda now: values[int(now // step) % count]


def by_hour(values: Mapping[int, float], otherwise: float) -> Rate:
    """The value of the hour of the day (0 to 23), `otherwise` for hours that have none."""
    table = [values.get(hour, otherwise) for hour in range(24)]
    return lambda now: table[int(now % DAY // 3600.0)]
