"""Which trunk takes a call: the cheapest well one with a line, a reserve trunk only when no other can."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dialer.trunk import Trunk

#: Numbers that only trunks may be given which cannot take a call now, while others can: when they are tried again,
#: seconds. A trunk that is down may be up again at any moment; one that is full has a line again soon.
TRY_DOWN, TRY_FULL = 30.0, 1.0


def candidates(trunks: Iterable[Trunk], number: str, now: float, tried: Collection[str] = ()) -> list[Trunk]:
    """Trunks that could take a call to `number` now, best first: by price, then the emptiest. Reserve trunks only when
    no regular one that carries the number is well: one that is merely full, or at its calls per second, is waited for.
    """
    able = [t for t in trunks if t.name not in tried and t.carries(number) and t.lets(now)]
    usable = [t for t in able if not t.table.reserve] or able
    free = [t for t in usable if t.free_lines(now) > 0]
    return sorted(free, key=lambda t: (t.price(number), t.lines_in_use / t.table.lines, t.name))


def choose(trunks: Iterable[Trunk], number: str, now: float, tried: Collection[str] = ()) -> Trunk | None:
    """The first candidate whose calls-per-second limit has room; None when there is none."""
    for trunk in candidates(trunks, number, now, tried):
        if trunk.starts(now) > 0:
            return trunk
    return None


def routable(trunks: Iterable[Trunk], number: str) -> bool:
    """Whether any trunk, well or not, may be given `number` at all."""
    return any(t.carries(number) for t in trunks)


def passed_over(trunks: Collection[Trunk], number: str, now: float) -> float | None:
    """For a number that no trunk can take at `now`: when it is worth another try, if other trunks could take other
    numbers meanwhile; None when no trunk can take any.
    """
    if starts(trunks, now) <= 0:
        return None
    well = [t for t in trunks if t.carries(number) and t.well(now)]
    if well:
        return now + TRY_FULL
    rests = [t.blocked_until for t in trunks if t.carries(number) and t.up]
    return min([now + TRY_DOWN, *rests])


def _usable(trunks: Iterable[Trunk], now: float) -> list[Trunk]:
    """Reserve trunks count only when no regular one is well."""
    well = [t for t in trunks if t.lets(now)]
    return [t for t in well if not t.table.reserve] or well


def free_lines(trunks: Iterable[Trunk], now: float) -> int:
    """Calls that may be placed beside those in progress."""
    return sum(t.free_lines(now) for t in _usable(trunks, now))


def starts(trunks: Iterable[Trunk], now: float) -> int:
    """INVITEs that may leave right now."""
    return sum(min(t.starts(now), t.free_lines(now)) for t in _usable(trunks, now))


def rate(trunks: Iterable[Trunk], now: float) -> float:
    """Calls per second that may be placed."""
    return sum(t.table.calls_per_second for t in _usable(trunks, now))


def next_start(trunks: Iterable[Trunk], now: float) -> float | None:
    """When the next INVITE may leave; None while no line is free."""
    return min((t.next_start(now) for t in _usable(trunks, now) if t.free_lines(now) > 0), default=None)
