"""The first minutes of a shift at their best: everything known, nobody talking yet.

The memoryless model of `pacing.optimum` (times exponential and known, exponential patience, no call given up) from an
empty floor: n agents log in at once, nothing rings. What the first minutes lose against the steady optimum there is
lost by every pacer: agents cannot talk before somebody has answered.

Two figures. `table`: the steady optimum's table from the first second on, by the forward equations. `bound`: no policy
of the model is busier in these minutes while abandoned <= cap x answered in the mean over starts. It is the dual value
of the problem with a finite horizon (backward equations at a price per abandoned call, least over prices), a little
generous, because what is abandoned after the horizon is free.

Approximation: time in steps of at most 0.1 s and half the fastest state's mean stay (explicit Euler).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacing.optimum import optimum

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Opening:
    """Occupancies: of the steady optimum, of its table from an empty floor, and the bound; abandoned: share of the
    answered under the table in the same minutes."""

    agents: int
    steady: float
    table: float
    abandoned: float
    bound: float


class _Floor:
    """Rates of the states (m answered, d ringing), shape (top + 1, most + 1)."""

    def __init__(self, n: int, p: float, handle: float, ring: float, patience: float, seconds: float) -> None:
        top = n + int(10 + 4 * math.sqrt(n * patience / handle + 1))
        in_air = n * ring / handle / p
        most = int(in_air + n / p + 5 * math.sqrt((in_air + n) / p) + 8)
        m, d = np.meshgrid(np.arange(top + 1), np.arange(most + 1), indexing="ij")
        self.answer = d * (p / ring)
        self.fail = d * ((1.0 - p) / ring)
        self.finish = np.minimum(m, n) / handle
        self.leave = np.maximum(m - n, 0) / patience
        self.busy = np.minimum(m, n) / n
        # at the top an answer is lost at once
        self.lost = self.leave + np.where(m == top, self.answer, 0.0)
        self.total = self.answer + self.fail + self.finish + self.leave
        self.step = min(0.1, 0.5 / float(self.total.max()))
        self.steps = round(seconds / self.step)

    def backward(self, reward: Array) -> float:
        """The most that can be earned from the empty floor, `reward` a second, dialing at will."""
        value = np.zeros_like(reward)
        keep = 1.0 - self.step * self.total
        gain = self.step * reward
        answer, fail = self.step * self.answer, self.step * self.fail
        down = self.step * (self.finish + self.leave)
        for _ in range(self.steps):
            after = gain + keep * value
            after[:-1, 1:] += answer[:-1, 1:] * value[1:, :-1]
            after[-1, 1:] += answer[-1, 1:] * value[-1, :-1]
            after[:, 1:] += fail[:, 1:] * value[:, :-1]
            after[1:] += down[1:] * value[:-1]
            # any number of calls may be added at once
            value = np.maximum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
        return float(value[0, 0])

    def forward(self, targets: list[int]) -> tuple[float, float, float]:
        """(occupancy, abandoned, answered) from the empty floor, dialing up to `targets[m]`."""
        chance = np.zeros_like(self.busy)
        chance[0, 0] = 1.0
        busy = lost = answered = 0.0
        for _ in range(self.steps):
            for m, target in enumerate(targets):
                chance[m, target] += chance[m, :target].sum()
                chance[m, :target] = 0.0
            flow = self.step * chance
            busy += float((flow * self.busy).sum())
            lost += float((flow * self.lost).sum())
            answered += float((flow * self.answer).sum())
            out = chance - flow * self.total
            moved = flow * self.answer
            out[1:, :-1] += moved[:-1, 1:]
            out[-1, :-1] += moved[-1, 1:]
            out[:, :-1] += (flow * self.fail)[:, 1:]
            out[:-1] += (flow * (self.finish + self.leave))[1:]
            chance = out
        return busy / (self.steps * self.step), lost, answered


def opening(
    n: int, p: float = 0.2, handle: float = 150.0, cap: float = 0.03, ring: float = 12.0, patience: float = 2.0,
    seconds: float = 900.0,
) -> Opening:  # fmt: skip
    """The first `seconds` s; times in s. Under a minute of CPU at 20 agents."""
    solved = optimum(n, p, cap, handle, ring, patience)
    floor = _Floor(n, p, handle, ring, patience, seconds)
    top, most = floor.busy.shape[0] - 1, floor.busy.shape[1] - 1
    parts = []
    for weight, table in ((1.0 - solved.mix, solved.table), (solved.mix, solved.bolder)):
        targets = [min(most, table[min(max(m - solved.first, 0), len(table) - 1)]) for m in range(top + 1)]
        parts.append((weight, floor.forward(targets)))
    lost, answered = (sum(weight * one[k] for weight, one in parts) for k in (1, 2))

    def dual(price: float) -> float:
        return floor.backward(floor.busy / seconds - price / seconds * (floor.lost - cap * floor.answer))

    return Opening(
        n, solved.occupancy, sum(weight * one[0] for weight, one in parts), lost / answered,
        least(dual, 0.2 * solved.price, 5.0 * solved.price),
    )  # fmt: skip


def least(value: Callable[[float], float], low: float, high: float, steps: int = 9) -> float:
    """The least value of a convex function of x in [low, high], x > 0, by golden sections of log x."""
    golden = 0.5 * (math.sqrt(5.0) - 1.0)
    a, b = math.log(low), math.log(high)
    left, right = b - golden * (b - a), a + golden * (b - a)
    at_left, at_right = value(math.exp(left)), value(math.exp(right))
    for _ in range(steps):
        if at_left < at_right:
            b, right, at_right = right, left, at_left
            left = b - golden * (b - a)
            at_left = value(math.exp(left))
        else:
            a, left, at_left = left, right, at_right
            right = a + golden * (b - a)
            at_right = value(math.exp(right))
    return min(at_left, at_right)
