"""RTP packets (RFC 3550 section 5.1) and telephone events in them (RFC 4733), as plain functions and one small
sender."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

CLOCK = 8000  # timestamp units a second, G.711 and its telephone events alike
FRAME = 160  # timestamp units in a packet of 20 ms
HEADER = 12
MAX_PACKET = 1500  # bytes; more is not G.711 over Ethernet
DIGITS = "0123456789*#ABCD"  # RFC 4733 section 3.2, events 0-15
_FIXED = struct.Struct("!BBHII")
_MASK16, _MASK32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Packet:
    """What the rest of us needs of a received packet. `start` and `end` bound its payload in the datagram."""

    payload: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    start: int
    end: int


def parse(data: bytes | bytearray | memoryview, size: int) -> Packet | str:
    """The packet in the first `size` octets of `data`, or the reason to drop it:
    short, too_long, version, truncated (CSRC list or extension), padding, rtcp (multiplexed, RFC 5761 section 4)."""
    if size < HEADER:
        return "short"
    if size > MAX_PACKET:
        return "too_long"
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != 2:
        return "version"
    if 192 <= second <= 223:
        return "rtcp"
    start, end = HEADER + 4 * (first & 0x0F), size
    if first & 0x10:
        if start + 4 > size:
            return "truncated"
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if start > size:
        return "truncated"
    if first & 0x20:
        padding = data[size - 1]
        if not padding or start + padding > size:
            return "padding"
        end -= padding
    return Packet(second & 0x7F, second >= 0x80, sequence, timestamp, ssrc, start, end)


def event_digit(payload: bytes | bytearray | memoryview) -> str | None:
    """The key of a telephone-event payload (RFC 4733 section 2.3), None when it is too short or no key."""
    return DIGITS[payload[0]] if len(payload) >= 4 and payload[0] < len(DIGITS) else None


class Sender:
    """The outgoing side of a leg: one SSRC, one sequence, one clock, whatever is sent (RFC 3550 section 5.1)."""

    __slots__ = ("_origin", "_start", "sequence", "ssrc", "timestamp")

    def __init__(self, now: float) -> None:
        self.ssrc = secrets.randbits(32)
        self.sequence = secrets.randbits(16)
        self.timestamp = self._start = secrets.randbits(32)  # kept whole; cut to 32 bits when packed
        self._origin = now

    def resume(self, now: float) -> None:
        """Something new begins after a pause: the timestamp moves on by the time that passed (never back)."""
        self.timestamp = max(self.timestamp, self._start + round((now - self._origin) * CLOCK))

    def packet(self, payload: int, audio: bytes, marker: bool) -> bytes:
        """The next packet; sequence and timestamp move on by it."""
        header = _FIXED.pack(
            0x80, payload | (0x80 if marker else 0), self.sequence, self.timestamp & _MASK32, self.ssrc
        )
        self.sequence = (self.sequence + 1) & _MASK16
        self.timestamp += len(audio)
        return header + audio


class Forwarder:
    """Gives a relayed party's packets the leg's own SSRC, sequence and clock, so that its phone sees one stream;
    gaps and order of what was received are kept (RFC 3550 section 7.1 allows a translator to keep or to map the
    SSRC)."""

    __slots__ = ("_sender", "_sequence", "_ssrc", "_timestamp")

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._ssrc: int | None = None
        self._sequence = self._timestamp = 0

    def packet(self, packet: Packet, payload: int, audio: bytes) -> bytes:
        """The received `packet` with `audio`, as the leg's own."""
        sender, marker = self._sender, packet.marker
        if packet.ssrc != self._ssrc:  # a new source: continue where the leg's own stream was
            self._ssrc = packet.ssrc
            self._sequence = sender.sequence - packet.sequence
            self._timestamp = sender.timestamp - packet.timestamp
            marker = True
        sequence = (packet.sequence + self._sequence) & _MASK16
        timestamp = (packet.timestamp + self._timestamp) & _MASK32
        if (sequence - sender.sequence) & _MASK16 < 0x8000:  # not a late one
            sender.sequence = (sequence + 1) & _MASK16
            ahead = (timestamp - sender.timestamp) & _MASK32
            if ahead < 0x80000000:
                sender.timestamp += ahead
        header = _FIXED.pack(0x80, payload | (0x80 if marker else 0), sequence, timestamp, sender.ssrc)
        return header + audio
