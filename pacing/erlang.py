"""Erlang B, C and A: staffing questions, and the open-loop rate a centre can bear.

Models, all with Poisson arrivals of rate `rate` (1/s), `agents` servers, exponential handle times of
mean `handle` (s): B loses who finds no agent (M/M/c/c), C lets everybody wait (M/M/c), A lets each
wait an exponential patience of mean `patience` (s) (M/M/c+M; Palm 1957, Garnett, Mandelbaum and
Reiman 2002). Every function takes scalars or arrays and broadcasts; results are float arrays (0-d for
scalars). Impossible input raises `InvalidValueError`.

Erlang C is wrong for a campaign that drops after 2 s: use A there, and C where callers hold.
Numerics: B by its forward recursion, stable for any load to 10,000 agents and beyond; A through the
incomplete gamma function, by series where that underflows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacing.errors import InvalidValueError

Array = NDArray[np.float64]
MOST_AGENTS = 1_000_000


def _positive(name: str, value: ArrayLike, zero: bool = False) -> Array:
    try:
        out = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as wrong:
        raise InvalidValueError(f"{name} is not numeric: {value!r}") from wrong
    if not np.all(np.isfinite(out)) or np.any(out < 0.0 if zero else out <= 0.0):
        raise InvalidValueError(f"{name} must be finite and {'>= 0' if zero else '> 0'}: {value!r}")
    return out


def _agents(agents: ArrayLike) -> NDArray[np.int64]:
    out = _positive("agents", agents, zero=True)
    if np.any(out != np.floor(out)) or np.any(out > MOST_AGENTS):
        raise InvalidValueError(f"agents must be whole numbers up to {MOST_AGENTS}: {agents!r}")
    return out.astype(np.int64)


def erlang_b(load: ArrayLike, agents: ArrayLike) -> Array:
    """P(an arrival finds all agents busy and is lost). load = rate x handle, in erlangs."""
    a, c = np.broadcast_arrays(_positive("load", load, zero=True), _agents(agents))
    blocked = np.ones(a.shape)
    out = np.where(c == 0, 1.0, np.nan)
    for k in range(1, int(c.max(initial=0)) + 1):
        blocked = a * blocked / (k + a * blocked)
        out = np.where(c == k, blocked, out)
    return np.asarray(out)


def erlang_c(load: ArrayLike, agents: ArrayLike) -> Array:
    """P(an arrival has to wait) when everybody waits; 1 when load >= agents."""
    a, c = np.broadcast_arrays(_positive("load", load, zero=True), _agents(agents))
    b = erlang_b(a, c)
    full = a >= c
    with np.errstate(divide="ignore", invalid="ignore"):
        waits = c * b / (c - a * (1.0 - b))
    return np.asarray(np.where(full, 1.0, waits))


def mean_wait(rate: ArrayLike, handle: ArrayLike, agents: ArrayLike) -> Array:
    """Erlang C: mean wait over all arrivals, s; infinite when overloaded."""
    lam, h = _positive("rate", rate, zero=True), _positive("handle", handle)
    lam, h, c = np.broadcast_arrays(lam, h, _agents(agents))
    spare = c / h - lam
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(spare > 0.0, erlang_c(lam * h, c) / np.maximum(spare, 1e-300), np.inf))


def service_level(rate: ArrayLike, handle: ArrayLike, agents: ArrayLike, within: ArrayLike) -> Array:
    """Erlang C: share of arrivals that wait at most `within` s; 0 when overloaded."""
    lam, h = _positive("rate", rate, zero=True), _positive("handle", handle)
    lam, h, c, t = np.broadcast_arrays(lam, h, _agents(agents), _positive("within", within, zero=True))
    spare = c / h - lam
    waits = erlang_c(lam * h, c) * np.exp(-np.maximum(spare, 0.0) * t)
    return np.asarray(np.where(spare > 0.0, 1.0 - waits, 0.0))


class ErlangA:
    """M/M/c+M, vectorised. Arguments as in the module; results broadcast over them.

    waits: P(wait > 0); abandoned: share of arrivals that give up; occupancy: mean share of busy
    agents; mean_wait: mean time in queue over all arrivals (served or not), s; queue: mean length.
    """

    def __init__(self, rate: ArrayLike, handle: ArrayLike, agents: ArrayLike, patience: ArrayLike) -> None:
        lam = _positive("rate", rate)
        h, theta = _positive("handle", handle), 1.0 / _positive("patience", patience)
        c = _agents(agents)
        if np.any(c < 1):
            raise InvalidValueError("agents must be at least 1")
        lam, h, c, theta = np.broadcast_arrays(lam, h, c, theta)
        load = lam * h
        b = erlang_b(load, c)
        self._x, self._y, self._theta = c / h / theta, lam / theta, theta
        a = _palm(self._x, self._y)
        self.waits: Array = np.asarray(a * b / (1.0 + (a - 1.0) * b))
        rho = load / c
        given_wait = np.clip(1.0 / (rho * a) + 1.0 - 1.0 / rho, 0.0, 1.0)
        self.abandoned: Array = np.asarray(self.waits * given_wait)
        self.occupancy: Array = np.asarray(rho * (1.0 - self.abandoned))
        self.mean_wait: Array = np.asarray(self.abandoned / theta)
        self.queue: Array = np.asarray(lam * self.mean_wait)

    def served_within(self, seconds: ArrayLike) -> Array:
        """Share of arrivals that reach an agent after waiting at most `seconds`."""
        t = _positive("seconds", seconds, zero=True)
        left = self._y * np.exp(-self._theta * t)
        # P(served after a wait > t) = waits x E[exp(-theta V); V > t], V the offered wait
        ratio = np.exp(_log_lower(self._x + 1.0, left) - _log_lower(self._x, self._y)) / self._y
        return np.asarray(np.clip(1.0 - self.abandoned - self.waits * ratio, 0.0, 1.0))


def _series(x: Array, y: Array) -> Array:
    """1 + y/(x+1) + y^2/((x+1)(x+2)) + ..., vectorised."""
    total = np.ones(np.shape(x))
    term = np.ones(np.shape(x))
    k = 0
    while np.any(term > 1e-16 * total):
        k += 1
        term = term * y / (x + k)
        total = total + term
    return total


def _log_lower(x: Array, y: Array) -> Array:
    """log of the (unregularised) lower incomplete gamma function, x, y > 0, without underflow."""
    from scipy.special import gammainc, gammaln

    y = np.maximum(y, 1e-300)
    small = y < x
    with np.errstate(divide="ignore"):
        direct = gammaln(x) + np.log(gammainc(x, y))
    by_series = x * np.log(y) - y - np.log(x) + np.log(_series(x, np.where(small, y, 0.0)))
    return np.asarray(np.where(small, by_series, direct))


def _palm(x: Array, y: Array) -> Array:
    """Palm's A(x, y) = x exp(y) y^-x lower_gamma(x, y); may be infinite far above saturation."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(np.log(x) + y - x * np.log(y) + _log_lower(x, y)))


def agents_for_wait(rate: float, handle: float, seconds: float) -> int:
    """Fewest agents at which the mean wait (Erlang C) is at most `seconds`."""
    return _fewest(lambda c: float(mean_wait(rate, handle, c)) <= seconds)


def agents_for_level(rate: float, handle: float, level: float, within: float) -> int:
    """Fewest agents at which a share `level` waits at most `within` s (Erlang C)."""
    return _fewest(lambda c: float(service_level(rate, handle, c, within)) >= level)


def agents_for_abandonment(rate: float, handle: float, patience: float, share: float) -> int:
    """Fewest agents at which at most `share` abandons (Erlang A)."""
    return _fewest(lambda c: float(ErlangA(rate, handle, c, patience).abandoned) <= share)


def rate_for_abandonment(agents: int, handle: float, patience: float, share: float) -> float:
    """The highest rate of answered calls (1/s) at which at most `share` abandons (Erlang A)."""
    if not 0.0 < share < 1.0:
        raise InvalidValueError(f"share must be between 0 and 1: {share!r}")
    low, high = 0.0, 2.0 * agents / handle / (1.0 - share)
    for _ in range(60):
        middle = 0.5 * (low + high)
        if float(ErlangA(middle, handle, agents, patience).abandoned) <= share:
            low = middle
        else:
            high = middle
    return low


def _fewest(enough: Any) -> int:
    high = 1
    while not enough(high):
        high *= 2
        if high > MOST_AGENTS:
            raise InvalidValueError("no number of agents reaches the target")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high
