"""What an endpoint tells the layer above. Every leg ends in exactly one `Failed` or `Ended`, and says nothing after
it.

The three of every answered call are tuples: a frozen dataclass sets each field by a call of its own, which on a cold
processor costs as much as reading the message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from dialer.sip.dialog import DialogState
from dialer.sip.flow import Destination

__all__ = [
    "Answered",
    "Bound",
    "Ended",
    "Event",
    "Failed",
    "IncomingCall",
    "Offered",
    "OptionsAnswered",
    "OptionsFailed",
    "Provisional",
    "RegisterRefused",
    "Registered",
    "RegistrationFailed",
    "ReinviteFailed",
    "Reinvited",
    "Unbound",
    "Unregistered",
]


class Provisional(NamedTuple):
    """A 101 to 199 to our INVITE (100 Trying is not reported); `sdp` is early media's description, if it came with
    one.
    """

    leg: str
    status: int
    reason: str
    sdp: bytes | None


class Answered(NamedTuple):
    """Our INVITE got its 2xx, and the ACK has been sent. The dialog is confirmed.

    `crossed_cancel`: the 2xx passed our CANCEL on the way. Nothing but the ACK is done about it: the call stands until
    the layer above keeps it or says `bye`. If the INVITE carried no offer, `sdp` is the peer's offer and the ACK
    waits for
    `Endpoint.acknowledge`, as it does after an `invite` that said `hold_ack`.
    """

    leg: str
    sdp: bytes | None
    dialog: DialogState
    crossed_cancel: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The call came to nothing. `retry_after` in seconds, `cause` a Q.850 cause from a Reason header (RFC 3326).

    kind `response`: a final status of the peer (or ours, for an incoming call that we rejected). `timeout`: no
    response at all (status 408,
    timer B). `transport`: the connection could not be had, or was lost (status 503, RFC 3261 8.1.3.1).
    `cancelled`: by our cancel (status 487), or an incoming call by the caller.
    """

    leg: str
    status: int
    reason: str
    retry_after: float | None = None
    cause: int | None = None
    kind: Literal["response", "timeout", "cancelled", "transport"] = "response"
    moved_to: str | None = None
    """the number that the called one has changed to, where the network says so"""


@dataclass(frozen=True, slots=True)
class Reinvited:
    """Our re-INVITE was accepted; `sdp` is the peer's answer, `rtt` the seconds from its first sending to the 2xx.

    Also: an INVITE or re-INVITE of the peer came without offer, our `answer` was the offer, and its ACK brought the
    answer.
    """

    leg: str
    sdp: bytes | None
    rtt: float


@dataclass(frozen=True, slots=True)
class ReinviteFailed:
    """Our re-INVITE was refused; the session goes on as before (RFC 3261 14.1)."""

    leg: str
    status: int


@dataclass(frozen=True, slots=True)
class Offered:
    """A remote re-INVITE or UPDATE. Reply with `Endpoint.answer`, or `Endpoint.reject`. `sdp` None: answer with an
    offer of ours.
    """

    leg: str
    sdp: bytes | None


class Ended(NamedTuple):
    """A confirmed dialog is over: BYE from the peer (or its 481), our BYE completed, or the dialog died unanswered."""

    leg: str
    by: Literal["remote", "local", "timeout"]
    cause: int | None = None


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """An INVITE for us; 100 Trying has been sent. `sdp` None: answer with an offer; `Reinvited` brings its answer.
    `headers` are lower-case names with their values, as they came; `source` is where it came from.
    """

    leg: str
    from_uri: str
    to_uri: str
    sdp: bytes | None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    source: Destination | None = None


@dataclass(frozen=True, slots=True)
class OptionsAnswered:
    """The peer answered our OPTIONS, whatever the status: it is alive. `rtt` in seconds."""

    ping: str
    status: int
    rtt: float


@dataclass(frozen=True, slots=True)
class OptionsFailed:
    """No answer to our OPTIONS within 64*T1 (timer F)."""

    ping: str


@dataclass(frozen=True, slots=True)
class Registered:
    """Signed on, or refreshed, for `expires` seconds with the registrar at `destination`."""

    registration: str
    expires: int
    destination: Destination


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """No registrar took us: the last one's status (408: no answer). All are tried again in `retry_in` seconds."""

    registration: str
    status: int
    retry_in: float


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The end of a registration that was told to end."""

    registration: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A user of our registrar can be reached through `uri`, whose REGISTER came from `source`, for `expires` seconds.
    `fresh`: it was not bound before; else a refresh.
    """

    user: str
    uri: str
    source: Destination
    expires: float
    fresh: bool


@dataclass(frozen=True, slots=True)
class Unbound:
    """No longer: by the user's own wish, because no refresh came, or because the account was withdrawn."""

    user: str
    uri: str
    why: Literal["unregistered", "expired", "withdrawn"]


@dataclass(frozen=True, slots=True)
class RegisterRefused:
    """A REGISTER that proved no right. `user` is what its sender said. why `held`: so many failures that the sender
    must wait from now on; `other_user`: right credentials, for somebody else's address.
    """

    user: str
    source: Destination
    why: Literal["credentials", "held", "other_user"]


Event = (
    Provisional
    | Answered
    | Failed
    | Reinvited
    | ReinviteFailed
    | Offered
    | Ended
    | IncomingCall
    | OptionsAnswered
    | OptionsFailed
    | Registered
    | RegistrationFailed
    | Unregistered
    | Bound
    | Unbound
    | RegisterRefused
)
