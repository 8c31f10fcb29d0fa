"""The legal window over which the abandonment cap is kept: since when it runs, and how much of it is left."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dispositions import CallingRules

DAY = 86400.0


def legal_window(window: str, at: float, zone: str, scale: float = 1.0) -> tuple[float, float]:
    """(since, seconds left) of the window that `at` (epoch seconds) lies in.

    `day`, `month`: the calendar day, the calendar month in `zone`. `24h` and `30d` roll: what happens now stays
    in the window for its whole length.
    `call`: the cap must hold at any moment, over what the window of a day has seen, and no later call can be counted
    on.
    `scale`: the config's `time_scale`. Every window is so much shorter: a calendar day or month falls into so many
    windows of equal length.
    """
    if window == "24h":
        return at - DAY / scale, DAY / scale
    if window == "30d":
        return at - 30 * DAY / scale, 30 * DAY / scale
    local = datetime.fromtimestamp(at, ZoneInfo(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    following = (midnight + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone))
    if window == "call":
        return _part(midnight, following, at, scale)[0], 0.0
    if window == "month":
        first = midnight.replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1, tzinfo=ZoneInfo(zone))
        return _part(first, last, at, scale)
    if window == "day":
        return _part(midnight, following, at, scale)
    raise ValueError(f"unknown window {window!r}: call, day, 24h, 30d or month")


def _part(first: datetime, last: datetime, at: float, scale: float) -> tuple[float, float]:
    """(since, seconds left) of the one of `scale` equal parts of `first` to `last` that `at` lies in."""
    since, until = first.timestamp(), last.timestamp()
    length = (until - since) / scale
    since += (at - since) // length * length
    return since, max(0.0, min(since + length, until) - at)


def time_to_dial(window: str, at: float, rules: CallingRules, scale: float = 1.0) -> tuple[float, float]:
    """(since, seconds left) of the window, the time left without the hours of today in which the campaign is closed.

    The cap is kept with what is still to be answered in the window. Nobody answers between the last closing and
    midnight: counted on, those hours would let a day end over its cap. The campaign's own zone counts; where contacts
    live farther west, the last hours are dialed with less to count on, which is the safe side. `scale`: see
    `legal_window`; opening hours are those of the clock whatever it is.
    """
    since, left = legal_window(window, at, rules.timezone, scale)
    if window not in ("day", "24h", "month"):
        return since, left
    local = datetime.fromtimestamp(at, ZoneInfo(rules.timezone))
    minute = local.hour * 60 + local.minute + local.second / 60
    closed = 1440 - max([minute, *(end for _, end in rules.of_day(local.date()))])
    midnight = (1440 - minute) * 60.0
    if window == "24h" and closed:
        # what it holds at the last closing is today, whatever tomorrow brings
        left = min(left, midnight)
    lost = max(0.0, min(left, midnight) - max(0.0, midnight - closed * 60.0))
    return since, max(0.0, left - lost)
