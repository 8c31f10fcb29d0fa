"""Kamailio as trunk: registration with digest, a challenged INVITE through a proxy that stays in the path, CANCEL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.kamailio import Kamailio
from benchmarks.rig.ports import free_port
from dialer.sip import (
    Answered,
    Credentials,
    Ended,
    Event,
    Failed,
    IncomingCall,
    Offered,
    OptionsAnswered,
    Provisional,
    Registered,
    RegistrationFailed,
    Reinvited,
    Unregistered,
    sdp,
)
from dialer.udp import UdpEndpoint

pytestmark = [pytest.mark.peer, pytest.mark.parallel]
HOST = "127.0.0.1"
OFFER, ANSWER = sdp.audio(HOST, 40_000), sdp.audio(HOST, 40_002)
CONFIG = Path(__file__).parent / "kamailio" / "trunk.cfg"


@pytest.fixture(params=["MD5", "SHA-256"])
def trunk(tmp_path: Path, request: pytest.FixtureRequest, need: Callable[[str], str]) -> Iterator[tuple[str, int]]:
    """A running Kamailio; its address. Ends with the test."""
    port = free_port()
    with Kamailio(need("kamailio"), CONFIG, {"PORT": port, "ALGORITHM": request.param}, tmp_path):
        yield HOST, port


class Phone:
    """A `UdpEndpoint` with its events in a queue."""

    def __init__(self, user: str) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.udp = UdpEndpoint.open(HOST, 0, self.events.put_nowait, contact_user=user)

    async def expect(self, kind: type, seconds: float = 10.0) -> Any:
        """The next event, which must be of this kind."""
        event = await asyncio.wait_for(self.events.get(), seconds)
        assert isinstance(event, kind), event
        return event


async def until_up(trunk: tuple[str, int], registrar: str) -> None:
    """Ask with OPTIONS until the trunk answers; from a phone of its own, for late answers to go to nobody."""
    asker = Phone("asker")
    for _ in range(100):
        asker.udp.options(registrar, trunk)
        try:
            await asker.expect(OptionsAnswered, 0.1)
            break
        except TimeoutError:
            continue
    asker.udp.close()


async def scene(trunk: tuple[str, int], play: Callable[[Phone, Phone, str], Awaitable[None]]) -> None:
    """Two phones; the callee is registered; then `play(caller, callee, uri)`; then nothing may be left or dropped.

    The proxy's processes let one message overtake another: a re-INVITE or a BYE may come before an ACK.
    """
    caller, callee = Phone("caller"), Phone("callee")
    registrar = f"sip:{trunk[0]}:{trunk[1]}"
    await until_up(trunk, registrar)
    keys = Credentials("callee", "s3cret")
    uri = f"sip:callee@{trunk[0]}:{trunk[1]}"
    registration = callee.udp.register(registrar, uri, [trunk], expires=60, credentials=keys)
    assert (await callee.expect(Registered)).expires == 60
    await play(caller, callee, uri)
    callee.udp.unregister(registration)
    await callee.expect(Unregistered)
    for phone in (caller, callee):
        assert phone.udp.legs == 0
        assert not phone.udp.drops, phone.udp.drops
        phone.udp.close()


def place(caller: Phone, trunk: tuple[str, int], uri: str, password: str = "s3cret") -> str:
    plan = caller.udp.plan_invite(
        uri,
        from_uri=f"sip:caller@{trunk[0]}",
        destination=trunk,
        sdp=OFFER,
        credentials=Credentials("caller", password),
    )
    return caller.udp.invite(plan)


def test_a_call_through_a_challenging_proxy_with_record_route(trunk: tuple[str, int]) -> None:
    async def play(caller: Phone, callee: Phone, uri: str) -> None:
        leg = place(caller, trunk, uri)
        incoming = await callee.expect(IncomingCall)
        assert not any("authorization" in name for name, _ in incoming.headers)
        callee.udp.ring(leg)
        assert (await caller.expect(Provisional)).status == 180
        callee.udp.answer(leg, ANSWER)
        answered = await caller.expect(Answered)
        assert answered.sdp == ANSWER
        assert f"sip:{trunk[0]}:{trunk[1]}" in answered.dialog.route_set[0]
        for one, other in ((caller, callee), (callee, caller)):
            one.udp.reinvite(leg, OFFER)
            assert (await other.expect(Offered)).sdp == OFFER
            other.udp.answer(leg, ANSWER)
            assert (await one.expect(Reinvited)).sdp == ANSWER
        callee.udp.bye(leg, "Q.850;cause=16")
        assert (await caller.expect(Ended)).cause == 16
        await callee.expect(Ended)

    asyncio.run(scene(trunk, play))


def test_a_cancelled_call_through_a_proxy(trunk: tuple[str, int]) -> None:
    async def play(caller: Phone, callee: Phone, uri: str) -> None:
        leg = place(caller, trunk, uri)
        await callee.expect(IncomingCall)
        callee.udp.ring(leg)
        await caller.expect(Provisional)
        caller.udp.cancel(leg)
        assert (await callee.expect(Failed)).kind == "cancelled"
        assert (await caller.expect(Failed)).kind == "cancelled"

    asyncio.run(scene(trunk, play))


def test_wrong_passwords_end_in_a_failure_and_a_pause(trunk: tuple[str, int]) -> None:
    async def play(caller: Phone, callee: Phone, uri: str) -> None:
        place(caller, trunk, uri, "wrong")
        assert (await caller.expect(Failed)).status == 407
        registrar = f"sip:{trunk[0]}:{trunk[1]}"
        wrong = caller.udp.register(registrar, uri, [trunk], credentials=Credentials("callee", "wrong"))
        assert (await caller.expect(RegistrationFailed)).status == 401
        caller.udp.unregister(wrong)
        await caller.expect(Unregistered)

    asyncio.run(scene(trunk, play))
