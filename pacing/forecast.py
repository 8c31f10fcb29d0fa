"""What the next seconds will bring, as whole distributions: answers, and agents freed.

Answers: independent calls in the air, each with its chance to be answered within the horizon by its
age, and an uncertain common level (negative binomial, binomial or Poisson by mean and variance).
Freed agents: each busy agent by the time that its call has lasted, from a discrete hazard on
logarithmic bins (censored, with the exponential law as prior), Poisson-binomial.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacing.index import tails

Array = NDArray[np.float64]
BINS = 28
FIRST, RATIO = 5.0, 1.25  # s, growth: the last bin begins at about 1,650 s
PRIOR_CALLS = 6.0
MEMORY = 1500.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Probabilities of 0, 1, 2, ... answers of calls now in the air, and of agents freed, until
    `now + horizon`; each sums to one."""

    horizon: float
    answers: Array
    freed: Array


class HandleLaw:
    """Hazard of the end of a handle time by how long it has lasted."""

    def __init__(self) -> None:
        self._edges = np.concatenate(([0.0], FIRST * RATIO ** np.arange(BINS - 1)))
        self._ends = np.zeros(BINS)
        self._seconds = np.zeros(BINS)
        self._widths = np.append(np.diff(self._edges), math.inf)

    def observe(self, seconds: float, ended: bool) -> None:
        """A handle time came to its end, or was cut off (the agent left) after `seconds`."""
        keep = 1.0 - 1.0 / MEMORY
        self._ends *= keep
        self._seconds *= keep
        self._seconds += np.minimum(np.maximum(seconds - self._edges, 0.0), self._widths)
        if ended:
            self._ends[int(np.searchsorted(self._edges, seconds, side="right")) - 1] += 1.0

    def fade(self, keep: float) -> None:
        """The handle times have changed: what was seen is worth the share `keep` of what it was."""
        self._ends *= keep
        self._seconds *= keep

    def ends_within(self, lasted: Array, horizon: float, mean: float) -> Array:
        """P(each ends within `horizon` s), for handle times that have lasted `lasted` s so far.

        mean: mean handle time, s, the prior for bins without evidence.
        """
        beyond = np.append(np.exp(-self._edges / mean), 0.0)
        prior = PRIOR_CALLS * (beyond[:-1] - beyond[1:]) + 1e-9
        hazard = (self._ends + prior) / (self._seconds + prior * mean)
        finite = np.where(np.isfinite(self._widths), self._widths, 0.0)
        whole = np.concatenate(([0.0], np.cumsum(hazard * finite)[:-1]))

        def integrated(at: Array) -> Array:
            k = np.searchsorted(self._edges, at, side="right") - 1
            return np.asarray(whole[k] + hazard[k] * (at - self._edges[k]))

        return np.asarray(1.0 - np.exp(integrated(lasted) - integrated(lasted + horizon)))

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {"ends": self._ends.tolist(), "seconds": self._seconds.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` wrote."""
        ends, seconds = (np.asarray(state[k], dtype=np.float64) for k in ("ends", "seconds"))
        if ends.shape == seconds.shape == (BINS,):
            self._ends, self._seconds = ends, seconds


def poisson_binomial(chances: Array) -> Array:
    """Probabilities of the number of successes of independent trials, shape (len + 1,)."""
    out = np.ones(1)
    for chance in chances.tolist():
        out = np.concatenate((out * (1.0 - chance), [0.0])) + np.concatenate(([0.0], out * chance))
    return out


def counted(mean: float, variance: float, most: int) -> Array:
    """Probabilities of 0 .. most of the Panjer class with this mean and variance, normalised."""
    if mean <= 1e-12:
        return np.ones(1)
    over = tails(np.array([mean]), np.array([max(variance, 0.02 * mean)]), most + 1)[0]
    pmf = np.maximum(over[:-1] - over[1:], 0.0)
    return np.asarray(pmf / pmf.sum())
