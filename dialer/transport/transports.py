"""One endpoint on all its transports: UDP as `UdpEndpoint` has it, TCP and TLS beside it, and still one timer."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

from dialer.sip import Destination, EndpointConfig, Event, Flow
from dialer.transport.connection import Limits
from dialer.transport.streams import Streams
from dialer.transport.tls import TlsProfile
from dialer.udp import UdpEndpoint, bound_socket

__all__ = ["Transports", "stream_socket"]

_BACKLOG = 512


def stream_socket(host: str, port: int) -> socket.socket:
    """A non-blocking TCP socket bound to a literal address, ready to listen. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _near(where: tuple[str, int], port: int) -> socket.socket:
    """`stream_socket`; with port 0 on `port` if that is free."""
    if where[1] == 0:
        try:
            return stream_socket(where[0], port)
        except OSError:
            return stream_socket(where[0], 0)
    return stream_socket(*where)


class Transports(UdpEndpoint):
    """A SIP endpoint on UDP, TCP and TLS of the running loop: the commands are those of `UdpEndpoint`, and a
    destination may be a `Flow`. A new connection is opened when something is to be sent and none is there.
    """

    def __init__(
        self,
        sock: socket.socket,
        config: EndpointConfig,
        on_event: Callable[[Event], None],
        *,
        profiles: Mapping[str, TlsProfile] | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        seed: bytes | None = None,
    ) -> None:
        super().__init__(sock, config, on_event, clock=clock, seed=seed)
        self._addresses: dict[str, tuple[str, int]] = {}
        self._shown: ssl.SSLContext | None = None
        self.streams = Streams(
            receive=self.endpoint.receive,
            lost=self._lost,
            flush=self._stir,
            clock=clock,
            errors=self.errors,
            profiles=profiles or {},
            limits=limits or Limits(),
            max_message=config.max_message,
            source=sock.getsockname()[0],
        )
        self._next_timer = self._next_of_all
        self._handle_timer = self._handle_all

    @classmethod
    async def start(
        cls,
        host: str,
        port: int,
        on_event: Callable[[Event], None],
        /,
        *,
        tcp: tuple[str, int] | None = None,
        tls: tuple[str, int] | None = None,
        server: TlsProfile | None = None,
        profiles: Mapping[str, TlsProfile] | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        seed: bytes | None = None,
        **settings: Any,
    ) -> Transports:
        """Bind everything and listen. `tcp` and `tls` are addresses to listen on (port 0: that of UDP if it is free,
        else any); `server` is the certificate for `tls`. `settings` are further fields of `EndpointConfig`, `host` and
        `port` among them when peers see us elsewhere: without
        `tcp_port` and `tls_port` Via and Contact show the ports that we listen on, or that of UDP for a transport on
        which we only call out. Raises OSError, TypeError, ValueError.
        """
        socks: list[socket.socket] = []
        try:
            socks.append(udp := bound_socket(host, port))
            shown = udp.getsockname()[1]
            listening: dict[str, socket.socket] = {}
            for name, where in (("tcp", tcp), ("tls", tls)):
                if where is not None:
                    socks.append(_near(where, shown if name == "tcp" else 0))
                    listening[name] = socks[-1]
            context = None if server is None else server.server_context()
            if tls is not None and context is None:
                raise ValueError("TLS needs a certificate to listen")
            ports = {
                f"{name}_port": listening[name].getsockname()[1] if name in listening else shown
                for name in ("tcp", "tls")
            }
            config = EndpointConfig(**{"host": host, "port": shown, **ports, **settings})
            for sock in listening.values():
                sock.listen(_BACKLOG)  # whoever has the port already is found out now
        except (OSError, TypeError, ValueError):
            for sock in socks:
                sock.close()
            raise
        made = cls(udp, config, on_event, profiles=profiles, limits=limits, clock=clock, seed=seed)
        for name, sock in listening.items():
            made._addresses[name] = sock.getsockname()[:2]
            made._shown = context
            await made.streams.listen(sock, context if name == "tls" else None)
        return made

    def renew(self, profiles: Mapping[str, TlsProfile], server: TlsProfile | None) -> None:
        """The config was read again, its certificates may be new files under old names: what is opened or accepted
        from now on uses them. Open connections stay. Raises OSError for files that cannot be used; then nothing has
        changed.
        """
        if server is not None and self._shown is not None:
            server.show(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # half a pair must not get into the one in use
            server.show(self._shown)
        self.streams.set_profiles(profiles)

    def listens(self, transport: str) -> tuple[str, int] | None:
        """Where we accept connections of `tcp` or `tls`; None: nowhere."""
        return self._addresses.get(transport)

    def _send_unconnected(self, data: bytes, addr: Destination) -> None:
        if isinstance(addr, Flow):
            self.streams.send(data, addr)
        else:
            super()._send_unconnected(data, addr)

    def _stir(self) -> None:
        """A connection came or went, and may want the timer earlier."""
        self._flush()
        if not self._closed:
            self._arm()

    def _lost(self, flow: Flow, established: bool) -> None:
        self.endpoint.connection_lost(flow, self._clock(), established=established)

    def _next_of_all(self) -> float | None:
        ours, theirs = self.endpoint.next_timer(), self.streams.next_timer()
        if ours is None or theirs is None:
            return theirs if ours is None else ours
        return min(ours, theirs)

    def _handle_all(self, now: float) -> None:
        self.endpoint.handle_timer(now)
        self.streams.handle_timer(now)

    def close(self) -> None:
        """As `UdpEndpoint.close`; connections close once what was written has left."""
        self.streams.close()
        super().close()
