"""Which trunk takes a call: the cheapest well one with a line, a reserve trunk only when no other can."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dialer.trunk import Trunk


def candidates(trunks: Iterable[Trunk], number: str, now: float, tried: Collection[str] = ()) -> list[Trunk]:
    """Trunks that could take a call to `number` now, best first: regular before reserve, then price, then the
    emptiest.
    """
    able = [t for t in trunks if t.name not in tried and t.carries(number) and t.free_lines(now) > 0]
    return sorted(able, key=lambda t: (t.table.reserve, t.price(number), t.lines_in_use / t.table.lines, t.name))


def choose(trunks: Iterable[Trunk], number: str, now: float, tried: Collection[str] = ()) -> Trunk | None:
    """The first candidate whose calls-per-second limit has room; None when there is none."""
    for trunk in candidates(trunks, number, now, tried):
        if trunk.starts(now) > 0:
            return trunk
    return None


def routable(trunks: Iterable[Trunk], number: str) -> bool:
    """Whether any trunk, well or not, may be given `number` at all."""
    return any(t.carries(number) for t in trunks)


def free_lines(trunks: Iterable[Trunk], now: float) -> int:
    """Calls that may be placed beside those in progress; reserve trunks count only when no regular one is well."""
    regular = [t for t in trunks if not t.table.reserve]
    usable = [t for t in regular if t.well(now)] or [t for t in trunks if t.table.reserve and t.well(now)]
    return sum(t.free_lines(now) for t in usable)


def starts(trunks: Iterable[Trunk], now: float) -> int:
    """INVITEs that may leave right now over all well trunks."""
    return sum(min(t.starts(now), t.free_lines(now)) for t in trunks if t.well(now))
