"""The socket between the dialer and its media process, at either end: messages in, messages out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from dialer.media.messages import MAX_LINE, Hold, Message, MessageFault, Release, Stop, decode, encode

_LINGER = 0.01  # seconds: half a packet's time
_PATIENT = (Hold, Stop, Release)


class Channel(asyncio.Protocol):
    """Calls `on_message(message)` for each line, `on_fault(text)` for each line that is none, `on_closed()` once at
    the end."""

    def __init__(
        self, on_message: Callable[[Message], None], on_fault: Callable[[str], None], on_closed: Callable[[], None]
    ) -> None:
        self._on_message = on_message
        self._on_fault = on_fault
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._skipping = False  # inside a line that is longer than allowed
        self._out: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False
                continue
            try:
                message = decode(line)
            except MessageFault as fault:
                self._on_fault(str(fault))
            else:
                self._on_message(message)
        if len(self._rest) > MAX_LINE:
            if not self._skipping:
                self._on_fault(f"a line longer than {MAX_LINE} octets")
            self._skipping, self._rest = True, b""

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_closed()

    def send(self, message: Message) -> None:
        """Queue a message; nothing happens when the other end is gone (on_closed has told, or will tell).

        Each write wakes the other process, and one a message cost a sixth of the dialer's time: what only makes a leg
        quiet waits up to `_LINGER` seconds for company; the rest leaves at once.
        """
        if self._transport is None or self._loop is None:
            return
        self._out.append(encode(message))
        if not isinstance(message, _PATIENT):
            self._flush()
        elif len(self._out) == 1:
            self._loop.call_later(_LINGER, self._flush)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.write(b"".join(out))

    def close(self) -> None:
        """End the connection, after what is queued has been written."""
        if self._transport is not None:
            self._flush()
            self._transport.close()
