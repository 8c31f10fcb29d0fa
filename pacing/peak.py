"""The worst stretch of a shift: the index is tightened when the last minutes have used up their share.

A policy that keeps an average still has bad stretches: with 20 agents ten minutes hold 70 answered calls
and about two abandoned ones, and the worst of two dozen such stretches holds six, also under the exact optimum
with everything known. So the average alone cannot keep a stretch under twice the cap. What can: once a
stretch has used EASY of its quota (`peak` x cap x its answered calls), the index falls in proportion to
what is left. What is lost then is made up for in calm minutes by the budget's integral controller.
A quota of few calls would make chance a peak: where two abandoned calls are expected, five come in one stretch of
twenty under any policy, and easing off each time cost half a point. So the quota is FEWEST x `peak` calls at least.

What no such guard stops is a cluster: one abandoned call in four is lost within seconds of another, having rung
already when the agents ran out (benchmarks/pacing/stretches.py has what that costs).
"""

from __future__ import annotations

from collections import deque

FEWEST = 3.5
EASY = 0.35
STEEP = 1.5
LEAST = 0.02
EXPECTED = 0.8  # of the calls that agents occupied without a pause would answer


class Peak:
    """Answered and abandoned calls of the last `window` s, of which `times` x `cap` may be abandoned."""

    def __init__(self, times: float, cap: float, window: float) -> None:
        self._quota = times * cap
        self._fewest = FEWEST * times
        self._window = window
        self._answered: deque[float] = deque()
        self._abandoned: deque[float] = deque()

    def observe(self, abandoned: bool, now: float) -> None:
        """An answered call was connected or abandoned."""
        self._answered.append(now)
        if abandoned:
            self._abandoned.append(now)
        for times in (self._answered, self._abandoned):
            while times and times[0] < now - self._window:
                times.popleft()

    def factor(self, now: float, answered_per_second: float) -> float:
        """What to multiply the index by, in [LEAST, 1]."""
        if not self._abandoned:
            return 1.0
        start = now - self._window
        lost = len(self._abandoned)
        for at in self._abandoned:
            if at >= start:
                break
            lost -= 1
        answered = max(float(len(self._answered)), EXPECTED * answered_per_second * self._window)
        left = 1.0 - lost / max(self._fewest, self._quota * answered)
        return float(max(LEAST, min(1.0, max(0.0, left) / (1.0 - EASY)) ** STEEP))
