"""TCP and TLS on loopback: calls, reuse, loss, limits, certificates. Real sockets, no sleeps longer than an event."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.authority import Authority
from dialer.sip import Answered, Ended, Failed, Flow, IncomingCall, OptionsAnswered, OptionsFailed, sdp
from dialer.transport import Limits, TlsProfile, Transports
from dialer.udp import bound_socket

HOST = "127.0.0.1"
OFFER = sdp.audio(HOST, 4000)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Authority:
    need("openssl")
    return Authority(tmp_path_factory.mktemp("ca"))


class End:
    """A `Transports` with its events in a queue; calls that come are answered if `answers`."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.transports: Transports
        self.answers = True

    @classmethod
    async def start(cls, host: str = HOST, **options: Any) -> End:
        end = cls()
        options.setdefault("tcp", (host, 0))
        end.transports = await Transports.start(host, 0, end._take, **options)
        return end

    def _take(self, event: Any) -> None:
        self.events.put_nowait(event)
        if isinstance(event, IncomingCall) and self.answers:
            self.transports.answer(event.leg, OFFER)

    async def expect(self, kind: type) -> Any:
        event = await asyncio.wait_for(self.events.get(), 10)
        assert isinstance(event, kind), event
        return event

    def call(self, destination: Any) -> str:
        plan = self.transports.plan_invite(
            f"sip:b@{destination[0] if ':' not in destination[0] else '[' + destination[0] + ']'}",
            from_uri=f"sip:a@{HOST}", destination=destination, sdp=OFFER,
        )  # fmt: skip
        return self.transports.invite(plan)


def run(scene: Callable[[], Awaitable[None]], loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_settled(scene))


async def _settled(scene: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(20):
        await scene()


def loops() -> list[Any]:
    try:
        import uvloop
    except ImportError:
        return [None]
    return [None, uvloop.new_event_loop]


def flow(end: End, transport: str = "tcp", profile: str = "") -> Flow:
    where = end.transports.listens(transport)
    assert where is not None
    return Flow(*where, transport, profile)


async def until(condition: Callable[[], bool]) -> None:
    """Turns of the loop until it is so; the scene has a deadline."""
    while not condition():
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("loop", loops())
@pytest.mark.parametrize("host", [HOST, "::1"])
def test_a_call_over_tcp_uses_one_connection_both_ways(host: str, loop: Any) -> None:
    if host == "::1":
        try:
            bound_socket("::1").close()
        except OSError:
            pytest.skip("no IPv6 loopback on this machine")

    async def scene() -> None:
        a, b = await End.start(host), await End.start(host)
        for _ in range(3):
            leg = a.call(flow(b))
            await b.expect(IncomingCall)
            await a.expect(Answered)
            a.transports.bye(leg)
            assert (await a.expect(Ended)).by == "local"
            assert (await b.expect(Ended)).by == "remote"
        assert a.transports.streams.connections == b.transports.streams.connections == 1
        assert not a.transports.errors
        assert not b.transports.errors
        a.transports.close()
        await until(lambda: b.transports.streams.connections == 0)
        b.transports.close()

    run(scene, loop)


@pytest.mark.parametrize("loop", loops())
def test_a_call_over_tls_with_certificates_of_both_sides(authority: Authority, loop: Any) -> None:
    server, client = authority.issue("server", "DNS:sip.carrier.test"), authority.issue("client", "DNS:dialer.test")

    async def scene() -> None:
        shown = TlsProfile(authority.ca_file, server.certificate, server.key)
        trunk = TlsProfile(authority.ca_file, client.certificate, client.key, "sip.carrier.test")
        a = await End.start(profiles={"trunk": trunk})
        b = await End.start(tls=(HOST, 0), server=shown)
        leg = a.call(flow(b, "tls", "trunk"))
        await b.expect(IncomingCall)
        await a.expect(Answered)
        a.transports.bye(leg)
        await a.expect(Ended)
        await b.expect(Ended)
        # RFC 5923: our Via says alias, and we have shown who we are: their requests may come back on this connection
        assert a.transports.endpoint._core.config.tls_port is not None
        back = Flow(HOST, a.transports.endpoint._core.config.tls_port, "tls")
        b.transports.options(f"sip:{HOST}", back)
        await b.expect(OptionsAnswered)
        assert b.transports.streams.connections == 1
        a.transports.close()
        b.transports.close()

    run(scene, loop)


def trust_cases() -> list[Any]:
    return [
        pytest.param("sip.carrier.test", True, True, None, id="its name"),
        pytest.param("sip.other.test", True, True, "not valid for 'sip.other.test'", id="another's name"),
        pytest.param(None, True, True, "IP address mismatch", id="its address is not in it"),
        pytest.param("sip.carrier.test", False, True, "self-signed|self signed|unable to get", id="unknown authority"),
        pytest.param("sip.other.test", False, False, None, id="not verified"),
    ]


@pytest.mark.parametrize(("name", "known", "verify", "problem"), trust_cases())
def test_rfc5922_7_whom_we_trust(
    authority: Authority, name: str | None, known: bool, verify: bool, problem: str | None
) -> None:
    server = authority.issue("server", "DNS:sip.carrier.test")

    async def scene() -> None:
        profile = TlsProfile(authority.ca_file if known else None, server_name=name, verify=verify)
        a = await End.start(profiles={"trunk": profile})
        b = await End.start(tls=(HOST, 0), server=TlsProfile(None, server.certificate, server.key, verify=False))
        to = flow(b, "tls", "trunk")
        a.transports.options(f"sip:{HOST}", to)
        if problem is None:
            await a.expect(OptionsAnswered)
        else:
            await a.expect(OptionsFailed)
            assert a.transports.errors["connect_certificate"] == 1
            found = a.transports.streams.problems[to]
            assert any(words in found for words in problem.split("|")), found
        a.transports.close()
        b.transports.close()

    run(scene)


def test_a_server_that_wants_certificates_takes_nobody_without(authority: Authority) -> None:
    server = authority.issue("server", f"IP:{HOST}")

    async def scene() -> None:
        a = await End.start(profiles={"": TlsProfile(authority.ca_file)})
        b = await End.start(tls=(HOST, 0), server=TlsProfile(authority.ca_file, server.certificate, server.key))
        a.transports.options(f"sip:{HOST}", flow(b, "tls"))
        await a.expect(OptionsFailed)
        assert b.transports.streams.connections == 0
        a.transports.close()
        b.transports.close()

    run(scene)


def test_certificates_that_were_renewed_are_shown_from_the_next_connection_on(authority: Authority) -> None:
    """As a reload of the config does it: new files under the old names, on both sides; the open connection stays."""

    async def scene() -> None:
        seen: list[tuple[bytes, bytes]] = []

        def shown(end: End) -> bytes:
            [connection] = end.transports.streams._all
            assert connection.wire is not None
            certificate: bytes = connection.wire.get_extra_info("ssl_object").getpeercert(True)
            return certificate

        client = authority.issue("renewed-client", f"IP:{HOST}")
        server = authority.issue("renewed-server", f"IP:{HOST}")
        theirs = TlsProfile(authority.ca_file, server.certificate, server.key)
        ours = {"": TlsProfile(authority.ca_file, client.certificate, client.key)}
        b = await End.start(tls=(HOST, 0), server=theirs)
        a = await End.start(profiles=ours)
        for _ in range(3):
            a.transports.options(f"sip:{HOST}", flow(b, "tls"))
            await a.expect(OptionsAnswered)
            seen.append((shown(a), shown(b)))
            if len(seen) == 1:  # renewed, but nothing is opened again: the old connection serves
                for name in ("renewed-client", "renewed-server"):
                    authority.issue(name, f"IP:{HOST}")
                b.transports.renew({}, theirs)
                a.transports.renew(ours, None)
            else:
                next(iter(a.transports.streams._all)).close()
                await until(lambda: not a.transports.streams._all and not b.transports.streams._all)
        assert seen[0] == seen[1]
        assert seen[2][0] != seen[1][0]
        assert seen[2][1] != seen[1][1]
        with pytest.raises(OSError):
            b.transports.renew({}, TlsProfile(certificate_file=authority.folder / "gone.pem"))
        for end in (a, b):
            end.transports.close()

    run(scene)


def test_nobody_there_is_a_failure_at_once_and_says_why() -> None:
    async def scene() -> None:
        a = await End.start()
        with bound_socket(HOST) as unused:
            nobody = Flow(*unused.getsockname(), "tcp")
            leg = a.call(nobody)
            assert await a.expect(Failed) == Failed(leg, 503, "No connection", kind="transport")
        assert a.transports.errors == {"connect_econnrefused": 1}
        assert "refused" in a.transports.streams.problems[nobody].lower()
        a.transports.close()

    run(scene)


def test_an_unknown_profile_is_a_failure_not_a_crash() -> None:
    async def scene() -> None:
        a = await End.start()
        a.call(Flow(HOST, 1, "tls", "gone"))
        assert (await a.expect(Failed)).kind == "transport"
        assert a.transports.errors == {"connect_profile": 1}
        a.transports.close()

    run(scene)


def test_a_far_end_that_says_nothing_runs_into_the_time_for_connecting(authority: Authority) -> None:
    async def scene() -> None:
        silent = await asyncio.start_server(lambda reader, writer: None, HOST, 0)
        a = await End.start(profiles={"": TlsProfile(authority.ca_file)}, limits=Limits(connect=0.1))
        a.call(Flow(*silent.sockets[0].getsockname(), "tls"))
        assert (await a.expect(Failed)).kind == "transport"
        assert a.transports.errors == {"connect_timeout": 1}
        a.transports.close()
        silent.close()

    run(scene)


def test_a_lost_connection_is_opened_again_for_the_next_request_in_the_call() -> None:
    async def scene() -> None:
        a, b = await End.start(), await End.start()
        leg = a.call(flow(b))
        await b.expect(IncomingCall)
        await a.expect(Answered)
        await until(lambda: b.transports.endpoint.pending["servers"] == 1)
        for connection in list(b.transports.streams._all):
            connection.wire.abort()  # type: ignore[union-attr]
        await until(lambda: a.transports.streams.connections == 0)
        assert a.transports.has(leg)
        a.transports.bye(leg)
        assert (await a.expect(Ended)).by == "local"
        assert (await b.expect(Ended)).by == "remote"
        a.transports.close()
        b.transports.close()

    run(scene)


def test_a_request_in_flight_moves_to_a_new_connection() -> None:
    async def scene() -> None:
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def drop_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.put_nowait(await reader.readuntil(b"\r\n\r\n"))
            if heard.qsize() > 1:
                via = next(line for line in heard._queue[-1].split(b"\r\n") if line.startswith(b"Via"))  # type: ignore[attr-defined]
                head = heard._queue[-1].decode()  # type: ignore[attr-defined]
                kept = [line for line in head.split("\r\n") if line.split(":")[0] in ("From", "To", "Call-ID", "CSeq")]
                writer.write("\r\n".join(["SIP/2.0 200 OK", via.decode(), *kept, "Content-Length: 0", "", ""]).encode())
            else:
                writer.transport.abort()

        server = await asyncio.start_server(drop_first, HOST, 0)
        a = await End.start()
        a.transports.options(f"sip:{HOST}", Flow(*server.sockets[0].getsockname(), "tcp"))
        await a.expect(OptionsAnswered)
        first, second = heard.get_nowait(), heard.get_nowait()
        assert first == second
        a.transports.close()
        server.close()

    run(scene)


@pytest.mark.parametrize(
    ("bytes_", "counted"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "stream_no_content_length"),
        (b"\x16\x03\x01\x02\x00", "stream_garbage"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 70000\r\n\r\n", "stream_oversized"),
    ],
)
def test_garbage_is_counted_and_the_connection_closed(bytes_: bytes, counted: str) -> None:
    async def scene() -> None:
        b = await End.start()
        reader, writer = await asyncio.open_connection(*flow(b)[:2])
        writer.write(bytes_)
        assert await reader.read() == b""
        assert b.transports.errors == {counted: 1}
        writer.close()
        b.transports.close()

    run(scene)


def test_rfc5626_3_5_1_a_ping_gets_its_pong_and_silence_gets_a_ping() -> None:
    async def scene() -> None:
        b = await End.start()
        reader, writer = await asyncio.open_connection(*flow(b)[:2])
        writer.write(b"\r\n\r\n\r\n\r\n")
        assert await reader.readexactly(4) == b"\r\n\r\n"
        writer.close()
        b.transports.close()

        pinged: asyncio.Queue[bytes] = asyncio.Queue()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")  # OPTIONS
            pinged.put_nowait(await reader.readexactly(4))

        server = await asyncio.start_server(listen, HOST, 0)
        a = await End.start()
        a.transports.options(f"sip:{HOST}", Flow(*server.sockets[0].getsockname(), "tcp"))
        streams = a.transports.streams
        await until(lambda: bool(streams._all))
        at = streams.next_timer()
        assert at is not None
        streams.handle_timer(at)
        assert pinged.empty()
        streams.handle_timer(at + 31.0)
        assert await pinged.get() == b"\r\n\r\n"
        a.transports.close()
        server.close()

    run(scene)


def test_strangers_who_say_nothing_or_never_finish_are_given_up() -> None:
    async def scene() -> None:
        b = await End.start()
        silent = await asyncio.open_connection(*flow(b)[:2])
        slow = await asyncio.open_connection(*flow(b)[:2])
        slow[1].write(b"OPTIONS sip:a SIP/2.0\r\nVia")
        streams = b.transports.streams
        await until(lambda: len(streams._all) == 2 and any(c.framer.waiting for c in streams._all))
        at = streams.next_timer()
        assert at is not None
        streams.handle_timer(at)
        assert streams.connections == 2
        streams.handle_timer(at + 31.0)
        await until(lambda: streams.connections == 0)
        assert streams.next_timer() is not None
        streams.handle_timer(at + 40.0)
        assert streams.next_timer() is None
        assert b.transports.errors == {"stream_idle": 1, "stream_stalled": 1}
        for _, writer in (silent, slow):
            writer.close()
        b.transports.close()

    run(scene)


def test_too_many_connections_are_not_accepted_and_not_opened() -> None:
    async def scene() -> None:
        b = await End.start(limits=Limits(connections=1))
        one = await asyncio.open_connection(*flow(b)[:2])
        await until(lambda: b.transports.streams.connections == 1)
        reader, writer = await asyncio.open_connection(*flow(b)[:2])
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        assert b.transports.errors["stream_too_many"] == 1
        b.call(flow(b))
        assert (await b.expect(Failed)).kind == "transport"
        for each in (one[1], writer):
            each.close()
        b.transports.close()

    run(scene)


def test_a_far_end_that_reads_no_more_is_given_up() -> None:
    async def scene() -> None:
        stuck = asyncio.Event()

        async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await stuck.wait()
            writer.close()

        server = await asyncio.start_server(never_read, HOST, 0, limit=1024)
        a = await End.start(limits=Limits(write=20_000))
        to = Flow(*server.sockets[0].getsockname(), "tcp")
        a.transports.options(f"sip:{HOST}", to)
        await until(lambda: bool(a.transports.streams._all))
        for _ in range(2000):
            a.transports.streams.send(b"x" * 10_000, to)
            if a.transports.errors["stream_write_overflow"]:
                break
        assert a.transports.errors["stream_write_overflow"] == 1
        a.transports.close()
        stuck.set()
        server.close()

    run(scene)


def test_files_that_cannot_be_used_say_so(tmp_path: Path, authority: Authority) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(OSError):
        TlsProfile(empty).client_context()
    with pytest.raises(OSError):
        TlsProfile(certificate_file=tmp_path / "none.pem").client_context()
    with pytest.raises(ValueError, match="needs a certificate"):
        TlsProfile().server_context()
    one, other = authority.issue("one"), authority.issue("two")
    with pytest.raises(ssl.SSLError):
        TlsProfile(certificate_file=one.certificate, key_file=other.key).client_context()


def test_a_port_that_somebody_has_is_an_error_and_leaves_nothing_open() -> None:
    async def scene() -> None:
        b = await End.start()
        where = b.transports.listens("tcp")
        with pytest.raises(OSError):
            await Transports.start(HOST, 0, print, tcp=where)
        b.transports.close()

    run(scene)
