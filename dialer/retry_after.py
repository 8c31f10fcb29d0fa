"""When a server asks not to be asked again before a certain time (RFC 9110 10.2.3)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

#: Digits of delay-seconds that are read: more is no time that anybody waits.
MOST_DIGITS = 9
#: Statuses whose Retry-After speaks of the server as a whole: too many requests (RFC 6585 4), unavailable.
WHOLE_SERVER = frozenset({429, 503})


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds from `now` (epoch seconds) on that `Retry-After: value` asks for, never negative; None where it asks for
    nothing that can be understood. `delay-seconds` or an HTTP-date in any of its three forms (RFC 9110 5.6.7)."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= MOST_DIGITS else None
    try:
        at = parsedate_to_datetime(text)
        # asctime names no zone: it is UTC in HTTP
        stamp = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
        return max(0.0, stamp - now)
    except (ValueError, OverflowError):
        return None
