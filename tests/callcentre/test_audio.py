"""Tones through real RTP on loopback: a listener knows who speaks."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from benchmarks.callcentre.audio import FRAMES, TONES, Studio, alaw, ulaw, voice_of


def test_codewords_of_g711() -> None:
    # ITU-T G.711 tables 1b and 2b: silence and the two ends
    assert (ulaw(0), ulaw(32767), ulaw(-32768)) == (0xFF, 0x80, 0x00)
    assert (alaw(0), alaw(32767), alaw(-32768)) == (0xD5, 0xAA, 0x2A)


def test_frames_hold_whole_periods() -> None:
    for hertz in TONES.values():
        assert math.isclose(hertz * 0.02 % 1, 0, abs_tol=1e-9)


@pytest.mark.parametrize("payload", [0, 8])
def test_every_voice_is_told_from_every_other(payload: int) -> None:
    for voice in TONES:
        assert voice_of(bytes(12) + FRAMES[voice, payload]) == voice
    assert voice_of(bytes(12) + bytes(160)) == "other"


def test_two_lines_hear_each_other() -> None:
    async def scene() -> tuple[str, str]:
        studio = Studio("127.0.0.1", "full", random.Random(1))
        heard = asyncio.Event()
        agent = studio.open_line("agent", heard.set)
        customer = studio.open_line("buyer")
        studio.aim(customer, ("127.0.0.1", agent.port), 0)
        studio.aim(agent, ("127.0.0.1", customer.port), 8)
        studio.start()
        await asyncio.wait_for(heard.wait(), 5)
        while not customer.heard:
            await asyncio.sleep(0.01)
        voices = next(iter(agent.heard.values())).voice, next(iter(customer.heard.values())).voice
        await studio.close()
        return voices

    assert asyncio.run(scene()) == ("buyer", "agent")


def test_a_sparse_line_speaks_at_once_when_it_is_aimed_elsewhere() -> None:
    async def scene() -> int:
        studio = Studio("127.0.0.1", "sparse", random.Random(1))
        heard = asyncio.Event()
        listener = studio.open_line("agent", heard.set)
        speaker = studio.open_line("person")
        for _ in range(3):  # the tick is not even running
            studio.aim(speaker, ("127.0.0.1", listener.port), 0)
        await asyncio.wait_for(heard.wait(), 5)
        await studio.close()
        return speaker.sent

    assert asyncio.run(scene()) == 1
