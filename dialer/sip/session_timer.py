"""Session timers (RFC 4028): a call whose other end has vanished is noticed, without media, within the agreed time.

The one who refreshes does so at half the interval; the other hangs up when no refresh has come shortly before its end.
We agree to a timer whenever the peer asks, and ask ourselves if `EndpointConfig.session_expires` says so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from dialer.sip.message import Message, Request, Response

__all__ = [
    "MIN_SE",
    "Agreement",
    "agreed_as_client",
    "agreed_as_server",
    "min_se",
    "one_sided",
    "too_short",
    "wish_line",
]

MIN_SE = 90
"""Seconds; RFC 4028 5 allows no less."""

_LONGEST = 2**31


class Agreement:
    """What both sides agreed on: an interval in seconds, and whether the refreshing is ours."""

    __slots__ = ("grace", "interval", "ours", "wait")

    def __init__(self, interval: int, ours: bool) -> None:
        self.interval = interval
        self.ours = ours
        self.grace = interval - min(32.0, interval / 3)
        """seconds until BYE when no refresh has succeeded"""
        self.wait = interval / 2 if ours else self.grace
        """seconds until the refresh if it is ours (RFC 4028 7.2), else until giving up (RFC 4028 10)"""

    def line(self, we_are: Literal["uac", "uas"]) -> str:
        """The Session-Expires line of our next request (`uac`) or of our 2xx (`uas`)."""
        them = "uas" if we_are == "uac" else "uac"
        return f"Session-Expires: {self.interval};refresher={we_are if self.ours else them}\r\n"


@lru_cache(maxsize=64)
def one_sided(interval: int) -> Agreement:
    """What is kept to with a peer that knows no timers: it refreshes nothing, and is only asked whether it lives."""
    return Agreement(interval, True)


def wish_line(interval: int | None) -> str:
    """What a first request says of the interval that we want."""
    return f"Session-Expires: {interval}\r\n" if interval else ""


def _asked(message: Message) -> tuple[int, str] | None:
    value = message.first("session-expires")
    if value is None:
        return None
    number, _, rest = value.partition(";")
    number = number.strip()
    if not number.isascii() or not number.isdigit() or len(number) > 10 or not 0 < int(number) < _LONGEST:
        return None
    refresher = ""
    for param in rest.lower().split(";"):
        name, _, who = param.partition("=")
        if name.strip() == "refresher":
            refresher = who.strip()
    return int(number), refresher


def min_se(message: Message) -> int:
    """The Min-SE of a message, `MIN_SE` if it has none that can be read."""
    number = (message.first("min-se") or "").partition(";")[0].strip()
    return max(MIN_SE, int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else MIN_SE


def _supports(message: Message) -> bool:
    values = message.fields.get("supported", ())
    return any(tag.strip().lower() == "timer" for value in values for tag in value.split(","))


def too_short(request: Request) -> bool:
    """True if a request wants an interval that must be refused with 422 (RFC 4028 9)."""
    asked = _asked(request)
    return asked is not None and asked[0] < MIN_SE and _supports(request)


def agreed_as_client(response: Response) -> Agreement | None:
    """What a 2xx to our request agrees to (RFC 4028 7.2)."""
    asked = _asked(response)
    if asked is None:
        return None
    return Agreement(max(asked[0], MIN_SE), asked[1] != "uas")


def agreed_as_server(request: Request, wanted: int | None) -> tuple[Agreement | None, str]:
    """What our 2xx to a request shall agree to, and its header lines (RFC 4028 9); `wanted` is our own wish."""
    asked, supports = _asked(request), _supports(request)
    if asked is None and wanted is None:
        return None, ""
    interval, refresher = asked or (wanted or MIN_SE, "uas")
    interval = max(interval, MIN_SE, min_se(request))
    # A peer that knows no timers cannot refresh; one that does may, unless it wants us to.
    ours = not supports or refresher == "uas"
    agreement = Agreement(interval, ours)
    return agreement, agreement.line("uas") + ("" if ours else "Require: timer\r\n")
