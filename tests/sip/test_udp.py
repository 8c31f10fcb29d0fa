"""The asyncio adapter on loopback: batches, one timer, errors counted, a handler that raises."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from dialer.sip import Answered, Ended, IncomingCall, OptionsFailed, UnknownLeg, sdp
from dialer.udp import UdpEndpoint, bound_socket

OFFER = sdp.audio("127.0.0.1", 4000)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_call_over_sockets(host: str) -> None:
    if host == "::1" and not ipv6_works():
        pytest.skip("no IPv6 loopback on this machine")

    async def scene() -> list[Any]:
        ended: list[Any] = []
        done = asyncio.Event()

        def at_a(event: Any) -> None:
            if isinstance(event, Answered):
                a.bye(event.leg)
            if isinstance(event, Ended):
                ended.append(event)
                done.set()

        def at_b(event: Any) -> None:
            if isinstance(event, IncomingCall):
                b.ring(event.leg)
                b.answer(event.leg, OFFER)

        a, b = UdpEndpoint.open(host, 0, at_a), UdpEndpoint.open(host, 0, at_b)
        shown = f"[{host}]" if ":" in host else host
        plan = a.plan_invite(f"sip:b@{shown}", from_uri=f"sip:a@{shown}", destination=b.address, sdp=OFFER)
        a.invite(plan)
        assert a.has(plan.call_id)
        await asyncio.wait_for(done.wait(), 5)
        assert (a.legs, b.legs) == (0, 0)
        a.close()
        b.close()
        return ended

    assert [event.by for event in asyncio.run(scene())] == ["local"]


def ipv6_works() -> bool:
    try:
        bound_socket("::1").close()
    except OSError:
        return False
    return True


def test_the_timer_follows_the_endpoint() -> None:
    async def scene() -> Any:
        happened: asyncio.Queue[Any] = asyncio.Queue()
        endpoint = UdpEndpoint.open("127.0.0.1", 0, happened.put_nowait, t1=0.002, t2=0.004)
        with bound_socket("127.0.0.1") as silent:
            ping = endpoint.options("sip:x@127.0.0.1", silent.getsockname())
            event = await asyncio.wait_for(happened.get(), 5)
            assert event == OptionsFailed(ping)
            received = 0
            while received < 100:
                try:
                    silent.recv(2000)
                except BlockingIOError:
                    break
                received += 1
        endpoint.close()
        return received

    assert asyncio.run(scene()) > 10


def test_a_handler_that_raises_loses_no_later_event() -> None:
    async def scene() -> tuple[list[str], list[Any]]:
        seen: list[str] = []
        raised: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: raised.append(context["exception"]))

        def on_event(event: Any) -> None:
            seen.append(event.leg)
            if len(seen) == 1:
                raise LookupError("a bug of the layer above")

        endpoint = UdpEndpoint.open("127.0.0.1", 0, on_event)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for name in ("one", "two"):
                peer.sendto(
                    f"INVITE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{name}\r\n"
                    f"From: <sip:a@b>;tag=1\r\n"
                    f"To: <sip:c@d>\r\nCall-ID: {name}\r\nCSeq: 1 INVITE\r\n"
                    f"Contact: <sip:a@127.0.0.1>\r\n\r\n".encode(),
                    endpoint.address,
                )
            for _ in range(100):
                await asyncio.sleep(0.01)
                if len(seen) == 2:
                    break
        endpoint.close()
        return seen, raised

    seen, raised = asyncio.run(scene())
    assert seen == ["one", "two"]
    assert [type(error) for error in raised] == [LookupError]


def test_a_burst_is_read_in_batches_and_a_trickle_one_by_one() -> None:
    async def scene() -> list[int]:
        loop = asyncio.get_running_loop()
        endpoint = UdpEndpoint.open("127.0.0.1", 0, lambda event: None)
        sock, looks = endpoint._sock, [0]

        def counted() -> None:
            looks[0] += 1
            endpoint._readable()

        loop.remove_reader(sock.fileno())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for _ in range(200):
                peer.sendto(b"\r\n\r\n", endpoint.address)
            loop.add_reader(sock.fileno(), counted)
            found = []
            while endpoint.drops["keep_alive"] < 200:
                await asyncio.sleep(0)
            found.append(looks[0])
            endpoint._sampled_at -= 1.0  # that was a second ago
            for at in range(40):
                peer.sendto(b"\r\n\r\n", endpoint.address)
                while endpoint.drops["keep_alive"] <= 200 + at:
                    await asyncio.sleep(0)
                endpoint._sampled_at -= 0.01
            found.append(endpoint._most)
        endpoint.close()
        return found

    burst, most = asyncio.run(scene())
    assert burst < 100
    assert most == 1


def test_closed_means_closed() -> None:
    async def scene() -> None:
        endpoint = UdpEndpoint.open("127.0.0.1", 0, lambda event: None)
        endpoint.options("sip:x@127.0.0.1", endpoint.address)
        endpoint.close()
        endpoint.close()
        with pytest.raises(UnknownLeg):
            endpoint.bye("nobody")
        await asyncio.sleep(0)

    asyncio.run(scene())


def test_a_wrong_setting_closes_the_socket() -> None:
    async def scene() -> None:
        with pytest.raises(ValueError, match="options_status"):
            UdpEndpoint.open("127.0.0.1", 0, lambda event: None, options_status=100)

    asyncio.run(scene())


def test_the_example_in_the_docs_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "design" / "sip.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0].replace("call_later(2.0,", "call_later(0.0,")
    assert "async def call" in code

    async def scene() -> list[str]:
        seen: list[str] = []

        def on_event(event: Any) -> None:
            seen.append(type(event).__name__)
            if isinstance(event, IncomingCall):
                peer.answer(event.leg, OFFER)

        peer = UdpEndpoint.open("127.0.0.1", 0, on_event)
        names: dict[str, Any] = {}
        exec(compile(code, "sip.md", "exec"), names)
        await asyncio.wait_for(names["call"](*peer.address), 5)
        peer.close()
        return seen

    assert asyncio.run(scene()) == ["IncomingCall", "Ended"]
