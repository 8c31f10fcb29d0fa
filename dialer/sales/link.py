"""The line between the dialer and its sale process: the process tells what it has committed, one JSON a line; the
dialer says nothing, and closing its end is the order to stop."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from dialer.events import ConnectorChanged, Event, SaleChanged, SaleStepEnded

#: Events that cross the line, by their word.
EVENTS: Mapping[str, type[Event]] = {kind.name: kind for kind in (SaleChanged, SaleStepEnded, ConnectorChanged)}
READY, ALIVE = "ready", "alive"
#: Seconds between two signs of life.
BEAT = 2.0
#: Bytes that may wait for a dialer that does not read; then events are left out, which the store has anyway.
MOST_WAITING = 1_000_000
#: Longest line that the dialer reads, bytes.
LONGEST_LINE = 65_536


class Link:
    """The process's end."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.left_out = 0
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, sock: socket.socket, on_closed: Callable[[], None]) -> Link:
        """Over an inherited socket; `on_closed` when the dialer has closed its end, or is gone."""
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        link = cls(writer)

        async def listen() -> None:
            try:
                while await reader.read(4096):
                    continue
            except OSError:
                return  # gone, too
            finally:
                on_closed()

        async def live() -> None:
            while True:
                link._send({"kind": ALIVE})
                await asyncio.sleep(BEAT)

        link._tasks = [asyncio.create_task(listen(), name="link"), asyncio.create_task(live(), name="beat")]
        return link

    def ready(self) -> None:
        """Sales are being carried through from now on."""
        self._send({"kind": READY})

    def on_event(self, event: Event) -> None:
        """A reader of the process's event stream."""
        if event.name in EVENTS:
            self._send(event.to_dict())

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._writer.is_closing() or self._writer.transport.get_write_buffer_size() > MOST_WAITING:
            self.left_out += 1
            return
        self._writer.write(json.dumps(message).encode() + b"\n")


def read_line(line: bytes) -> Event | str | None:
    """What the process said: an event, READY, ALIVE; None for what is none of these."""
    try:
        message = json.loads(line)
        if "kind" in message:
            return message["kind"] if message["kind"] in (READY, ALIVE) else None
        kind = EVENTS[message.pop("event")]
        return kind(**message)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
