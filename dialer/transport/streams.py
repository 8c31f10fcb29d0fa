"""All connections of one endpoint: found by flow, opened when something is to be sent, accepted, swept, closed."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping

from dialer.sip import Flow
from dialer.transport.connection import Connection, Limits, reason_of
from dialer.transport.tls import TlsProfile

__all__ = ["Streams"]

_SWEEP = 5.0
_WAITING = 256
"""Messages that may wait for one connection to be opened."""
_PROBLEMS = 256
_ALIAS = re.compile(
    rb"\r\n(?:via|v)[ \t]*:[ \t]*SIP/2\.0/TLS[ \t]+[^;,\s]*?(?::([0-9]{1,5}))?[ \t]*;[^\r\n,]*?\balias\b", re.IGNORECASE
)
Lost = Callable[[Flow, bool], None]


class Streams:
    """`receive(message, flow, now)` gets each message, `lost(flow, established)` the end of each connection, `flush`
    is called after either. What ends or fails is counted by name in `errors`, never raised; `problems` says for the
    last failures to connect, by flow, what was wrong.
    """

    def __init__(
        self,
        *,
        receive: Callable[[bytes, Flow, float], None],
        lost: Lost,
        flush: Callable[[], None],
        clock: Callable[[], float],
        errors: Counter[str],
        profiles: Mapping[str, TlsProfile],
        limits: Limits,
        max_message: int,
        source: str,
    ) -> None:
        self.flush = flush
        self.clock = clock
        self.errors = errors
        self.limits = limits
        self.max_message = max_message
        self.profiles = dict(profiles)
        self.problems: dict[Flow, str] = {}
        self._receive = receive
        self._lost = lost
        self._source = source
        self._open: dict[Flow, Connection] = {}
        self._all: dict[Connection, None] = {}
        self._aliases: dict[Flow, Flow] = {}
        self._opening: dict[Flow, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._sweep_at: float | None = None
        self._closed = False

    # What there is

    @property
    def connections(self) -> int:
        """Open and opening ones."""
        return len(self._all) + len(self._opening)

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, or None."""
        return self._sweep_at

    def handle_timer(self, now: float) -> None:
        """Keep-alives, and the end of what nobody uses."""
        if self._sweep_at is None or now < self._sweep_at:
            return
        for connection in list(self._all):
            connection.sweep(now)
        self._sweep_at = now + _SWEEP if self._all else None

    def set_profiles(self, profiles: Mapping[str, TlsProfile]) -> None:
        """After a change of the config: what is opened from now on uses these. Open connections stay."""
        self.profiles = dict(profiles)
        self._contexts.clear()

    # Accepting

    async def listen(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        """Accept connections on a bound socket; TLS with a context."""
        transport = "tcp" if context is None else "tls"
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self, None, transport),
            sock=sock,
            ssl=context,
            ssl_handshake_timeout=self.limits.stranger if context is not None else None,
            backlog=512,
        )
        self._servers.append(server)

    # What connections say

    def opened(self, connection: Connection) -> None:
        """A connection stands."""
        if self._closed or len(self._all) >= self.limits.connections:
            self.errors["stream_too_many"] += 1
            if connection.wire is not None:
                connection.wire.abort()
            return
        flow = connection.flow
        self._all[connection] = None
        self._open[flow] = connection
        if not connection.accepted:
            for data in self._opening.pop(flow, ()):
                connection.write(data)
        if self._sweep_at is None:
            self._sweep_at = self.clock() + _SWEEP
            self.flush()

    def receive(self, connection: Connection, message: bytes, now: float) -> None:
        """One message came."""
        if connection.authentic and connection.accepted:
            self._note_alias(connection, message)
        self._receive(message, connection.flow, now)

    def closed(self, connection: Connection, error: Exception | None) -> None:
        """A connection is gone."""
        flow = connection.flow
        if self._all.pop(connection, self) is self:
            return  # never counted among the open ones
        if error is not None:
            self.errors[f"stream_lost_{reason_of(error)}"] += 1
        if self._open.get(flow) is connection:
            del self._open[flow]
            names = [flow, *(alias for alias, target in self._aliases.items() if target == flow)]
            for name in names:
                self._aliases.pop(name, None)
                if not self._closed:
                    self._lost(name, True)
            self.flush()

    def _note_alias(self, connection: Connection, message: bytes) -> None:
        """RFC 5923: requests to the address in Via may use this connection. Only for a far end that has shown who it
        is, and only for its own address: else one could draw another's calls to oneself.
        """
        match = _ALIAS.search(message, 0, message.find(b"\r\n\r\n"))
        if match is None or message.startswith(b"SIP/2.0 "):
            return
        port = int(match.group(1) or 5061)
        flow = connection.flow
        if 0 < port < 65_536 and len(self._aliases) < self.limits.connections:
            self._aliases[flow._replace(port=port)] = flow

    # Sending

    def send(self, data: bytes, flow: Flow) -> None:
        """Over the flow's connection, which is opened if there is none."""
        connection = self._open.get(flow) or self._open.get(self._aliases.get(flow, flow))
        if connection is not None and connection.usable:
            connection.write(data)
            return
        waiting = self._opening.get(flow)
        if waiting is not None:
            if len(waiting) >= _WAITING:
                self.errors["stream_queue_full"] += 1
            else:
                waiting.append(data)
        elif self._closed:
            self.errors["stream_after_close"] += 1
        else:
            self._opening[flow] = [data]
            task = asyncio.get_running_loop().create_task(self._connect(flow), name=f"sip {flow.transport} connect")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, flow: Flow) -> None:
        try:
            if len(self._all) >= self.limits.connections:
                raise ConnectionAbortedError(0, "too many connections")
            context, name = self._tls(flow)
            async with asyncio.timeout(self.limits.connect):
                await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self, flow, flow.transport),
                    flow.host,
                    flow.port,
                    ssl=context,
                    server_hostname=name,
                    local_addr=self._local_address(flow),
                )
        except (OSError, KeyError, ValueError) as error:  # TimeoutError and ssl's errors are OSErrors
            self._fail(flow, error)
            return
        if flow in self._opening:  # it stands, but was one too many
            self._fail(flow, ConnectionAbortedError(0, "too many connections"))
        else:
            self.problems.pop(flow, None)

    def _fail(self, flow: Flow, error: Exception) -> None:
        if self._opening.pop(flow, None) is None:
            return  # it stood for a moment: `closed` has said so
        reason = "profile" if isinstance(error, KeyError) else reason_of(error)
        self.errors[f"connect_{reason}"] += 1
        while len(self.problems) >= _PROBLEMS:
            del self.problems[next(iter(self.problems))]
        self.problems[flow] = _words(error, flow)
        if not self._closed:
            self._lost(flow, False)
            self.flush()

    def _tls(self, flow: Flow) -> tuple[ssl.SSLContext | None, str | None]:
        if flow.transport != "tls":
            return None, None
        profile = self.profiles[flow.profile] if flow.profile else self.profiles.get("", TlsProfile())
        context = self._contexts.get(flow.profile)
        if context is None:
            context = self._contexts[flow.profile] = profile.client_context()
        return context, profile.server_name or flow.host

    def _local_address(self, flow: Flow) -> tuple[str, int] | None:
        """From the address that we listen on: carriers know their customers by it."""
        same_family = (":" in self._source) == (":" in flow.host)
        return (self._source, 0) if same_family and self._source not in ("0.0.0.0", "::") else None

    # The end

    def close(self) -> None:
        """Stop accepting and opening, and close every connection once what was written has left."""
        self._closed = True
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        for connection in list(self._all):
            connection.close()


def _words(error: Exception, flow: Flow) -> str:
    """One line for an operator."""
    if isinstance(error, KeyError):
        return f"there is no TLS profile {flow.profile!r}"
    if isinstance(error, TimeoutError):
        return f"no {flow.transport.upper()} connection within the time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it: {error.reason or error}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
