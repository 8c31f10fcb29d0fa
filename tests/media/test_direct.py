"""The direct backend with its real process and real packets on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from dialer.media.backend import Latch, MediaExhausted, MediaGone, MediaRefused
from dialer.media.direct import DirectBackend
from dialer.media.g711 import ULAW_TO_ALAW
from dialer.media.prompt import DEFAULT_PROMPT, PromptError

Run = Callable[[Coroutine[Any, Any, None]], None]
Range = Callable[[int], tuple[int, int]]
FRAMES = 25


def fields(packet: bytes) -> tuple[int, int, int, int, int]:
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
    return first, second, sequence, timestamp, ssrc


@pytest.mark.parametrize("payload", [0, 8])
def test_a_prompt_arrives_whole_and_in_time(
    run: Run, rig: Any, port_range: Range, phones: Any, prompt: str, payload: int
) -> None:
    async def work() -> None:
        phone = phones()
        async with rig(port_range(2), [prompt]) as media:
            port = media.backend.allocate("a")
            began = time.monotonic()
            media.backend.play("a", phone.address, payload, prompt, "tok")
            packets = [await phone.receive() for _ in range(FRAMES)]
            assert await media.call() == ("finished", "tok", True)
            took = time.monotonic() - began
        assert took >= FRAMES * 0.020 - 0.005  # told when the last frame has been heard, not when it was sent
        assert took < FRAMES * 0.020 + 1.0
        heads = [fields(packet) for packet in packets]
        assert {head[0] for head in heads} == {0x80}
        assert [head[1] for head in heads] == [payload | 0x80] + [payload] * (FRAMES - 1)
        assert [(head[2] - heads[0][2]) & 0xFFFF for head in heads] == list(range(FRAMES))
        assert [(head[3] - heads[0][3]) & 0xFFFFFFFF for head in heads] == list(range(0, FRAMES * 160, 160))
        assert len({head[4] for head in heads}) == 1
        codes = bytes(range(1, FRAMES + 1))
        expected = codes if payload == 0 else codes.translate(ULAW_TO_ALAW)
        assert [packet[12:] for packet in packets] == [bytes([code]) * 160 for code in expected]
        assert port.port % 2 == 0

    run(work())


def test_a_stopped_prompt_is_not_reported_and_the_leg_goes_on(
    run: Run, rig: Any, port_range: Range, phones: Any, prompt: str
) -> None:
    async def work() -> None:
        phone = phones()
        async with rig(port_range(2), [prompt]) as media:
            media.backend.allocate("a")
            media.backend.play("a", phone.address, 0, DEFAULT_PROMPT, "long")
            first = await phone.receive()
            media.backend.stop("a")
            media.backend.play("a", phone.address, 0, DEFAULT_PROMPT, "replaced")
            media.backend.play("a", phone.address, 0, prompt, "short")
            assert await media.call() == ("finished", "short", True)
            assert media.backend.stats().playing == 0
            rest = [fields(await phone.receive()) for _ in range(FRAMES)]
        assert {one[4] for one in rest} == {fields(first)[4]}  # one party, one SSRC
        assert media.calls.empty()

    run(work())


def test_a_held_leg_hears_a_marked_frame_of_silence_each_second(
    run: Run, rig: Any, port_range: Range, phones: Any
) -> None:
    async def work() -> None:
        phone = phones()
        async with rig(port_range(2), []) as media:
            media.backend.allocate("a")
            media.backend.hold("a", phone.address, 8)
            first, second = await phone.receive(), await phone.receive()
            media.backend.allocate("b")
            assert media.backend.bridge("a", "b") is False
        assert first[12:] == b"\xd5" * 160
        assert fields(second)[1] == 0x88
        assert (fields(second)[3] - fields(first)[3]) & 0xFFFFFFFF == 8000

    run(work())


def test_ports_are_even_rest_after_use_and_run_out(run: Run, rig: Any, port_range: Range) -> None:
    async def work() -> None:
        low, high = port_range(2)
        async with rig((low - 1, high), []) as media:
            got = {media.backend.allocate("a").port, media.backend.allocate("b").port}
            assert got == {low, low + 2}
            with pytest.raises(MediaRefused, match="has a port already"):
                media.backend.allocate("a")
            media.backend.release("a")
            media.backend.release("a")
            with pytest.raises(MediaExhausted, match="1 in use, 1 resting"):
                media.backend.allocate("c")

    run(work())


def test_a_port_that_another_program_holds_is_not_handed_out(run: Run, rig: Any, port_range: Range) -> None:
    async def work() -> None:
        low, high = port_range(2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", low + 1))  # its RTCP port
            async with rig((low, high), []) as media:
                assert media.backend.stats().ports == 1
                assert media.backend.allocate("a").port == low + 2
            other_range = (low, low + 1)
            with pytest.raises(MediaGone, match=r"none of the RTP ports .* can be bound \(EADDRINUSE x1\)"):
                await rig(other_range, []).backend.start()

    run(work())


@pytest.mark.parametrize(
    ("remote", "payload", "says"),
    [
        (("example.com", 4000), 0, "no IP address"),
        (("127.0.0.1\r\nX", 4000), 0, "no IP address"),
        (("0.0.0.0", 4000), 0, "unicast"),
        (("224.0.0.1", 4000), 0, "unicast"),
        (("255.255.255.255", 4000), 0, "unicast"),
        (("::1", 4000), 0, "unicast IPv4"),
        (("127.0.0.1", 0), 0, "port 0"),
        (("127.0.0.1", 65536), 0, "port 65536"),
        (("127.0.0.1", 4000), 18, "payload type 18"),
    ],
)
def test_what_cannot_be_sent_to_is_refused(
    run: Run, rig: Any, port_range: Range, remote: tuple[str, int], payload: int, says: str
) -> None:
    async def work() -> None:
        media = rig(port_range(1), [])
        async with media:
            media.backend.allocate("a")
            with pytest.raises(MediaRefused, match=says) as error:
                media.backend.play("a", remote, payload, DEFAULT_PROMPT, "t")
            assert "\n" not in str(error.value)
            with pytest.raises(MediaRefused, match=says):
                media.backend.hold("a", remote, payload)
            with pytest.raises(MediaRefused, match=says):
                media.backend.set_remote("a", remote, payload)

    run(work())


def test_unknown_legs_and_prompts_and_a_backend_that_does_not_run(
    run: Run, rig: Any, port_range: Range, prompt: str, tmp_path: Path
) -> None:
    async def work() -> None:
        media = rig(port_range(1), [])
        with pytest.raises(MediaGone):
            media.backend.allocate("a")
        with pytest.raises(PromptError, match=r"none\.wav"):
            await rig(port_range(1), [str(tmp_path / "none.wav")]).backend.start()
        async with media:
            media.backend.allocate("a")
            with pytest.raises(MediaRefused, match="no port"):
                media.backend.play("b", ("127.0.0.1", 4000), 0, DEFAULT_PROMPT, "t")
            with pytest.raises(MediaRefused, match="no port"):
                media.backend.bridge("a", "b")
            with pytest.raises(MediaRefused, match="not loaded"):
                media.backend.play("a", ("127.0.0.1", 4000), 0, prompt, "t")
            media.backend.stop("b")
            assert await media.backend.load_prompt(prompt) == pytest.approx(0.5)
            media.backend.play("a", ("127.0.0.1", 4000), 0, prompt, "t")
        with pytest.raises(MediaGone):
            media.backend.allocate("c")
        await media.backend.close()

    run(work())


def test_keys_are_heard_once_each(run: Run, rig: Any, port_range: Range, phones: Any) -> None:
    async def work() -> None:
        phone, stranger = phones(), phones("127.0.0.2")
        async with rig(port_range(1), []) as media:
            port = media.backend.allocate("a").port
            media.backend.set_remote("a", phone.address, 0, events=96)
            media.backend.hold("a", phone.address, 0)
            await phone.receive()  # the process knows the party now
            stranger.talk(port, b"\x09\x0a\x00\xa0", 101, timestamp=1)
            for length in (160, 320, 480):
                phone.talk(port, struct.pack("!BBH", 5, 10, length), 101, timestamp=1000)
            phone.talk(port, struct.pack("!BBH", 5, 0x8A, 480), 101, timestamp=1000)
            assert await media.call() == ("digit", "a", "5")
            await asyncio.wait_for(phone.receive(), 5)  # a second later: no key came in between, and the next may
            phone.talk(port, struct.pack("!BBH", 11, 10, 160), 101, timestamp=9000)
            assert await media.call() == ("digit", "a", "#")
            assert media.calls.empty()

    run(work())


@pytest.mark.parametrize(
    ("latch", "host", "follows"),
    [(Latch.OFF, "127.0.0.1", False), (Latch.PORT, "127.0.0.1", True), (Latch.ADDRESS, "127.0.0.2", True)],
)
def test_whether_audio_follows_the_partys_real_port(
    run: Run, rig: Any, port_range: Range, phones: Any, prompt: str, latch: Latch, host: str, follows: bool
) -> None:
    async def work() -> None:
        said, real = phones(), phones(host)
        async with rig(port_range(1), [prompt], latch=latch) as media:
            port = media.backend.allocate("a").port
            media.backend.play("a", said.address, 0, DEFAULT_PROMPT, "t")
            await said.receive()
            real.talk(port, struct.pack("!BBH", 1, 10, 160), 101)
            assert await media.call() == ("digit", "a", "1")
            media.backend.play("a", said.address, 0, prompt, "u")
            while (await (real if follows else said).receive())[12:] != bytes([FRAMES]) * 160:
                pass
            assert await media.call() == ("finished", "u", True)

    run(work())


def test_ipv6(run: Run, phones: Any, prompt: str) -> None:
    try:
        phone = phones("::1")
    except OSError:
        pytest.skip("no IPv6 loopback here")

    async def work() -> None:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def on_finished(token: str, ok: bool) -> None:
            done.set_result(ok)

        backend = DirectBackend(
            "::1", 40000, 41399, prompts=[prompt], on_finished=lambda token, ok: done.set_result(ok)
        )
        await backend.start()
        assert backend.allocate("a").host == "::1"
        backend.play("a", phone.address, 0, prompt, "t")
        assert len(await phone.receive()) == 172
        assert await done
        assert backend.stats().ports > 600  # 1400 sockets: more than the usual soft limit on files
        await backend.close()

    run(work())


def test_addresses_are_checked_when_it_is_built() -> None:
    with pytest.raises(MediaRefused, match="advertise"):
        DirectBackend("0.0.0.0", 40000, 40010)
    with pytest.raises(MediaRefused, match="no IP address"):
        DirectBackend("localhost", 40000, 40010)
    DirectBackend("0.0.0.0", 40000, 40010, advertise="192.0.2.1")
