"""What the media tests share: a phone that is one UDP socket, a free range of ports, WAV files."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.ports import free_ports
from dialer.media.direct import DirectBackend

PROMPT_FRAMES = 25


class Phone:
    """A party on loopback: sends and receives datagrams, and waits for them with a limit."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.sequence = 0

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.sock.getsockname()[:2]
        return str(host), int(port)

    async def receive(self, within: float = 5.0) -> bytes:
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.sock, 4096), within)

    def send(self, data: bytes, port: int) -> None:
        self.sock.sendto(data, ("::1" if ":" in self.address[0] else "127.0.0.1", port))

    def talk(self, port: int, audio: bytes, payload: int = 0, *, ssrc: int = 7, timestamp: int | None = None) -> None:
        """One RTP packet."""
        stamp = self.sequence * 160 if timestamp is None else timestamp
        self.send(struct.pack("!BBHII", 0x80, payload, self.sequence & 0xFFFF, stamp, ssrc) + audio, port)
        self.sequence += 1


class Rig:
    """A backend and everything that it called back."""

    def __init__(self, ports: tuple[int, int], prompts: list[str], **options: Any) -> None:
        self.calls: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.backend = DirectBackend(
            "127.0.0.1",
            *ports,
            prompts=prompts,
            on_finished=lambda token, ok: self.calls.put_nowait(("finished", token, ok)),
            on_dtmf=lambda leg, digit: self.calls.put_nowait(("digit", leg, digit)),
            on_lost=lambda reason: self.calls.put_nowait(("lost", reason)),
            on_restored=lambda: self.calls.put_nowait(("restored",)),
            **options,
        )

    async def __aenter__(self) -> Rig:
        await self.backend.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.backend.close()

    async def call(self, within: float = 10.0) -> tuple[Any, ...]:
        return await asyncio.wait_for(self.calls.get(), within)


@pytest.fixture
def phones() -> Iterator[Callable[..., Phone]]:
    made: list[Phone] = []

    def make(host: str = "127.0.0.1") -> Phone:
        made.append(Phone(host))
        return made[-1]

    yield make
    for phone in made:
        phone.sock.close()


@pytest.fixture
def port_range() -> Callable[[int], tuple[int, int]]:
    """`port_range(n)`: lowest and highest of 2n adjacent ports, the first even, that nobody else takes meanwhile."""

    def find(pairs: int) -> tuple[int, int]:
        first = free_ports(2 * pairs, socket.SOCK_DGRAM)
        return first, first + 2 * pairs - 1

    return find


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine to its end, or fail after 30 seconds."""

    def finish(work: Coroutine[Any, Any, None]) -> None:
        async def limited() -> None:
            await asyncio.wait_for(work, 30.0)

        asyncio.run(limited())

    return finish


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., str]:
    """`wav(data, form=1, channels=1, rate=8000, bits=16)` writes a WAV file and returns its path."""

    def write(
        data: bytes, *, form: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, name: str = "p.wav"
    ) -> str:
        frame = channels * bits // 8
        fmt = struct.pack("<HHIIHH", form, channels, rate, rate * frame, frame, bits)
        body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
        path = tmp_path / name
        path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
        return str(path)

    return write


@pytest.fixture
def prompt(wav: Callable[..., str]) -> str:
    """Half a second: 25 frames, each of one code of its own."""
    return wav(b"".join(bytes([n + 1]) * 160 for n in range(PROMPT_FRAMES)), form=7, bits=8)


@pytest.fixture
def rig() -> type[Rig]:
    """`rig(ports, prompts, **options)`: a direct backend that notes its callbacks; enter it to start it."""
    return Rig
