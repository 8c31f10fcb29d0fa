"""One SIP leg as the engine sees it: its media port, what the far end said about its audio, and whom it is pointed at.

A leg is pointed either at our own media port or at another leg's far end (the `direct` backend: both parties of a
bridge are re-INVITEd to each other, RFC 3725 flow I with both offers known). `Leg.aim` sets the wish; `Leg.sync`
sends a re-INVITE when what the far end was last offered differs from the wish and none is under way; so a far end that
moves its port in an answer makes the other leg follow, and a wish that changes in mid-flight is made good afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dialer.media import MediaPort
from dialer.sip import SdpError, sdp

#: Times that a leg follows a far end which answers every offer with another port, before it is left as it is.
MAX_ROUNDS = 4
#: What a leg is offered that is pointed at our own media port.
_OWN: tuple[object, ...] = ("own",)


def audio_key(far: sdp.SessionDescription) -> tuple[object, ...]:
    """What a party must be told again when it changes: address, codecs, direction."""
    return (far.host, far.port, far.payloads, far.direction)


def g711_payload(far: sdp.SessionDescription) -> int:
    """The payload type of the first G.711 codec that the far end takes: 0 u-law, 8 A-law; 0 when it names none."""
    return next((p.number for p in far.payloads if p.number in (0, 8)), 0)


def answer_direction(offered: sdp.Direction, party: sdp.Direction) -> sdp.Direction:
    """What to answer to an offer of `offered`, for a party that wants `party` (RFC 3264 6.1: who offers sendonly must
    not be answered sendrecv).
    """
    sends = party in ("sendrecv", "sendonly") and offered in ("sendrecv", "recvonly")
    hears = party in ("sendrecv", "recvonly") and offered in ("sendrecv", "sendonly")
    if sends:
        return "sendrecv" if hears else "sendonly"
    return "recvonly" if hears else "inactive"


def _offer_of(far: sdp.SessionDescription, session: int, version: int) -> bytes:
    # a held party's `sendonly` is passed on as it is: the other one must not talk into nothing
    return sdp.readdressed(far, session_id=session, version=version)


class Line(Protocol):
    """What a leg needs of the SIP side."""

    def reinvite(self, leg: str, description: bytes) -> bool:
        """Send a re-INVITE; False when the leg is not there any more, or an offer of the far end is to be answered."""
        ...


@dataclass(slots=True, eq=False)
class Leg:
    """A dialog with a far end. `id` is the Call-ID."""

    id: str
    media_key: str
    """what the media backend knows it by"""
    port: MediaPort
    line: Line
    session: int
    version: int = 1
    far: sdp.SessionDescription | None = None
    far_key: tuple[object, ...] = _OWN
    """what a leg that is pointed at this one's far end is to be offered; our own port while nothing is known of it"""
    heard: bytes | None = None
    """the description that `far` was read from"""
    aimed_at: Leg | None = None
    up: bool = False
    in_flight: bool = False
    rounds: int = 0
    offered: tuple[object, ...] | None = None
    on_synced: Callable[[], None] | None = field(default=None, repr=False)

    def own_offer(self, direction: sdp.Direction = "sendrecv") -> bytes:
        """Our media port, with everything that we speak."""
        host, port = self.port.host, self.port.port
        return sdp.audio(host, port, direction=direction, session_id=self.session, version=self.version)

    def note_far(self, description: bytes | None) -> bool:
        """Take what the far end said of its audio; False when it cannot be used."""
        if description is None or description == self.heard:  # phones say the same again at each call
            return self.far is not None
        try:
            parsed = sdp.parse(description)
        except SdpError:
            return False
        if not parsed.port:
            return False
        self.far, self.far_key, self.heard = parsed, audio_key(parsed), description
        return True

    def _wish(self) -> tuple[object, ...]:
        return _OWN if self.aimed_at is None else self.aimed_at.far_key

    def synced(self) -> bool:
        """The far end has accepted what it is meant to be pointed at."""
        if self.in_flight:
            return False
        wish = self._wish()
        return self.offered is wish or self.offered == wish or self.rounds >= MAX_ROUNDS

    def aim(self, target: Leg | None) -> None:
        """Point this leg at `target`'s far end, or (None) back at our media port."""
        self.aimed_at = target
        self.rounds = 0
        self.sync()

    def sync(self) -> None:
        """Send the re-INVITE that is due, if any."""
        if not self.up or self.in_flight or self.synced():
            return
        self.version += 1
        wish = self._wish()
        target = self.aimed_at
        if target is None or target.far is None:
            body = self.own_offer()
        else:
            body = _offer_of(target.far, self.session, self.version)
        if self.line.reinvite(self.id, body):
            self.offered, self.in_flight = wish, True
            self.rounds += 1
        else:
            self.version -= 1  # RFC 3264 8: it rises by one with each description that is sent

    def accepted(self, description: bytes | None) -> None:
        """The far end answered our re-INVITE."""
        self.in_flight = False
        self.note_far(description)
        self._settle()

    def settle_initial(self) -> None:
        """The dialog is up and the far end knows our media port."""
        self.up, self.offered = True, _OWN

    def refused(self) -> None:
        """Our re-INVITE was refused: the far end is pointed where it was before, which we no longer claim to know."""
        self.in_flight = False
        self.offered = None

    def answer_to_offer(self, description: bytes | None) -> bytes:
        """The far end changes its session (hold, another port): what to answer. The other leg of a bridge follows."""
        self.note_far(description)
        self.version += 1
        theirs = self.far.direction if description is not None and self.far is not None else "sendrecv"
        target = self.aimed_at
        if target is not None and target.far is not None:
            self.offered = target.far_key
            way = answer_direction(theirs, target.far.direction)
            return sdp.readdressed(target.far, session_id=self.session, version=self.version, direction=way)
        self.offered = _OWN
        return self.own_offer(answer_direction(theirs, "sendrecv"))

    def tell_partner(self) -> None:
        """This far end has said something new of its audio: the leg that is pointed at it follows."""
        other = self.aimed_at
        if other is not None and other.aimed_at is self:
            other.sync()

    def _settle(self) -> None:
        self.sync()
        self.tell_partner()
        if self.on_synced is not None:
            self.on_synced()


@dataclass(slots=True, eq=False)
class Bridge:
    """Two legs that are being, or have been, joined."""

    customer: Leg
    agent: Leg
    on_done: Callable[[], None]
    done: bool = False

    def start(self) -> None:
        """Re-INVITE both at once; `on_done` is called when both have accepted."""
        self.customer.on_synced = self.agent.on_synced = self._check
        self.customer.aimed_at, self.agent.aimed_at = self.agent, self.customer
        self.customer.rounds = self.agent.rounds = 0
        self.agent.sync()
        self.customer.sync()
        self._check()

    def _check(self) -> None:
        if not self.done and self.customer.synced() and self.agent.synced():
            self.done = True
            self.on_done()

    def release(self) -> None:
        """Forget the wish to be told; the legs stay as they are."""
        for leg in (self.customer, self.agent):
            if leg.on_synced == self._check:
                leg.on_synced = None
