"""What the engine may ask of media, whichever backend does it.

A *leg* is one party's side of a call, named by the engine. It owns one RTP port from `allocate` until `release`.
All methods but `start`, `close` and `load_prompt` return at once and never wait for the media process; they must be
called in the loop's thread.

What a leg is sent is one thing at a time: nothing, a prompt (`play`), a keep-alive (`hold`) or its bridged party.
The latest command wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class MediaError(Exception):
    """Something about media failed; the text is one line."""


class MediaExhausted(MediaError):
    """No RTP port is free: every one is in use or in quarantine."""


class MediaGone(MediaError):
    """The media process is not there: never started, closed, or it could not be started (again)."""


class MediaRefused(MediaError):
    """The command cannot be carried out: unknown leg, unloaded prompt, unusable remote address or payload type."""


class Latch(StrEnum):
    """Whether a leg's audio follows the address that the party's packets really come from (symmetric RTP, RFC
    4961)."""

    OFF = "off"  # send to the SDP address only; hear only that host
    PORT = "port"  # the first packet from the SDP's host may move the port
    ADDRESS = "address"  # the first packet may move host and port: for parties behind NAT, on trusted networks only


@dataclass(frozen=True, slots=True)
class MediaPort:
    """Where a leg's audio is received: an IP address and an even UDP port (RTCP: the next odd one)."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class MediaStats:
    """Figures for metrics. Counters grow over the backend's life, restarts included; `dropped` is keyed by reason."""

    alive: bool
    ports: int
    allocated: int
    quarantined: int
    playing: int
    restarts: int
    sent: int
    received: int
    forwarded: int
    late: int  # times that a stream was held up by more than 100 ms and skipped ahead
    faults: int  # messages that the process could not carry out
    dropped: Mapping[str, int]


class MediaBackend(Protocol):
    """The interface of `direct`, `relay` and any later backend.

    Callbacks are given when a backend is built and run in the loop's thread:

    - `on_finished(token, ok)`: the prompt of that `play` has been sent to its end (`ok`), or was cut by a loss of
      the media process (not `ok`). Exactly once for each `play` that the caller did not itself stop, replace or
      release; never inside `play`.
    - `on_dtmf(leg, digit)`: the party pressed a key (RFC 4733 event; 0-9, *, #, A-D).
    - `on_lost(reason)`, `on_restored()`: the media process died, and is back with the same ports. Legs, holds and
      bridges live on.
    """

    async def start(self) -> None:
        """Start the media process and bind its ports. Raises MediaGone when that fails, PromptError for a bad
        prompt."""

    async def close(self) -> None:
        """End the media process; returns when it is gone, and no callback follows. May be called twice."""

    async def load_prompt(self, path: str) -> float:
        """Read (again) a WAV file that `play` may then name. Returns its length in seconds; raises PromptError."""

    def allocate(self, leg: str) -> MediaPort:
        """A port for a new leg. Raises MediaExhausted, MediaGone, or MediaRefused when the leg has one already."""

    def set_remote(self, leg: str, remote: tuple[str, int], payload: int, events: int | None = None) -> None:
        """Where the party listens, with which G.711 payload type (0 or 8), and its telephone-event payload type
        (from its SDP). Needed before `bridge` on a relaying backend and before digits can be heard. Raises
        MediaRefused."""

    def play(self, leg: str, remote: tuple[str, int], payload: int, prompt: str, token: str) -> None:
        """Send a loaded prompt to `remote` as G.711 (payload type 0 u-law, 8 A-law). Raises MediaRefused."""

    def hold(self, leg: str, remote: tuple[str, int], payload: int) -> None:
        """Keep a quiet leg alive: one frame of silence each second, until another command. Raises MediaRefused."""

    def stop(self, leg: str) -> None:
        """Send nothing more to the leg; ends its bridge. Unknown legs are ignored."""

    def bridge(self, first: str, second: str) -> bool:
        """Let two parties hear each other. True: the backend relays. False: nothing is sent to either any more, and
        the engine re-INVITEs both to each other. Raises MediaRefused."""

    def release(self, leg: str) -> None:
        """Give the leg's port back; it rests a short time before another leg gets it. Unknown legs are ignored."""

    @property
    def alive(self) -> bool:
        """Whether the media process runs: asked before each call, so it costs nothing."""

    def stats(self) -> MediaStats:
        """Figures as of now; the process's counters are at most a second old."""
