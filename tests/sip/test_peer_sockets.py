"""Connected sockets beside the bound one: who gets what, and that the port stays ours alone."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from dialer import peer_sockets
from dialer.peer_sockets import PeerSockets
from dialer.sip import Destination, Event, IncomingCall
from dialer.udp import UdpEndpoint, bound_socket

HOST = "127.0.0.1"


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with bound_socket(HOST) as sock:
        yield sock


def bind_fails(port: int) -> bool:
    """Whether somebody else, who does not want to share, is refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            other.bind((HOST, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


class Side:
    """A main socket with its peers, and what was read, each with its sender and which socket had it."""

    def __init__(self, host: str = HOST) -> None:
        self.main = bound_socket(host)
        self.heard: list[tuple[bytes, Destination]] = []
        self.errors: Counter[str] = Counter()
        self.peers = PeerSockets(
            self.main, asyncio.get_running_loop(), self._readable, self._receive, self.errors
        )  # fmt: skip

    def _readable(self, peer: peer_sockets.PeerSocket) -> None:
        self.heard.append(peer.read())

    def _receive(self, data: bytes, sender: Destination) -> None:
        self.heard.append((data, sender))

    def busy(self, *far_ends: Destination) -> None:
        for far_end in far_ends:
            for _ in range(peer_sockets._BUSY):
                self.peers.sent(far_end)

    def close(self) -> None:
        self.peers.close()
        self.main.close()


def play(scene: Callable[[Side], object], host: str = HOST) -> None:
    """A scene that needs only the loop's existence, and may await."""

    async def run() -> None:
        side = Side(host)
        try:
            done = scene(side)
            if asyncio.iscoroutine(done):
                await done
        finally:
            side.close()

    asyncio.run(run())


def test_the_port_is_ours_alone_before_while_and_after(far: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    share, while_shared = peer_sockets._share, []

    def looked_at(socks: list[socket.socket], shared: bool) -> None:
        share(socks, shared)
        while_shared.append((shared, bind_fails(socks[0].getsockname()[1])))

    monkeypatch.setattr(peer_sockets, "_share", looked_at)

    def scene(side: Side) -> None:
        port = side.main.getsockname()[1]
        assert bind_fails(port)
        with bound_socket(HOST) as second:
            side.busy(far.getsockname(), second.getsockname())
        assert len(side.peers.sends) == 2
        assert bind_fails(port)
        side.peers.drop(far.getsockname())
        assert bind_fails(port)

    play(scene)
    assert while_shared == [(True, True), (False, True)] * 2


def test_only_who_is_busy_gets_a_socket_and_no_more_than_sixteen(far: socket.socket) -> None:
    def scene(side: Side) -> None:
        for _ in range(peer_sockets._BUSY - 1):
            side.peers.sent(far.getsockname())
        assert not side.peers.sends
        side.peers.sent(far.getsockname())
        assert list(side.peers.sends) == [far.getsockname()]
        for number in range(peer_sockets._WINDOW):  # the window is over, and nobody was busy in it
            side.peers.sent(("127.0.0.9", 1_000 + number))
        side.busy(*((f"127.0.1.{number}", 5060) for number in range(20)))
        assert len(side.peers.sends) == peer_sockets._MOST

    play(scene)


def test_a_wildcard_address_has_none(far: socket.socket) -> None:
    def scene(side: Side) -> None:
        side.busy(far.getsockname())
        assert not side.peers.sends
        assert not side.errors

    play(scene, "0.0.0.0")


def test_a_socket_that_cannot_be_had_is_counted(far: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_sockets, "_share", lambda socks, shared: None)

    def scene(side: Side) -> None:
        side.busy(far.getsockname(), far.getsockname())
        assert not side.peers.sends
        assert side.errors == {"connect_eaddrinuse": 1}

    play(scene)


def test_what_came_before_it_was_connected_keeps_its_sender(
    far: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bound_socket(HOST) as stranger:

        class Late(socket.socket):
            """Bound, and something comes before it is connected."""

            def connect(self, address: Destination) -> None:  # type: ignore[override]
                for number in range(20):  # the kernel deals them out to the sockets on the port
                    stranger.sendto(b"stranger %d" % number, self.getsockname())
                super().connect(address)

        monkeypatch.setattr(socket, "socket", Late)

        def scene(side: Side) -> None:
            side.busy(far.getsockname())
            far.sendto(b"peer", side.main.getsockname())
            peer = side.peers._open[far.getsockname()]
            side.peers._settle(peer)
            assert (b"peer", far.getsockname()) in side.heard
            elsewhere = [(data, sender) for data, sender in side.heard if data != b"peer"]
            assert all(sender == stranger.getsockname() for _, sender in elsewhere)
            side.main.setblocking(False)
            for _ in range(20 - len(elsewhere)):
                assert side.main.recvfrom(100)[1] == stranger.getsockname()
            far.sendto(b"settled", side.main.getsockname())
            assert peer.read() == (b"settled", far.getsockname())

        play(scene)


def test_an_idle_one_is_closed_and_nothing_in_it_is_lost(far: socket.socket) -> None:
    def scene(side: Side) -> None:
        side.busy(far.getsockname())
        side.peers._close_idle()
        assert side.peers.sends  # it is new
        far.sendto(b"late", side.main.getsockname())
        side.peers._close_idle()
        assert side.heard == [(b"late", far.getsockname())]
        assert not side.peers.sends
        far.sendto(b"later", side.main.getsockname())
        assert side.main.recvfrom(100)[0] == b"later"

    play(scene)


def test_what_comes_between_the_last_look_and_the_end_is_heard(
    far: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = peer_sockets.PeerSocket.read

    def scene(side: Side) -> None:
        def late(self: peer_sockets.PeerSocket) -> tuple[bytes, Destination]:
            try:
                return read(self)
            except BlockingIOError:
                far.sendto(b"late", side.main.getsockname())
                raise

        side.busy(far.getsockname())
        far.sendto(b"early", side.main.getsockname())
        monkeypatch.setattr(peer_sockets.PeerSocket, "read", late)
        side.peers.drop(far.getsockname())
        assert side.heard == [(b"early", far.getsockname())]
        assert side.main.recvfrom(100) == (b"late", far.getsockname())

    play(scene)


def test_an_endpoint_speaks_over_it_and_a_stranger_is_still_heard(far: socket.socket) -> None:
    async def scene() -> None:
        endpoint = UdpEndpoint.open(HOST, 0, lambda event: None)
        there = far.getsockname()
        for _ in range(peer_sockets._BUSY):
            endpoint.options(f"sip:{HOST}", there)
        assert there in endpoint._sends
        while True:
            try:
                far.recv(4_096)
            except BlockingIOError:
                break
        endpoint.options(f"sip:{HOST}", there)
        assert far.recv(4_096).startswith(b"OPTIONS")
        with bound_socket(HOST) as stranger:
            stranger.sendto(b"\r\n\r\n", endpoint.address)
            far.sendto(b"\r\n\r\n", endpoint.address)
            while endpoint.drops["keep_alive"] < 2:
                await asyncio.sleep(0)
        endpoint.close()

    asyncio.run(scene())


def test_a_refused_datagram_costs_none_of_those_after_it() -> None:
    async def scene() -> None:
        endpoint = UdpEndpoint.open(HOST, 0, lambda event: None)
        with bound_socket(HOST) as far:
            there = far.getsockname()
            for _ in range(peer_sockets._BUSY):
                endpoint.options(f"sip:{HOST}", there)
            assert there in endpoint._sends
        endpoint.options(f"sip:{HOST}", there)  # nobody is there: the kernel says so at the next
        with bound_socket(HOST, there[1]) as far:
            endpoint.options(f"sip:{HOST}", there)
            assert far.recv(4_096).startswith(b"OPTIONS")
        assert endpoint.errors == {"send_econnrefused": 1}
        endpoint.close()

    asyncio.run(scene())


def test_a_connection_that_fails_is_given_up(far: socket.socket) -> None:
    async def scene() -> None:
        endpoint = UdpEndpoint.open(HOST, 0, lambda event: None)
        there = far.getsockname()
        for _ in range(peer_sockets._BUSY):
            endpoint.options(f"sip:{HOST}", there)
        endpoint._peers._open[there].sock.shutdown(socket.SHUT_WR)  # EPIPE from now on
        while True:
            try:
                far.recv(4_096)
            except BlockingIOError:
                break
        endpoint.options(f"sip:{HOST}", there)
        assert far.recv(4_096).startswith(b"OPTIONS")
        await asyncio.sleep(0)
        assert there not in endpoint._sends
        assert endpoint.errors == {"send_epipe": 1}
        endpoint.close()

    asyncio.run(scene())


INVITE = (
    b"INVITE sip:dialer@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK1\r\n"
    b"From: <sip:far@127.0.0.1>;tag=1\r\nTo: <sip:dialer@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\nContact: <sip:far@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize("step", ["_settle", "drop"])
def test_an_application_that_raises_or_closes_meets_no_half_closed_socket(far: socket.socket, step: str) -> None:
    async def scene(closing: bool) -> None:
        told: list[Event] = []

        def on_event(event: Event) -> None:
            told.append(event)
            if closing:
                endpoint.close()
            raise LookupError("as an application may")

        raised: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(repr(context["exception"])))
        endpoint = UdpEndpoint.open(HOST, 0, on_event)
        there = far.getsockname()
        for _ in range(peer_sockets._BUSY):
            endpoint.options(f"sip:{HOST}", there)
        peer = endpoint._peers._open[there]
        far.sendto(INVITE, endpoint.address)
        getattr(endpoint._peers, step)(peer if step == "_settle" else there)
        assert (peer.sock.fileno() == -1) == (step == "drop")
        while not raised:
            await asyncio.sleep(0)
        assert [type(event) for event in told] == [IncomingCall]
        assert raised == ["LookupError('as an application may')"]
        endpoint.close()

    asyncio.run(scene(closing=False))
    asyncio.run(scene(closing=True))


@pytest.mark.parametrize("step", ["_settle", "drop"])
def test_a_flood_does_not_keep_the_loop(far: socket.socket, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def scene(side: Side) -> None:
        side.busy(far.getsockname())
        peer = side.peers._open[far.getsockname()]

        def endless(self: peer_sockets.PeerSocket) -> tuple[bytes, Destination]:
            assert len(side.heard) < 10_000
            return b"flood", far.getsockname()

        monkeypatch.setattr(peer_sockets.PeerSocket, "read", endless)
        getattr(side.peers, step)(peer if step == "_settle" else far.getsockname())
        assert side.heard
        assert peer.address is None  # a stranger's datagram may still wait in it

    play(scene)


def test_what_waits_behind_an_error_is_read(far: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    read = peer_sockets.PeerSocket.read
    pending = [OSError(errno.EHOSTUNREACH, "by ICMP"), ConnectionRefusedError(errno.ECONNREFUSED, "by ICMP")]

    def failing(self: peer_sockets.PeerSocket) -> tuple[bytes, Destination]:
        if pending:
            raise pending.pop()
        return read(self)

    def scene(side: Side) -> None:
        side.busy(far.getsockname())
        far.sendto(b"behind", side.main.getsockname())
        monkeypatch.setattr(peer_sockets.PeerSocket, "read", failing)
        side.peers.drop(far.getsockname())
        assert side.heard == [(b"behind", far.getsockname())]
        assert side.errors == {"recv_ehostunreach": 1, "recv_econnrefused": 1}

    play(scene)


def test_a_socket_that_the_loop_does_not_watch_is_not_used(far: socket.socket) -> None:
    async def scene() -> None:
        side, loop = Side(), asyncio.get_running_loop()

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "no watches left")  # epoll_ctl(2)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "add_reader", full)
            side.busy(far.getsockname())
        assert not side.peers.sends
        assert not side.peers._open
        assert side.errors == {"connect_enospc": 1}
        far.sendto(b"heard", side.main.getsockname())
        assert side.main.recvfrom(100)[0] == b"heard"
        side.close()

    asyncio.run(scene())


def test_a_port_that_its_owner_shares_stays_shared(far: socket.socket) -> None:
    async def scene() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as shared:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind((HOST, 0))
            errors: Counter[str] = Counter()
            peers = PeerSockets(shared, asyncio.get_running_loop(), print, print, errors)
            for _ in range(peer_sockets._BUSY):
                peers.sent(far.getsockname())
            assert not peers.sends
            assert not errors
            assert shared.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
            peers.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("host", "level", "option"),
    [(HOST, socket.IPPROTO_IP, socket.IP_TOS), ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS)],
)
def test_it_is_marked_as_the_main_socket_is(host: str, level: int, option: int) -> None:
    try:
        there = bound_socket(host)
    except OSError:
        pytest.skip(f"no {host} on this machine")
    with there:

        def scene(side: Side) -> None:
            side.main.setsockopt(level, option, 0x60)  # DSCP CS3, for signalling
            side.busy(there.getsockname()[:2])
            [peer] = side.peers._open.values()
            assert peer.sock.getsockopt(level, option) == 0x60
            there.sendto(b"answer", side.main.getsockname())
            side.peers._settle(peer)
            assert side.heard == [(b"answer", there.getsockname()[:2])]
            assert peer.address == there.getsockname()[:2]

        play(scene, host)
