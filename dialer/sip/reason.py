"""Why a call failed, beyond its status: Reason (RFC 3326) and Retry-After (RFC 3261 20.33)."""

from __future__ import annotations

from dialer.sip.message import Message
from dialer.sip.wire import checked_value

__all__ = ["q850_cause", "reason_line", "retry_after"]


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


def retry_after(message: Message) -> float | None:
    """Seconds of Retry-After, at most a day, or None."""
    number = (message.first("retry-after") or "").partition(";")[0].partition("(")[0].strip()
    if number.isascii() and number.isdigit() and len(number) <= 10:
        return float(min(int(number), 86_400))
    return None


def reason_line(reason: str | None) -> str:
    """A Reason header line for CANCEL or BYE, such as `Q.850;cause=16`, or nothing. Raises `UnsafeHeader`."""
    return f"Reason: {checked_value(reason)}\r\n" if reason else ""
