"""RTP of the simulated parties: each speaks a steady tone, and the tone says who it is.

A listener names the tone of a stream by comparing one 20 ms frame with the tones that exist: so agents hear whether
they got a person, a machine or a wrong number, on the same path as real voices, and a broken audio path shows.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FRAME: Final = 160
"""Samples (and G.711 bytes) of 20 ms at 8 kHz."""
FRAME_SECONDS: Final = 0.02

#: who speaks -> Hz; multiples of 50 Hz, so that a frame holds whole periods and frames can repeat
TONES: Final = {"agent": 300, "person": 450, "buyer": 600, "wrong_person": 750, "do_not_call": 900, "machine": 1400}
#: every how many frames one is sent
RATES: Final = {"full": 1, "sparse": 10}


def ulaw(sample: int) -> int:
    """One 16-bit sample as a G.711 mu-law byte (ITU-T G.711)."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


def alaw(sample: int) -> int:
    """One 16-bit sample as a G.711 A-law byte (ITU-T G.711)."""
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(abs(sample), 32767)
    if magnitude < 256:
        code = magnitude >> 4
    else:
        exponent = magnitude.bit_length() - 8
        code = exponent << 4 | magnitude >> exponent + 3 & 0x0F
    return (code | sign) ^ 0x55


def _frame(hertz: int, encode: Callable[[int], int]) -> bytes:
    return bytes(encode(round(8000 * math.sin(2 * math.pi * hertz * index / 8000))) for index in range(FRAME))


#: (voice, payload type) -> 20 ms
FRAMES: Final = {
    (voice, payload): _frame(hertz, encode)
    for voice, hertz in TONES.items()
    for payload, encode in ((0, ulaw), (8, alaw))
}
_VOICES: Final = {frame: voice for (voice, _), frame in FRAMES.items()}


def voice_of(packet: bytes) -> str:
    """Who speaks in an RTP packet: a key of TONES, or 'other' (a prompt, a real voice)."""
    return _VOICES.get(packet[12:172], "other")


@dataclass(slots=True)
class Heard:
    """What arrived from one RTP source (SSRC)."""

    voice: str
    first: float
    last: float
    packets: int = 0


@dataclass(slots=True, eq=False)
class Line:
    """One RTP port: speaks `voice` to `target` while it has one, and notes what it hears by SSRC."""

    sock: socket.socket
    port: int
    ssrc: int
    voice: str
    on_heard: Callable[[], None] | None = None
    target: tuple[str, int] | None = None
    payload: int = 0
    sequence: int = 0
    timestamp: int = 0
    sent: int = 0
    heard: dict[int, Heard] = field(default_factory=dict)

    def packets_heard(self) -> int:
        """RTP packets received so far."""
        return sum(item.packets for item in self.heard.values())


class Studio:
    """All RTP lines of a process: one tick of 20 ms sends for all, so that many lines cost one timer.

    `rate` is 'full' (50 packets a second, as real phones), 'sparse' (5) or 'none'.
    """

    def __init__(self, host: str, rate: str, rng: random.Random) -> None:
        self._host = host
        self._every = RATES.get(rate, 0)
        self._rng = rng
        self._lines: set[Line] = set()
        self._task: asyncio.Task[None] | None = None
        self._frame = 0

    @property
    def enabled(self) -> bool:
        """Whether lines really speak."""
        return self._every > 0

    def start(self) -> None:
        """Begin to tick; needs a running loop."""
        if self.enabled and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._tick(), name="rtp-tick")

    async def close(self) -> None:
        """Stop the tick and close all lines."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for line in list(self._lines):
            self.close_line(line)

    def open_line(self, voice: str, on_heard: Callable[[], None] | None = None) -> Line:
        """Bind a free port; `on_heard` is called at the first packet of every new source."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((self._host, 0))
        line = Line(sock, sock.getsockname()[1], self._rng.getrandbits(32), voice, on_heard)
        line.sequence = self._rng.getrandbits(15)
        line.timestamp = self._rng.getrandbits(31)
        self._lines_add(line)
        return line

    def _lines_add(self, line: Line) -> None:
        self._lines.add(line)
        asyncio.get_running_loop().add_reader(line.sock.fileno(), self._receive, line)

    def aim(self, line: Line, target: tuple[str, int] | None, payload: int) -> None:
        """Speak to `target` (None: to nobody) from now on: the first packet leaves at once, whatever the rate."""
        fresh = target != line.target
        line.target, line.payload = target, payload
        if fresh and target is not None and self.enabled:
            self._send(line)

    def close_line(self, line: Line) -> None:
        """Release the port; a second call does nothing."""
        if line in self._lines:
            self._lines.discard(line)
            asyncio.get_running_loop().remove_reader(line.sock.fileno())
            line.sock.close()

    def _receive(self, line: Line) -> None:
        now = asyncio.get_running_loop().time()
        for _ in range(32):
            try:
                packet = line.sock.recv(2048)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue  # ICMP of an earlier packet of ours
            if len(packet) < 13 or packet[0] >> 6 != 2:
                continue
            source = int.from_bytes(packet[8:12], "big")
            known = line.heard.get(source)
            if known is None:
                known = line.heard[source] = Heard(voice_of(packet), now, now)
                if line.on_heard is not None:
                    line.on_heard()
            elif known.packets % 50 == 0:
                known.voice = voice_of(packet)
            known.packets += 1
            known.last = now

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + FRAME_SECONDS, loop.time() - 0.2)
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._frame += 1
            for line in self._lines:
                line.timestamp = line.timestamp + FRAME & 0xFFFFFFFF
                if line.target is not None and (self._frame + line.port) % self._every == 0:
                    self._send(line)

    def _send(self, line: Line) -> None:
        line.sequence = line.sequence + 1 & 0xFFFF
        head = struct.pack("!BBHII", 0x80, line.payload, line.sequence, line.timestamp, line.ssrc)
        try:
            line.sock.sendto(head + FRAMES[line.voice, line.payload], line.target)  # type: ignore[arg-type]
        except (BlockingIOError, ConnectionRefusedError):
            return  # as on a real wire: audio is not repeated
        line.sent += 1
