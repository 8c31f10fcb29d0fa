"""A real Mosquitto on a free loopback port, and the bridge's surroundings."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.ports import free_port
from dialer.commands import Command, CommandError
from dialer.mqtt import OutboxItem


class Broker:
    """Mosquitto, to be killed and brought back."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port(socket.SOCK_STREAM)
        self._program = program
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
            f"user {'root' if os.geteuid() == 0 else ''}\n".replace("user \n", "")
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        for _ in range(2000):
            if self._process.poll() is not None:
                pytest.fail(f"mosquitto ended: {self._log.read_text()[-500:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
            except OSError:
                # Wait on the process, not on the clock: it returns at once when mosquitto has died.
                try:
                    self._process.wait(0.01)
                except subprocess.TimeoutExpired:
                    continue
            else:
                return
        pytest.fail("mosquitto does not listen")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        message = "mosquitto is not installed (make peers)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    it = Broker(program, tmp_path)
    it.start()
    yield it
    it.kill()


class MemoryOutbox:
    """An outbox without a disk."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.items: dict[int, OutboxItem] = {}
        self._next = 1

    def add(self, topic: str, payload: str) -> None:
        self.items[self._next] = OutboxItem(self._next, topic, payload)
        self._next += 1
        self.wake.set()

    async def fetch(self, limit: int) -> Sequence[OutboxItem]:
        return list(self.items.values())[:limit]

    async def done(self, ids: Sequence[int]) -> None:
        for item in ids:
            self.items.pop(item, None)


class Desk:
    """A handler that notes what it was asked; `replies` says what to do for a command's name."""

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self.replies: dict[str, Callable[[Any], Awaitable[dict[str, Any]]]] = {}

    async def handle(self, command: Command) -> dict[str, Any]:
        self.asked.append(command)
        reply = self.replies.get(command.command)
        if reply is not None:
            return await reply(command)
        if command.command == "logout":
            raise CommandError("unknown_agent", "no such agent; `dialer check` lists them")
        return {"done": command.command}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def make_outbox() -> Callable[[], MemoryOutbox]:
    return MemoryOutbox
