"""Server-sent events: the stream for a browser or a script, bounded for every client."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Collection

from dialer.doors import encode
from dialer.events import Event, EventStream

#: Events waiting for one client; a slower client misses some, and is told how many.
WAITING = 1000
#: Clients at once.
CLIENTS = 50
#: Seconds of silence after which a comment keeps proxies from closing the connection.
HEARTBEAT = 15.0
#: Seconds that events are gathered before they leave.
LINGER = 0.05


class FeedFull(Exception):
    """As many clients listen as may."""


class _Client:
    __slots__ = ("agent", "campaigns", "missed", "waiting", "wake")

    def __init__(self, agent: str | None, campaigns: Collection[str] | None) -> None:
        self.agent = agent
        self.campaigns = campaigns
        self.waiting: deque[bytes] = deque()
        self.missed = 0
        self.wake = asyncio.Event()

    def concerns(self, event: Event) -> bool:
        if self.campaigns is not None:
            # where an agent came from is another project's matter, unless it is this one's too
            came_from = getattr(event, "from_campaign", event.campaign)
            return event.campaign in self.campaigns and came_from in self.campaigns
        return self.agent is None or self.agent in (getattr(event, "agent", None), getattr(event, "to_agent", None))


class Feed:
    """One reader of the stream for all clients."""

    def __init__(self, stream: EventStream, waiting: int = WAITING, clients: int = CLIENTS) -> None:
        self._clients: set[_Client] = set()
        self._waiting = waiting
        self._most = clients
        self._closed = False
        stream.subscribe(self.on_event)

    def on_event(self, event: Event) -> None:
        """The stream's reader."""
        text: bytes | None = None
        for client in self._clients:
            if not client.concerns(event):
                continue
            if len(client.waiting) >= self._waiting:
                client.missed += 1
            else:
                if text is None:  # once for all clients
                    text = f"event: {event.name}\ndata: ".encode() + encode(event.to_dict()) + b"\n\n"
                client.waiting.append(text)
            client.wake.set()

    def close(self) -> None:
        """End every client's stream."""
        self._closed = True
        for client in self._clients:
            client.wake.set()

    def join(self, agent: str | None, campaigns: Collection[str] | None = None) -> AsyncIterator[bytes]:
        """The stream for one client, from now on; `agent` limits it to what concerns that agent, `campaigns` to what
        happens in them. Raises FeedFull."""
        if len(self._clients) >= self._most:
            raise FeedFull
        return self._lines(_Client(agent, campaigns))

    async def _lines(self, client: _Client) -> AsyncIterator[bytes]:
        self._clients.add(client)  # here, not in `join`: a response that never begins leaves nobody behind
        try:
            yield b": welcome\n\n"
            while not self._closed:
                client.wake.clear()
                if client.missed:
                    missed, client.missed = client.missed, 0
                    yield b"event: missed\ndata: " + encode({"count": missed}) + b"\n\n"
                if client.waiting:
                    chunk = b"".join(client.waiting)
                    client.waiting.clear()
                    yield chunk
                if client.missed or self._closed:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await client.wake.wait()
                        # a busy floor has a thousand events a second: what comes together leaves together
                        await asyncio.sleep(LINGER)
                        continue
                yield b": still here\n\n"
        finally:
            self._clients.discard(client)
