"""The web server on a free loopback port, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from dialer.commands import Command, CommandError
from dialer.events import EventStream
from dialer.metrics import Metrics
from dialer.web import Tokens, WebServer, create_app

BOSS = "supervisor-token-0001"
ANA = "agent-token-of-ana-01"


class Desk:
    """A handler that notes what it was asked; `replies` says what to do for a command's name."""

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self.replies: dict[str, Callable[[Any], Awaitable[dict[str, Any]]]] = {}
        self.fail: CommandError | None = None

    async def handle(self, command: Command) -> dict[str, Any]:
        self.asked.append(command)
        reply = self.replies.get(command.command)
        if reply is not None:
            return await reply(command)
        if self.fail is not None:
            raise self.fail
        return {"done": command.command}


class Site:
    """A running server and a client with the supervisor's token."""

    def __init__(self, desk: Desk, **options: Any) -> None:
        self.desk = desk
        self.stream = EventStream()
        self.metrics = Metrics()
        self.tokens = Tokens(BOSS, {"ana": ANA})
        self.app = create_app(desk, self.metrics, self.tokens, self.stream, **options)
        self.server = WebServer(self.app, "127.0.0.1", 0)

    def client(self, token: str | None = BOSS) -> httpx2.AsyncClient:
        host, port = self.server.address
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx2.AsyncClient(base_url=f"http://{host}:{port}", headers=headers, timeout=10, trust_env=False)


@asynccontextmanager
async def _serving(**options: Any) -> AsyncIterator[Site]:
    site = Site(Desk(), **options)
    await site.server.start()
    try:
        yield site
    finally:
        await site.server.stop()


@pytest.fixture
def serving() -> Any:
    return _serving


@pytest.fixture
def run() -> Callable[[Callable[[], Coroutine[Any, Any, None]]], None]:
    def runner(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(30):
                await test()

        asyncio.run(limited())

    return runner


@pytest.fixture
def boss() -> str:
    return BOSS


@pytest.fixture
def ana() -> str:
    return ANA
