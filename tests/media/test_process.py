"""The media process is killed, hangs, is interrupted, loses its parent: real processes, real packets."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from dialer.media import process as process_module
from dialer.media.backend import MediaGone
from dialer.media.direct import DirectBackend
from dialer.media.prompt import DEFAULT_PROMPT

Run = Callable[[Coroutine[Any, Any, None]], None]
Range = Callable[[int], tuple[int, int]]
FRAMES = 25


def fields(packet: bytes) -> tuple[int, int, int, int, int]:
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
    return first, second, sequence, timestamp, ssrc


def test_killed_in_mid_prompt_it_comes_back_with_the_same_ports(
    run: Run, rig: Any, port_range: Range, phones: Any, prompt: str
) -> None:
    async def work() -> None:
        phone, agent = phones(), phones()
        async with rig(port_range(4), [prompt]) as media:
            backend = media.backend
            customer_port, agent_port = backend.allocate("c").port, backend.allocate("a").port
            backend.hold("a", agent.address, 0)
            backend.play("c", phone.address, 0, DEFAULT_PROMPT, "cut")
            await phone.receive()
            await agent.receive()
            assert backend.pid is not None
            os.kill(backend.pid, signal.SIGKILL)
            seen = [await media.call(), await media.call()]
            assert ("finished", "cut", False) in seen
            assert [call[0] for call in seen if call[0] != "finished"] == ["lost"]
            backend.play("c", phone.address, 0, prompt, "asked while it was down")
            assert backend.allocate("d").port not in (customer_port, agent_port)
            assert await media.call() == ("restored",)
            assert await media.call() == ("finished", "asked while it was down", True)
            while (packet := await phone.receive())[12:] != bytes([FRAMES]) * 160:
                pass
            agent_again = fields(await agent.receive())  # its keep-alive goes on, from the same port
            assert agent_again[1] == 0x80
            assert packet
            assert backend.stats().restarts == 1
            assert backend.stats().allocated == 3

    run(work())


def test_a_process_that_hangs_is_replaced(
    run: Run, rig: Any, port_range: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "_SILENCE", 2.0)

    async def work() -> None:
        async with rig(port_range(1), []) as media:
            before = media.backend.pid
            assert before is not None
            os.kill(before, signal.SIGSTOP)
            assert await media.call() == ("lost", "it said nothing for 2 s")
            assert await media.call() == ("restored",)
            assert media.backend.pid != before

    run(work())


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_dialer_that_was_held_up_does_not_blame_the_process(
    rig: Any, port_range: Range, phones: Any, prompt: str, monkeypatch: pytest.MonkeyPatch, factory: Any
) -> None:
    monkeypatch.setattr(process_module, "_SILENCE", 1.2)

    async def work() -> None:
        async with rig(port_range(1), [prompt]) as media:
            media.backend.allocate("a")
            time.sleep(1.5)  # what an import or a full disk may do to the loop
            media.backend.play("a", phones().address, 0, prompt, "t")
            assert await media.call() == ("finished", "t", True)
            assert media.backend.stats().restarts == 0

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(work(), 20.0))


def test_an_interrupt_at_the_terminal_does_not_cut_the_message(
    run: Run, rig: Any, port_range: Range, phones: Any, prompt: str
) -> None:
    async def work() -> None:
        phone = phones()
        async with rig(port_range(1), [prompt]) as media:
            media.backend.allocate("a")
            assert media.backend.pid is not None
            media.backend.play("a", phone.address, 0, prompt, "t")
            await phone.receive()
            os.kill(media.backend.pid, signal.SIGINT)
            os.kill(media.backend.pid, signal.SIGTERM)
            assert await media.call() == ("finished", "t", True)

    run(work())


def test_close_leaves_no_process_and_calls_nobody(run: Run, rig: Any, port_range: Range, phones: Any) -> None:
    async def work() -> None:
        phone = phones()
        async with rig(port_range(1), []) as media:
            media.backend.allocate("a")
            media.backend.play("a", phone.address, 0, DEFAULT_PROMPT, "t")
            await phone.receive()
            pid = media.backend.pid
            assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert media.backend.pid is None
        assert media.calls.empty()

    run(work())


def test_an_error_in_a_callback_costs_nothing_but_itself(run: Run, port_range: Range, phones: Any, prompt: str) -> None:
    async def work() -> None:
        phone, raised, finished = phones(), asyncio.Event(), asyncio.Event()

        def on_finished(token: str, ok: bool) -> None:
            if token == "bad":
                raise LookupError(token)
            finished.set()

        asyncio.get_running_loop().set_exception_handler(lambda loop, context: raised.set())
        backend = DirectBackend("127.0.0.1", *port_range(1), prompts=[prompt], on_finished=on_finished)
        await backend.start()
        backend.allocate("a")
        backend.play("a", phone.address, 0, prompt, "bad")
        await asyncio.wait_for(raised.wait(), 5)
        backend.play("a", phone.address, 0, prompt, "good")
        await asyncio.wait_for(finished.wait(), 5)
        assert backend.stats().restarts == 0
        await backend.close()

    run(work())


def short_wait(fd: int) -> list[str]:
    """The child's command line, with a tenth of the patience for ports that are taken."""
    text = "import sys; from dialer.media import server, __main__ as m; server._BIND_WITHIN = 1.0; sys.exit(m.main())"
    return [sys.executable, "-P", "-c", text, "--fd", str(fd)]


PARENT = """
import asyncio, sys
from dialer.media.direct import DirectBackend
async def main():
    backend = DirectBackend("127.0.0.1", int(sys.argv[1]), int(sys.argv[2]))
    await backend.start()
    print(backend.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_ports_that_the_process_before_still_holds_are_waited_for(run: Run, port_range: Range) -> None:
    async def work() -> None:
        low, high = port_range(4)
        held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
        for number, one in enumerate(held):
            one.bind(("127.0.0.1", low + number))
        asyncio.get_running_loop().call_later(0.4, lambda: [one.close() for one in held])
        backend = DirectBackend("127.0.0.1", low, high)
        await backend.start()
        try:
            assert backend.stats().ports == 4
        finally:
            await backend.close()

    run(work())


def test_ports_that_another_program_keeps_are_named_with_what_to_do(
    run: Run, port_range: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        low, high = port_range(4)
        held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
        for number, one in enumerate(held):
            one.bind(("127.0.0.1", low + number))
        try:
            with pytest.raises(MediaGone) as refused:
                await DirectBackend("127.0.0.1", low, high).start()
        finally:
            for one in held:
                one.close()
        assert f"(127.0.0.1, {low} to {high}) can be bound (EADDRINUSE x4)" in str(refused.value)
        assert "set [media] port_min and port_max to a free range" in str(refused.value)

    monkeypatch.setattr(process_module, "command", short_wait)
    run(work())


def test_an_address_that_is_not_ours_is_named_at_once(run: Run, port_range: Range) -> None:
    async def work() -> None:
        told = r"EADDRNOTAVAIL x2\): this machine has no such address: set \[media\] listen"
        with pytest.raises(MediaGone, match=told):
            await DirectBackend("192.0.2.1", *port_range(2)).start()

    run(work())


def test_it_ends_when_its_parent_is_killed(port_range: Range) -> None:
    low, high = port_range(1)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(low), str(high)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        ended = os.pidfd_open(pid)
        parent.kill()
    readable, _, _ = select.select([ended], [], [], 10.0)
    os.close(ended)
    assert readable


def test_every_play_ends_exactly_once_however_often_the_process_is_killed(
    run: Run, rig: Any, port_range: Range, phones: Any, prompt: str
) -> None:
    chance = random.Random(20)

    async def work() -> None:
        phone, legs, asked = phones(), 12, 0
        ended: list[str] = []
        async with rig(port_range(legs), [prompt]) as media:

            def ask(leg: str) -> None:
                nonlocal asked
                asked += 1
                media.backend.play(leg, phone.address, 0, prompt, f"{leg}/{asked}")

            for n in range(legs):
                media.backend.allocate(f"leg{n}")
                ask(f"leg{n}")
            killed: set[int] = set()
            while len(ended) < asked:
                call = await media.call()
                if call[0] != "finished":
                    continue
                ended.append(call[1])
                if len(killed) < 3 or not call[2]:  # the leg's next prompt, also while the process is down
                    ask(call[1].partition("/")[0])
                if call[2] and len(killed) < 3 and chance.random() < 0.2 and media.backend.pid not in {None, *killed}:
                    killed.add(media.backend.pid)
                    os.kill(media.backend.pid, signal.SIGKILL)
            assert media.backend.stats().playing == 0
            assert media.backend.stats().restarts == 3
        assert len(set(ended)) == len(ended) == asked

    run(work())


def test_started_by_hand_it_says_what_it_wants() -> None:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    reading, writing = os.pipe()
    for fd, says in (
        (right.fileno(), "is not a Unix stream socket"),
        (reading, "is not a socket"),
        (900, "is not a socket"),
        ("x", "invalid int"),
    ):
        passed = (fd,) if isinstance(fd, int) and fd != 900 else ()
        done = subprocess.run(
            [sys.executable, "-m", "dialer.media", "--fd", str(fd)], pass_fds=passed, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert says in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    left.close()
    right.close()
    os.close(reading)
    os.close(writing)
