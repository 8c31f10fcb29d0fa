"""One slow client costs itself events, nobody else anything."""

from __future__ import annotations

import asyncio
import json

import pytest

from dialer.events import EventStream, ServiceAlert
from dialer.web.feed import Feed, FeedFull


def alert(n: int) -> ServiceAlert:
    return ServiceAlert(at=float(n), campaign="", alert="store_ok", detail=str(n))


def test_a_slow_client_is_told_how_many_it_missed() -> None:
    async def test() -> None:
        stream = EventStream()
        feed = Feed(stream, waiting=3)
        lines = feed.join(None)
        assert await anext(lines) == b": welcome\n\n"
        for n in range(5):
            stream.publish(alert(n))
        assert await anext(lines) == b'event: missed\ndata: {"count":2}\n\n'
        chunk = await anext(lines)  # what waits together leaves together
        heard = [json.loads(block.split(b"data: ")[1])["detail"] for block in chunk.split(b"\n\n") if block]
        assert heard == ["0", "1", "2"]
        feed.close()
        assert [line async for line in lines] == []
        assert feed._clients == set()

    asyncio.run(test())


def test_clients_are_limited() -> None:
    async def test() -> None:
        feed = Feed(EventStream(), clients=1)
        first = feed.join(None)
        await anext(first)
        with pytest.raises(FeedFull):
            feed.join(None)
        feed.close()
        assert [line async for line in first] == []
        await anext(feed.join(None))

    asyncio.run(test())
