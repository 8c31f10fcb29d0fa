"""Has the answer rate changed just now? Asked of the latest calls, those still ringing included.

A call that was placed e seconds ago has had the share F(e) of its chance to be answered (F: law of the
ring time of answered calls): its exposure. For every suffix of the calls by time of placing, answers
O and exposure M are compared with the level's evidence by the two-sample Poisson likelihood ratio
(generalised likelihood ratio test, Siegmund 1985; exposures as in survival analysis). Nothing waits
for calls to end: a jump shows in the answers that come too soon, seconds after it.

Two uses. Beyond ALARM the jump is believed and the level starts anew from the suffix. Below, a jump
upwards is believed by its posterior weight (prior odds exp(-DOUBT)), because too many answers cost more
than too few.

Approximations. The ring law is taken as known; TOLERANCE makes the test blind to deviations of about
its root, so that an error in the law or a slow drift raises no alarm.
"""

from __future__ import annotations

import math

import numpy as np

from pacing.ages import AgeCounts, Array

ALARM = 8.0
ALARM_DOWN = 10.0  # a fall that is believed wrongly is answered by a burst of calls: ask for more
DOUBT = 6.5
WORTH_A_THOUGHT = 3.5  # logarithm of the likelihood ratio; chance alone gives less, and it would cost
LIKELY = 2.5  # a jump is thought to be by this factor at most; a larger one is two jumps
TOLERANCE = 0.01
LEAST = 5.0  # exposure of a suffix, calls
KNOWN = 30.0  # evidence of the level, calls, before which there is nothing to compare with
STEP = 4  # suffixes begin at every STEP-th bin
FAILS_BETWEEN = 8  # a test with every answer, and with every so many failures


class Change:
    """Latest calls by time of placing, and the verdict on them. width: s of a bin; bins: of the ring law."""

    def __init__(self, width: float, bins: int) -> None:
        self._width = width
        self._bins = 4 * bins
        self.clear()

    def clear(self) -> None:
        """Forget the calls."""
        self._placed = AgeCounts(self._width, self._bins)
        self._answered = AgeCounts(self._width, self._bins)
        self._fails = 0
        self.weight = 0.0  # posterior weight of a jump upwards
        self.rate = 0.0  # to this answer rate

    def placed(self, placed_at: float, now: float) -> None:
        """A call was placed."""
        self._placed.add(placed_at, now)

    def answered(self, placed_at: float, now: float, people: float = 1.0) -> None:
        """A call placed at `placed_at` was answered; -1: it was a machine after all."""
        self._answered.add(placed_at, now, people)

    def cut(self, placed_at: float, now: float, left: float) -> None:
        """A call ended early by our doing, with the share `left` of its chance unspent."""
        self._placed.add(placed_at, now, -left)

    def due(self, answered: bool) -> bool:
        """A call ended: is it time for a test?"""
        self._fails = 0 if answered else self._fails + 1
        return answered or self._fails >= FAILS_BETWEEN

    def test(self, now: float, spent: Array, answered: float, failed: float) -> tuple[float, float, float] | None:
        """(answer rate, exposure, age in s) of the suffix that proves a jump, or None.

        spent: F by age bin of the ring law; answered, failed: the level's evidence, in calls.
        """
        self._fails = 0
        self.weight = 0.0
        n = answered + failed
        if n < KNOWN:
            return None
        chance = np.ones(self._bins)
        chance[: len(spent)] = spent
        exposure = np.cumsum(self._placed.seen(now) * chance)[STEP - 1 : -1 : STEP]
        answers = np.cumsum(self._answered.seen(now))[STEP - 1 : -1 : STEP]
        m = np.maximum(exposure, LEAST)
        o = np.maximum(answers, 1e-3)
        known = max(answered, 0.5)
        pooled = np.minimum((o + known) / (m + n), 0.9)
        ratio = o * np.log(o / (m * pooled)) + known * np.log(known / (n * pooled))
        ratio /= 1.0 + TOLERANCE * pooled * m
        ratio[exposure < LEAST] = 0.0
        best = int(ratio.argmax())
        proof, rate = float(ratio[best]), min(0.98, float(answers[best] / m[best]))
        if proof > WORTH_A_THOUGHT and rate > known / n:
            self.weight = 1.0 / (1.0 + math.exp(min(50.0, DOUBT - proof)))
            self.rate = min(rate, LIKELY * known / n)
        if proof < (ALARM if rate > known / n else ALARM_DOWN):
            return None
        self.weight = 0.0
        age = (best + 1) * STEP * self._width
        self._placed.drop_older(age)
        self._answered.drop_older(age)
        bounded = min(max(rate, known / n / LIKELY), known / n * LIKELY)
        return bounded, float(exposure[best]), age
