"""A seeded simulator of one campaign that drives any pacer through the public contract.

The policy sees only what a switch reports. Draws are common across policies: the i-th call placed
has the same fate, the i-th connected call the same talk time, whoever paces. Longest idle agent
first, longest waiting call first.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pacing.decision import CallId, Decision
from pacing.laws import Draw, Laws


class Policy(Protocol):
    """What the simulator needs of a pacer; `pacing.Pacer` and every baseline have it."""

    def agent_available(self, agent: int, now: float) -> None: ...
    def agent_unavailable(self, agent: int, now: float) -> None: ...
    def agent_leaving(self, agent: int, at: float, now: float) -> None: ...
    def talk_ended(self, agent: int, now: float) -> None: ...
    def call_placed(self, call: int, now: float) -> None: ...
    def call_ringing(self, call: int, now: float) -> None: ...
    def call_ended_unanswered(self, call: CallId, now: float, cause: str) -> None: ...
    def call_answered(self, call: int, now: float) -> None: ...
    def call_connected(self, call: int, agent: int, now: float) -> None: ...
    def call_abandoned(self, call: int, now: float) -> None: ...
    def decide(self, now: float) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Shift:
    """Agent `agent` is there from `start` to `end` (s); a call running at `end` is finished first.
    announced: s before `end` at which the end is told to the pacer (None: not)."""

    agent: int
    start: float
    end: float
    announced: float | None = None


@dataclass(slots=True)
class Outcome:
    """What a run gave. Times in s; the lists by answered call allow any window to be judged."""

    logged_in: float = 0.0
    occupied: float = 0.0
    placed: int = 0
    answered: int = 0
    connected: int = 0
    abandoned: int = 0
    cancelled: int = 0
    decided: int = 0
    ends: list[tuple[float, bool]] = field(default_factory=list)
    busy_by_minute: dict[int, float] = field(default_factory=dict)
    agents_by_minute: dict[int, float] = field(default_factory=dict)

    @property
    def occupancy(self) -> float:
        """Share of logged-in time spent talking or in wrap-up."""
        return self.occupied / self.logged_in if self.logged_in else 0.0

    @property
    def abandon_rate(self) -> float:
        """Abandoned over answered by a person."""
        done = self.connected + self.abandoned
        return self.abandoned / done if done else 0.0


class _Stream:
    """An endless stream of draws in blocks."""

    def __init__(self, draw: Draw, seed: Sequence[int]) -> None:
        self._draw = draw
        self._rng = np.random.default_rng(list(seed))
        self._block: Iterator[float] = iter(())

    def next(self) -> float:
        for value in self._block:
            return value
        self._block = iter(self._draw(self._rng, 1024).tolist())
        return next(self._block)


def full_time(agents: int, seconds: float) -> list[Shift]:
    """`agents` agents from 0 to `seconds`."""
    return [Shift(a, 0.0, seconds) for a in range(agents)]


(_END, _ANSWER, _FAIL, _GIVE_UP, _TALKED, _READY, _IN, _OUT, _TOLD, _ASK) = range(10)


def simulate(
    policy: Policy,
    laws: Laws,
    shifts: Sequence[Shift],
    seconds: float,
    seed: int,
    warm_up: float = 0.0,
    each: Callable[[float, Decision], None] | None = None,
    by_minute: bool = False,
) -> Outcome:
    """Run `policy` on `laws` for `seconds`; what happens before `warm_up` is not counted.

    each: called with every decision, for inspection. by_minute: fill the per-minute occupancy.
    """
    uniform = _Stream(lambda rng, size: rng.random(size), (seed, 0))
    rings = _Stream(laws.ring_answered, (seed, 1))
    fails = _Stream(laws.ring_failed, (seed, 2))
    quick = _Stream(lambda rng, size: rng.random(size), (seed, 3))
    talks = _Stream(laws.talk, (seed, 4))
    wraps = _Stream(laws.wrap_up, (seed, 5))
    patience = _Stream(laws.patience, (seed, 6))
    heap: list[tuple[float, int, int, int]] = []
    count = 0

    def push(at: float, kind: int, who: int) -> None:
        nonlocal count
        count += 1
        heapq.heappush(heap, (at, count, kind, who))

    out = Outcome()
    idle: deque[int] = deque()
    waiting: dict[int, None] = {}
    air: set[CallId] = set()
    present: set[int] = set()
    going: set[int] = set()
    busy_since: dict[int, float] = {}
    logged_since: dict[int, float] = {}
    talking: dict[int, int] = {}
    next_call = 0
    ask_at = -1.0

    def spread(store: dict[int, float], start: float, end: float) -> None:
        minute = int(start // 60.0)
        while start < end:
            edge = min(end, (minute + 1) * 60.0)
            store[minute] = store.get(minute, 0.0) + edge - start
            start, minute = edge, minute + 1

    def free(agent: int, now: float) -> None:
        start = busy_since.pop(agent)
        if now > warm_up:
            out.occupied += now - max(start, warm_up)
        if by_minute:
            spread(out.busy_by_minute, start, now)

    def leave(agent: int, now: float) -> None:
        policy.agent_unavailable(agent, now)
        present.discard(agent)
        going.discard(agent)
        start = logged_since.pop(agent)
        if now > warm_up:
            out.logged_in += now - max(start, warm_up)
        if by_minute:
            spread(out.agents_by_minute, start, now)

    def connect(call: int, agent: int, now: float) -> None:
        policy.call_connected(call, agent, now)
        busy_since[agent] = now
        talking[agent] = call
        push(now + talks.next(), _TALKED, agent)
        if now >= warm_up:
            out.connected += 1
            out.ends.append((now, False))

    for shift in shifts:
        push(shift.start, _IN, shift.agent)
        if shift.end < seconds:
            push(shift.end, _OUT, shift.agent)
            if shift.announced is not None:
                push(max(shift.start, shift.end - shift.announced), _TOLD, shift.agent)
    ends = {shift.agent: shift.end for shift in shifts}
    push(seconds, _END, 0)

    while True:
        now, _, kind, who = heapq.heappop(heap)
        ask = True
        if kind == _END:
            break
        if kind == _ASK:
            if now != ask_at:
                continue
        elif kind == _FAIL:
            if who not in air:
                continue
            air.discard(who)
            policy.call_ended_unanswered(who, now, "no_answer")
        elif kind == _ANSWER:
            if who not in air:
                continue
            air.discard(who)
            policy.call_answered(who, now)
            if now >= warm_up:
                out.answered += 1
            if idle:
                connect(who, idle.popleft(), now)
            else:
                waiting[who] = None
                push(now + patience.next(), _GIVE_UP, who)
        elif kind == _GIVE_UP:
            if who not in waiting:
                continue
            del waiting[who]
            policy.call_abandoned(who, now)
            if now >= warm_up:
                out.abandoned += 1
                out.ends.append((now, True))
        elif kind == _TALKED:
            policy.talk_ended(who, now)
            push(now + wraps.next(), _READY, who)
            ask = False
        elif kind == _READY:
            free(who, now)
            if who in going:
                leave(who, now)
            else:
                policy.agent_available(who, now)
                if waiting:
                    call = next(iter(waiting))
                    del waiting[call]
                    connect(call, who, now)
                else:
                    idle.append(who)
        elif kind == _IN:
            present.add(who)
            logged_since[who] = now
            policy.agent_available(who, now)
            if waiting:
                call = next(iter(waiting))
                del waiting[call]
                connect(call, who, now)
            else:
                idle.append(who)
        elif kind == _OUT:
            if who in busy_since:
                going.add(who)
            else:
                idle.remove(who)
                leave(who, now)
        elif kind == _TOLD:
            policy.agent_leaving(who, ends[who], now)
        if not ask or (heap and heap[0][0] == now):
            continue
        decision = policy.decide(now)
        out.decided += 1
        if each is not None:
            each(now, decision)
        for cancelled in decision.cancel:
            air.discard(cancelled)
            policy.call_ended_unanswered(cancelled, now, "cancelled")
            out.cancelled += now >= warm_up
        for _ in range(decision.place):
            call = next_call
            next_call += 1
            policy.call_placed(call, now)
            air.add(call)
            answers = uniform.next() < laws.answer_rate(now)
            ring, fail, short = rings.next(), fails.next(), quick.next()
            if answers and ring < laws.timeout:
                push(now + ring, _ANSWER, call)
            else:
                late = laws.timeout if answers else min(fail, laws.timeout)
                push(now + (laws.quick if short < laws.quick_fail else late), _FAIL, call)
            out.placed += now >= warm_up
        if decision.next_at != ask_at or decision.next_at <= now:
            ask_at = max(decision.next_at, now + 1e-3)
            push(ask_at, _ASK, 0)
    for agent in list(busy_since):
        free(agent, seconds)
    for agent in list(present):
        leave(agent, seconds)
    return out
