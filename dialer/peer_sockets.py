"""UDP sockets connected to the busiest far ends, beside the one that is bound and hears everybody.

The kernel finds the way of a connected socket once, and neither an address nor a route is looked up for each datagram.
All share the port of the main socket, which for UDP takes `SO_REUSEPORT`; that flag is up only while a socket is being
opened, and never on a socket that is to have the port alone: at every moment whoever binds without it, such as a second
daemon, is refused with EADDRINUSE. `tests/sip/test_peer_sockets.py` shows it before, while and after.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from dialer.sip import Destination

__all__ = ["PeerSockets"]

_MOST = 16
"""Sockets at once: trunks are few, and phones that come and go need none."""
_BUSY = 128
_WINDOW = 4_096
"""A far end to which so many of the last so many datagrams went gets a socket."""
_SETTLED = 1.0
"""Seconds after which nothing that was meant for the main socket can still arrive at a new one."""
_IDLE = 60.0
"""Seconds without a datagram after which a socket is closed, at most twice as many."""
_LARGEST = 65_535
_BATCH = 256
_HELD = 4_096
"""Datagrams read in one go from a socket that stays and from one that is closed: no flood keeps the loop longer."""

Receive = Callable[[bytes, Destination], None]
Read = Callable[["PeerSocket"], None]


class PeerSocket:
    """One connected socket. `address` is None while it may still hold what came before it was connected: the sender of
    each datagram must be asked for then.
    """

    __slots__ = ("address", "destination", "sock", "used")

    def __init__(self, sock: socket.socket, destination: Destination) -> None:
        self.sock = sock
        self.destination = destination
        self.address: Destination | None = None
        self.used = True

    def read(self) -> tuple[bytes, Destination]:
        """The next datagram and who sent it. Raises OSError as `recv` does."""
        self.used = True
        if self.address is not None:
            return self.sock.recv(_LARGEST), self.address
        data, sender = self.sock.recvfrom(_LARGEST)
        return data, sender[:2]


class PeerSockets:
    """The connected sockets beside `main`. `sends` holds the way to send to those that are open.

    `readable` is called by the loop when a socket has something to read, `receive` with what is found when one is
    settled or closed; it must not raise, nor call back. Errors are counted in `errors` as `connect_*` and `recv_*`;
    `close_unread` are sockets in which a flood was left.
    """

    def __init__(
        self, main: socket.socket, loop: asyncio.AbstractEventLoop, readable: Read, receive: Receive,
        errors: Counter[str],
    ) -> None:  # fmt: skip
        self.sends: dict[Destination, Callable[[bytes], int]] = {}
        self._main = main
        self._loop = loop
        self._readable = readable
        self._receive = receive
        self._errors = errors
        self._open: dict[Destination, PeerSocket] = {}
        self._counts: dict[Destination, int] = {}
        self._counted = 0
        self._idle_check: asyncio.TimerHandle | None = None
        # Flags set after `bind` count on Linux. An unspecified address is left to the kernel for each datagram.
        self._possible = (
            sys.platform == "linux" and not ip_address(main.getsockname()[0]).is_unspecified and not _special(main)
        )

    def sent(self, destination: Destination) -> None:
        """A datagram went over the main socket; open a socket for those that come often."""
        counts = self._counts
        count = counts[destination] = counts.get(destination, 0) + 1
        self._counted += 1
        if count >= _BUSY and self._possible and len(self._open) < _MOST:
            self._connect(destination)
        if self._counted >= _WINDOW:
            counts.clear()
            self._counted = 0

    def _connect(self, destination: Destination) -> None:
        self._counts[destination] = -_WINDOW  # whatever comes of it, not again in this window
        try:
            sock = self._connected(destination)
            peer = PeerSocket(sock, destination)
            self._watch(peer)
        except OSError as error:
            self._count("connect", error)
            return
        self._open[destination] = peer
        self.sends[destination] = sock.send
        self._loop.call_later(_SETTLED, self._settle, peer)
        if self._idle_check is None:
            self._idle_check = self._loop.call_later(_IDLE, self._close_idle)

    def _watch(self, peer: PeerSocket) -> None:
        try:
            self._loop.add_reader(peer.sock.fileno(), self._readable, peer)
        except OSError:  # epoll_ctl(2): no memory or no watches left; nobody would read it
            peer.sock.close()
            raise

    def _connected(self, destination: Destination) -> socket.socket:
        """A socket on the port of the main one, for one far end. Raises OSError."""
        main = self._main
        sock = socket.socket(main.family, socket.SOCK_DGRAM)
        sharing = [main, sock, *(peer.sock for peer in self._open.values())]
        try:
            sock.setblocking(False)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, main.getsockopt(socket.SOL_SOCKET, option) // 2)
            six = main.family == socket.AF_INET6
            dscp = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if six else (socket.IPPROTO_IP, socket.IP_TOS)
            sock.setsockopt(*dscp, main.getsockopt(*dscp))
            _share(sharing, True)
            try:
                sock.bind(main.getsockname())
                sock.connect(destination)
            finally:
                _share(sharing, False)
        except OSError:
            sock.close()
            raise
        return sock

    def _settle(self, peer: PeerSocket) -> None:
        if self._open.get(peer.destination) is peer:
            held, all_of_it = self._held(peer, _BATCH)
            if all_of_it:
                peer.address = peer.sock.getpeername()[:2]  # as the kernel spells it for the main socket too
            else:
                self._loop.call_later(_SETTLED, self._settle, peer)
            for data, sender in held:
                self._receive(data, sender)

    def _held(self, peer: PeerSocket, most: int) -> tuple[list[tuple[bytes, Destination]], bool]:
        """What waits in it, and whether that is all."""
        held: list[tuple[bytes, Destination]] = []
        for _ in range(most):
            try:
                held.append(peer.read())
            except (BlockingIOError, InterruptedError):
                return held, True
            except OSError as error:  # an ICMP error of an earlier datagram; there may be more behind it
                self._count("recv", error)
        return held, False

    def _count(self, what: str, error: OSError) -> None:
        self._errors[f"{what}_{errno.errorcode.get(error.errno or 0, 'unknown').lower()}"] += 1

    def _close_idle(self) -> None:
        for peer in list(self._open.values()):
            if peer.used:
                peer.used = False
            else:
                self.drop(peer.destination)
        self._idle_check = self._loop.call_later(_IDLE, self._close_idle) if self._open else None

    def drop(self, destination: Destination) -> None:
        """Close the socket to `destination`; what it holds is read, what comes then goes to the main one."""
        peer = self._open.pop(destination, None)
        if peer is not None:
            del self.sends[peer.destination]
            self._loop.remove_reader(peer.sock.fileno())
            try:
                peer.sock.connect(self._main.getsockname())  # to nobody: what comes from now on goes to the main one
            except OSError as error:
                self._count("connect", error)
            held, all_of_it = self._held(peer, _HELD)
            peer.sock.close()
            if not all_of_it:
                self._errors["close_unread"] += 1
            for data, sender in held:
                self._receive(data, sender)

    def close(self) -> None:
        """Close them all; nothing is read."""
        if self._idle_check is not None:
            self._idle_check.cancel()
        for peer in self._open.values():
            self._loop.remove_reader(peer.sock.fileno())
            peer.sock.close()
        self._open.clear()
        self.sends.clear()


def _special(main: socket.socket) -> bool:
    """Whether its owner shares the port on purpose, which we must not end, or gave it ways of its own through the
    network, which another socket would not take.
    """
    return (
        main.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) != 0
        or main.getsockopt(socket.SOL_SOCKET, socket.SO_MARK) != 0
        or main.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).strip(b"\0") != b""
    )


def _share(socks: list[socket.socket], shared: bool) -> None:
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
