"""Kamailio over TCP and TLS: registration and calls with digest, a proxy that stays in the path, certificates of a
test's own authority on both sides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.authority import Authority
from benchmarks.rig.kamailio import Kamailio
from benchmarks.rig.name_server import NameServer
from benchmarks.rig.ports import free_port
from dialer.locate import Locator, Place
from dialer.sip import (
    Answered,
    Credentials,
    Ended,
    Event,
    Failed,
    Flow,
    IncomingCall,
    Offered,
    OptionsAnswered,
    OptionsFailed,
    Provisional,
    Registered,
    Reinvited,
    Unregistered,
    sdp,
)
from dialer.targets import Targets
from dialer.transport import TlsProfile, Transports

pytestmark = [pytest.mark.peer, pytest.mark.parallel]
HOST = "127.0.0.1"
NAME = "trunk.test"
OFFER, ANSWER = sdp.audio(HOST, 40_000), sdp.audio(HOST, 40_002)
CONFIG = Path(__file__).parent / "kamailio" / "streams.cfg"


@dataclass(frozen=True)
class Carrier:
    """A running Kamailio and the authority that it trusts."""

    tcp: Flow
    tls: Flow
    authority: Authority
    process: Kamailio


@pytest.fixture
def start(tmp_path: Path, kamailio_tls: str) -> Iterator[Callable[[str], Carrier]]:
    """`start("one")` starts a Kamailio with a folder of its own; all trust one authority, and end with the test."""
    authority = Authority(tmp_path)
    started: list[Kamailio] = []

    def run(name: str) -> Carrier:
        folder = tmp_path / name
        folder.mkdir()
        shown = authority.issue(name, f"DNS:{NAME}")
        tcp, tls = free_port(), free_port()
        values = {
            "TCP_PORT": tcp, "TLS_PORT": tls, "SHOWN": shown.certificate, "PRIVATE": shown.key,
            "AUTHORITY": authority.ca_file,
        }  # fmt: skip
        process = Kamailio(kamailio_tls, CONFIG, values, folder)
        started.append(process)
        return Carrier(Flow(HOST, tcp, "tcp"), Flow(HOST, tls, "tls", "trunk"), authority, process)

    yield run
    for process in started:
        process.stop()


@pytest.fixture
def carrier(start: Callable[[str], Carrier]) -> Carrier:
    return start("kamailio")


class Phone:
    """A `Transports` with its events in a queue."""

    transports: Transports

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    @classmethod
    async def start(cls, carrier: Carrier, user: str) -> Phone:
        phone = cls()
        shown = carrier.authority.issue(user, f"IP:{HOST}")
        profile = TlsProfile(carrier.authority.ca_file, shown.certificate, shown.key, NAME)
        phone.transports = await Transports.start(
            HOST, 0, phone.events.put_nowait, contact_user=user, tcp=(HOST, 0), tls=(HOST, 0),
            server=TlsProfile(carrier.authority.ca_file, shown.certificate, shown.key), profiles={"trunk": profile},
        )  # fmt: skip
        return phone

    async def expect(self, kind: type, seconds: float = 10.0) -> Any:
        """The next event, which must be of this kind."""
        event = await asyncio.wait_for(self.events.get(), seconds)
        assert isinstance(event, kind), event
        return event


async def until_up(phone: Phone, there: Flow) -> None:
    """Ask with OPTIONS until the trunk answers."""
    for _ in range(100):
        phone.transports.options(f"sip:{HOST}", there)
        event = await asyncio.wait_for(phone.events.get(), 10)
        if isinstance(event, OptionsAnswered):
            return
        assert isinstance(event, OptionsFailed)
        await asyncio.sleep(0.1)
    raise AssertionError(phone.transports.streams.problems)


async def scene(
    carrier: Carrier, there: Flow, play: Callable[[Phone, Phone, str], Awaitable[None]]
) -> tuple[Phone, Phone]:
    """Two phones; the callee is registered; then `play(caller, callee, uri)`; then nothing may be left or dropped."""
    caller, callee = await Phone.start(carrier, "caller"), await Phone.start(carrier, "callee")
    await until_up(caller, there)
    caller.transports.errors.clear()  # of the time before it was up
    caller.transports.drops.clear()
    uri = f"sip:callee@{HOST}:{there.port};transport={there.transport}"
    registration = callee.transports.register(
        f"sip:{HOST}:{there.port};transport={there.transport}", uri, [there], expires=60,
        credentials=Credentials("callee", "s3cret"),
    )  # fmt: skip
    assert (await callee.expect(Registered)).expires == 60
    await play(caller, callee, uri)
    callee.transports.unregister(registration)
    await callee.expect(Unregistered)
    for phone in (caller, callee):
        assert phone.transports.legs == 0
        assert not phone.transports.drops, phone.transports.drops
        assert not phone.transports.errors, phone.transports.errors
        phone.transports.close()
    return caller, callee


def place(caller: Phone, there: Flow, uri: str) -> str:
    plan = caller.transports.plan_invite(
        uri, from_uri=f"sip:caller@{HOST}", destination=there, sdp=OFFER, credentials=Credentials("caller", "s3cret")
    )
    return caller.transports.invite(plan)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_call_through_a_challenging_proxy_with_record_route(carrier: Carrier, transport: str) -> None:
    there = carrier.tls if transport == "tls" else carrier.tcp

    async def play(caller: Phone, callee: Phone, uri: str) -> None:
        leg = place(caller, there, uri)
        await callee.expect(IncomingCall)
        callee.transports.ring(leg)
        assert (await caller.expect(Provisional)).status == 180
        callee.transports.answer(leg, ANSWER)
        answered = await caller.expect(Answered)
        assert f"transport={transport}" in answered.dialog.route_set[0]
        for one, other in ((caller, callee), (callee, caller)):
            one.transports.reinvite(leg, OFFER)
            assert (await other.expect(Offered)).sdp == OFFER
            other.transports.answer(leg, ANSWER)
            assert (await one.expect(Reinvited)).sdp == ANSWER
        callee.transports.bye(leg, "Q.850;cause=16")
        assert (await caller.expect(Ended)).cause == 16
        await callee.expect(Ended)

    asyncio.run(scene(carrier, there, play))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_cancelled_call(carrier: Carrier, transport: str) -> None:
    there = carrier.tls if transport == "tls" else carrier.tcp

    async def play(caller: Phone, callee: Phone, uri: str) -> None:
        leg = place(caller, there, uri)
        await callee.expect(IncomingCall)
        callee.transports.ring(leg)
        await caller.expect(Provisional)
        caller.transports.cancel(leg)
        assert (await callee.expect(Failed)).kind == "cancelled"
        assert (await caller.expect(Failed)).kind == "cancelled"

    asyncio.run(scene(carrier, there, play))


def test_a_call_lives_on_when_its_connections_are_lost(carrier: Carrier) -> None:
    async def play(caller: Phone, callee: Phone, uri: str) -> None:
        leg = place(caller, carrier.tls, uri)
        await callee.expect(IncomingCall)
        callee.transports.answer(leg, ANSWER)
        await caller.expect(Answered)
        await asyncio.sleep(0)
        for connection in list(caller.transports.streams._all):
            connection.close()
        while caller.transports.streams.connections:
            await asyncio.sleep(0.01)
        caller.transports.bye(leg)
        assert (await caller.expect(Ended)).by == "local"
        assert (await callee.expect(Ended)).by == "remote"

    asyncio.run(scene(carrier, carrier.tls, play))


def test_a_carrier_that_wants_a_certificate_takes_nobody_without(carrier: Carrier) -> None:
    async def play() -> None:
        phone = await Phone.start(carrier, "known")
        await until_up(phone, carrier.tls)
        phone.transports.streams.set_profiles({"bare": TlsProfile(carrier.authority.ca_file, server_name=NAME)})
        phone.transports.options(f"sip:{HOST}", carrier.tls._replace(profile="bare"))
        await phone.expect(OptionsFailed)
        phone.transports.close()

    asyncio.run(play())


def test_rfc3263_4_3_of_two_kamailios_by_srv_the_second_takes_over(start: Callable[[str], Carrier]) -> None:
    one, two = start("one"), start("two")
    records = {
        (f"_sips._tcp.{NAME}", "SRV"): [f"1 0 {one.tls.port} host.{NAME}.", f"2 0 {two.tls.port} host.{NAME}."],
        (f"host.{NAME}", "A"): [HOST],
    }

    async def play(server: NameServer) -> None:
        located = await Locator([server.address]).locate(Place(NAME, None, "tls", "trunk"))
        servers = [target.addresses[0] for target in located.targets]
        assert servers == [one.tls, two.tls]
        caller, callee = await Phone.start(one, "caller"), await Phone.start(one, "callee")
        for there in (one.tls, two.tls):
            await until_up(caller, there)
        uri = f"sip:callee@{NAME}"
        keys = Credentials("callee", "s3cret")
        callee.transports.register(f"sip:{NAME}", uri, servers, expires=60, credentials=keys)
        assert (await callee.expect(Registered)).destination == one.tls
        await asyncio.to_thread(one.process.stop)
        callee.transports.register(f"sip:{NAME}", uri, servers, expires=60, credentials=keys)
        assert (await callee.expect(Registered)).destination == two.tls

        targets = Targets(located)
        plan = caller.transports.plan_invite(
            f"sip:callee@{HOST}:{two.tls.port}",
            from_uri=f"sip:caller@{NAME}",
            destination=targets.pick(0.0),
            sdp=OFFER,
            credentials=Credentials("caller", "s3cret"),
        )
        assert plan.destination == one.tls
        caller.transports.invite(plan)
        assert (await caller.expect(Failed)).kind == "transport"
        assert targets.failed(one.tls, 0.0, 30.0)
        again = caller.transports.retarget(
            plan, targets.pick(1.0), plan.to_uri, credentials=Credentials("caller", "s3cret")
        )
        assert again.destination == two.tls
        leg = caller.transports.invite(again)
        await callee.expect(IncomingCall)
        callee.transports.answer(leg, ANSWER)
        await caller.expect(Answered)
        caller.transports.bye(leg)
        await caller.expect(Ended)
        await callee.expect(Ended)
        for phone in (caller, callee):
            phone.transports.close()

    with NameServer(records) as server:
        asyncio.run(play(server))
