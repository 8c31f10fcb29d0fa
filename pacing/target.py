"""How much answering the air may hold: the index rule of the predictive pacer.

One more call is worth placing while P(it is answered and finds no agent | it is answered) <= tau.
Against the exact optimum of the memoryless model (`pacing.optimum`) the index tau is nearly the same
in every state, so one number, steered by the abandonment budget, replaces a table per parameter set.

Model at one decision. Answers still to come from the calls in the air: X, of the Panjer class with
mean `mass` and the variance of independent calls plus that of an uncertain level of the answer rate.
Agents freed before the new call is answered or loses patience: F, Poisson. The new call is
abandoned when X >= idle + F. What later decisions will place is left out; tau absorbs it.
Truncation: F at mean + 6 sd; above NORMAL_FROM a normal approximation is used.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

NORMAL_FROM = 200.0


def tail(mass: float, variance: float, upto: int) -> NDArray[np.float64]:
    """P(X >= k) for k = 0 .. upto, X of the Panjer class with this mean and variance."""
    if mass <= 0.0:
        out = np.zeros(upto + 1)
        out[0] = 1.0
        return out
    a = 1.0 - mass / variance
    b = mass * mass / variance - a
    log_p0 = -mass if abs(a) < 1e-9 else (a + b) / a * math.log1p(-a)
    k = np.arange(1, upto + 1, dtype=np.float64)
    pmf = np.empty(upto + 1)
    pmf[0] = math.exp(max(log_p0, -700.0))
    # a binomial of fractional size ends where its ratio would turn negative
    pmf[1:] = pmf[0] * np.cumprod(np.maximum(a + b / k, 0.0))
    below = np.cumsum(pmf)
    out = np.empty(upto + 1)
    out[0] = 1.0
    out[1:] = np.clip(1.0 - below[:-1], 0.0, 1.0)
    return out


@lru_cache(maxsize=4096)
def poisson(mean: float) -> NDArray[np.float64]:
    """Poisson probabilities 0 .. mean + 6 sd, normalised."""
    top = int(mean + 6.0 * math.sqrt(mean) + 6.0)
    k = np.arange(top + 1, dtype=np.float64)
    log_fact = np.concatenate(([0.0], np.cumsum(np.log(k[1:]))))
    logs = k * math.log(mean) - mean - log_fact if mean > 0 else np.where(k == 0, 0.0, -np.inf)
    pmf: NDArray[np.float64] = np.exp(logs)
    pmf /= pmf.sum()
    return pmf


def lost_chance(mass: float, idle: int, freed: float, p: float, spread: float) -> float:
    """P(no agent for one more answer) with `mass` answers to come and `idle` agents free.

    idle may be negative (calls already waiting); freed: mean agents freed meanwhile; p: answer
    probability of the calls in the air; spread: coefficient of variation of the level of p.
    """
    variance = mass * (1.0 - p) + (mass * spread) ** 2
    variance = max(variance, mass * 0.02)
    if mass > NORMAL_FROM:
        z = (idle + freed - 0.5 - mass) / math.sqrt(variance + freed)
        return 0.5 * math.erfc(z / math.sqrt(2.0))
    f = poisson(freed)
    first = idle
    total = 0.0
    if first < 0:  # X >= negative is certain
        total += float(f[: -first].sum())
        f = f[-first:]
        first = 0
    if len(f) == 0:
        return min(1.0, total)
    over = tail(mass, variance, first + len(f) - 1)
    return min(1.0, total + float(f @ over[first:]))


@lru_cache(maxsize=65_536)
def target_mass(idle: int, freed: float, p: float, spread: float, tau: float) -> float:
    """The largest mass of answers to come at which one more call may still be placed; -1: none.

    tau: index in (0, 1). Arguments are meant to be rounded by the caller, so that the cache hits.
    """
    if lost_chance(0.0, idle, freed, p, spread) > tau:
        return -1.0
    low, high = 0.0, max(1.0, 1.2 * (idle + freed))
    while lost_chance(high, idle, freed, p, spread) <= tau:
        low, high = high, high * 1.6 + 1.0
    while high - low > 0.01 + 0.004 * high:
        middle = 0.5 * (low + high)
        if lost_chance(middle, idle, freed, p, spread) <= tau:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
