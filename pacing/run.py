"""One simulated campaign: its calls, agents and the policy, event by event."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from pacing.decision import CallId, Decision
from pacing.history import History, Window
from pacing.laws import Laws, Stream, constant
from pacing.limits import Limits
from pacing.outcome import Outcome
from pacing.policy import Policy, Trunk
from pacing.staffing import Shift
from pacing.supply import ContactList

#: The window is told again after so long, s.
TELL_EVERY = 5.0

_ANSWER, _FAIL, _GIVE_UP, _TALKED, _READY, _IN, _OUT, _TOLD, _ASK, _RINGS, _MACHINE, _QUIET = range(12)


class Run:
    """One campaign's events in a heap of (when, count, kind, who); see `simulate` for the arguments.

    Several may run beside each other and share agents: step the one whose `next_at` is first, `release` an idle agent
    of one and `admit` it to another.
    """

    def __init__(
        self,
        policy: Policy,
        laws: Laws,
        seed: int,
        counted_from: float,
        each: Callable[[float, Decision], None] | None,
        by_minute: bool,
        trunk: Trunk,
        supply: ContactList | None,
    ) -> None:
        self.out = Outcome()
        self.history = History()
        self.window: Window | None = None
        self.why: Mapping[str, float] = {}
        self._tell_budget = getattr(policy, "set_budget", None)
        self._budget_told = -math.inf
        self._policy, self._laws, self._from = policy, laws, counted_from
        self._each, self._by_minute, self._supply = each, by_minute, supply
        self._uniform = Stream(lambda rng, size: rng.random(size), (seed, 0))
        self._rings = Stream(laws.ring_answered, (seed, 1))
        self._fails = Stream(laws.ring_failed, (seed, 2))
        self._quick = Stream(lambda rng, size: rng.random(size), (seed, 3))
        self._talks = Stream(laws.talk, (seed, 4))
        self._wraps = Stream(laws.wrap_up, (seed, 5))
        self._patience = Stream(laws.patience, (seed, 6))
        self._machine_rings = Stream(laws.ring_machine or laws.ring_answered, (seed, 7))
        self._machine_talks = Stream(laws.machine_talk or constant(8.0), (seed, 8))
        self._notices = Stream(lambda rng, size: rng.random(size), (seed, 9))
        self._progress = Stream(laws.progress, (seed, 10)) if laws.progress is not None else None
        self._limits = Limits()
        self._limits.set(counted_from, trunk.lines, trunk.cps, None)
        self._trunk = trunk
        self._tell_limits = getattr(policy, "set_limits", None)
        self._relabel = getattr(policy, "call_relabelled", None)
        self._limited = trunk.lines is not None or trunk.cps is not None or supply is not None
        self._heap: list[tuple[float, int, int, int]] = []
        self._count = 0
        self._idle: deque[int] = deque()
        self._waiting: dict[int, float] = {}
        self._air: set[CallId] = set()
        self._machines: set[CallId] = set()
        self._contact: dict[CallId, int] = {}
        self._present: set[int] = set()
        self._going: set[int] = set()
        self._busy_since: dict[int, float] = {}
        self._logged_since: dict[int, float] = {}
        self._talking: dict[int, int] = {}
        self._messages = 0
        self._next_call = 0
        self._ask_at = -1.0
        self._shifts: Sequence[Shift] = ()
        self._handle = {
            _ANSWER: self._answer, _FAIL: self._fail, _GIVE_UP: self._give_up, _TALKED: self._talked,
            _READY: self._ready, _IN: self._in, _OUT: self._leaves, _TOLD: self._told, _ASK: self._asked,
            _RINGS: self._ringing, _MACHINE: self._machine, _QUIET: self._quiet,
        }  # fmt: skip

    def staff(self, shifts: Sequence[Shift], end: float) -> None:
        """Who comes and goes until `end`."""
        self._shifts = shifts
        for place, shift in enumerate(shifts):
            if shift.start >= end:
                continue
            self._push(shift.start, _IN, place)
            if shift.end < end:
                self._push(shift.end, _OUT, place)
                if shift.announced is not None:
                    self._push(max(shift.start, shift.end - shift.announced), _TOLD, place)

    def until(self, end: float, stop_when_done: bool) -> None:
        """Run to `end`."""
        while self._heap and self._heap[0][0] < end:
            now = self.step()
            if stop_when_done and self._done():
                end = now
                break
        self.close(end)

    @property
    def next_at(self) -> float:
        """When the next event is due; infinite when none is."""
        return self._heap[0][0] if self._heap else math.inf

    def step(self) -> float:
        """Handle the next event, and ask the policy where that is due; returns its time."""
        now, _, kind, who = heapq.heappop(self._heap)
        if self._handle[kind](who, now) and not (self._heap and self._heap[0][0] == now):
            self._decide(now)
        return now

    def _done(self) -> bool:
        return (
            self._supply is not None and not self._supply.left
            and not self._air and not self._waiting and not self._busy_since
        )  # fmt: skip

    def close(self, end: float) -> None:
        """Count what agents did until `end`."""
        for agent in list(self._busy_since):
            self._free(agent, end)
        for agent in list(self._present):
            self._leave(agent, end)

    def _push(self, at: float, kind: int, who: int) -> None:
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, kind, who))

    # -- calls: each handler returns whether the policy is asked afterwards ---------------------

    def _place(self, count: int, now: float) -> None:
        laws, supply = self._laws, self._supply
        rate = laws.answer_rate(now)
        machines = laws.machine_rate(now) if laws.machine_rate is not None else 0.0
        for _ in range(count):
            call = self._next_call
            self._next_call += 1
            self._policy.call_placed(call, now)
            self._air.add(call)
            p = rate
            if supply is not None:
                contact = self._contact[call] = supply.take(now)
                p = min(1.0 - machines, rate * supply.factor(contact))
            drawn = self._uniform.next()
            ring, fail, short = self._rings.next(), self._fails.next(), self._quick.next()
            ends, kind = min(fail, laws.timeout), _FAIL
            if drawn < p:
                ends, kind = (ring, _ANSWER) if ring < laws.timeout else (laws.timeout, _FAIL)
            elif drawn < p + machines and (ring := self._machine_rings.next()) < laws.timeout:
                ends, kind = ring, _MACHINE
            if kind == _FAIL and short < laws.quick_fail:
                ends = laws.quick
            if self._progress is not None and (rings := self._progress.next()) < ends:
                self._push(now + rings, _RINGS, call)
            self._push(now + ends, kind, call)
            if self._limited:
                self._limits.placed(now)
            self.out.placed += now >= self._from

    def _ringing(self, call: int, now: float) -> bool:
        if call in self._air:
            self._policy.call_ringing(call, now)
        return False

    def _fail(self, call: int, now: float) -> bool:
        if call not in self._air:
            return False
        self._air.discard(call)
        self._policy.call_ended_unanswered(call, now, "no_answer")
        self._settle(call, "no_answer", now)
        return True

    def _machine(self, call: int, now: float) -> bool:
        if call in self._air:
            self._machines.add(call)
        return self._answer(call, now)

    def _answer(self, call: int, now: float) -> bool:
        if call not in self._air:
            return False
        self._air.discard(call)
        self._policy.call_answered(call, now)
        self.out.answered += now >= self._from
        if self._idle:
            self._connect(call, self._idle.popleft(), now, now)
        else:
            self._waiting[call] = now
            self._push(now + self._patience.next(), _GIVE_UP, call)
        return True

    def _give_up(self, call: int, now: float) -> bool:
        if call not in self._waiting:
            return False
        since = self._waiting.pop(call)
        self._policy.call_abandoned(call, now)
        self._machines.discard(call)
        self._settle(call, "abandoned", now)
        self.history.add(now, abandoned=1)
        if self._laws.message > 0.0:
            self._messages += 1
            self._push(now + self._laws.message, _QUIET, call)
        if now >= self._from:
            self.out.abandoned += 1
            self.out.billed += now - since + self._laws.message
            self.out.ends.append((now, True))
        return True

    def _quiet(self, _: int, now: float) -> bool:
        self._messages -= 1
        return False

    def _connect(self, call: int, agent: int, now: float, since: float) -> None:
        self._policy.call_connected(call, agent, now)
        self._busy_since[agent] = now
        self._talking[agent] = call
        scale = self._laws.handle_scale
        talk = self._machine_talks.next() if call in self._machines else self._talks.next()
        if scale is not None:
            talk *= scale(now)
        self._push(now + talk, _TALKED, agent)
        self.history.add(now)
        if now >= self._from:
            self.out.connected += 1
            self.out.billed += now + talk - since
            self.out.ends.append((now, False))

    def _settle(self, call: CallId, outcome: str, now: float) -> None:
        contact = self._contact.pop(call, None)
        if contact is not None and self._supply is not None:
            self._supply.ended(contact, outcome, now)

    # -- agents --------------------------------------------------------------------------------

    def _talked(self, agent: int, now: float) -> bool:
        self._policy.talk_ended(agent, now)
        call = self._talking.pop(agent)
        machine = call in self._machines
        self._machines.discard(call)
        self._settle(call, "machine" if machine else "answered", now)
        if machine and self._notices.next() < self._laws.noticed:
            if self._relabel is not None:
                self._relabel(call, now, "machine")
            self.history.add(now, -1)
            if self._busy_since[agent] >= self._from:
                self.out.machines += 1
                self.out.connected -= 1
        wrap = self._wraps.next()
        if self._laws.handle_scale is not None:
            wrap *= self._laws.handle_scale(now)
        self._push(now + (0.0 if machine else wrap), _READY, agent)
        return False

    def _ready(self, agent: int, now: float) -> bool:
        self._free(agent, now)
        if agent in self._going:
            self._leave(agent, now)
        else:
            self._available(agent, now)
        return True

    def _available(self, agent: int, now: float) -> None:
        self._policy.agent_available(agent, now)
        if self._waiting:
            call = next(iter(self._waiting))
            self._connect(call, agent, now, self._waiting.pop(call))
        else:
            self._idle.append(agent)

    def _in(self, place: int, now: float) -> bool:
        agent = self._shifts[place].agent
        if agent in self._present:  # the last call outlasted the break
            self._going.discard(agent)
            return True
        self._present.add(agent)
        self._logged_since[agent] = now
        self._available(agent, now)
        return True

    def _leaves(self, place: int, now: float) -> bool:
        agent = self._shifts[place].agent
        if agent in self._busy_since:
            self._going.add(agent)
        elif agent in self._present:
            self._idle.remove(agent)
            self._leave(agent, now)
        return True

    def _told(self, place: int, now: float) -> bool:
        shift = self._shifts[place]
        if shift.agent in self._present:
            self._policy.agent_leaving(shift.agent, shift.end, now)
        return True

    def _free(self, agent: int, now: float) -> None:
        since = self._busy_since.pop(agent)
        if now > self._from:
            self.out.occupied += now - max(since, self._from)
        if self._by_minute:
            _spread(self.out.busy_by_minute, since, now)

    def _leave(self, agent: int, now: float) -> None:
        self._policy.agent_unavailable(agent, now)
        self._present.discard(agent)
        self._going.discard(agent)
        since = self._logged_since.pop(agent)
        if now > self._from:
            self.out.logged_in += now - max(since, self._from)
        if self._by_minute:
            _spread(self.out.agents_by_minute, since, now)

    # -- agents shared with other runs ---------------------------------------------------------

    @property
    def idle(self) -> tuple[int, ...]:
        """Agents who wait for a call, the longest idle first."""
        return tuple(self._idle)

    @property
    def waiting(self) -> int:
        """Answered calls without an agent."""
        return len(self._waiting)

    @property
    def agents(self) -> int:
        """Agents logged in here."""
        return len(self._present)

    def release(self, agent: int, now: float) -> None:
        """An idle agent goes elsewhere."""
        self._idle.remove(agent)
        self._leave(agent, now)

    def admit(self, agent: int, now: float) -> None:
        """An agent comes, free for a call; the policy is asked."""
        self._present.add(agent)
        self._logged_since[agent] = now
        self._available(agent, now)
        self._decide(now)

    # -- the decision --------------------------------------------------------------------------

    def _asked(self, _: int, now: float) -> bool:
        return now == self._ask_at

    def _decide(self, now: float) -> None:
        contacts = None
        if self._supply is not None:
            contacts = self._supply.ready(now)
            self._limits.contacts = contacts
        if self._limited and self._tell_limits is not None:
            lines = None if self._trunk.lines is None else max(0, self._trunk.lines - self._messages)
            self._tell_limits(now, lines, self._trunk.cps, contacts)
        if self.window is not None and self._tell_budget is not None and now - self._budget_told >= TELL_EVERY:
            since, left = self.window(now)
            self._tell_budget(now, *self.history.since(since, now), left)
            self._budget_told = now
        decision = self._policy.decide(now)
        self.why = decision.why
        self.out.decided += 1
        if self._each is not None:
            self._each(now, decision)
        for cancelled in decision.cancel:
            self._air.discard(cancelled)
            self._machines.discard(cancelled)
            self._policy.call_ended_unanswered(cancelled, now, "cancelled")
            self._settle(cancelled, "cancelled", now)
            self.out.cancelled += now >= self._from
        place = decision.place
        if self._limited:
            used = len(self._air) + len(self._waiting) + len(self._talking) + self._messages
            place = int(min(place, self._limits.room(now, used)))
        self._place(place, now)
        if decision.next_at != self._ask_at or decision.next_at <= now:
            self._ask_at = max(decision.next_at, now + 1e-3)
            self._push(self._ask_at, _ASK, 0)


def _spread(store: dict[int, float], start: float, end: float) -> None:
    """Add the time from `start` to `end` (s) to the minutes that it covers."""
    minute = int(start // 60.0)
    while start < end:
        edge = min(end, (minute + 1) * 60.0)
        store[minute] = store.get(minute, 0.0) + edge - start
        start, minute = edge, minute + 1
