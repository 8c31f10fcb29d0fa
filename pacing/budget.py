"""The abandonment budget: how much of the cap may be spent now, and the index that spends it.

Two levels. Outer: the rate of abandonment to aim at, from what the legal window has used so far and
how much of it is left, so that the chance of ending it over the cap stays below `overrun_chance`
(normal bound on the number still to come). Inner: an integral controller on the logarithm of the
index tau of `pacing.index`; every answered call moves it by gain x (aim - abandoned), so the
long-run share of abandoned calls is the aim, whatever the model of the target gets wrong.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

from pacing.peak import Peak

# the gain: the first guess of the index is worth so many abandoned calls, and each one seen makes the next tell less
# (posterior variance of the logarithm of a Poisson rate), down to LEAST_GAIN: what is right changes over a day
FIRST_GUESS, LEAST_GAIN = 5.0, 0.07
LOWEST, HIGHEST = -3.0, 2.5
# without a window: the aim repays a surplus while so many calls are abandoned, within these factors of the plain aim;
# sooner, and chance that would even out by itself moves the index: at a cap of 1 % it wandered by 40 %
REPAY, POOREST, RICHEST = 12.0, 0.4, 1.2
REPAY_SOONEST = 2.4  # but at the start, when the first guess may be wrong, while as few as these are
# a further margin while little is known, shrinking with the calls answered
EARLY, EARLY_CALLS = 0.4, 30.0
# a small team need not start so carefully: its first calls are few, and where they may be given up it takes back what
# was too much; the first wave of a large team is one gamble on one answer rate
SMALL, SMALL_EARLY, SMALL_FIRM = 10.0, 0.85, 0.2  # up to so many agents wholly, from twice as many on not at all


class Budget:
    """Counts of answered and abandoned calls, the aim and the trim (see the module)."""

    def __init__(
        self, cap: float, margin: float, overrun_chance: float, boldness: float = 1.0, peak: Peak | None = None
    ) -> None:
        self.cap = cap
        self._peak = peak
        self._boldness = boldness  # factor on the first guess of the index; above 1: calls may be given up
        self.margin = margin
        self._z = NormalDist().inv_cdf(1.0 - overrun_chance)
        self.answered = 0
        self.abandoned = 0
        self.trim = 0.0
        self._aimed = 0.0  # the aim at the last answered call
        self._settled = 0  # answered calls since the start or the last jump
        self._window: tuple[float, float, float] | None = None  # answered, abandoned before us; end

    def set_window(self, now: float, answered: float, abandoned: float, window_left: float) -> None:
        """The legal window so far, our own calls included; `window_left` in s."""
        self._window = (answered - self.answered, abandoned - self.abandoned, now + window_left)

    def observe(self, abandoned: bool, now: float, answered_per_second: float) -> None:
        """An answered call was connected or abandoned."""
        aim = self._aimed = self.aim(now, answered_per_second)
        self.answered += 1
        self.abandoned += abandoned
        gain = self._gain()
        self._settled += 1
        if self._peak is not None:
            self._peak.observe(abandoned, now)
        self.trim = min(HIGHEST, max(LOWEST, self.trim + gain * (aim - (1.0 if abandoned else 0.0))))

    def unsettle(self) -> None:
        """The answer rate has jumped: steer harder for a while."""
        self._settled = 0

    def take_back(self, abandoned: bool) -> None:
        """An answered call was no person: it leaves the counts, and what it moved the index by is undone. Else each
        machine that an agent took would make room to abandon a person."""
        self.answered -= 1
        self.abandoned -= abandoned
        step = self._gain() * (self._aimed - (1.0 if abandoned else 0.0))
        self.trim = min(HIGHEST, max(LOWEST, self.trim - step))

    def _gain(self) -> float:
        """Of the controller: high after a start or a jump."""
        return max(LEAST_GAIN, 1.0 / (FIRST_GUESS + self.cap * self._settled))

    def aim(self, now: float, answered_per_second: float) -> float:
        """The share of answered calls that may be abandoned from here on."""
        plain = self.cap * max(0.1, 1.0 - self.margin - EARLY / (1.0 + self.answered / EARLY_CALLS))
        if self._window is None or now >= self._window[2]:
            # what was overspent so far is saved over the next calls, what was saved is spent
            surplus = self.abandoned - self.cap * (1.0 - self.margin) * self.answered
            repay = min(REPAY, REPAY_SOONEST + self.cap * self.answered)
            return min(RICHEST * plain, max(POOREST * plain, plain - self.cap * surplus / repay))
        before, lost, end = self._window
        answered, abandoned = before + self.answered, lost + self.abandoned
        to_come = max(1.0, (end - now) * answered_per_second)
        slack = self.cap * (answered + to_come) - abandoned
        if slack <= 0.0:
            return 0.0
        # the largest mean x with x + z sqrt(x) <= slack
        root = 0.5 * (math.sqrt(self._z * self._z + 4.0 * slack) - self._z)
        return min(plain, root * root / to_come)

    def index(self, now: float, aim: float, answered_per_second: float, agents: int, freed_per_ring: float) -> float:
        """The index tau for `pacing.index`, in (0, 0.6).

        aim: that of `aim`; agents: logged in; freed_per_ring: agents x mean ring / handle. The first guess is
        fitted to the best indices of `pacing.optimum.index_optimum`; the trim corrects it.
        """
        base = self._boldness * max(aim, 1e-5) * (0.48 + 0.14 / max(freed_per_ring, 0.6))
        early = SMALL_EARLY if self._boldness > 1.0 else SMALL_FIRM
        base *= 1.0 + early * min(1.0, max(0.0, 2.0 - agents / SMALL)) / (1.0 + self.answered / EARLY_CALLS)
        few = 1.0 + 2.0 / max(1, agents) ** 2
        return float(min(0.6, base * few * math.exp(self.trim)))

    def calm(self, now: float, answered_per_second: float) -> float:
        """What to multiply the index by so that no stretch becomes a peak, in (0, 1]."""
        return 1.0 if self._peak is None else self._peak.factor(now, answered_per_second)

    def state(self) -> dict[str, Any]:
        """JSON-able; the window is not kept: the store tells it again."""
        return {
            "answered": self.answered,
            "abandoned": self.abandoned,
            "trim": self.trim,
            "settled": self._settled,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` wrote."""
        self.answered = int(state["answered"])
        self.abandoned = int(state["abandoned"])
        self.trim = float(state["trim"])
        self._settled = int(state["settled"])
