"""The calls in the air and what is to be expected of them.

Calls are counted per segment and age (the bins of the ring law), so a decision costs the same with
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

from pacing.ages import AgeCounts
from pacing.answering import RingLaw
from pacing.book import Call
from pacing.change import Change
from pacing.config import PacingConfig
from pacing.decision import CallId, Segment
from pacing.index import NODES
from pacing.level import Level, posterior

Array = NDArray[np.float64]
UNPROVEN = 8.0  # calls' worth of evidence that open calls may give before any was counted
SEGMENT_CALLS = 40.0  # what the common level is worth against a segment's own evidence
RESTART_CALLS = 8.0  # what the past is worth after a jump, at least


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
        self._ages: dict[Segment, AgeCounts] = {}
        self._all = AgeCounts(self.ring.width, self.ring.bins)
        self.change = Change(self.ring.width, self.ring.bins)
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
        self._ages = {}
        self._all = AgeCounts(self.ring.width, self.ring.bins)
        self.change.clear()
        self._queue.clear()
        self._open_answers = self._open_trials = 0.0

    def placed(self, call: CallId, record: Call, segment: Segment) -> None:
        """A call is in the air since `record.placed_at`."""
        at = record.placed_at
        trial = record.trial = Trial(at, segment)
        ages = self._ages.get(segment)
        if ages is None:
            ages = self._ages[segment] = AgeCounts(self.ring.width, self.ring.bins)
            self._bins[segment] = {}
        self._bins[segment].setdefault(ages.key(at), {})[call] = record
        ages.add(at, at)
        self._all.add(at, at)
        self.change.placed(at, at)
        self._queue.append(trial)

    def ended(self, call: CallId, record: Call, now: float, end: str) -> None:
        """It was answered, failed, given_up (by us), or lost (says nothing about people)."""
        trial: Trial = record.trial
        at = trial.placed_at
        bins = self._bins[trial.segment]
        key = self._all.key(at)
        del bins[key][call]
        if not bins[key]:
            del bins[key]
        self._all.add(at, now, -1.0)
        self._ages[trial.segment].add(at, now, -1.0)
        if not bins:
            del self._bins[trial.segment], self._ages[trial.segment]
        age = now - at
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
            self.ring.fit(self._all.seen(now))
        self._compare(trial, now, end, age)
        if trial.counted:
            return
        trial.result = result
        if result == result:
            self._open_answers += result
            self._open_trials += 1.0
        self._count(now)

    def _compare(self, trial: Trial, now: float, end: str, age: float) -> None:
        """Look for a jump of the answer rate in the latest calls."""
        change = self.change
        if end == "answered":
            change.answered(trial.placed_at, now)
        elif end != "failed":
            change.cut(trial.placed_at, now, float(self.ring.survive_answered[self._age_bin(age)]))
        if not change.due(end == "answered"):
            return
        spent = 1.0 - self.ring.survive_answered
        jump = change.test(now, spent, *self.level.evidence())
        if jump is None:
            return
        rate, exposure, _ = jump
        answered, failed = self.level.evidence()
        ratio = rate * (answered + failed) / max(answered, 0.5)
        # what the suffix tells and the level will not be told again
        counted = exposure - self._open_trials - float(self._all.seen(now) @ spent)
        self.level.restart(ratio, max(RESTART_CALLS, counted))
        for level in self.segments.values():
            level.restart(ratio, RESTART_CALLS)

    def not_a_person(self, call: Call, now: float) -> None:
        """An answer was a machine: correct the counts."""
        trial = call.trial
        assert call.answered_at is not None
        self.change.answered(trial.placed_at, now, -1.0)
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
            self.level.observe(result, trial.placed_at)
            if trial.segment is not None:
                self._segment(trial.segment).observe(result, trial.placed_at)

    def _segment(self, segment: Segment) -> Level:
        level = self.segments.get(segment)
        if level is None:
            level = self.segments[segment] = Level(self._config.memory)
        return level

    def _age_bin(self, age: float) -> int:
        return min(int(age / self.ring.width), self.ring.bins - 1)

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
        variance = p * (1.0 - p) / (weight + 1.0)
        more = self.change.rate - p
        if more > 0.0:  # perhaps the rate has just jumped up
            doubt = self.change.weight
            p += doubt * more
            variance += doubt * (1.0 - doubt) * more * more
        return p, math.sqrt(variance) / p, trust >= 1.0

    def _expected_rate(
        self, answered: float, failed: float, open_answers: float, open_trials: float, ages: Array, trust: float
    ) -> tuple[float, float]:
        """Answer rate by expectation-maximisation over the calls in the air, and its weight in calls."""
        c = self._config
        a = answered + trust * open_answers + c.prior_answer_rate * c.prior_answer_calls
        n = answered + failed + trust * open_trials + c.prior_answer_calls
        calls = float(ages.sum())
        p = a / n
        if calls > 0.5:
            against = self.ring.against
            weighed, rest = trust * ages, 1.0 - against
            whole = n + trust * calls
            for _ in range(12):
                before = p
                p = (a + p * float((weighed / (against + p * rest)).sum())) / whole
                if abs(p - before) < 0.01 * p:
                    break
        return p, answered + failed + trust * open_trials + c.prior_answer_calls

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
        every = self._all.seen(now)
        p, spread, proven = self._rate(every)
        weighted = self._to_answer(now, every, p)
        return Outlook(p, spread, float(weighted.sum()), (self._until @ weighted).tolist(), proven)

    def _to_answer(self, now: float, every: Array, p: float) -> Array:
        """Answers to come by age bin, shape (bins,); every: calls in the air; p: answer rate of the whole."""
        if not any(segment in self.segments for segment in self._ages):
            return every * self.ring.still_to_answer(p)
        weighted = np.zeros(self.ring.bins)
        for segment, ages in self._ages.items():
            weighted += ages.seen(now) * self.ring.still_to_answer(self._own(segment, p))
        return weighted

    def answers_within(self, now: float, horizon: float) -> tuple[float, float, int]:
        """Mean and variance of the answers of calls now in the air until now + horizon, and their number."""
        every = self._all.seen(now)
        p, spread, _ = self._rate(every)
        mean = variance = 0.0
        within = self.ring.answered_within(horizon)
        for segment, ages in self._ages.items():
            chance = self.ring.still_to_answer(self._own(segment, p)) * within
            seen = ages.seen(now)
            mean += float(seen @ chance)
            variance += float(seen @ (chance * (1.0 - chance)))
        return mean, variance + (mean * spread) ** 2, round(self._all.total)

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
