"""One TCP or TLS connection: bytes to messages and back, nothing decided here."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from dialer.sip import PONG, Flow, Framer

if TYPE_CHECKING:
    from dialer.transport.streams import Streams

__all__ = ["Connection", "Limits", "reason_of"]

PING = b"\r\n\r\n"
"""Keep-alive (RFC 5626 3.5.1)."""
_UNACKNOWLEDGED = 20_000
"""Milliseconds that sent bytes may stay unacknowledged: a far end that is gone is noticed before timer B."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what connections may cost; seconds and bytes."""

    connect: float = 5.0
    """until a connection must stand, TLS included: far below timer B, so that the next target still has its turn"""
    write: int = 1 << 20
    """unsent bytes of one connection; a far end that reads no more is given up"""
    connections: int = 4096
    """open at once; more are not accepted and not opened"""
    keep_alive: float = 30.0
    """silence on a connection that we opened before it gets a CRLF ping"""
    stranger: float = 30.0
    """an accepted connection without a whole message, and a message without its end, live so long"""
    idle: float = 900.0
    """an accepted connection on which nothing comes, not even a ping"""


def reason_of(error: BaseException | None) -> str:
    """A connection's end as a name that is fit to be counted."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "unknown").lower()
    return "closed"


class Connection(asyncio.Protocol):
    """`flow` is what the endpoint calls it. An accepted connection learns its flow from the far end's address."""

    __slots__ = (
        "accepted",
        "authentic",
        "flow",
        "framer",
        "heard_at",
        "messages",
        "partial_at",
        "said_at",
        "streams",
        "wire",
    )

    def __init__(self, streams: Streams, flow: Flow | None, transport: str) -> None:
        self.streams = streams
        self.accepted = flow is None
        self.flow = flow or Flow("", 0, transport)
        self.framer = Framer(streams.max_message)
        self.wire: asyncio.Transport | None = None
        self.authentic = False  # the far end showed a certificate that we trust
        self.messages = 0
        self.heard_at = self.said_at = streams.clock()
        self.partial_at: float | None = None  # since when a message lacks its end

    # The loop's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.authentic = tls.context.verify_mode == ssl.CERT_REQUIRED and tls.getpeercert(True) is not None
        if self.accepted:
            peer = transport.get_extra_info("peername")
            if peer is None:  # gone before it was accepted
                self.wire.abort()
                return
            self.flow = Flow(peer[0], peer[1], self.flow.transport)
        self.streams.opened(self)

    def data_received(self, data: bytes) -> None:
        framer, streams = self.framer, self.streams
        self.heard_at = now = streams.clock()
        messages = framer.feed(data)
        self.messages += len(messages)
        self.partial_at = (
            None if not framer.waiting else now if messages or self.partial_at is None else self.partial_at
        )
        if framer.pings:
            self.write(PONG * framer.pings)
            framer.pings = 0
        for message in messages:
            streams.receive(self, message, now)
        if framer.fault is not None:
            streams.errors[f"stream_{framer.fault}"] += 1
            self.close()
        streams.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.streams.closed(self, error)
        self.wire = None

    # Ours

    @property
    def usable(self) -> bool:
        """What is written may still arrive."""
        return self.wire is not None and not self.wire.is_closing()

    def write(self, data: bytes) -> None:
        """Send, unless the far end has stopped reading: then the connection ends."""
        wire = self.wire
        if wire is None:
            return
        if wire.get_write_buffer_size() + len(data) > self.streams.limits.write:
            self.streams.errors["stream_write_overflow"] += 1
            wire.abort()
            return
        self.said_at = self.streams.clock()
        wire.write(data)

    def close(self) -> None:
        """End it when everything written has left."""
        if self.wire is not None:
            self.wire.close()

    def sweep(self, now: float) -> None:
        """Ping what we opened, give up what nobody uses."""
        limits = self.streams.limits
        if self.partial_at is not None and now - self.partial_at > limits.stranger:
            self._give_up("stalled")
        elif not self.accepted:
            if now - max(self.heard_at, self.said_at) > limits.keep_alive:
                self.write(PING)
        elif now - self.heard_at > (limits.idle if self.messages else limits.stranger):
            self._give_up("idle")

    def _give_up(self, why: str) -> None:
        self.streams.errors[f"stream_{why}"] += 1
        if self.wire is not None:
            self.wire.abort()
