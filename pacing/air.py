"""The calls in the air and what is to be expected of them.

Calls are counted per segment and placing time (the bins of the ring law), so a decision costs the same with
5 ringing calls or 5,000. Outcomes reach the level estimates in the order of placing: calls placed
together are counted together, or the quick ones (answers) would bias the level. Calls not yet
counted enter each decision by their posterior (the E-step of the cure model).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacing.answering import RingLaw
from pacing.book import Call
from pacing.config import PacingConfig
from pacing.decision import CallId, Segment
from pacing.index import NODES
from pacing.level import Level, posterior

Array = NDArray[np.float64]
UNPROVEN = 8.0  # calls' worth of evidence that open calls may give before any was counted
SEGMENT_CALLS = 40.0  # what the common level is worth against a segment's own evidence


@dataclass(slots=True)
class Trial:
    """One call on its way to the level estimates. result: chance that it was an answer, None while
    open, NaN if it says nothing."""

    placed_at: float
    segment: Segment
    result: float | None = None
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the air holds at one moment. p, spread: answer rate of a fresh call and its coefficient of
    variation; to_come: answers still expected; until: answers expected until each node, shape (NODES,);
    proven: whole calls have been counted, so that the ring laws are more than a prior."""

    p: float
    spread: float
    to_come: float
    until: list[float]
    proven: bool


class Air:
    """Counts of calls in the air, and the estimates of whether and when they are answered."""

    def __init__(self, config: PacingConfig) -> None:
        self._config = config
        self.ring = RingLaw(config.ring_timeout, config.prior_ring, config.prior_answer_rate, config.prior_ring_calls)
        self.level = Level(config.memory)
        self.segments: dict[Segment, Level] = {}
        self._bins: dict[Segment, dict[int, dict[CallId, Call]]] = {}
        self._queue: deque[Trial] = deque()
        self._open_answers = 0.0  # of trials resolved but not yet counted
        self._open_trials = 0.0
        self._fit = -1
        self._nodes: list[float] = []
        self._within: list[float] = []
        self._until = np.zeros((NODES, 0))

    def clear(self) -> None:
        """Forget the live calls, not what was learned."""
        self._bins = {}
        self._queue.clear()
        self._open_answers = self._open_trials = 0.0

    def placed(self, call: CallId, record: Call, segment: Segment) -> None:
        """A call is in the air since `record.placed_at`."""
        trial = record.trial = Trial(record.placed_at, segment)
        bins = self._bins.setdefault(segment, {})
        bins.setdefault(int(record.placed_at // self.ring.width), {})[call] = record
        self._queue.append(trial)

    def ended(self, call: CallId, record: Call, now: float, end: str) -> None:
        """It was answered, failed, given_up (by us), or lost (says nothing about people)."""
        trial: Trial = record.trial
        bins = self._bins[trial.segment]
        key = int(trial.placed_at // self.ring.width)
        del bins[key][call]
        if not bins[key]:
            del bins[key]
        age = now - trial.placed_at
        if end == "answered":
            result = 1.0
        elif end == "failed":
            result = 0.0
        elif end == "given_up":
            # mostly no-answers are given up: without this the level would be too high
            answered, failed = self.level.evidence()
            c = self._config
            p, _ = posterior(answered, failed, c.prior_answer_rate, c.prior_answer_calls)
            result = float(self.ring.still_to_answer(p)[self._age_bin(age)])
        else:
            result = math.nan
        self.ring.observe(age, end if end in ("answered", "failed") else "censored")
        if self.ring.stale:
            self.ring.fit(self._every_age(now))
        if trial.counted:
            return
        trial.result = result
        if result == result:
            self._open_answers += result
            self._open_trials += 1.0
        self._count(now)

    def not_a_person(self, call: Call) -> None:
        """An answer was a machine: correct the counts."""
        trial = call.trial
        assert call.answered_at is not None
        self.ring.take_back(call.answered_at - call.placed_at)
        if trial.counted:
            self.level.take_back()
            self._segment(trial.segment).take_back()
        elif trial.result is not None:
            self._open_answers -= trial.result
            trial.result = 0.0

    def _count(self, now: float) -> None:
        stuck = now - 2.0 * self._config.ring_timeout
        queue = self._queue
        while queue and (queue[0].result is not None or queue[0].placed_at < stuck):
            trial = queue.popleft()
            trial.counted = True
            result = trial.result
            if result is None or result != result:
                continue
            self._open_answers -= result
            self._open_trials -= 1.0
            self.level.observe(result)
            if trial.segment is not None:
                self._segment(trial.segment).observe(result)

    def _segment(self, segment: Segment) -> Level:
        level = self.segments.get(segment)
        if level is None:
            level = self.segments[segment] = Level(self._config.memory)
        return level

    def _age_bin(self, age: float) -> int:
        return min(int(age / self.ring.width), self.ring.bins - 1)

    def _ages(self, bins: dict[int, dict[CallId, Call]], now: float) -> Array:
        """Calls by age bin, shape (ring.bins,)."""
        placed = np.fromiter(bins.keys(), dtype=np.float64, count=len(bins))
        count = np.fromiter(map(len, bins.values()), dtype=np.float64, count=len(bins))
        age = np.minimum(np.maximum(now / self.ring.width - 0.5 - placed, 0.0), self.ring.bins - 1.0).astype(np.int64)
        return np.asarray(np.bincount(age, weights=count, minlength=self.ring.bins))

    def _every_age(self, now: float) -> Array:
        """All calls in the air by age bin."""
        return sum((self._ages(b, now) for b in self._bins.values() if b), np.zeros(self.ring.bins))

    def _rate(self, ages: Array) -> tuple[float, float, bool]:
        """Answer rate of a fresh call, calls in the air included; its coefficient of variation; proven."""
        answered, failed = self.level.evidence()
        open_trials = max(0.0, self._open_trials)
        open_answers = min(max(0.0, self._open_answers), open_trials)
        # a call in the air tells as much as the share of the answers that would have come by now
        told = float(ages @ (1.0 - self.ring.survive_answered))
        # What open calls say rests on the ring laws; before whole calls have been counted, those are
        # mostly prior, and a hundred calls of the same age must not outweigh it.
        trust = min(1.0, (UNPROVEN + answered + failed) / max(open_trials + told, 1e-9))
        p, weight = self._expected_rate(answered, failed, open_answers, open_trials, ages, trust)
        if trust < 1.0:  # but where they say that more will answer, they are believed
            bold, _ = self._expected_rate(answered, failed, open_answers, open_trials, ages, 1.0)
            p = max(p, bold)
        weight += trust * told
        return p, math.sqrt((1.0 - p) / (p * (weight + 1.0))), trust >= 1.0

    def _expected_rate(
        self, answered: float, failed: float, open_answers: float, open_trials: float, ages: Array, trust: float
    ) -> tuple[float, float]:
        """Answer rate by expectation-maximisation over the calls in the air, and its weight in calls."""
        c = self._config
        answered += trust * open_answers
        failed += trust * (open_trials - open_answers)
        p, _ = posterior(answered, failed, c.prior_answer_rate, c.prior_answer_calls)
        calls = float(ages.sum())
        for _ in range(12 if calls > 0.5 else 0):
            expected = trust * float(ages @ self.ring.still_to_answer(p))
            after, _ = posterior(
                answered + expected,
                failed + trust * calls - expected,
                c.prior_answer_rate,
                c.prior_answer_calls,
            )
            close = abs(after - p) < 0.01 * p
            p = after
            if close:
                break
        return p, answered + failed + c.prior_answer_calls

    def nodes(self) -> tuple[list[float], list[float]]:
        """(ring times T_j of a fresh answered call, P(answered until T_j)); each NODES long."""
        if self._fit != self.ring.version:
            self._nodes, self._within = self.ring.quantiles(NODES)
            self._until = np.stack([self.ring.answered_within(t) for t in self._nodes])
            self._fit = self.ring.version
        return self._nodes, self._within

    def outlook(self, now: float) -> Outlook:
        """What to expect of the calls in the air, and of a fresh one."""
        self.nodes()
        ages = {s: self._ages(b, now) for s, b in self._bins.items() if b}
        every = sum(ages.values(), np.zeros(self.ring.bins))
        p, spread, proven = self._rate(every)
        weighted = np.zeros(self.ring.bins)
        for segment, count in ages.items():
            weighted += count * self.ring.still_to_answer(self._own(segment, p))
        return Outlook(p, spread, float(weighted.sum()), (self._until @ weighted).tolist(), proven)

    def answers_within(self, now: float, horizon: float) -> tuple[float, float, int]:
        """Mean and variance of the answers of calls now in the air until now + horizon, and their number."""
        every = self._every_age(now)
        p, spread, _ = self._rate(every)
        mean = variance = 0.0
        for segment, bins in self._bins.items():
            if not bins:
                continue
            ages = self._ages(bins, now)
            chance = self.ring.still_to_answer(self._own(segment, p)) * self.ring.answered_within(horizon)
            mean += float(ages @ chance)
            variance += float(ages @ (chance * (1.0 - chance)))
        return mean, variance + (mean * spread) ** 2, round(float(every.sum()))

    def _own(self, segment: Segment, p: float) -> float:
        """The answer rate of a segment, `p` being that of the whole."""
        if segment is None or segment not in self.segments:
            return p
        return posterior(*self.segments[segment].evidence(), p, SEGMENT_CALLS)[0]

    def by_age(self, now: float, least: float) -> list[tuple[int, dict[CallId, Call]]]:
        """Calls placed at least about `least` s ago, as (age bin, calls), the youngest first."""
        groups = [
            (max(0, min(int(now / self.ring.width - 0.5 - key), self.ring.bins - 1)), calls)
            for bins in self._bins.values()
            for key, calls in bins.items()
            if now - key * self.ring.width >= least
        ]
        groups.sort(key=lambda group: group[0])
        return groups

    def state(self) -> dict[str, Any]:
        """JSON-able. Segments are kept if they are text, numbers or None."""
        plain = (str, int, float, type(None))
        return {
            "ring": self.ring.state(),
            "level": self.level.state(),
            "segments": [[s, lv.state()] for s, lv in self.segments.items() if isinstance(s, plain)],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` wrote."""
        self.ring.restore(state["ring"])
        self.level.restore(state["level"])
        for segment, saved in state["segments"]:
            self._segment(segment).restore(saved)
