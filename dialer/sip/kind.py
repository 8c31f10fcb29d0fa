"""What kind of message some bytes are, told by their first word: for counting, so it costs next to nothing."""

from __future__ import annotations

__all__ = ["OWN_KINDS", "RESPONSE_KINDS", "kind_of"]

_METHODS = (
    "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "UPDATE", "PRACK", "INFO", "MESSAGE", "NOTIFY", "PUBLISH",
    "REFER", "SUBSCRIBE",
)  # fmt: skip
_REQUESTS = {name.encode(): name for name in _METHODS}
RESPONSE_KINDS = {b"SIP/2.0 %d" % number: f"{number}xx" for number in range(1, 7)}
"""By the first nine bytes; what is not in here must be asked of `kind_of`."""
OWN_KINDS = {name[:4].ljust(4).encode(): name for name in _METHODS}
"""By the first four bytes, for requests that we made ourselves."""


def kind_of(data: bytes) -> str:
    """A method's name, a class of responses such as `2xx`, or `other` for whatever else it may be."""
    known = RESPONSE_KINDS.get(data[:9])
    if known is not None:
        return known
    return _REQUESTS.get(data[: data.find(b" ", 0, 12)], "other")
