"""The exact optimum of pacing, in the memoryless model, and the bound that it proves.

Model. n agents; ring, handle and patience times exponential and known (means `ring`, `handle`,
`patience`, s); a call placed is answered by a person with probability p. State: m answered calls in
the system, d ringing. Control: place calls at any instant. Maximise the share of time that agents
are occupied, E min(m, n) / n, while abandoned <= cap x answered in the long run.

TWO ASSUMPTIONS TO NAME WHEREVER A FIGURE IS QUOTED: patience is exponential (in practice it is a
fixed time), and no ringing call is ever given up. A pacer that gives calls up may exceed the bound.

Method. With a price `lam` on (abandoned - cap x answered) per second the problem is a semi-Markov
decision process, solved by policy iteration over 'dial up to t(m)' tables; one sparse LU per step
serves both rewards. The price is bisected. For any price, value(price) is an upper bound on every
admissible policy (weak duality); the optimum mixes the two neighbouring tables and attains it.

Truncation. m in [n - 16 - 2 sqrt n, n + waiting room], d below about the mean in the air + 5 sd + what
10 + sqrt n idle agents bear; `Optimum.edge` is the probability found there and should be below 1e-4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacing.errors import InvalidValueError
from pacing.index import NODES, IndexRule

Table = NDArray[np.int64]
MOST_STEPS = 60


@dataclass(frozen=True, slots=True)
class Optimum:
    """The solved problem.

    occupancy   long-run share of time occupied at the constrained optimum
    bound       the dual bound: no policy of the model does better (equal up to the price's tolerance)
    abandoned   abandoned / answered of the mixture
    price       occupancy per unit of (abandoned - cap x answered) per second
    first       the m of table[0]
    table       dial-up-to target per m, from m = first to the top (the thriftier of the two tables)
    bolder      the other table of the mixture
    mix         weight of `bolder` in the mixture of their occupation measures
    edge        probability on the truncation edges
    """

    occupancy: float
    bound: float
    abandoned: float
    price: float
    first: int
    table: tuple[int, ...]
    bolder: tuple[int, ...]
    mix: float
    edge: float

    def target(self, m: int) -> int:
        """Dial up to this many ringing calls with m answered calls in the system."""
        return self.table[min(max(m - self.first, 0), len(self.table) - 1)]


class _Model:
    def __init__(self, n: int, p: float, cap: float, handle: float, ring: float, patience: float) -> None:
        self.n, self.p, self.cap = n, p, cap
        self.handle, self.ring, self.patience = handle, ring, patience
        flow = n / handle
        self.first = max(0, n - int(16 + 2 * math.sqrt(n)))
        self.top = n + int(8 + 3 * math.sqrt(flow * patience) + 4 * flow * patience)
        self.m = np.arange(self.first, self.top + 1)
        mean_air = flow * ring / p
        self.most = int(mean_air + 5 * math.sqrt(mean_air / p) + (min(n, 10 + math.sqrt(n)) + 3) / p + 8)
        width = self.most + 1
        self.shape = (len(self.m), width)
        mm, dd = np.meshgrid(self.m, np.arange(width), indexing="ij")
        self.answer = dd * (p / ring)
        self.fail = dd * ((1.0 - p) / ring)
        self.finish = np.where(mm > self.first, np.minimum(mm, n) / handle, 0.0)
        self.abandon = np.maximum(mm - n, 0) / patience
        self.busy = np.minimum(mm, n) / n
        # at the top an answer is lost at once and counts as abandoned
        lost = np.where(mm == self.top, self.answer, 0.0)
        self.overrun = self.abandon + lost - cap * self.answer
        self.losses = self.abandon + lost
        self.row = np.arange(mm.size).reshape(self.shape)

    def index_table(self, tau: float) -> Table:
        """The table of the index rule of `pacing.index` with all parameters known."""
        shares = [(j + 0.5) / NODES for j in range(NODES)]
        times = [-self.ring * math.log1p(-u) for u in shares]
        out = []
        for m in self.m.tolist():
            freed = [min(m, self.n) / self.handle * (t + self.patience) for t in times]
            rule = IndexRule(self.n - m, freed, [0.0] * NODES, shares, self.p, 0.0)
            out.append(min(self.most, rule.place(tau, self.most)))
        return np.array(out, dtype=np.int64)

    def matrix(self, table: Table) -> Any:
        """The generator on post-decision states, as a sparse matrix."""
        from scipy.sparse import coo_matrix

        rows, cols, vals = [], [], []
        count, width = self.shape
        i = np.arange(count)[:, None] * np.ones((1, width), dtype=np.int64)
        d = np.ones((count, 1), dtype=np.int64) * np.arange(width)[None, :]
        total = np.zeros(self.shape)
        for rate, dm, dd in (
            (self.answer, 1, -1), (self.fail, 0, -1), (self.finish, -1, 0), (self.abandon, -1, 0),
        ):  # fmt: skip
            to_m = np.clip(i + dm, 0, count - 1)
            to_d = np.maximum(d + dd, table[to_m])
            live = rate > 0
            rows.append(self.row[live])
            cols.append(self.row[to_m, np.clip(to_d, 0, width - 1)][live])
            vals.append(rate[live])
            total += rate
        # a post-decision state without any event never moves; let it look at its table again
        still = total <= 0
        rows.append(self.row[still])
        cols.append(self.row[i, table[i]][still])
        vals.append(np.full(int(still.sum()), 1.0))
        total[still] = 1.0
        rows.append(self.row.ravel())
        cols.append(self.row.ravel())
        vals.append(-total.ravel())
        size = self.row.size
        return coo_matrix(
            (np.concatenate(vals), (np.concatenate(rows), np.concatenate(cols))), shape=(size, size)
        ).tocsc()

    def evaluate(self, table: Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(gains, biases) for the rewards (occupancy, overrun); shapes (2,), (2, m, d)."""
        from scipy.sparse import csc_matrix
        from scipy.sparse.linalg import splu

        q = self.matrix(table)
        reference = int(self.row[min(len(self.m) - 1, self.n - self.first), table[self.n - self.first]])
        # the bias of the reference state is 0; its column carries the gain instead
        start, end = q.indptr[reference], q.indptr[reference + 1]
        size = q.shape[0]
        data = np.concatenate((q.data[:start], np.full(size, -1.0), q.data[end:]))
        indices = np.concatenate((q.indices[:start], np.arange(size), q.indices[end:]))
        indptr = q.indptr.copy()
        indptr[reference + 1 :] += size - (end - start)
        factor = splu(csc_matrix((data, indices, indptr), shape=q.shape), permc_spec="COLAMD")
        right = -np.stack([self.busy.ravel(), self.overrun.ravel()], axis=1)
        solved = factor.solve(right)
        gains = solved[reference].copy()
        solved[reference] = 0.0
        return gains, solved.T.reshape(2, *self.shape)

    def improve(self, bias: NDArray[np.float64], table: Table) -> Table:
        """The greedy table; ties go to the table that is."""
        best = bias.argmax(axis=1)
        rows = np.arange(len(table))
        better = bias[rows, best] > bias[rows, table] + 1e-9
        return np.where(better, best, table)

    def solve(self, price: float, table: Table) -> tuple[Table, NDArray[np.float64]]:
        """Policy iteration at a price: the best table and its gains (occupancy, overrun)."""
        for _ in range(MOST_STEPS):
            gains, biases = self.evaluate(table)
            after = self.improve(biases[0] - price * biases[1], table)
            if np.array_equal(after, table):
                break
            table = after
        return table, gains

    def stationary(self, table: Table) -> NDArray[np.float64]:
        """The stationary distribution, shape (m, d)."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.linalg import splu

        q = self.matrix(table).T.tocsr()
        row = int(self.row[self.n - self.first, table[self.n - self.first]])
        start, end = q.indptr[row], q.indptr[row + 1]
        size = q.shape[0]
        data = np.concatenate((q.data[:start], np.ones(size), q.data[end:]))
        indices = np.concatenate((q.indices[:start], np.arange(size), q.indices[end:]))
        indptr = q.indptr.copy()
        indptr[row + 1 :] += size - (end - start)
        right = np.zeros(size)
        right[row] = 1.0
        solved = splu(csr_matrix((data, indices, indptr), shape=q.shape).tocsc()).solve(right)
        return np.asarray(solved).reshape(self.shape)

    def performance(self, table: Table) -> Performance:
        """Long-run figures of one table."""
        x = self.stationary(table)
        answers = float((x * self.answer).sum())
        edge = float(x[-1].sum() + x[:, -1].sum() + (x[0].sum() if self.first else 0.0))
        lost = float((x * self.losses).sum())
        return Performance(float((x * self.busy).sum()), lost / answers if answers else 0.0, answers, edge)


@dataclass(frozen=True, slots=True)
class Performance:
    """Of one table: occupancy, abandoned / answered, answers per second, probability on the edges."""

    occupancy: float
    abandoned: float
    answers: float
    edge: float


def _checked(n: int, p: float, cap: float, handle: float, ring: float, patience: float) -> _Model:
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 1000:
        raise InvalidValueError(f"n must be a whole number from 1 to 1000: {n!r}")
    for name, value, top in (
        ("p", p, 1.0), ("cap", cap, 0.9), ("handle", handle, 1e6), ("ring", ring, 1e4), ("patience", patience, 1e4),
    ):  # fmt: skip
        if not (isinstance(value, (int, float)) and 0.0 < value <= top):
            raise InvalidValueError(f"{name} must be above 0 and at most {top:g}: {value!r}")
    return _Model(n, p, cap, handle, ring, patience)


@lru_cache(maxsize=256)
def optimum(
    n: int, p: float, cap: float = 0.03, handle: float = 150.0, ring: float = 12.0, patience: float = 2.0
) -> Optimum:
    """The constrained optimum for n agents (1 to 1000); times in s; seconds of work for n = 100.

    Quote it with its assumptions: exponential patience, no call given up. Cached.
    Raises `InvalidValueError`.
    """
    model = _checked(n, p, cap, handle, ring, patience)
    table = model.index_table(0.01)
    price = 0.7 * handle / n
    over: tuple[Table, NDArray[np.float64]] | None = None
    under: tuple[Table, NDArray[np.float64]] | None = None
    bound = 1.0
    while over is None or under is None:
        table, gains = model.solve(price, table)
        bound = min(bound, float(gains[0] - price * gains[1]))
        if gains[1] > 0.0:
            over = table, gains
            price *= 3.0
        else:
            under = table, gains
            if price < 1e-6:  # even free abandonment stays under the cap
                over = under
            price /= 3.0
    price *= 0.0 if over is under else 1.0
    for _ in range(MOST_STEPS):
        rise = over[1][1] - under[1][1]
        if rise <= 1e-12:
            break
        # the price at which both are equally good; if nothing beats them there, they are the optimum
        price = float((over[1][0] - under[1][0]) / rise)
        chord = float(under[1][0] - price * under[1][1])
        table, gains = model.solve(price, under[0])
        value = float(gains[0] - price * gains[1])
        bound = min(bound, value)
        if value <= chord + 1e-7:
            break
        if gains[1] > 0.0:
            over = table, gains
        else:
            under = table, gains
    rise = over[1][1] - under[1][1]
    mix = float(-under[1][1] / rise) if rise > 1e-12 else 0.0
    first, second = model.performance(under[0]), model.performance(over[0])
    answers = (1.0 - mix) * first.answers + mix * second.answers
    lost = (1.0 - mix) * first.answers * first.abandoned + mix * second.answers * second.abandoned
    return Optimum(
        occupancy=(1.0 - mix) * first.occupancy + mix * second.occupancy,
        bound=bound,
        abandoned=lost / answers if answers else 0.0,
        price=price,
        first=model.first,
        table=tuple(under[0].tolist()),
        bolder=tuple(over[0].tolist()),
        mix=mix,
        edge=max(first.edge, second.edge),
    )


def index_optimum(
    n: int, p: float, cap: float = 0.03, handle: float = 150.0, ring: float = 12.0, patience: float = 2.0
) -> tuple[float, float]:
    """(occupancy, tau) of the index rule at the best tau, parameters known, same model as `optimum`.

    The occupancy is that of the mixture of two neighbouring taus that spends the cap exactly.
    """
    model = _checked(n, p, cap, handle, ring, patience)
    low, high = math.log(1e-5), math.log(0.9)
    under = over = model.evaluate(model.index_table(math.exp(low)))[0]
    for _ in range(12):
        middle = 0.5 * (low + high)
        gains = model.evaluate(model.index_table(math.exp(middle)))[0]
        if gains[1] > 0.0:
            high, over = middle, gains
        else:
            low, under = middle, gains
    rise = over[1] - under[1]
    mix = float(-under[1] / rise) if rise > 1e-12 else 0.0
    return float((1.0 - mix) * under[0] + mix * over[0]), math.exp(0.5 * (low + high))
