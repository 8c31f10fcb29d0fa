"""The sockets of the media process: an RTP port with the RTCP port above it, and what its leg is at the moment."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterable

from dialer.media.g711 import SILENCE
from dialer.media.rtp import FRAME, Forwarder, Sender
from dialer.media.schedule import FRAME_TICKS, SECOND_TICKS, TICK

Address = tuple[str, int]
_EXPEDITED = 0xB8  # DSCP EF for voice, RFC 4594 section 4.1
_CLOCK_PER_TICK = int(8000 * TICK)


class Port:
    """One bound RTP port. Without a `remote` it carries no leg."""

    __slots__ = (
        "counts", "digit_at", "digit_timestamp", "events", "forwarder", "latched", "number", "payload", "peer",
        "remote", "rtcp", "rtp", "sender", "stream",
    )  # fmt: skip

    def __init__(self, number: int, rtp: socket.socket, rtcp: socket.socket, counts: Counter[str]) -> None:
        self.number = number
        self.rtp = rtp
        self.rtcp = rtcp
        self.counts = counts
        self.clear()

    def clear(self) -> None:
        """Forget the leg."""
        self.remote: Address | None = None
        self.payload = 0
        self.events: int | None = None
        self.latched = False
        self.sender: Sender | None = None
        self.forwarder: Forwarder | None = None
        self.stream: PromptStream | SilenceStream | None = None
        self.peer: Port | None = None
        self.digit_timestamp: int | None = None
        self.digit_at = float("-inf")

    def set_remote(self, remote: Address, payload: int, events: int | None, now: float) -> None:
        """The leg's party listens there. A new address is latched anew."""
        if remote != self.remote:
            self.remote, self.latched = remote, False
        self.payload, self.events = payload, events
        if self.sender is None:
            self.sender = Sender(now)

    def quiet(self) -> None:
        """Send the party nothing more; a bridge ends at both sides."""
        if self.stream is not None:
            self.stream.ended = True
            self.stream = None
        if self.peer is not None:
            self.peer.peer = self.peer.forwarder = None
            self.peer = self.forwarder = None

    def send(self, packet: bytes) -> bool:
        """Send to the party; False and a count when the kernel does not take it."""
        assert self.remote is not None
        try:
            self.rtp.sendto(packet, self.remote)
        except BlockingIOError:
            self.counts["drop_send_buffer_full"] += 1
            return False
        except OSError as error:
            self.counts["drop_send_" + errno.errorcode.get(error.errno or 0, "error").lower()] += 1
            return False
        return True


class PromptStream:
    """A prompt on its way to a port's party, 20 ms at a time."""

    __slots__ = ("_at", "_frames", "_on_end", "_port", "ended", "period")

    def __init__(self, port: Port, frames: list[bytes], on_end: Callable[[], None]) -> None:
        self._port = port
        self._frames = frames
        self._at = 0
        self._on_end = on_end
        self.ended = False
        self.period = FRAME_TICKS

    def fire(self, skipped: int) -> bool:
        """See `schedule.Stream`. The end is told when the last frame's 20 ms are over."""
        if self.ended:
            return False
        if self._at == len(self._frames):
            self._port.stream = None
            self._on_end()
            return False
        sender = self._port.sender
        assert sender is not None
        sender.timestamp += skipped * _CLOCK_PER_TICK
        packet = sender.packet(self._port.payload, self._frames[self._at], marker=self._at == 0 or skipped > 0)
        self._at += 1
        if self._port.send(packet):
            self._port.counts["sent"] += 1
        return True


class SilenceStream:
    """A frame of silence each second: keeps NAT bindings open and phones from hanging up, at a fiftieth of a
    prompt's cost."""

    __slots__ = ("_port", "ended", "period")

    def __init__(self, port: Port) -> None:
        self._port = port
        self.ended = False
        self.period = SECOND_TICKS

    def fire(self, skipped: int) -> bool:
        """See `schedule.Stream`. Each frame is a talkspurt of its own: marked, with the clock moved on (RFC 3551
        section 4.1)."""
        if self.ended:
            return False
        sender = self._port.sender
        assert sender is not None
        frame = bytes([SILENCE[self._port.payload]]) * FRAME
        packet = sender.packet(self._port.payload, frame, marker=True)
        sender.timestamp += (self.period + skipped) * _CLOCK_PER_TICK - FRAME
        if self._port.send(packet):
            self._port.counts["sent"] += 1
        return True


def raise_file_limit() -> None:
    """Two sockets a leg need more files than the usual soft limit of 1024: take all that the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # a container may forbid it: then fewer ports bind, and Ready says so
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def bind_ports(host: str, numbers: Iterable[int], counts: Counter[str]) -> tuple[list[Port], Counter[str]]:
    """Bind each RTP port and the RTCP port above it (RFC 3550 section 11). Returns the bound ones and the failures
    by errno name.

    RTCP is bound though nothing is done with it: otherwise its packets would be answered by ICMP errors, or reach
    another program that happens to own that port.
    """
    ports: list[Port] = []
    failed: Counter[str] = Counter()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in numbers:
        pair: list[socket.socket] = []
        try:
            for each in (number, number + 1):
                pair.append(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
                pair[-1].bind((host, each))
            if family == socket.AF_INET:
                pair[0].setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED)
            else:
                pair[0].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED)
        except OSError as error:
            for one in pair:
                one.close()
            failed[errno.errorcode.get(error.errno or 0, str(error))] += 1
        else:
            ports.append(Port(number, pair[0], pair[1], counts))
    return ports, failed
