"""The asyncio side of SIP over UDP: one socket, one timer, nothing decided here.

`UdpEndpoint` feeds `dialer.sip.Endpoint` and carries out what it says. When many datagrams come the socket is drained
in one callback, because at a thousand calls a second the way through the loop costs more than a parse. Socket errors
are counted by name in `errors`, never raised: SIP over UDP recovers by its own retransmissions. Destinations must be
literal addresses: a name would make the send wait for DNS.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dialer.peer_sockets import PeerSocket, PeerSockets
from dialer.sip import Credentials, Destination, Endpoint, EndpointConfig, Event, InvitePlan

__all__ = ["UdpEndpoint", "bound_socket"]

_BATCH = 256
"""Datagrams taken per callback, so that a flood cannot starve the rest of the loop."""
_BUFFER = 4 * 1024 * 1024
_LARGEST = 65_535
_SAMPLE = 16
_BUSY = 0.008
"""So many datagrams in less than so many seconds: more are likely to wait behind the one just read."""
_NEVER = float("inf")


def bound_socket(host: str, port: int = 0) -> socket.socket:
    """A non-blocking UDP socket on a literal address, with large buffers. Raises OSError if the address cannot be
    had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


class UdpEndpoint:
    """A SIP endpoint on a socket of the running loop.

    `on_event` is called with each event, in order, from inside the loop; it may call the commands below. `clock`
    gives monotonic seconds.
    Commands are those of `Endpoint` without `now`, and raise as they do.
    """

    def __init__(
        self,
        sock: socket.socket,
        config: EndpointConfig,
        on_event: Callable[[Event], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        seed: bytes | None = None,
    ) -> None:
        self.endpoint = Endpoint(config, seed)
        self.errors: Counter[str] = Counter()
        self._sock = sock
        self._on_event = on_event
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER
        self._outbox, self._events, self._timers = self.endpoint.outbox, self.endpoint.events, self.endpoint.timers
        self._most = 1
        self._read = 0
        self._sampled_at = 0.0
        self._busy = self._sending = False
        self._closed = False
        # A subclass with further transports has timers of its own beside the endpoint's.
        self._next_timer: Callable[[], float | None] = self.endpoint.next_timer
        self._handle_timer: Callable[[float], None] = self.endpoint.handle_timer
        # Commands that neither send nor need to know the time are the endpoint's own.
        self.plan_invite, self.retarget = self.endpoint.plan_invite, self.endpoint.retarget
        self.has, self.heard, self.offered = self.endpoint.has, self.endpoint.heard, self.endpoint.offered
        self.dialog = self.endpoint.dialog
        self._peers = PeerSockets(sock, self._loop, self._readable, self._drained, self.errors)
        self._sends = self._peers.sends
        self._loop.add_reader(sock.fileno(), self._readable)

    @classmethod
    def open(
        cls,
        host: str,
        port: int,
        on_event: Callable[[Event], None],
        /,
        *,
        clock: Callable[[], float] = time.monotonic,
        seed: bytes | None = None,
        **settings: Any,
    ) -> UdpEndpoint:
        """Bind and start; `settings` are further fields of `EndpointConfig`. Raises OSError, TypeError, ValueError."""
        sock = bound_socket(host, port)
        try:
            config = EndpointConfig(**{"host": host, "port": sock.getsockname()[1], **settings})
            return cls(sock, config, on_event, clock=clock, seed=seed)
        except (TypeError, ValueError):
            sock.close()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Where the socket is bound."""
        host, port = self._sock.getsockname()[:2]
        return host, port

    @property
    def sent_by(self) -> str:
        """`host:port` as peers see us, for URIs of ours."""
        return self.endpoint.sent_by

    @property
    def drops(self) -> Counter[str]:
        """`Endpoint.drops`."""
        return self.endpoint.drops

    @property
    def legs(self) -> int:
        """`Endpoint.legs`."""
        return self.endpoint.legs

    def close(self) -> None:
        """Stop reading and close the socket. Nothing is sent: hang up first, and give the loop time. May be called
        twice.
        """
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._peers.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sock.close()

    # The loop's callbacks

    def _readable(self, peer: PeerSocket | None = None) -> None:
        """One datagram, or all that wait when many come: to ask an empty socket costs an exception, on an idle
        processor as much as to read a datagram.
        """
        now = self._clock()
        for _ in range(self._most):
            try:
                if peer is None:
                    data, sender = self._sock.recvfrom(_LARGEST)
                    addr = sender[:2]
                elif (settled := peer.address) is None:
                    data, addr = peer.read()
                else:
                    data, addr = peer.sock.recv(_LARGEST), settled
                    peer.used = True
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:  # an ICMP error of an earlier datagram, such as ECONNREFUSED
                self._count("recv", error)
                continue
            self._read += 1
            self.endpoint.receive(data, addr, now)
        if self._read >= _SAMPLE:
            self._most = _BATCH if now - self._sampled_at < _BUSY else 1
            self._read = 0
            self._sampled_at = now
        self._flush()

    def _drained(self, data: bytes, addr: Destination) -> None:
        """What a connected socket held when it was settled or closed. `on_event`, which may raise or close us, is told
        when that is done.
        """
        self.endpoint.receive(data, addr, self._clock())
        self._loop.call_soon(self._flush)

    def _due(self) -> None:
        self._timer = None
        self._timer_at = _NEVER
        self._handle_timer(self._clock())
        self._flush()

    def _flush(self) -> None:
        """Send, report, arm. What a command that `on_event` gives adds leaves at once, before `on_event` goes on: a
        re-INVITE does not wait until everybody has been told why it was sent.
        """
        if self._closed:
            return
        if self._busy:
            if not self._sending:
                self._send()
            return
        self._busy = True
        outbox, events = self._outbox, self._events
        finished = False
        try:
            if outbox:
                self._send()
            while events and not self._closed:
                self._on_event(events.popleft())
                if outbox and not self._closed:
                    self._send()
            finished = True
        finally:
            self._busy = False
            if not self._closed:
                if self._timer is None or self._timers.soonest < self._timer_at:
                    self._arm()
                if not finished:  # `on_event` raised: the loop reports that, and the events after it still come
                    self._loop.call_soon(self._flush)

    def _send(self) -> None:
        self._sending = True  # in order: what a lost connection adds meanwhile must not leave before the rest
        try:
            for data, addr in self.endpoint.datagrams_to_send():
                send = self._sends.get(addr)
                if send is None:
                    self._send_unconnected(data, addr)
                    continue
                try:
                    send(data)
                except OSError as error:
                    self._send_anyway(error, data, addr)
        finally:
            self._sending = False

    def _send_unconnected(self, data: bytes, addr: Destination) -> None:
        try:
            self._sock.sendto(data, addr)
        except OSError as error:  # BlockingIOError included: a full buffer is a lost datagram
            self._count("send", error)
        else:
            self._peers.sent(addr)

    def _send_anyway(self, error: OSError, data: bytes, addr: Destination) -> None:
        """A connected socket says that an earlier datagram was refused (ICMP), and sends nothing: the datagram goes
        over the main one. A connection that fails otherwise is given up: routes and addresses change.
        """
        self._count("send", error)
        if isinstance(error, BlockingIOError):
            return  # a full buffer is a lost datagram
        if not isinstance(error, ConnectionRefusedError):
            self._loop.call_soon(self._peers.drop, addr)  # what it holds is read outside of this sending
        try:
            self._sock.sendto(data, addr)
        except OSError as again:
            self._count("send", again)

    def _count(self, what: str, error: OSError) -> None:
        self.errors[f"{what}_{errno.errorcode.get(error.errno or 0, 'unknown').lower()}"] += 1

    def _arm(self) -> None:
        at = self._next_timer()
        timer = self._timer
        if timer is not None:
            # A timer that fires too early only looks and re-arms: cheaper than moving it for every retransmission
            # that is stopped.
            if at is None or self._timer_at <= at:
                return
            timer.cancel()
            self._timer = None
        if at is not None:
            self._timer_at = at
            self._timer = self._loop.call_later(max(0.0, at - self._clock()), self._due)

    # Commands

    def invite(
        self,
        plan: InvitePlan,
        *,
        sdp: bytes | None = None,
        credentials: Credentials | None = None,
        hold_ack: bool = False,
    ) -> str:
        """`Endpoint.invite`."""
        leg = self.endpoint.invite(plan, self._clock(), sdp=sdp, credentials=credentials, hold_ack=hold_ack)
        self._flush()
        return leg

    def cancel(self, leg: str, reason: str | None = None) -> None:
        """`Endpoint.cancel`."""
        self.endpoint.cancel(leg, self._clock(), reason)
        self._flush()

    def acknowledge(self, leg: str, sdp: bytes | None) -> None:
        """`Endpoint.acknowledge`."""
        self.endpoint.acknowledge(leg, sdp, self._clock())
        self._flush()

    def ring(self, leg: str) -> None:
        """`Endpoint.ring`."""
        self.endpoint.ring(leg, self._clock())
        self._flush()

    def answer(self, leg: str, sdp: bytes) -> None:
        """`Endpoint.answer`."""
        self.endpoint.answer(leg, sdp, self._clock())
        self._flush()

    def reject(self, leg: str, status: int) -> None:
        """`Endpoint.reject`."""
        self.endpoint.reject(leg, status, self._clock())
        self._flush()

    def reinvite(self, leg: str, sdp: bytes) -> None:
        """`Endpoint.reinvite`."""
        self.endpoint.reinvite(leg, sdp, self._clock())
        self._flush()

    def bye(self, leg: str, reason: str | None = None) -> None:
        """`Endpoint.bye`."""
        self.endpoint.bye(leg, self._clock(), reason)
        self._flush()

    def options(self, uri: str, destination: Destination) -> str:
        """`Endpoint.options`."""
        ping = self.endpoint.options(uri, destination, self._clock())
        self._flush()
        return ping

    def register(
        self,
        registrar: str,
        aor: str,
        destinations: Sequence[Destination],
        *,
        expires: int = 600,
        credentials: Credentials | None = None,
    ) -> str:
        """`Endpoint.register`."""
        registration = self.endpoint.register(
            registrar, aor, destinations, self._clock(), expires=expires, credentials=credentials
        )
        self._flush()
        return registration

    def unregister(self, registration: str) -> None:
        """`Endpoint.unregister`."""
        self.endpoint.unregister(registration, self._clock())
        self._flush()

    def end_orphan(
        self,
        saved: Mapping[str, Any],
        on_end: Callable[[bool], None],
        *,
        credentials: Credentials | None = None,
    ) -> None:
        """`Endpoint.end_orphan`."""
        self.endpoint.end_orphan(saved, self._clock(), credentials=credentials, on_end=on_end)
        self._flush()
