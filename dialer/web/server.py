"""uvicorn in the daemon's loop: it takes no signals, and it starts and ends when told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from dialer.web.protocol import BoundedProtocol

#: Connections at once; more get 503.
CONNECTIONS = 500
#: Seconds that requests in progress may take at the end.
GRACE = 3


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the daemon's."""
        yield


class WebServer:
    """Serves `app` on `host`:`port`; port 0 takes a free one, see `address`."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on. Raises RuntimeError before `start`."""
        if self._socket is None:
            raise RuntimeError("not started")
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Bind and serve; returns when connections are taken. Raises OSError when the address cannot be bound."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.create_server((self._host, self._port), family=family, backlog=256)
        self._socket.setblocking(False)
        config = uvicorn.Config(
            self._app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=20,
            timeout_graceful_shutdown=GRACE,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError(f"the web server on {self._host}:{self._port} ended while starting")
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Take no more connections, end the event streams, let requests finish (`GRACE` seconds), close."""
        if self._server is None or self._task is None:
            return
        for stream in self._app.state.streams:
            stream.close()
        self._server.should_exit = True
        await self._task
        self._server = self._task = None
