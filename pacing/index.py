"""The index rule: is one more call worth placing now?

Place it while the chance that its answer would find no agent stays at or below an index tau:

    mean over T of P( X(T) >= idle + F(T + patience) )  <=  tau

T is the ring time of the new call (NODES quantiles of its law), X(T) the answers until T of the calls
already in the air, F the agents freed until then. X is taken from the Panjer class (binomial,
Poisson, negative binomial by one recurrence) with the mean and variance of independent calls plus
those of an uncertain answer rate; F is Poisson. What later decisions will place is left out; tau,
steered by the abandonment budget, absorbs it.

Why a rule and not a table: in the memoryless model the best tau gives an occupancy within 0.001 of
the exact optimum (`pacing.optimum`; tests/pacing/test_index.py), and unlike a table the rule takes
any ring law, calls of any age, and uncertainty about the parameters.

Truncation: F at mean + 6 sd; masses between grid points are interpolated; above WIDE agents a normal
approximation with skewness (Edgeworth, first term) is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

NODES = 5
POINTS = 48
WIDE = 60.0
Array = NDArray[np.float64]


@lru_cache(maxsize=4096)
def poisson(mean: float) -> Array:
    """Poisson probabilities 0 .. mean + 6 sd, normalised."""
    top = int(mean + 6.0 * math.sqrt(mean) + 6.0)
    k = np.arange(top + 1, dtype=np.float64)
    if mean <= 0.0:
        return np.where(k == 0, 1.0, 0.0)
    logs = k * math.log(mean) - np.concatenate(([0.0], np.cumsum(np.log(k[1:]))))
    pmf: Array = np.exp(logs - logs.max())
    pmf /= pmf.sum()
    return pmf


def tails(mass: Array, variance: Array, upto: int) -> Array:
    """P(X >= k), k = 0 .. upto, X of the Panjer class by mean and variance; shape (len, upto + 1)."""
    a = 1.0 - mass / variance
    a = np.where(np.abs(a) < 1e-7, 1e-7, a)
    b = mass * mass / variance - a
    # (1 - a)^((a + b) / a) is the probability of none for binomial and negative binomial alike
    none = np.exp(np.maximum((a + b) / a * np.log1p(-a), -700.0))
    k = np.arange(1, upto + 1, dtype=np.float64)
    # a binomial of fractional size ends where its ratio would turn negative
    pmf = none[:, None] * np.cumprod(np.maximum(a[:, None] + b[:, None] / k, 0.0), axis=1)
    out = np.ones((len(mass), upto + 1))
    if upto:
        below = np.cumsum(np.concatenate((none[:, None], pmf[:, :-1]), axis=1), axis=1)
        out[:, 1:] = np.clip(1.0 - below, 0.0, 1.0)
    return out


def lost_chances(mass: Array, idle: int, freed: float, p: float, spread: float) -> Array:
    """P(X >= idle + F) for each mean `mass` > 0 of X. idle may be negative (calls that wait already).

    freed: mean of F; p: chance of an answer per call in X; spread: coefficient of variation of p.
    """
    variance = np.maximum(mass * (1.0 - p) + (mass * spread) ** 2, 0.02 * mass)
    if idle + freed > WIDE:
        total = variance + freed
        sd = np.sqrt(total)
        # third cumulants: of X by that of its class, of -F by -freed
        skew = (variance * (2.0 * variance / mass - 1.0) - freed) / sd**3
        z = (idle + freed - 0.5 - mass) / sd
        upper = np.array([0.5 * math.erfc(x) for x in (z / math.sqrt(2.0)).tolist()])
        shifted = upper + np.exp(-0.5 * z * z) / 2.5066 * (z * z - 1.0) * skew / 6.0
        return np.asarray(np.clip(shifted, 0.0, 1.0))
    f = poisson(freed)
    sure = 0.0
    if idle < 0:
        sure = float(f[:-idle].sum())
        f = f[-idle:]
        idle = 0
    if not len(f):
        return np.full(len(mass), min(1.0, sure))
    over = tails(mass, variance, idle + len(f) - 1)[:, idle:] @ f
    return np.asarray(np.minimum(1.0, sure + over))


@lru_cache(maxsize=32_768)
def curve(idle: int, freed: float, p: float, spread: float) -> tuple[float, tuple[float, ...]]:
    """`lost_chances` on a grid: (s, values), where values[j] belongs to mass (j / s) ** 2."""
    reach = max(0.0, idle + freed)
    top = (reach + 2.0 + 3.0 * math.sqrt(reach + 1.0)) * (1.0 + 2.0 * spread)
    scale = (POINTS - 1) / math.sqrt(top)
    mass = (np.arange(POINTS) / scale) ** 2
    mass[0] = 1e-9
    return scale, tuple(lost_chances(mass, idle, freed, p, spread).tolist())


def read(scale: float, values: Sequence[float], mass: float) -> float:
    """A curve at `mass`; beyond its end the last value."""
    x = scale * math.sqrt(mass) if mass > 0.0 else 0.0
    j = int(x)
    if j >= POINTS - 1:
        return values[-1]
    low = values[j]
    return low + (x - j) * (values[j + 1] - low)


class IndexRule:
    """One decision's view: the mean loss as a function of the calls added.

    idle: agents free less calls waiting; freed[j], mass[j], within[j] at node j: mean agents freed
    until T_j + patience, mean answers of calls in the air until T_j, P(a fresh call that will be
    answered is answered until T_j); p: answer rate; spread: its coefficient of variation.
    """

    def __init__(
        self,
        idle: int,
        freed: Sequence[float],
        mass: Sequence[float],
        within: Sequence[float],
        p: float,
        spread: float,
    ) -> None:
        p = rounded(p, 0.02)
        spread = rounded(spread, 0.1)
        self._mass = list(mass)
        self._step = [p * u for u in within]
        self._curves = [
            curve(idle, rounded(f, 0.02), round(p * u, 4), spread) for f, u in zip(freed, within, strict=True)
        ]

    def loss(self, added: float) -> float:
        """Mean chance that one more answer finds no agent, after `added` fresh calls (may be < 0)."""
        total = 0.0
        for (scale, values), mass, step in zip(self._curves, self._mass, self._step, strict=True):
            total += read(scale, values, mass + added * step)
        return total / len(self._mass)

    def place(self, tau: float, most: int = 100_000) -> int:
        """The number of fresh calls to add: the first at which `loss` exceeds `tau`."""
        if self.loss(0.0) > tau:
            return 0
        low, high = 0, 1
        while self.loss(high) <= tau:
            if high >= most:
                return most
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.loss(middle) <= tau:
                low = middle
            else:
                high = middle
        return min(high, most)


def rounded(value: float, step: float) -> float:
    """`value` on a logarithmic grid of relative width `step`, so that the cached curves are hit."""
    if value <= 1e-9:
        return 0.0
    return math.exp(round(math.log(value) / step) * step)
