"""The relay backend: two phones on loopback hear each other through the process."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dialer.media.backend import MediaRefused
from dialer.media.g711 import ALAW_TO_ULAW, ULAW_TO_ALAW
from dialer.media.prompt import DEFAULT_PROMPT
from dialer.media.relay import RelayBackend

Run = Callable[[Coroutine[Any, Any, None]], None]
CODES = bytes(range(160))


async def heard(phone: Any, payload: int) -> bytes:
    """The next packet's audio with that payload type."""
    while True:
        packet = await phone.receive()
        if packet[1] & 0x7F == payload:
            return bytes(packet[12:])


def test_bridged_parties_hear_each_other(run: Run, port_range: Callable[[int], tuple[int, int]], phones: Any) -> None:
    async def work() -> None:
        restored = asyncio.Event()
        backend = RelayBackend("127.0.0.1", *port_range(3), on_restored=restored.set)
        await backend.start()
        customer, agent = phones(), phones()
        to_customer, to_agent = backend.allocate("c").port, backend.allocate("a").port
        with pytest.raises(MediaRefused, match="not known"):
            backend.bridge("c", "a")
        with pytest.raises(MediaRefused, match="itself"):
            backend.bridge("c", "c")
        backend.set_remote("c", customer.address, 8, events=96)
        backend.set_remote("a", agent.address, 0, events=97)
        backend.hold("a", agent.address, 0)
        silence = await agent.receive()
        assert backend.bridge("c", "a") is True

        customer.talk(to_customer, CODES, 8)
        packet = await agent.receive()
        assert packet[12:] == CODES.translate(ALAW_TO_ULAW)
        assert packet[1] == 0x80  # u-law, marked: somebody else speaks
        assert packet[8:12] == silence[8:12]  # under the SSRC that the phone knows
        assert struct.unpack_from("!H", packet, 2)[0] == (struct.unpack_from("!H", silence, 2)[0] + 1) & 0xFFFF
        agent.talk(to_agent, CODES, 0)
        assert await heard(customer, 8) == CODES.translate(ULAW_TO_ALAW)

        customer.talk(to_customer, b"\x03\x0a\x00\xa0", 101)  # a key keeps its event, under the other side's number
        assert await heard(agent, 97) == b"\x03\x0a\x00\xa0"

        assert backend.pid is not None
        os.kill(backend.pid, signal.SIGKILL)
        await asyncio.wait_for(restored.wait(), 10)  # the bridge lives on
        agent.talk(to_agent, CODES[::-1], 0)
        assert await heard(customer, 8) == CODES[::-1].translate(ULAW_TO_ALAW)

        backend.play("c", customer.address, 8, DEFAULT_PROMPT, "t")  # takes the customer out of the bridge
        await heard(customer, 8)
        customer.talk(to_customer, CODES, 8)
        backend.hold("a", agent.address, 0)
        assert await heard(agent, 0) == b"\xff" * 160
        backend.release("c")
        backend.release("a")
        await backend.close()

    run(work())
