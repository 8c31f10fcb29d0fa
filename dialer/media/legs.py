"""The parent's books on each leg: enough to put a new media process exactly where the lost one was."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dialer.media.backend import MediaRefused
from dialer.media.g711 import PCMA, PCMU
from dialer.media.messages import Bridge, Hold, Play, Remote, ToProcess


@dataclass(frozen=True, slots=True)
class Playing:
    """A prompt that the leg is sent: the number of the play, the engine's token."""

    number: int
    token: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Party:
    """Where a leg's party listens, and with which payload types."""

    host: str
    port: int
    payload: int
    events: int | None


@dataclass(slots=True)
class Leg:
    """One leg. `sent` is what it is sent now: nothing, a prompt, the keep-alive, or another leg's party."""

    name: str
    port: int
    party: Party | None = None
    sent: Playing | Leg | str | None = None

    HELD = "held"

    def replay(self) -> Iterator[ToProcess]:
        """What a new process must be told about this leg; a bridge is told by the leg with the lower port, after
        both parties."""
        if self.party is not None:
            yield Remote(self.port, self.party.host, self.party.port, self.party.payload, self.party.events)
        if isinstance(self.sent, Playing):
            yield Play(self.port, self.sent.prompt, self.sent.number)
        elif self.sent == Leg.HELD:
            yield Hold(self.port)

    def replay_bridge(self) -> Iterator[ToProcess]:
        """The second part of `replay`."""
        if isinstance(self.sent, Leg) and self.port < self.sent.port:
            yield Bridge(self.port, self.sent.port)


@lru_cache(maxsize=4096)  # an agent's phone is the same one after every call
def check_party(remote: tuple[str, int], payload: int, events: int | None, version: int) -> Party:
    """The party with its address in canonical form. Raises MediaRefused for an address that no audio may be sent to.

    A session description names whatever its author likes (RFC 4566 section 5.7): host names, multicast groups and
    0.0.0.0 (on hold, RFC 3264 section 8.4) are refused here, so that nobody is made to send to them.
    """
    host, port = remote
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise MediaRefused(f"media address {host[:80]!r} is no IP address") from None
    if address.version != version or address.is_multicast or address.is_unspecified or host == "255.255.255.255":
        raise MediaRefused(f"no audio is sent to {address}: not a unicast IPv{version} address")
    if not 0 < port < 65536:
        raise MediaRefused(f"media port {port} is not in 1..65535")
    if payload not in (PCMU, PCMA):
        raise MediaRefused(f"payload type {payload}: only 0 (PCMU) and 8 (PCMA) are spoken")
    if events is not None and not 96 <= events <= 127:
        raise MediaRefused(f"telephone-event payload type {events} is not in 96..127")
    return Party(str(address), port, payload, events)
