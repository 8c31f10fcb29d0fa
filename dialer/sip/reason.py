"""Why a call failed, beyond its status: Reason (RFC 3326), Retry-After (RFC 3261 20.33), where the number has gone."""

from __future__ import annotations

import re

from dialer.sip.message import Message, Response
from dialer.sip.wire import checked_value

__all__ = ["moved_to", "q850_cause", "reason_line", "retry_after"]


def q850_cause(message: Message) -> int | None:
    """The Q.850 cause (0 to 127) of a Reason header, or None."""
    for value in message.fields.get("reason", ()):
        for item in value.split(","):
            protocol, _, rest = item.partition(";")
            if protocol.strip().lower() != "q.850":
                continue
            for param in rest.split(";"):
                name, _, number = param.partition("=")
                number = number.strip()
                if name.strip().lower() == "cause" and number.isascii() and number.isdigit() and len(number) <= 3:
                    cause = int(number)
                    return cause if cause < 128 else None
    return None


_NUMBER = re.compile(r"(?:sips?|tel):(\+?[0-9]{5,15})(?=[@;>,?\s]|$)", re.IGNORECASE)


def moved_to(response: Response) -> str | None:
    """The number that a called number has changed to, as the network announces it: the user part of the first Contact
    of a 301 (RFC 3261 21.3.2: nobody is at the old address any more), or of a 410 or a cause 22 (number changed, Q.850)
    that carries one. Digits with or without a plus; None when there is none. A 302 is for the moment only."""
    if response.status not in (301, 410) and q850_cause(response) != 22:
        return None
    found = _NUMBER.search((response.first("contact") or "")[:500])
    return found[1] if found is not None else None


def retry_after(message: Message) -> float | None:
    """Seconds of Retry-After, at most a day, or None."""
    number = (message.first("retry-after") or "").partition(";")[0].partition("(")[0].strip()
    if number.isascii() and number.isdigit() and len(number) <= 10:
        return float(min(int(number), 86_400))
    return None


def reason_line(reason: str | None) -> str:
    """A Reason header line for CANCEL or BYE, such as `Q.850;cause=16`, or nothing. Raises `UnsafeHeader`."""
    return f"Reason: {checked_value(reason)}\r\n" if reason else ""
