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

Truncation. m in [n - 30 - 4 sqrt n, n + waiting room], d below a bound at which the table never
arrives; `Optimum.edge` is the probability found on the edges and should be below 1e-5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacing.index import NODES, IndexRule

Table = NDArray[np.int64]


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
    def __init__(
        self, n: int, p: float, cap: float, handle: float, ring: float, patience: float
    ) -> None:
        self.n, self.p, self.cap = n, p, cap
        self.handle, self.ring, self.patience = handle, ring, patience
        flow = n / handle
        self.first = max(0, n - int(30 + 4 * math.sqrt(n)))
        self.top = n + int(8 + 3 * math.sqrt(flow * patience) + 4 * flow * patience)
        self.m = np.arange(self.first, self.top + 1)
        mean_air = flow * ring / p
        self.most = int(mean_air + 6 * math.sqrt(mean_air) + (min(n, 14 + 3 * math.sqrt(n)) + 4) / p + 8)
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
        self.answers = self.answer
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

    def evaluate(self, table: Table) -> tuple[NDArray[np.float64], NDArray[np.float64], Any, int]:
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
        return gains, solved.T.reshape(2, *self.shape), factor, reference

    def improve(self, bias: NDArray[np.float64], table: Table) -> Table:
        """The greedy table; ties go to the table that is."""
        best = bias.argmax(axis=1)
        rows = np.arange(len(table))
        better = bias[rows, best] > bias[rows, table] + 1e-9
        return np.where(better, best, table)

    def solve(self, price: float, table: Table) -> tuple[Table, NDArray[np.float64], int]:
        """Policy iteration at a price."""
        for step in range(60):
            gains, biases, _, _ = self.evaluate(table)
            after = self.improve(biases[0] - price * biases[1], table)
            if np.array_equal(after, table):
                return table, gains, step + 1
            table = after
        return table, gains, 60

    def stationary(self, table: Table) -> NDArray[np.float64]:
        """The stationary distribution, shape (m, d)."""
        from scipy.sparse.linalg import splu

        q = self.matrix(table).T.tolil()
        start = int(self.row[self.n - self.first, table[self.n - self.first]])
        q[start, :] = 1.0
        right = np.zeros(self.row.size)
        right[start] = 1.0
        return np.asarray(splu(q.tocsc()).solve(right)).reshape(self.shape)
