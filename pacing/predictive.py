"""The predictive decision: the index rule on what the estimates say, and whom to give up.

Calls are added while the index rule bears them (`pacing.index`). When the loss has grown to GIVE_UP
times the index, because agents went or more people answer than expected, ringing calls past the
floor are given up until it is borne again.
"""

from __future__ import annotations

import math

from pacing.air import Air
from pacing.book import Book, Call
from pacing.budget import Budget
from pacing.config import PacingConfig
from pacing.decision import CallId
from pacing.handling import HandleTime
from pacing.index import IndexRule

GIVE_UP = 4.0  # a ringing call is given up when its loss exceeds this many times the index
MOST_GIVEN_UP = 200  # calls in one decision; the engine asks again after each
UPPER = 0.9  # standard deviations
WORTHLESS = 0.04  # giving up a call that is this much less likely to be answered than a fresh one is idle


class Predictive:
    """Reads the estimates that the pacer keeps; owns none."""

    def __init__(self, config: PacingConfig, air: Air, handle: HandleTime, budget: Budget) -> None:
        self._config = config
        self._air = air
        self._handle = handle
        self._budget = budget

    def decide(
        self, now: float, book: Book, idle: int, busy: int, why: dict[str, float]
    ) -> tuple[int, tuple[CallId, ...]]:
        """(calls wished for, calls to give up); at most one of them is not empty. Fills `why`.

        idle: available agents less waiting calls; busy: occupied agents that stay.
        """
        config = self._config
        view = self._air.outlook(now)
        nodes, within = self._air.nodes()
        handle = self._handle.mean(book.occupied(now))
        per_second = busy / handle
        ring = self._air.ring.mean_ring
        agents = len(book.agents)
        answered_per_second = max(1, agents) / handle
        aim = self._budget.aim(now, answered_per_second)
        tau = self._budget.index(now, aim, answered_per_second, agents, agents * ring / handle)
        # a bad stretch tightens what is placed; it is no reason to give up what rings: that costs more
        bearable = GIVE_UP * tau
        tau *= self._budget.calm(now, answered_per_second)
        rule = IndexRule(
            idle, [per_second * (t + config.patience) for t in nodes], view.until, within,
            view.p, view.spread,
        )  # fmt: skip
        loss = rule.loss(0.0)
        freed = per_second * (ring + config.patience)
        most = math.floor(config.most_per_agent * agents) - len(book.in_air)
        if not view.proven:
            # first calls of a shift: bear even an answer rate at the upper end of what is believed
            high = min(1.0, view.p * (1.0 + UPPER * view.spread))
            most = min(most, max(1, math.floor((idle + freed) / high)) - len(book.in_air))
        wish = min(most, rule.place(tau, max(1, most)) if loss <= tau else 0)
        why.update(
            answers_to_come=view.to_come, answer_rate=view.p, answer_rate_cv=view.spread,
            handle=handle, freed=freed,
            index=tau, loss=loss, ring=ring,
            abandoned=self._budget.abandoned, answered=self._budget.answered, aim=aim,
        )  # fmt: skip
        if wish > 0 or not config.cancel or loss <= bearable:
            return wish, ()
        return 0, self._give_up(now, rule, bearable, view.p, why)

    def _give_up(self, now: float, rule: IndexRule, tau: float, p: float, why: dict[str, float]) -> tuple[CallId, ...]:
        """Calls past the floor to give up, likeliest answers first, until the loss is borne."""
        chance = (self._air.ring.still_to_answer(p) / p).tolist()
        gone = 0.0
        chosen: list[CallId] = []
        groups = self._air.by_age(now, self._config.ring_floor)
        for age, calls in sorted(groups, key=lambda group: -chance[group[0]]):
            each = chance[age]
            if each < WORTHLESS or len(chosen) >= MOST_GIVEN_UP or rule.loss(-gone) <= tau:
                break
            for call in floor_passed(calls, now, self._config.ring_floor):
                chosen.append(call)
                gone += each
                # looking at every call is not worth its time once many have gone
                if len(chosen) >= MOST_GIVEN_UP or (len(chosen) < 32 and rule.loss(-gone) <= tau):
                    break
        why["given_up"] = len(chosen)
        return tuple(chosen)

    def answered_per_second(self, now: float, book: Book) -> float:
        """Answered calls per second that keep the logged-in agents busy; at least one agent's."""
        return max(1, len(book.agents)) / self._handle.mean(book.occupied(now))


def believed(now: float, book: Book, air: Air, handle_time: HandleTime, patience: float) -> dict[str, float]:
    """answer_rate; handle and ring, s; waiting calls; answers_to_come of the calls in the air, and agents freed, within
    a ring time.
    """
    view, handle, ring = air.outlook(now), handle_time.mean(book.occupied(now)), air.ring.mean_ring
    return {
        "answer_rate": view.p, "handle": handle, "ring": ring, "waiting": len(book.waiting),
        "answers_to_come": view.to_come if book.in_air else 0.0, "freed": book.busy / handle * (ring + patience),
    }  # fmt: skip


def floor_passed(calls: dict[CallId, Call], now: float, floor: float) -> list[CallId]:
    """Of `calls`, those that have rung `floor` s."""
    return [call for call, record in calls.items() if now - record.floor_from() >= floor]
