"""One slow client costs itself events, nobody else anything."""

from __future__ import annotations

import asyncio
import json

import pytest

from dialer.events import AgentChanged, AgentMoved, EventStream, ServiceAlert
from dialer.web.access import own_status
from dialer.web.feed import Feed, FeedFull
from dialer.web.tokens import Project


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


def test_a_project_does_not_learn_where_an_agent_came_from() -> None:
    """A move between two campaigns is told to who may see both; the arrival itself is an event of its own."""

    async def test() -> None:
        stream = EventStream()
        feed = Feed(stream)
        streams = {
            "both": feed.join(None, {"mine", "theirs"}),
            "one": feed.join(None, {"mine"}),
            "all": feed.join(None),
        }
        seen = dict.fromkeys(streams, "")
        for lines in streams.values():
            await anext(lines)
        at: dict[str, object] = {"at": 1.0, "campaign": "mine", "agent": "ana"}
        stream.publish(AgentMoved(**at, from_campaign="theirs", cause="targets", why={}))
        stream.publish(AgentChanged(**at, previous="available", state="available", reason=None, call=None))
        for name, lines in streams.items():
            seen[name] = (await asyncio.wait_for(anext(lines), 5)).decode()
            await lines.aclose()
        assert all("event: agent\n" in text for text in seen.values())
        assert [name for name, text in seen.items() if "theirs" in text] == ["both", "all"]

    asyncio.run(test())


def test_a_projects_status_names_only_its_own_of_an_agents_campaigns() -> None:
    project = Project("p", frozenset({"mine"}), frozenset({"read"}))
    agents = [{"agent": "ana", "campaign": "mine", "serves": ["mine", "theirs"]}]
    assert own_status(project, {"at": 1.0, "campaigns": {}, "agents": agents})["agents"][0]["serves"] == ["mine"]
