"""What can be wrong, split by whose fault it is (after h11).

`SipError` and its children are *ours*: a command that the layer above should not have given. They change nothing.
`MalformedMessage` is the *remote's*: it never leaves `Endpoint.receive`, which answers or drops and counts instead.
"""

from __future__ import annotations

__all__ = [
    "BadDestination",
    "BadSavedState",
    "MalformedMessage",
    "SdpError",
    "SipError",
    "TooManyLegs",
    "UndefinedTransition",
    "UnknownLeg",
    "UnknownRegistration",
    "UnsafeHeader",
    "WrongState",
]


class SipError(Exception):
    """A command that cannot be carried out. The endpoint is as it was before the command."""


class UnknownLeg(SipError):
    """No live leg has this id: it never existed, or it has ended."""


class UnknownRegistration(SipError):
    """No registration has this id."""


class WrongState(SipError):
    """The leg exists, but the command makes no sense in its present state."""


class UnsafeHeader(SipError):
    """A header name, header value or URI that must not reach the wire: CR, LF, other control characters, bad names."""


class BadDestination(SipError):
    """Not an IP address and a port of 1 to 65535: names are resolved by those who have a network."""


class BadSavedState(SipError):
    """What was saved is neither an `InvitePlan` nor a `DialogState`."""


class TooManyLegs(SipError):
    """`EndpointConfig.max_legs` live legs exist already."""


class UndefinedTransition(SipError):
    """A state machine met an event that its table does not know in this state: a bug of ours, named."""


class SdpError(SipError):
    """A session description that cannot be used (RFC 4566), or values that cannot make one."""


class MalformedMessage(Exception):
    """Bytes from the network that are not SIP, or break its grammar. `args[0]` is a short reason, safe to count by."""
