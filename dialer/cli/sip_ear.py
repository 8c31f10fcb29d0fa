"""The audio of a test call: packets of silence out, so that the far end's way back opens, and a count of what comes."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

from dialer.media import rtp

#: Seconds in a packet, and G.711's code for silence by payload type (u-law, A-law).
_EVERY = 0.02
_SILENCE = {0: b"\xff" * rtp.FRAME, 8: b"\xd5" * rtp.FRAME}


class Ear(asyncio.DatagramProtocol):
    """One RTP port. `heard`: audio packets received; `dropped`: datagrams that are none."""

    def __init__(self) -> None:
        self.heard = 0
        self.dropped = 0
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._sending: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, host: str) -> Ear:
        """Bound to a free port of `host`. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        transport, ear = await asyncio.get_running_loop().create_datagram_endpoint(cls, (host, 0), family=family)
        ear._transport = transport
        ear.port = transport.get_extra_info("sockname")[1]
        return ear

    def speak(self, far: tuple[str, int], payload: int) -> None:
        """Send silence to `far` from now on, in place of what was sent before."""
        if self._sending is not None:
            self._sending.cancel()
        self._sending = asyncio.get_running_loop().create_task(self._speak(far, payload))

    async def _speak(self, far: tuple[str, int], payload: int) -> None:
        sender, first = rtp.Sender(time.monotonic()), True
        while self._transport is not None:
            self._transport.sendto(sender.packet(payload, _SILENCE.get(payload, _SILENCE[0]), first), far)
            first = False
            await asyncio.sleep(_EVERY)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Count it."""
        if isinstance(rtp.parse(data, len(data)), str):
            self.dropped += 1
        else:
            self.heard += 1

    def error_received(self, exc: Exception) -> None:
        """The far end's port is closed: it does not listen, which the count of packets heard tells, too."""
        self.dropped += 1

    def close(self) -> None:
        """Be silent and give the port back."""
        if self._sending is not None:
            self._sending.cancel()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
