"""A call as a simulated phone sees it: its states as a table, and what it must keep."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from . import sdp
from .message import Message

T1, T2 = 0.5, 4.0
"""RFC 3261 17.1.1.1, seconds."""

REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error", 503: "Service Unavailable",
    603: "Decline",
}  # fmt: skip

#: (state, what happened) -> state; a missing key is a fault of the other side and changes nothing
CALL_STATES: dict[tuple[str, str], str] = {
    ("invited", "ring"): "ringing",
    ("ringing", "ring"): "ringing",
    ("invited", "answer"): "answered",
    ("ringing", "answer"): "answered",
    ("invited", "reject"): "rejected",
    ("ringing", "reject"): "rejected",
    ("invited", "cancel"): "rejected",
    ("ringing", "cancel"): "rejected",
    ("answered", "cancel"): "answered",  # crossed our 200: RFC 3261 9.2, no effect
    ("confirmed", "cancel"): "confirmed",
    ("rejected", "cancel"): "rejected",
    ("rejected", "ack"): "ended",
    ("ended", "ack"): "ended",  # the ACK of a repeated final response
    ("answered", "ack"): "confirmed",
    ("confirmed", "ack"): "confirmed",
    ("confirmed", "reinvite"): "confirmed",
    ("confirmed", "bye_in"): "ended",
    ("confirmed", "bye_out"): "ended",
    ("answered", "bye_out"): "ended",  # no ACK came: RFC 3261 13.3.1.4
    ("rejected", "no_ack"): "ended",
}


class Owner(Protocol):
    """Decides for a phone. All methods are called in the loop's thread."""

    def on_invite(self, call: Call) -> None: ...
    def on_cancel(self, call: Call) -> None: ...
    def on_ack(self, call: Call) -> None: ...
    def on_media(self, call: Call) -> None: ...
    def on_end(self, call: Call, by: str) -> None: ...


@dataclass(slots=True)
class Transaction:
    """A final response of ours, or our BYE: what to repeat, and for how long it has been."""

    data: bytes
    target: tuple[str, int]
    timer: asyncio.TimerHandle | None = None
    interval: float = T1
    spent: float = 0.0

    def stop(self) -> None:
        """Repeat it no more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(slots=True, eq=False)
class Call:
    """One call that came in. `offer`: the other side's last description; `media_port`: our RTP port."""

    invite: Message
    call_id: str
    local_tag: str
    remote_tag: str
    number: str
    target_uri: str
    route: list[str]
    remote_cseq: int
    state: str = "invited"
    offer: sdp.Remote | None = None
    media_port: int = 0
    sdp_version: int = 0
    local_cseq: int = 0
    reinvites: int = 0
    pending: Message | None = None
    final: Transaction | None = None
    bye: Transaction | None = None
    invite_cseq: int = 0
    awaits_answer: bool = False
    acked: set[int] = field(default_factory=set)
