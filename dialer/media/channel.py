"""The socket between the dialer and its media process, at either end: messages in, messages out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from dialer.media.messages import MAX_LINE, Message, MessageFault, decode, encode


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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

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
        """Queue a message; nothing happens when the other end is gone (on_closed has told, or will tell)."""
        if self._transport is not None:
            self._transport.write(encode(message))

    def close(self) -> None:
        """End the connection, after what is queued has been written."""
        if self._transport is not None:
            self._transport.close()
