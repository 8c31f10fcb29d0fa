"""When, and whether, a call is answered: a cure model learned from resolved and ringing calls.

Model. A call placed is answered by a person with probability p after a ring time of law A, else it
fails (busy, no answer, machine, ...) after a time of law N. The two laws are estimated as discrete
cause-specific hazards on bins of at most BIN seconds (Aalen and Johansen 1978), so that calls which were
given up count as censored at the age they had. A prior of `prior_ring_calls` calls keeps the hazards
proper before there is evidence. The level p moves faster than the laws and has its own estimate
(`pacing.level`), in which calls still ringing count by their posterior: counting resolved calls only
is biased, because answers come sooner than no-answers.

Does the age of a call tell anything? In practice much (no-answers ring until the timeout), under
exponential times nothing. A few calls cannot settle a law by its bins, but they can settle this: each
end is predicted as answer or failure by the hazards of its age and by the plain share, before it is learned
from, and the ratio of the two likelihoods (Dawid's prequential Bayes factor, even odds at first) weighs the two
answers. Without this a cold start writes calls off at an age that only the prior knows to be old.

Truncation. Ages beyond the last bin (1.5 x ring_timeout) are put into it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

AROUND = 2.0  # s on either side that predict an end
MOST_SURE = 8.0  # bound on the logarithm of the Bayes factor, so that a change of the law can turn it
BIN = 0.5  # s; finer where ring_timeout is short, so that scaled-down time is paced alike
Array = NDArray[np.float64]


class RingLaw:
    """The ring-time laws of answered and of failing calls, from hazards with pseudo-counts.

    ring_timeout, prior_ring in seconds; prior_answer_rate a fraction; weights in calls.
    """

    def __init__(
        self,
        ring_timeout: float,
        prior_ring: float,
        prior_answer_rate: float,
        prior_calls: float,
        memory: float = 6000.0,
    ) -> None:
        self.width = min(BIN, ring_timeout / 50.0)  # of a bin, s
        self.bins = int(np.ceil(1.5 * ring_timeout / self.width)) + 1
        self._grow = 1.0 + 1.0 / memory
        age = (np.arange(self.bins) + 0.5) * self.width
        # Prior: most answers come by a gamma law of shape 2 and mean prior_ring, a quarter anywhere
        # until 4 x prior_ring, so that an old call is not written off before anything is known. Of the
        # failures half come likewise (busy, rejected, invalid), half ring until ring_timeout.
        shape = age * np.exp(-2.0 * age / prior_ring)
        flat = np.where(age < min(ring_timeout, 4.0 * prior_ring), 1.0, 0.0)
        shape = 0.75 * shape / shape.sum() + 0.25 * flat / flat.sum()
        end = min(self.bins - 1, int(ring_timeout / self.width))
        answer = prior_answer_rate * shape
        fail = 0.5 * (1.0 - prior_answer_rate) * shape
        fail[end] += 0.5 * (1.0 - prior_answer_rate) + answer[end + 1 :].sum() + fail[end + 1 :].sum()
        answer[end + 1 :] = 0.0
        fail[end + 1 :] = 0.0
        self._answers = prior_calls * answer
        self._fails = prior_calls * fail
        self._weight = 1.0
        self._around = max(1, round(AROUND / BIN))
        self._age_tells = 0.0  # logarithm of the odds that it does
        self._stale = 0
        self.version = 0  # grows when the laws are fitted anew
        self.resolved = 0
        # alive[k]: weight of calls seen alive at the start of bin k
        self._alive = self._reversed_sum(self._answers + self._fails)
        self.fit()

    @staticmethod
    def _reversed_sum(values: Array) -> Array:
        return np.asarray(np.cumsum(values[::-1])[::-1])

    def observe(self, age: float, end: str) -> None:
        """A call ended at `age` s: `end` is answered, failed or censored (given up, congestion)."""
        k = min(int(age / self.width), self.bins - 1)
        if end != "censored":
            self._predict(k, end == "answered")
        w = self._weight
        if end == "censored":
            self._alive[:k] += w  # not at risk in the bin where it left
        else:
            self._alive[: k + 1] += w
            (self._answers if end == "answered" else self._fails)[k] += w
        self._weight = w * self._grow
        if self._weight > 1e6:
            for part in (self._alive, self._answers, self._fails):
                part /= self._weight
            self._weight = 1.0
        self.resolved += 1
        self._stale += 1

    def _predict(self, k: int, answered: bool) -> None:
        """Which told the end in bin k better: the hazards about that age, or the share of all calls?"""
        near = slice(max(0, k - self._around), k + self._around + 1)
        share = self.answered_share
        a = float(self._density[near].sum()) + 0.01 * share
        f = float(self._fails_density[near].sum()) + 0.01 * (1.0 - share)
        by_age = a / (a + f)
        gain = math.log(by_age / share) if answered else math.log((1.0 - by_age) / max(1.0 - share, 1e-9))
        self._age_tells = min(MOST_SURE, max(-MOST_SURE, self._age_tells + gain))

    @property
    def stale(self) -> bool:
        """Enough has been observed to fit again."""
        return self._stale > min(200, 5 + self.resolved // 50)

    def take_back(self, age: float) -> None:
        """An answer at `age` s turned out to be a machine: move it to the failures."""
        k = min(int(age / self.width), self.bins - 1)
        moved = min(self._weight, self._answers[k])
        self._answers[k] -= moved
        self._fails[k] += moved
        self._stale += 1

    def fit(self, in_air: Array | None = None) -> None:
        """Compute the laws. in_air: calls now in the air by age bin, shape (bins,): they have been at
        risk so far; leaving them out would take the first calls to end for typical ones."""
        self._stale = 0
        self.version += 1
        alive = self._alive
        if in_air is not None:
            survived = self._reversed_sum(in_air) - 0.5 * in_air  # half way through their own bin
            alive = alive + self._weight * survived
        at_risk = np.maximum(alive, 1e-12)
        a = self._answers / at_risk
        f = self._fails / at_risk
        total = a + f
        over = np.maximum(total, 1.0)
        a, f, total = a / over, f / over, total / over
        survive = np.concatenate(([1.0], np.cumprod(1.0 - total)[:-1]))
        self._density = survive * a
        fails = self._fails_density = survive * f
        answered = float(self._density.sum())
        self.answered_share = max(answered, 1e-9)
        failed = max(1.0 - answered, 1e-9)
        # Survival at the start of each bin given how the call will end; what never ended fails.
        self.survive_answered = self._reversed_sum(self._density) / self.answered_share
        self.survive_failed = np.clip(1.0 - (np.cumsum(fails) - fails) / failed, 1e-9, 1.0)
        # how much less likely an answered call is to have rung so long than a failing one
        likelier = self.survive_answered / self.survive_failed
        tells = 1.0 / (1.0 + math.exp(-self._age_tells))
        self.against = 1.0 / np.maximum(1.0 + tells * (likelier - 1.0), 1e-9)
        middle = (np.arange(self.bins) + 0.5) * self.width
        self.mean_ring = float((self._density * middle).sum()) / self.answered_share

    def still_to_answer(self, p: float) -> Array:
        """P(a call alive at the start of bin k will be answered by a person), shape (bins,)."""
        return np.asarray(p / (p + (1.0 - p) * self.against))

    def answered_within(self, horizon: float) -> Array:
        """P(answered within `horizon` s | alive at bin k and will be answered), shape (bins,)."""
        shift = horizon / self.width
        low = int(shift)
        index = np.minimum(np.arange(self.bins) + low, self.bins - 1)
        here = self.survive_answered
        after = here[index] + (shift - low) * (here[np.minimum(index + 1, self.bins - 1)] - here[index])
        after = np.where(np.arange(self.bins) + low >= self.bins, 0.0, after)
        return np.asarray(1.0 - after / np.maximum(here, 1e-300)).clip(0.0, 1.0)

    def quantiles(self, nodes: int) -> tuple[list[float], list[float]]:
        """Ring times of an answered call at the middles of `nodes` equal shares, and P(until there)."""
        done = np.concatenate((1.0 - self.survive_answered, [1.0]))
        edges = np.arange(len(done)) * self.width
        shares = (np.arange(nodes) + 0.5) / nodes
        return np.interp(shares, done, edges).tolist(), shares.tolist()

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "answers": (self._answers / self._weight).tolist(),
            "fails": (self._fails / self._weight).tolist(),
            "alive": (self._alive / self._weight).tolist(),
            "resolved": self.resolved,
            "age_tells": self._age_tells,
            "width": self.width,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` wrote, if it fits the bins (another ring_timeout starts afresh)."""
        parts = [np.asarray(state[k], dtype=np.float64) for k in ("answers", "fails", "alive")]
        if state["width"] != self.width or any(part.shape != (self.bins,) for part in parts):
            return
        self._answers, self._fails, self._alive = parts
        self._weight = 1.0
        self.resolved = int(state["resolved"])
        self._age_tells = float(state.get("age_tells", 0.0))
        self.fit()
