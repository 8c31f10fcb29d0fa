"""The pacer: told every event, asked how many calls to place now.

No clock, no I/O: `now` comes in with every call. An event is checked whole before anything is
changed, so a refused event changes nothing. `decide` reads only; estimates move in the events.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from pacing.answering import BIN, RingLaw
from pacing.book import GONE, Agent, Book, Call
from pacing.budget import Budget
from pacing.config import PacingConfig
from pacing.decision import AgentId, CallId, Decision, Segment, Snapshot
from pacing.errors import InvalidValueError, TimeBackwardsError, WrongOrderError
from pacing.handling import HandleTime
from pacing.level import Level, posterior
from pacing.limits import Limits
from pacing.target import target_mass

CAUSES: dict[str, str] = {
    "busy": "failed",
    "no_answer": "failed",
    "machine": "failed",
    "invalid": "failed",
    "rejected": "failed",
    "unknown": "failed",
    # says nothing about the people called: our side or the network ended it
    "congestion": "censored",
    "cancelled": "censored",
}
LABELS = ("machine", "fax", "person")
SEGMENT_CALLS = 40.0  # what the common level is worth against a segment's own evidence
LOOK_AGAIN = 1.0


class Pacer:
    """Paces one campaign. See docs/design/pacing.md for the model, `PacingConfig` for the settings.

    All `now` and `at` are seconds on one monotonic clock; ids are any hashable. Every method raises
    `TimeBackwardsError`, `InvalidValueError`, `UnknownIdError` or `WrongOrderError` (all
    `PacingError`) on misuse and then has changed nothing.
    """

    def __init__(self, config: PacingConfig | None = None) -> None:
        self.config = config or PacingConfig()
        self._book = Book()
        self._limits = Limits()
        self._now = -math.inf
        self._learn()
        self._air: dict[Segment, dict[int, int]] = {}  # segment -> placing bin -> calls in the air

    def _learn(self) -> None:
        c = self.config
        self._ring = RingLaw(c.ring_timeout, c.prior_ring, c.prior_answer_rate, c.prior_ring_calls)
        self._level = Level(c.memory)
        self._segments: dict[Segment, Level] = {}
        self._handle = HandleTime(c.prior_handle, c.prior_handle_calls)
        self._budget = Budget(c.abandon_cap, c.margin, c.overrun_chance)

    # -- agents ------------------------------------------------------------------------------

    def agent_available(self, agent: AgentId, now: float) -> None:
        """Logged in, or ready again (which ends wrap-up)."""
        self._check_time(now)
        self._check_id(agent)
        self._book.agent_after(agent, "available")
        self._now = now
        known = self._book.agents.get(agent)
        if known is None:
            self._book.put_agent(agent, Agent("available", now))
            return
        self._handle.observe(now - known.since)
        self._book.move_agent(agent, "available", now)

    def agent_leaving(self, agent: AgentId, at: float, now: float) -> None:
        """Announced: will be unavailable from `at`."""
        self._check_time(now)
        self._check_id(agent)
        _finite("at", at)
        self._book.agent_after(agent, "leaving")
        self._now = now
        self._book.announce(agent, at)

    def agent_unavailable(self, agent: AgentId, now: float) -> None:
        """Break or log-out, from any state; also an agent taken for a call of its own."""
        self._check_time(now)
        self._check_id(agent)
        self._book.agent_after(agent, "unavailable")
        self._now = now
        self._book.drop_agent(agent)

    def talk_ended(self, agent: AgentId, now: float) -> None:
        """The conversation is over; wrap-up begins."""
        self._check_time(now)
        self._check_id(agent)
        self._book.agent_after(agent, "talk_ended")
        self._now = now
        record = self._book.agents[agent]
        record.call = None
        self._book.move_agent(agent, "wrap_up", record.since)

    # -- calls -------------------------------------------------------------------------------

    def call_placed(self, call: CallId, now: float, segment: Segment = None) -> None:
        """A call was placed. `segment`: whatever answers alike (list, hour, prefix)."""
        self._check_time(now)
        self._check_id(call)
        self._check_id(segment)
        self._book.call_after(call, "placed")
        self._now = now
        self._book.remembered.pop(call, None)
        self._book.in_air[call] = Call("placed", now, segment)
        self._count_air(segment, now, 1)
        self._limits.placed(now)

    def call_ringing(self, call: CallId, now: float) -> None:
        """180 or 183; only the first counts."""
        self._check_time(now)
        self._check_id(call)
        after = self._book.call_after(call, "ringing")
        self._now = now
        record = self._book.in_air[call]
        record.state = after
        if record.ringing_at is None:
            record.ringing_at = now

    def call_ended_unanswered(self, call: CallId, now: float, cause: str) -> None:
        """It ended before an answer. `cause`: one of `CAUSES`."""
        self._check_time(now)
        self._check_id(call)
        if not isinstance(cause, str) or cause not in CAUSES:
            raise InvalidValueError(f"cause {cause!r} is not one of {', '.join(CAUSES)}")
        self._book.call_after(call, "ended")
        self._now = now
        record = self._book.in_air.pop(call)
        self._count_air(record.segment, record.placed_at, -1)
        self._ring.observe(now - record.placed_at, CAUSES[cause])
        if CAUSES[cause] == "failed":
            self._level.observe(False)
            self._segment_level(record.segment).observe(False)

    def call_answered(self, call: CallId, now: float) -> None:
        """200 OK: a person until relabelled. Patience counts from here."""
        self._check_time(now)
        self._check_id(call)
        after = self._book.call_after(call, "answered")
        self._now = now
        record = self._book.in_air.pop(call)
        record.state, record.answered_at = after, now
        self._book.waiting[call] = record
        self._count_air(record.segment, record.placed_at, -1)
        self._ring.observe(now - record.placed_at, "answered")
        self._level.observe(True)
        self._segment_level(record.segment).observe(True)

    def call_connected(self, call: CallId, agent: AgentId, now: float) -> None:
        """The waiting call got this available agent."""
        self._check_time(now)
        self._check_id(call)
        self._check_id(agent)
        after = self._book.call_after(call, "connected")
        self._book.agent_after(agent, "connected")
        self._now = now
        record = self._book.waiting.pop(call)
        record.state = after
        self._book.remember(call, record)
        self._book.move_agent(agent, "talking", now)
        self._book.agents[agent].call = call
        self._budget.observe(False, now, self._answered_per_second())

    def call_abandoned(self, call: CallId, now: float) -> None:
        """No agent within patience, or the customer hung up while waiting."""
        self._check_time(now)
        self._check_id(call)
        after = self._book.call_after(call, "abandoned")
        self._now = now
        record = self._book.waiting.pop(call)
        record.state = after
        self._book.remember(call, record)
        self._budget.observe(True, now, self._answered_per_second())

    def call_relabelled(self, call: CallId, now: float, label: str = "machine") -> None:
        """Learned later: `label` machine or fax takes the call out of the counts of people.

        A call that is still waiting leaves the book with this: it needs no agent. "person"
        confirms what was assumed and changes nothing.
        """
        self._check_time(now)
        self._check_id(call)
        if label not in LABELS:
            raise InvalidValueError(f"label {label!r} is not one of {', '.join(LABELS)}")
        if label == "person":
            if self._book.call(call) is None or call in self._book.in_air:
                self._book.call_after(call, "relabelled")
            self._now = now
            return
        after = self._book.call_after(call, "relabelled")
        self._now = now
        record = self._book.waiting.pop(call, None)
        if record is None:
            record = self._book.remembered[call]
            self._budget.take_back(record.state == "abandoned")
        record.state = after
        self._book.remember(call, record)
        assert record.answered_at is not None
        self._ring.take_back(record.answered_at - record.placed_at)
        self._level.take_back()
        self._segment_level(record.segment).take_back()

    # -- limits, budget, resynchronising -----------------------------------------------------

    def set_limits(
        self,
        now: float,
        lines: float | None = None,
        cps: float | None = None,
        contacts: float | None = None,
    ) -> None:
        """What may be placed at most; None is no limit. Replaces what was set before.

        lines: calls in the air, waiting or connected at once; cps: calls per second; contacts:
        calls that can still be placed (each `call_placed` takes one).
        """
        self._check_time(now)
        for name, value in (("lines", lines), ("cps", cps), ("contacts", contacts)):
            if value is not None:
                _finite(name, value)
                if value < 0:
                    raise InvalidValueError(f"{name} is negative: {value!r}")
        self._now = now
        self._limits.set(now, lines, cps, contacts)

    def set_budget(self, now: float, answered: float, abandoned: float, window_left: float) -> None:
        """The legal window so far: people who answered, of them abandoned; s left of the window."""
        self._check_time(now)
        for name, value in (("answered", answered), ("abandoned", abandoned), ("window_left", window_left)):
            _finite(name, value)
            if value < 0:
                raise InvalidValueError(f"{name} is negative: {value!r}")
        if abandoned > answered:
            raise InvalidValueError(f"abandoned {abandoned!r} exceeds answered {answered!r}")
        self._now = now
        self._budget.set_window(now, answered, abandoned, window_left)

    def resync(self, snapshot: Snapshot, now: float) -> None:
        """Replace everything live by `snapshot`; what was learned, limits and budget stay."""
        self._check_time(now)
        book = Book()
        air: dict[Segment, dict[int, int]] = {}
        seen: set[Hashable] = set()
        for agent in snapshot.available:
            self._fresh_id(agent, seen)
            book.put_agent(agent, Agent("available", now))
        for state, group in (("talking", snapshot.busy), ("wrap_up", snapshot.wrap_up)):
            for agent, since in group.items():
                self._fresh_id(agent, seen)
                self._past("since", since, now)
                book.put_agent(agent, Agent(state, since))
        calls: set[Hashable] = set()
        for call, placed_at in sorted(snapshot.ringing.items(), key=lambda item: item[1]):
            self._fresh_id(call, calls)
            self._past("placed", placed_at, now)
            rings = snapshot.ring_since.get(call)
            if rings is not None:
                self._past("ring_since", rings, now)
            segment = snapshot.segments.get(call)
            state = "placed" if rings is None else "ringing"
            book.in_air[call] = Call(state, placed_at, segment, rings)
            bins = air.setdefault(segment, {})
            key = int(placed_at // BIN)
            bins[key] = bins.get(key, 0) + 1
        for call, answered_at in snapshot.answered.items():
            self._fresh_id(call, calls)
            self._past("answered", answered_at, now)
            book.waiting[call] = Call(
                "waiting", answered_at, snapshot.segments.get(call), answered_at=answered_at
            )
        for call, record in self._book.remembered.items():
            if call not in calls:
                book.remembered[call] = record
        self._now = now
        self._book, self._air = book, air

    # -- the decision ------------------------------------------------------------------------

    def decide(self, now: float) -> Decision:
        """How many calls to place, which to give up, when to ask again. Changes nothing."""
        self._check_time(now)
        config, book = self.config, self._book
        in_air, waiting = len(book.in_air), len(book.waiting)
        stay = now + self._ring.mean_ring + config.patience
        available, busy = book.staying(stay)
        idle = available - waiting
        agents = available + busy
        why: dict[str, float] = {
            "available": available, "busy": busy, "waiting": waiting, "in_air": in_air,
        }  # fmt: skip
        cancel: tuple[CallId, ...] = ()
        if config.mode == "predictive":
            wish, surplus = self._predict(now, idle, busy, why)
            if surplus > 0.0 and config.cancel:
                cancel = self._give_up(now, surplus, why)
        else:
            per_agent = config.power if config.mode == "power" else 1.0
            target = math.floor(per_agent * max(0, idle) + 1e-9)
            why["target"] = target
            wish = target - in_air
            if config.cancel and wish < 0:
                cancel = self._past_floor(now)[: -wish]
        if agents <= 0:
            wish = 0
            if config.cancel:
                cancel = self._past_floor(now)
        room = self._limits.room(now, in_air + waiting + book.talking)
        place = int(max(0.0, min(float(wish), room)))
        why["wish"], why["room"] = float(wish), float(room)
        return Decision(place, cancel, self._next_at(now, wish > place), why)

    def _predict(self, now: float, idle: int, busy: int, why: dict[str, float]) -> tuple[int, float]:
        config = self.config
        mass, p, spread = self._mass(now)
        running = busy * now - self._book.occupied_since if busy else 0.0
        handle = self._handle.mean(max(0.0, running))
        freed = busy * (self._ring.mean_ring + config.patience) / handle
        index = self._budget.index(now, self._answered_per_second())
        limit = target_mass(
            idle, _rounded(freed, 0.02), _rounded(p, 0.02), _rounded(spread, 0.1), _rounded(index, 0.03)
        )
        why.update(
            answers_to_come=mass, answer_rate=p, answer_rate_cv=spread, handle=handle,
            freed=freed, index=index, limit=limit, ring=self._ring.mean_ring,
            abandoned=self._budget.abandoned, answered=self._budget.answered,
            aim=self._budget.aim(now, self._answered_per_second()),
        )  # fmt: skip
        if limit < 0.0:
            return 0, mass
        wish = math.floor((limit - mass) / p) + 1 if mass <= limit else 0
        return wish, mass - limit - p

    def _mass(self, now: float) -> tuple[float, float, float]:
        """(answers still to come, answer rate of the next call, its coefficient of variation)."""
        c = self.config
        answered, failed = self._level.evidence()
        p, spread = posterior(answered, failed, c.prior_answer_rate, c.prior_answer_calls)
        mass = 0.0
        for segment, bins in self._air.items():
            if not bins:
                continue
            own = p
            if segment is not None and segment in self._segments:
                own, _ = posterior(*self._segments[segment].evidence(), p, SEGMENT_CALLS)
            placed = np.fromiter(bins.keys(), dtype=np.float64, count=len(bins))
            count = np.fromiter(bins.values(), dtype=np.float64, count=len(bins))
            age = np.clip(now / BIN - placed - 0.5, 0, self._ring.bins - 1).astype(np.int64)
            mass += float(count @ self._ring.still_to_answer(own)[age])
        return mass, p, spread

    def _give_up(self, now: float, surplus: float, why: dict[str, float]) -> tuple[CallId, ...]:
        """Calls past the floor whose answers would be too many, most likely answers first."""
        past = self._past_floor(now)
        if not past:
            return ()
        p = why["answer_rate"]
        chance = self._ring.still_to_answer(p)
        ages = [(now - self._book.in_air[call].placed_at) / BIN for call in past]
        weights = [float(chance[min(int(age), self._ring.bins - 1)]) for age in ages]
        order = sorted(range(len(past)), key=lambda i: -weights[i])
        chosen: list[CallId] = []
        for i in order:
            if weights[i] > surplus:
                continue
            surplus -= weights[i]
            chosen.append(past[i])
        why["given_up"] = len(chosen)
        return tuple(chosen)

    def _past_floor(self, now: float) -> tuple[CallId, ...]:
        floor = self.config.ring_floor
        return tuple(
            call for call, record in self._book.in_air.items() if now - record.floor_from() >= floor
        )

    def _next_at(self, now: float, held: bool) -> float:
        later = now + LOOK_AGAIN
        token = self._limits.next_token(now) if held else None
        return min(later, token) if token is not None and token > now else later

    # -- estimates ---------------------------------------------------------------------------

    def _answered_per_second(self) -> float:
        return max(1, len(self._book.agents)) / self._handle.mean(0.0)

    def _segment_level(self, segment: Segment) -> Level:
        level = self._segments.get(segment)
        if level is None:
            level = self._segments[segment] = Level(self.config.memory)
        return level

    def _count_air(self, segment: Segment, placed_at: float, sign: int) -> None:
        bins = self._air.setdefault(segment, {})
        key = int(placed_at // BIN)
        count = bins.get(key, 0) + sign
        if count:
            bins[key] = count
        else:
            del bins[key]

    # -- what is kept ------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What was learned, as a JSON-able dict with the config inside; no live calls or agents.

        Segments are kept if they are text, numbers or None.
        """
        plain = (str, int, float, type(None))
        return {
            "version": 1,
            "config": self.config.as_dict(),
            "ring": self._ring.state(),
            "level": self._level.state(),
            "segments": [[s, lv.state()] for s, lv in self._segments.items() if isinstance(s, plain)],
            "handle": self._handle.state(),
            "budget": self._budget.state(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], now: float, config: PacingConfig | None = None) -> Pacer:
        """A pacer that knows what `state` knew. `config` replaces the saved one if given.

        Raises `ConfigError` or `InvalidValueError` when the state is not one of ours.
        """
        if not isinstance(state, Mapping) or state.get("version") != 1:
            raise InvalidValueError("not a state that Pacer.state() wrote")
        _finite("now", now)
        try:
            pacer = cls(config or PacingConfig.from_dict(dict(state["config"])))
            pacer._now = now
            pacer._ring.restore(state["ring"])
            pacer._level.restore(state["level"])
            for segment, saved in state["segments"]:
                pacer._segment_level(segment).restore(saved)
            pacer._handle.restore(state["handle"])
            pacer._budget.restore(state["budget"])
        except (KeyError, TypeError) as wrong:
            raise InvalidValueError(f"not a state that Pacer.state() wrote: {wrong!r}") from wrong
        return pacer

    # -- checks ------------------------------------------------------------------------------

    def _check_time(self, now: float) -> None:
        _finite("now", now)
        if now < self._now:
            raise TimeBackwardsError(f"now is {now!r}, but {self._now!r} was already told")

    @staticmethod
    def _check_id(value: Hashable) -> None:
        try:
            hash(value)
        except TypeError as wrong:
            raise InvalidValueError(f"{value!r} cannot be an id: not hashable") from wrong

    def _fresh_id(self, value: Hashable, seen: set[Hashable]) -> None:
        self._check_id(value)
        if value in seen:
            raise WrongOrderError(f"{value!r} is in the snapshot twice")
        seen.add(value)

    @staticmethod
    def _past(name: str, value: float, now: float) -> None:
        _finite(name, value)
        if value > now:
            raise InvalidValueError(f"{name} {value!r} is after now {now!r}")


def _finite(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidValueError(f"{name} is {value!r}, not a finite number")


def _rounded(value: float, step: float) -> float:
    """`value` rounded on a logarithmic grid of relative width `step`, so that caches hit."""
    if value <= 0.0:
        return 0.0
    return float(math.exp(round(math.log(value) / step) * step))


__all__ = ["CAUSES", "GONE", "Pacer"]
