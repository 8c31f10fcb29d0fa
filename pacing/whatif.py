"""What to expect of a campaign before it runs: many simulated days with the production pacer.

Model. The laws are those of `pacing.laws.lifelike`, with the talk times, answer rate and machines of the plan; the
answer rate drifts around its mean. Agents come late and take breaks as the plan says; nobody tells the pacer before. It
learns through the days of a block,
starts from `Plan.learned` if there is something, and is told its legal window as the daemon tells it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pacing.config import PacingConfig
from pacing.decision import Decision
from pacing.errors import InvalidValueError
from pacing.history import History
from pacing.laws import Draw, Laws, empirical, lifelike, lognormal, mixture, scaled
from pacing.pacer import Pacer
from pacing.rates import DAY, drifting
from pacing.simulate import Outcome, Trunk, simulate
from pacing.staffing import Break, Shift, day_shifts, full_time

#: Standard deviation of the answer rate's logit: a rate of .20 is between .16 and .25 most of the time.
DRIFT = 0.15
MONTH = 30 * DAY


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be simulated; plain data, so that it can be sent to another process.

    agents; hours: of dialing a day; opens: s after midnight at which it begins; answer_rate, machine_rate: shares of
    the calls; talk, wrap_up: mean s; talks: talk times to draw from instead (s); lines, cps: of the trunks; window:
    call, day, 24h, 30d or month; learned: `Pacer.state()`; breaks: that each agent takes; late: s over which agents
    arrive; seed.
    Raises `InvalidValueError`.
    """

    agents: int
    hours: float = 8.0
    opens: float = 9 * 3600.0
    config: PacingConfig = field(default_factory=PacingConfig)
    answer_rate: float = 0.2
    machine_rate: float = 0.0
    talk: float = 120.0
    wrap_up: float = 30.0
    talks: tuple[float, ...] = ()
    lines: int | None = None
    cps: float | None = None
    window: str = "day"
    learned: Mapping[str, Any] | None = None
    breaks: tuple[Break, ...] = ()
    late: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        limits = {
            "agents": (1, 2000),
            "hours": (0.1, 24.0),
            "answer_rate": (0.005, 0.95),
            "machine_rate": (0.0, 0.9),
            "talk": (1.0, 7200.0),
            "wrap_up": (0.0, 3600.0),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidValueError(f"{name} must be between {low:g} and {high:g}: {value!r}")
        if self.answer_rate + self.machine_rate > 0.98:
            raise InvalidValueError("more calls answered than placed: lower the answer rate or the share of machines")
        seconds = 3600.0 * self.hours
        if not 0.0 <= self.late < seconds:
            raise InvalidValueError(f"arrivals over {self.late:g} s do not fit into {self.hours:g} h")
        for rest in self.breaks:
            if not (0.0 <= rest.at < seconds and 0.0 < rest.length < seconds):
                raise InvalidValueError(
                    f"a break of {rest.length:g} s at {rest.at:g} s does not fit into {self.hours:g} h"
                )
        if self.window not in ("call", "day", "24h", "30d", "month"):
            raise InvalidValueError(f"unknown window {self.window!r}")

    def legal_window(self, now: float) -> tuple[float, float]:
        """(since, s left) of the window at `now`, as the daemon counts it; the first day begins at 0."""
        midnight = now - now % DAY
        closes = midnight + self.opens + 3600.0 * self.hours
        if self.window == "24h":
            return now - DAY, max(0.0, closes - now)
        if self.window == "30d":
            return now - MONTH, MONTH
        if self.window == "month":
            first = now - now % MONTH
            return first, first + MONTH - now
        return midnight, max(0.0, closes - now) if self.window == "day" else 0.0

    def shifts(self, start: float, number: int) -> list[Shift]:
        """Who is there on the day `number` that begins at `start` s."""
        seconds = 3600.0 * self.hours
        if not self.breaks and not self.late:
            return full_time(self.agents, seconds, start)
        return day_shifts(self.agents, seconds, self.seed * 100_000 + number, start, self.breaks, self.late)

    def laws(self) -> Laws:
        """The laws of the plan."""
        rate = drifting(self.answer_rate, DRIFT, self.seed)
        talk: Draw
        if self.talks:
            talk = empirical(self.talks)
        else:
            # half a short no, half a conversation, of this mean
            talk = scaled(mixture([(0.5, lognormal(0.3, 0.8)), (0.5, lognormal(1.7, 0.7))]), self.talk)
        wrap = lognormal(self.wrap_up, 0.6) if self.wrap_up > 0.0 else None
        laws = lifelike(
            rate, self.machine_rate, talk, wrap, timeout=self.config.ring_timeout, patience=self.config.patience
        )
        return laws if wrap is not None else replace(laws, wrap_up=lambda rng, size: np.zeros(size))


@dataclass(frozen=True, slots=True)
class Day:
    """One simulated day of `agents` agents. occupancy by hour of dialing; over: the window's share was over the cap at
    the end of the day; held: share of the decisions that lines or calls per second cut short; there: mean agents at
    work, by hour; seconds: of the day; times in s."""

    agents: int
    number: int
    occupied: float
    logged_in: float
    placed: int
    answered: int
    abandoned: int
    machines: int
    billed: float
    over: bool
    held: float
    by_hour: tuple[float, ...]
    there: tuple[float, ...] = ()
    seconds: float = 28800.0


def block(plan: Plan, first: int, count: int) -> Iterator[Day]:
    """The days `first` to `first + count - 1`, one after the other, the pacer learning on."""
    laws, trunk = plan.laws(), Trunk(plan.lines, plan.cps)
    history = History()
    state = plan.learned
    seconds = plan.hours * 3600.0
    for number in range(first, first + count):
        start = number * DAY + plan.opens
        pacer = Pacer(plan.config) if state is None else Pacer.restore(state, start, plan.config)
        held = 0

        def look(_: float, decision: Decision) -> None:
            nonlocal held
            held += decision.why["wish"] > decision.why["room"]

        out = simulate(
            pacer, laws, plan.shifts(start, number), seconds, plan.seed * 100_000 + number,
            each=look, start=start, by_minute=True, trunk=trunk, window=plan.legal_window, history=history,
        )  # fmt: skip
        state = pacer.state()
        end = start + seconds
        since, _ = plan.legal_window(end)
        answered, abandoned = history.since(since, end)
        yield Day(
            plan.agents, number, out.occupied, out.logged_in, out.placed, out.connected + out.abandoned, out.abandoned,
            out.machines, out.billed, abandoned > plan.config.abandon_cap * answered,
            held / max(1, out.decided), _by_hour(out, start, seconds), _there(out, start, seconds), seconds,
        )  # fmt: skip


def _by_hour(out: Outcome, start: float, seconds: float) -> tuple[float, ...]:
    first = int(start // 60)
    hours = []
    for hour in range(math.ceil(seconds / 3600.0)):
        minutes = range(first + 60 * hour, first + 60 * hour + 60)
        there = sum(out.agents_by_minute.get(minute, 0.0) for minute in minutes)
        hours.append(sum(out.busy_by_minute.get(minute, 0.0) for minute in minutes) / there if there else 0.0)
    return tuple(hours)


def _there(out: Outcome, start: float, seconds: float) -> tuple[float, ...]:
    first, hours = int(start // 60), math.ceil(seconds / 3600.0)
    minutes = [range(first + 60 * hour, first + 60 * hour + 60) for hour in range(hours)]
    spans = [min(3600.0, seconds - 3600.0 * hour) for hour in range(hours)]
    return tuple(
        sum(out.agents_by_minute.get(minute, 0.0) for minute in each) / span
        for each, span in zip(minutes, spans, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Expectation:
    """The days of one team added up. Shares as fractions, times in s, counts a day.

    occupancy_error: half of the 95 % interval of the mean over days; idle: s between two calls of an agent; over: share
    of days that end over the cap; over_upper: its 95 % upper bound; held, there: as in `Day`; present: mean agents at
    work."""

    agents: int
    days: int
    occupancy: float
    occupancy_error: float
    idle: float
    abandoned: float
    worst_day: float
    over: float
    over_upper: float
    placed: float
    connected: float
    machines: float
    billed: float
    held: float
    by_hour: tuple[float, ...]
    there: tuple[float, ...]
    present: float


def expectation(days: list[Day]) -> Expectation:
    """Add up the days of one team. Raises `InvalidValueError` when there is none."""
    if not days:
        raise InvalidValueError("no days")
    count = len(days)
    shares = [day.occupied / day.logged_in for day in days]
    mean = sum(day.occupied for day in days) / sum(day.logged_in for day in days)
    error = 1.96 * float(np.std(shares, ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    answered, abandoned = sum(day.answered for day in days), sum(day.abandoned for day in days)
    talks = answered - abandoned + sum(day.machines for day in days)
    over = sum(day.over for day in days)
    hours = zip(*(day.by_hour for day in days), strict=True)
    there = tuple(sum(hour) / count for hour in zip(*(day.there for day in days), strict=True))
    return Expectation(
        days[0].agents, count, mean, error,
        sum(day.logged_in - day.occupied for day in days) / max(1, talks),
        abandoned / max(1, answered), max(day.abandoned / max(1, day.answered) for day in days),
        over / count, _upper(over, count), sum(day.placed for day in days) / count, (answered - abandoned) / count,
        sum(day.machines for day in days) / count, sum(day.billed for day in days) / count,
        sum(day.held for day in days) / count,
        tuple(sum(hour) / count for hour in hours), there, sum(day.logged_in for day in days) / count / days[0].seconds,
    )  # fmt: skip


def _upper(over: int, count: int) -> float:
    """95 % upper bound of a chance (Clopper and Pearson 1934)."""
    from scipy.stats import beta

    return 1.0 if over >= count else float(beta.ppf(0.95, over + 1, count - over))
