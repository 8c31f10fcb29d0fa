"""The rivals, each through the same contract as `pacing.Pacer`: it sees only what a switch reports.

Written from their published descriptions (named at each); never from their code.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping

import numpy as np

from pacing import Decision
from pacing.optimum import Optimum
from pacing.rates import Rate

NEVER = 1e12


class Switch:
    """Counts what a switch reports; rivals add the decision."""

    def __init__(self) -> None:
        self.idle = 0
        self.agents = 0
        self.waiting = 0
        self.placed_at: dict[Hashable, float] = {}
        self.busy_since: dict[int, float] = {}
        self.answered = 0
        self.abandoned = 0
        self.failed = 0
        self.handled = 0
        self.handled_seconds = 0.0
        self.ring_seconds = 0.0

    @property
    def in_air(self) -> int:
        return len(self.placed_at)

    def agent_available(self, agent: int, now: float) -> None:
        since = self.busy_since.pop(agent, None)
        if since is None:
            self.agents += 1
        else:
            self.handled += 1
            self.handled_seconds += now - since
        self.idle += 1

    def agent_unavailable(self, agent: int, now: float) -> None:
        self.agents -= 1
        if self.busy_since.pop(agent, None) is None:
            self.idle -= 1

    def agent_leaving(self, agent: int, at: float, now: float) -> None:
        """None of the rivals listens to announcements."""

    def talk_ended(self, agent: int, now: float) -> None:
        """Wrap-up still occupies the agent."""

    def call_placed(self, call: int, now: float) -> None:
        self.placed_at[call] = now

    def call_ringing(self, call: int, now: float) -> None:
        """None of the rivals looks at it."""

    def call_ended_unanswered(self, call: Hashable, now: float, cause: str) -> None:
        del self.placed_at[call]
        self.failed += 1

    def call_answered(self, call: int, now: float) -> None:
        self.ring_seconds += now - self.placed_at.pop(call)
        self.waiting += 1
        self.answered += 1

    def call_connected(self, call: int, agent: int, now: float) -> None:
        self.waiting -= 1
        self.idle -= 1
        self.busy_since[agent] = now

    def call_abandoned(self, call: int, now: float) -> None:
        self.waiting -= 1
        self.abandoned += 1

    def place(self, count: float, next_at: float = NEVER) -> Decision:
        return Decision(max(0, int(count)), (), next_at, {})


class Power(Switch):
    """k calls in the air per idle agent. k = 1 is progressive dialing."""

    def __init__(self, k: float = 1.0) -> None:
        super().__init__()
        self.k = k

    def decide(self, now: float) -> Decision:
        free = self.idle - self.waiting
        return self.place(math.floor(self.k * free + 0.5) - self.in_air if free > 0 else 0)


class Vicidial(Switch):
    """VICIdial's adaptive modes, as its manager's manual and help texts describe them.

    mode: AVERAGE, HARD or TAPERED; shift_left(now): share of the shift that is left, for TAPERED.
    """

    def __init__(self, mode: str, limit: float = 0.03, shift: float = 8 * 3600.0) -> None:
        super().__init__()
        self.mode, self.limit, self.shift = mode, limit, shift
        self.level = 1.0
        self._samples: list[float] = []
        self._next_sample = self._next_level = self._next_place = 0.0

    def decide(self, now: float) -> Decision:
        if now >= self._next_sample:
            self._next_sample = now + 1.0
            self._samples = [*self._samples[-14:], float(self.idle - self.waiting)]
        if now >= self._next_level:
            self._next_level = now + 15.0
            self._adapt(now)
        count = 0.0
        if now >= self._next_place:
            self._next_place = now + 2.5
            calls = self.in_air + self.waiting + len(self.busy_since)
            count = round(self.level * self.agents) - calls
        return self.place(count, min(self._next_sample, self._next_level, self._next_place))

    def _adapt(self, now: float) -> None:
        if not self.agents:
            return
        mean = sum(self._samples) / max(1, len(self._samples))
        self.level = min(3.0, max(1.0, self.level * (1.0 + mean / self.agents)))
        if self.answered > 50 and self.abandoned > self.limit * self.answered:
            if self.mode == "AVERAGE":
                self.level /= 2.0
            elif self.mode == "HARD":
                self.level = 1.0
            else:
                self.level *= max(0.0, 1.0 - now / self.shift)
            self.level = max(1.0, self.level)


class Predict1PI(Switch):
    """UNICOM's Predict1PI: waiting + waiting x PA x failed / answered, PA by PI control to 2.8 %."""

    def __init__(self, aim: float = 0.028) -> None:
        super().__init__()
        self.aim = aim
        self.pa = 0.3
        self._sum = 0.0
        self._next = 0.0
        self._seen = (0, 0)

    def decide(self, now: float) -> Decision:
        if now >= self._next:
            self._next = now + 30.0
            answered, abandoned = self.answered - self._seen[0], self.abandoned - self._seen[1]
            if answered:
                self._seen = (self.answered, self.abandoned)
                error = self.aim - abandoned / answered
                self._sum += 0.5 * error
                self.pa = min(1.5, max(0.0, 0.3 + 1.0 * error + self._sum))
        free = max(0, self.idle - self.waiting)
        ratio = self.failed / self.answered if self.answered else 1.0
        return self.place(free + free * self.pa * ratio - self.in_air, self._next)


class Issabel(Switch):
    """Issabel / Elastix: every 3 s idle + predicted - waiting; a busy agent is predicted free when
    1 - exp(-(elapsed + mean answer time) / mean call) >= `sure` (0.97)."""

    def __init__(self, sure: float = 0.97) -> None:
        super().__init__()
        self._sure = sure
        self._next = 0.0

    def decide(self, now: float) -> Decision:
        if now < self._next:
            return self.place(0, self._next)
        self._next = now + 3.0
        mean = self.handled_seconds / self.handled if self.handled else 120.0
        answer = self.ring_seconds / self.answered if self.answered else 8.0
        soon = sum(
            1 for since in self.busy_since.values() if 1.0 - math.exp(-(now - since + answer) / mean) >= self._sure
        )
        return self.place(self.idle + soon - self.waiting - self.in_air, self._next)


class OpenLoop(Switch):
    """A fixed rate of calls (1/s), Poisson: what an Erlang A calculation gives, parameters known."""

    def __init__(self, rate: float, seed: int = 1) -> None:
        super().__init__()
        self._rng = np.random.default_rng(seed)
        self._rate = rate
        self._next = float(self._rng.exponential(1.0 / rate))

    def decide(self, now: float) -> Decision:
        count = 0
        while self._next <= now:
            count += 1
            self._next += float(self._rng.exponential(1.0 / self._rate))
        return self.place(count, self._next)


class Exact(Switch):
    """The exact table of the memoryless model, parameters known. `boost` tunes it in hindsight.

    chance: (age s) -> P(still to be answered) / P(answered), for laws with memory; None: always 1.
    """

    def __init__(self, solved: Optimum, seed: int = 1, chance: list[float] | None = None) -> None:
        super().__init__()
        self._solved = solved
        self._chance = chance
        self._rng = np.random.default_rng(seed)

    def decide(self, now: float) -> Decision:
        m = self.agents - self.idle + self.waiting
        table = self._solved.bolder if self._rng.random() < self._solved.mix else self._solved.table
        target = table[min(max(m - self._solved.first, 0), len(table) - 1)]
        if self._chance is None:
            return self.place(target - self.in_air)
        last = len(self._chance) - 1
        weight = sum(self._chance[min(last, int(2.0 * (now - at)))] for at in self.placed_at.values())
        return self.place(target - weight, now + 1.0)


class Told(Exact):
    """The exact table of the answer rate of the moment, told of each change as it happens."""

    def __init__(self, tables: Mapping[float, Optimum], rate: Rate, seed: int = 1) -> None:
        super().__init__(tables[rate(0.0)], seed)
        self._tables, self._rate = tables, rate

    def decide(self, now: float) -> Decision:
        self._solved = self._tables[self._rate(now)]
        return super().decide(now)
