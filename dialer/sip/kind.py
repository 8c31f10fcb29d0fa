"""What kind of message some bytes are, told by their first word: for counting, so it costs next to nothing."""

from __future__ import annotations

__all__ = ["CLASSES", "OWN_KINDS", "RESPONSE", "kind_of"]

_METHODS = (
    "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "UPDATE", "PRACK", "INFO", "MESSAGE", "NOTIFY", "PUBLISH",
    "REFER", "SUBSCRIBE",
)  # fmt: skip
_REQUESTS = {name.encode(): name for name in _METHODS}
_RESPONSES = {b"SIP/2.0 %d" % number: f"{number}xx" for number in range(1, 7)}
CLASSES = tuple(f"{number}xx" for number in range(7))
"""Of responses, by the first digit of the status."""
OWN_KINDS = {ord(name[0]): name for name in _METHODS[:8]}
"""By the first byte, for requests that we make ourselves."""
RESPONSE = ord("S")
"""The first byte of a response of ours."""


def kind_of(data: bytes) -> str:
    """A method's name, a class of responses such as `2xx`, or `other` for whatever else it may be."""
    known = _RESPONSES.get(data[:9])
    if known is not None:
        return known
    return _REQUESTS.get(data[: data.find(b" ", 0, 12)], "other")
