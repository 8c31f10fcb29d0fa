"""The pacer: told every event, asked how many calls to place now.

No clock, no I/O: `now` comes in with every call. An event is checked whole before anything is
changed, so a refused event changes nothing. `decide` reads only; estimates move in the events.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from pacing.air import Air, Trial
from pacing.book import Agent, Book, Call
from pacing.budget import Budget
from pacing.checks import check_id, finite, fresh_id, past
from pacing.config import PacingConfig
from pacing.decision import AgentId, CallId, Decision, Segment, Snapshot
from pacing.errors import InvalidValueError, TimeBackwardsError
from pacing.forecast import Forecast, HandleLaw, counted, poisson_binomial
from pacing.handling import KEPT, HandleTime
from pacing.limits import Limits
from pacing.peak import Peak
from pacing.predictive import Predictive, believed, floor_passed

CAUSES: dict[str, str] = {
    "busy": "failed",
    "no_answer": "failed",
    "machine": "failed",
    "invalid": "failed",
    "rejected": "failed",
    "unknown": "failed",
    # says nothing about the people called: our side or the network ended it
    "congestion": "lost",
    # given up: it may have been an answer, by its posterior
    "cancelled": "given_up",
}
LABELS = ("machine", "fax", "person")
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

    def _learn(self) -> None:
        c = self.config
        self._air = Air(c)
        self._handle = HandleTime(c.prior_handle, c.prior_handle_calls)
        self._handle_law = HandleLaw()
        # who may give calls up can bear more of them: measured, see docs/design/pacing.md
        bold = 1.6 if c.cancel and c.ring_floor < 0.8 * c.ring_timeout else 1.0
        peak = Peak(c.peak, c.abandon_cap, c.peak_window)
        self._budget = Budget(c.abandon_cap, c.margin, c.overrun_chance, bold, peak)
        self._rule = Predictive(c, self._air, self._handle, self._budget)

    # -- agents ------------------------------------------------------------------------------

    def agent_available(self, agent: AgentId, now: float) -> None:
        """Logged in, or ready again (which ends wrap-up)."""
        self._check_time(now)
        check_id(agent)
        self._book.agent_after(agent, "available")
        self._now = now
        known = self._book.agents.get(agent)
        if known is None:
            self._book.put_agent(agent, Agent("available", now))
            return
        self._handle_law.observe(now - known.since, ended=True)
        self._book.move_agent(agent, "available", now)
        if self._handle.observe(self._book.occupied(now)):
            self._handle_law.fade(KEPT)

    def agent_leaving(self, agent: AgentId, at: float, now: float) -> None:
        """Announced: will be unavailable from `at`."""
        self._check_time(now)
        check_id(agent)
        finite("at", at)
        self._book.agent_after(agent, "leaving")
        self._now = now
        self._book.announce(agent, at)

    def agent_unavailable(self, agent: AgentId, now: float) -> None:
        """Break or log-out, from any state; also an agent taken for a call of its own."""
        self._check_time(now)
        check_id(agent)
        self._book.agent_after(agent, "unavailable")
        self._now = now
        self._book.drop_agent(agent, now)

    def talk_ended(self, agent: AgentId, now: float) -> None:
        """The conversation is over; wrap-up begins."""
        self._check_time(now)
        check_id(agent)
        self._book.agent_after(agent, "talk_ended")
        self._now = now
        record = self._book.agents[agent]
        record.call = None
        self._book.move_agent(agent, "wrap_up", record.since)

    # -- calls -------------------------------------------------------------------------------

    def call_placed(self, call: CallId, now: float, segment: Segment = None) -> None:
        """A call was placed. `segment`: whatever answers alike (list, hour, prefix)."""
        self._check_time(now)
        check_id(call)
        check_id(segment)
        self._book.call_after(call, "placed")
        self._now = now
        self._book.remembered.pop(call, None)
        record = self._book.in_air[call] = Call("placed", now)
        self._air.placed(call, record, segment)
        self._limits.placed(now)

    def call_ringing(self, call: CallId, now: float) -> None:
        """180 or 183; only the first counts."""
        self._check_time(now)
        check_id(call)
        after = self._book.call_after(call, "ringing")
        self._now = now
        record = self._book.in_air[call]
        record.state = after
        if record.ringing_at is None:
            record.ringing_at = now

    def call_ended_unanswered(self, call: CallId, now: float, cause: str) -> None:
        """It ended before an answer. `cause`: one of `CAUSES`."""
        self._check_time(now)
        check_id(call)
        if not isinstance(cause, str) or cause not in CAUSES:
            raise InvalidValueError(f"cause {cause!r} is not one of {', '.join(CAUSES)}")
        self._book.call_after(call, "ended")
        self._now = now
        record = self._book.in_air.pop(call)
        self._end_in_air(call, record, now, CAUSES[cause])

    def call_answered(self, call: CallId, now: float) -> None:
        """200 OK: a person until relabelled. Patience counts from here."""
        self._check_time(now)
        check_id(call)
        after = self._book.call_after(call, "answered")
        self._now = now
        record = self._book.in_air.pop(call)
        record.state, record.answered_at = after, now
        self._book.waiting[call] = record
        self._end_in_air(call, record, now, "answered")

    def call_connected(self, call: CallId, agent: AgentId, now: float) -> None:
        """The waiting call got this available agent."""
        self._check_time(now)
        check_id(call)
        check_id(agent)
        after = self._book.call_after(call, "connected")
        self._book.agent_after(agent, "connected")
        self._now = now
        record = self._book.waiting.pop(call)
        record.state = after
        self._book.remember(call, record)
        self._book.move_agent(agent, "talking", now)
        self._book.agents[agent].call = call
        self._budget.observe(False, now, self._rule.answered_per_second(now, self._book))

    def call_abandoned(self, call: CallId, now: float) -> None:
        """No agent within patience, or the customer hung up while waiting."""
        self._check_time(now)
        check_id(call)
        after = self._book.call_after(call, "abandoned")
        self._now = now
        record = self._book.waiting.pop(call)
        record.state = after
        self._book.remember(call, record)
        self._budget.observe(True, now, self._rule.answered_per_second(now, self._book))

    def call_relabelled(self, call: CallId, now: float, label: str = "machine") -> None:
        """Learned later: `label` machine or fax takes the call out of the counts of people.

        A call that is still waiting leaves the book with this: it needs no agent. "person"
        confirms what was assumed and changes nothing.
        """
        self._check_time(now)
        check_id(call)
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
        self._air.not_a_person(record, now)

    def _end_in_air(self, call: CallId, record: Call, now: float, end: str) -> None:
        jumps = self._air.level.jumps
        self._air.ended(call, record, now, end)
        if self._air.level.jumps != jumps:
            self._budget.unsettle()

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
                finite(name, value)
                if value < 0:
                    raise InvalidValueError(f"{name} is negative: {value!r}")
        self._now = now
        self._limits.set(now, lines, cps, contacts)

    def set_budget(self, now: float, answered: float, abandoned: float, window_left: float) -> None:
        """The legal window so far: people who answered, of them abandoned; s left of the window."""
        self._check_time(now)
        for name, value in (("answered", answered), ("abandoned", abandoned), ("window_left", window_left)):
            finite(name, value)
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
        seen: set[Hashable] = set()
        for agent in snapshot.available:
            fresh_id(agent, seen)
            book.put_agent(agent, Agent("available", now))
        for state, group in (("talking", snapshot.busy), ("wrap_up", snapshot.wrap_up)):
            for agent, since in group.items():
                fresh_id(agent, seen)
                past("since", since, now)
                book.put_agent(agent, Agent(state, since))
        calls: set[Hashable] = set()
        for call, placed_at in sorted(snapshot.ringing.items(), key=lambda item: item[1]):
            fresh_id(call, calls)
            past("placed", placed_at, now)
            rings = snapshot.ring_since.get(call)
            if rings is not None:
                past("ring_since", rings, now)
            book.in_air[call] = Call("placed" if rings is None else "ringing", placed_at, rings)
        for call, answered_at in snapshot.answered.items():
            fresh_id(call, calls)
            past("answered", answered_at, now)
            book.waiting[call] = Call("waiting", answered_at, answered_at=answered_at)
        for call in calls:
            check_id(snapshot.segments.get(call))
        # checked; from here on nothing fails
        self._now = now
        self._air.clear()
        for call, record in book.in_air.items():
            self._air.placed(call, record, snapshot.segments.get(call))
        for call, record in book.waiting.items():
            record.trial = Trial(record.placed_at, snapshot.segments.get(call), 1.0, counted=True)
        for call, record in self._book.remembered.items():
            if call not in calls:
                book.remembered[call] = record
        self._book = book
        self._handle.skip_to(book.occupied(now))

    # -- the decision ------------------------------------------------------------------------

    def decide(self, now: float) -> Decision:
        """How many calls to place, which to give up, when to ask again. Changes nothing."""
        self._check_time(now)
        config, book = self.config, self._book
        in_air, waiting = len(book.in_air), len(book.waiting)
        # zero: not even a call that rings to the end may meet nobody
        ring = config.ring_timeout if config.mode == "zero" else self._air.ring.mean_ring
        available, busy = book.staying(now + ring + config.patience)
        idle = available - waiting
        why: dict[str, float] = {"available": available, "busy": busy, "waiting": waiting, "in_air": in_air}
        cancel: tuple[CallId, ...] = ()
        wish = 0
        if available + busy <= 0:
            if config.cancel:
                cancel = self._oldest_past_floor(now)
        elif config.mode == "predictive":
            wish, cancel = self._rule.decide(now, self._book, idle, busy, why)
        else:
            per_agent = config.power if config.mode == "power" else 1.0
            target = math.floor(per_agent * max(0, idle) + 1e-9)
            why["target"] = target
            wish = target - in_air
            if config.cancel and wish < 0:
                cancel = self._oldest_past_floor(now)[:-wish]
        room = self._limits.room(now, in_air + waiting + book.talking)
        place = int(max(0.0, min(float(wish), room)))
        why["wish"], why["room"] = float(wish), float(room)
        return Decision(place, cancel, self._next_at(now, wish > place), why)

    def forecast(self, now: float, horizon: float | None = None) -> Forecast:
        """Answers of the calls now in the air, and agents freed, until `now + horizon`.

        horizon: s; by default the mean ring time of an answered call. Changes nothing; linear in the agents.
        """
        self._check_time(now)
        if horizon is None:
            horizon = self._air.ring.mean_ring
        finite("horizon", horizon)
        if horizon < 0:
            raise InvalidValueError(f"horizon is negative: {horizon!r}")
        mean, variance, most = self._air.answers_within(now, horizon)
        lasted = np.array([now - a.since for a in self._book.agents.values() if a.state != "available"])
        handle = self._handle.mean(self._book.occupied(now))
        ends = self._handle_law.ends_within(lasted, horizon, handle) if len(lasted) else lasted
        return Forecast(horizon, counted(mean, variance, most), poisson_binomial(ends))

    def estimates(self, now: float) -> dict[str, float]:
        """What an allocator asks, whatever the mode, as in `Decision.why`. Changes nothing."""
        self._check_time(now)
        return believed(now, self._book, self._air, self._handle, self.config.patience)

    def _oldest_past_floor(self, now: float) -> tuple[CallId, ...]:
        groups = reversed(self._air.by_age(now, self.config.ring_floor))
        return tuple(call for _, calls in groups for call in floor_passed(calls, now, self.config.ring_floor))

    def _next_at(self, now: float, held: bool) -> float:
        later = now + min(LOOK_AGAIN, self.config.ring_timeout / 25.0)
        token = self._limits.next_token(now) if held else None
        return min(later, token) if token is not None and token > now else later

    # -- what is kept ------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What was learned, as a JSON-able dict with the config inside; no live calls or agents.

        Segments are kept if they are text, numbers or None.
        """
        return {
            "version": 1,
            "config": self.config.as_dict(),
            "air": self._air.state(),
            "handle": self._handle.state(),
            "handle_law": self._handle_law.state(),
            "budget": self._budget.state(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], now: float, config: PacingConfig | None = None) -> Pacer:
        """A pacer that knows what `state` knew. `config` replaces the saved one if given.

        Raises `ConfigError` or `InvalidValueError` when the state is not one of ours.
        """
        if not isinstance(state, Mapping) or state.get("version") != 1:
            raise InvalidValueError("not a state that Pacer.state() wrote")
        finite("now", now)
        try:
            pacer = cls(config or PacingConfig.from_dict(dict(state["config"])))
            pacer._now = now
            pacer._air.restore(state["air"])
            pacer._handle.restore(state["handle"])
            pacer._handle_law.restore(state["handle_law"])
            pacer._budget.restore(state["budget"])
        except (KeyError, TypeError) as wrong:
            raise InvalidValueError(f"not a state that Pacer.state() wrote: {wrong!r}") from wrong
        return pacer

    # -- checks ------------------------------------------------------------------------------

    def _check_time(self, now: float) -> None:
        finite("now", now)
        if now < self._now:
            raise TimeBackwardsError(f"now is {now!r}, but {self._now!r} was already told")


__all__ = ["CAUSES", "Pacer"]
