"""How a list runs down: an hour after the other, without agents, at the rate of talks that a team bears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pacing.errors import InvalidValueError
from pacing.rates import DAY
from pacing.supply import RETRY_AFTER, ContactList

#: Longer lists are simulated smaller, with a team that is smaller in proportion.
MOST_CONTACTS = 20_000
STEP = 600.0
MOST_DAYS = 400


@dataclass(frozen=True, slots=True)
class Rundown:
    """left: contacts neither reached nor given up, at the end of each day; starved: the first day on which agents had
    to wait for contacts (from 1; None: never); calls: placed in all; reached: contacts talked to; callbacks: further
    talks with them that had been promised."""

    left: tuple[float, ...]
    starved: int | None
    calls: float
    reached: float
    callbacks: float = 0.0

    @property
    def days(self) -> int | None:
        """Days until nobody is left; None: longer than was looked at."""
        return len(self.left) if self.left and self.left[-1] == 0 else None


def run_down(
    contacts: int,
    connected_a_day: float,
    calls_a_day: float,
    hours: float,
    answer_rate: float,
    *,
    machine_rate: float = 0.0,
    abandoned: float = 0.0,
    attempts: int = 8,
    retry_after: Mapping[str, float] | None = None,
    even: float = 2.0,
    seed: int = 1,
    callbacks: float = 0.0,
    callback_after: float = DAY,
) -> Rundown:
    """A list of `contacts` at `connected_a_day` talks a day of `hours` hours.

    connected_a_day, calls_a_day: what the team makes of an endless list; fewer answers later mean more calls, at most
    three times as many. abandoned: share of the answered. The others: see `ContactList`. Raises `InvalidValueError`.
    """
    if connected_a_day <= 0.0 or calls_a_day <= 0.0 or hours <= 0.0:
        raise InvalidValueError("nothing is dialed")
    factor = max(1.0, contacts / MOST_CONTACTS)
    delays = RETRY_AFTER if retry_after is None else retry_after
    supply = ContactList(round(contacts / factor), attempts, dict(delays), even, seed, callbacks, callback_after)
    rng = np.random.default_rng([seed, 101])
    steps = max(1, round(hours * 3600.0 / STEP))
    talks_a_step = connected_a_day / factor / steps
    calls_a_step = 3.0 * calls_a_day / factor / steps
    left: list[float] = []
    starved: int | None = None
    calls = reached = kept = 0
    talks_owed = calls_owed = 0.0
    for day in range(MOST_DAYS):
        for step in range(steps):
            now = day * DAY + step * STEP
            talks_owed = min(talks_owed, talks_a_step) + talks_a_step
            calls_owed = min(calls_owed, calls_a_step) + calls_a_step
            while talks_owed >= 1.0 and calls_owed >= 1.0:
                if not supply.ready(now):
                    starved = starved or day + 1
                    break
                contact = supply.take(now)
                calls, calls_owed = calls + 1, calls_owed - 1.0
                outcome = _outcome(
                    rng.random(), rng.random(), answer_rate * supply.factor(contact), machine_rate, abandoned
                )
                again = supply.promised(contact)
                supply.ended(contact, outcome, now)
                if outcome == "answered":
                    talks_owed -= 1.0
                    kept, reached = kept + again, reached + (not again)
        left.append(supply.left * factor)
        if not supply.left:
            break
    return Rundown(tuple(left), starved, calls * factor, reached * factor, kept * factor)


def _outcome(drawn: float, second: float, answers: float, machines: float, abandoned: float) -> str:
    if drawn < min(1.0 - machines, answers):
        return "abandoned" if second < abandoned else "answered"
    return "machine" if drawn > 1.0 - machines else "no_answer"
