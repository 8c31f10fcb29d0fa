"""A real phone judges our RTP: baresip records what it hears, and speaks a tone of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.rig.baresip import Baresip
from benchmarks.rig.tones import read_wav
from dialer.media.direct import DirectBackend
from dialer.media.relay import RelayBackend

Run = Callable[[Coroutine[Any, Any, None]], None]
Range = Callable[[int], tuple[int, int]]
PEAK = 8000.0

pytestmark = pytest.mark.peer


class Call:
    """Just enough SIP to get a phone to answer: one INVITE with our port and one codec, ACK, later BYE."""

    def __init__(self, phone: Any, peer: Baresip, port: int, payload: int) -> None:
        self.phone, self.peer, self.port, self.payload = phone, peer, port, payload
        self.to = ""
        self.remote = ("", 0)

    def _request(self, method: str, cseq: int, body: str = "") -> bytes:
        host, port = self.phone.address
        uri = f"sip:{self.peer.folder.name}@{self.peer.address}"
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{method}{port}",
            f"From: <sip:t@{host}>;tag=t{port}",
            f"To: {self.to or f'<{uri}>'}",
            f"Call-ID: c{port}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:t@{host}:{port}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(head) + "\r\n\r\n" + body).encode()

    async def answer(self, method: str, cseq: int, body: str = "") -> list[str]:
        """Send a request; the lines of its 200."""
        sip = self.peer.address.rpartition(":")
        self.phone.sock.sendto(self._request(method, cseq, body), (sip[0], int(sip[2])))
        while True:
            lines: list[str] = (await self.phone.receive()).decode().split("\r\n")
            assert lines[0][8:9] in "12", lines[0]
            if lines[0].startswith("SIP/2.0 200") and f"CSeq: {cseq} {method}" in lines:
                return lines

    async def begin(self) -> None:
        codec = {0: "PCMU", 8: "PCMA"}[self.payload]
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.port} RTP/AVP {self.payload} 101\r\na=rtpmap:{self.payload} {codec}/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
        )
        lines = await self.answer("INVITE", 1, sdp)
        self.to = next(line for line in lines if line.startswith("To:"))[4:]
        media = next(line for line in lines if line.startswith("m=audio")).split()
        assert media[3] == str(self.payload)
        self.remote = ("127.0.0.1", int(media[1]))
        sip = self.peer.address.rpartition(":")
        self.phone.sock.sendto(self._request("ACK", 1), (sip[0], int(sip[2])))

    async def end(self) -> None:
        await self.answer("BYE", 2)


@pytest.fixture
def baresip(need: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[[str, float], Baresip]]:
    need("baresip")
    made: list[Baresip] = []

    def start(name: str, hertz: float) -> Baresip:
        made.append(Baresip(tmp_path / name, name, hertz))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def loudest(peer: Baresip) -> tuple[float, float]:
    """Frequency (Hz) of the loudest tone in what the phone heard, and for how long (s) anything was loud."""
    peer.stop()  # only then is the recording whole
    (path,) = peer.heard()
    heard, rate = read_wav(path)
    samples = np.asarray(heard, dtype=float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples), float(np.sum(np.abs(samples) > PEAK / 3)) / rate


@pytest.mark.parametrize("payload", [0, 8])
def test_a_phone_hears_the_prompt(
    run: Run, port_range: Range, phones: Any, wav: Any, baresip: Any, payload: int
) -> None:
    samples = PEAK * np.sin(2 * np.pi * 620 * np.arange(2 * 44100) / 44100)
    prompt = wav(np.rint(samples).astype("<i2").tobytes(), rate=44100)
    peer = baresip("customer", 900.0)

    async def work() -> None:
        done: asyncio.Queue[bool] = asyncio.Queue()
        backend = DirectBackend(
            "127.0.0.1", *port_range(1), prompts=[prompt], on_finished=lambda token, ok: done.put_nowait(ok)
        )
        await backend.start()
        call = Call(phones(), peer, backend.allocate("c").port, payload)
        await call.begin()
        backend.play("c", call.remote, payload, prompt, "t")
        assert await asyncio.wait_for(done.get(), 10)
        await call.end()
        await backend.close()

    run(work())
    hertz, seconds = loudest(peer)
    assert hertz == pytest.approx(620, abs=3)
    assert seconds > 2.0 * 0.78 * 0.9  # a sine is above a third of its peak 78 % of the time


def test_two_phones_with_different_codecs_hear_each_other(
    run: Run, port_range: Range, phones: Any, baresip: Any
) -> None:
    customer, agent = baresip("customer", 440.0), baresip("agent", 1100.0)

    async def work() -> None:
        backend = RelayBackend("127.0.0.1", *port_range(2))
        await backend.start()
        calls = {
            "c": Call(phones(), customer, backend.allocate("c").port, 8),
            "a": Call(phones(), agent, backend.allocate("a").port, 0),
        }
        for leg, call in calls.items():
            await call.begin()
            backend.set_remote(leg, call.remote, call.payload)
        assert backend.bridge("c", "a")
        enough = asyncio.get_running_loop().create_future()

        def look() -> None:
            if backend.stats().forwarded > 200:  # two seconds of both
                enough.set_result(None)
            else:
                asyncio.get_running_loop().call_later(0.1, look)

        look()
        await asyncio.wait_for(enough, 20)
        for call in calls.values():
            await call.end()
        assert set(backend.stats().dropped) <= {"rtcp_port", "idle_port", "unheard"}  # before the bridge was made
        await backend.close()

    run(work())
    assert loudest(customer)[0] == pytest.approx(1100, abs=3)
    assert loudest(agent)[0] == pytest.approx(440, abs=3)
