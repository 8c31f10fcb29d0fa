"""The parent's hold on the media process: start it, notice its death, start it again.

state     event                 ->  state     what is done
starting  Ready                     up        told `on_up`
starting  no Ready, or death        waiting   killed; (the first time: `start` raises) told `on_down`
up        death, or silence         waiting   killed; told `on_down`
waiting   the pause is over         starting  spawned again
any       close                     closed    its socket is closed, it ends; killed when it does not
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from dialer.media.backend import MediaGone
from dialer.media.channel import Channel
from dialer.media.messages import FromProcess, Message, Note, Open, Ready, ToProcess

_READY_WITHIN = 20.0  # seconds: thousands of ports on a busy machine
_SILENCE = 5.0  # seconds without a word (it speaks each second): it hangs
_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before start again, by failures in a row; the last one repeats
_SECOND_THOUGHT = 0.2  # seconds
_BRIEF = 10.0  # seconds: a process that lived no longer counts as a failure, too
_END_WITHIN = 2.0

log = structlog.get_logger("dialer.media")


def command(fd: int) -> list[str]:
    """The command line of the child. `-P`: a `random.py` in the working directory must not be imported."""
    return [sys.executable, "-P", "-m", "dialer.media", "--fd", str(fd)]


def environment() -> dict[str, str]:
    """The child's environment: it must import the same `dialer` as we do, installed or not."""
    root = Path(__file__).parents[2]
    extra = [] if root.name in ("site-packages", "dist-packages") else [str(root)]
    paths = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *extra]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)} if paths else dict(os.environ)


def _unbound(opening: Open, ready: Ready) -> str:
    """Why there is no RTP port at all, and what to do."""
    if not opening.ports:
        return "there is no pair of ports between [media] port_min and port_max: widen the range"
    span = f"{opening.host}, {opening.ports[0]} to {opening.ports[-1] + 1}"
    why = ", ".join(f"{name} x{count}" for name, count in ready.failed.items())
    advice = {
        "EADDRINUSE": "another program has them (a second dialer?): set [media] port_min and port_max to a free range",
        "EADDRNOTAVAIL": "this machine has no such address: set [media] listen",
        "EMFILE": "too few open files are allowed: raise the limit (ulimit -n)",
        "EACCES": "ports below 1024 are not for everybody: set [media] port_min and port_max",
    }
    told = next((advice[name] for name in ready.failed if name in advice), "see [media] listen, port_min and port_max")
    return f"none of the RTP ports ({span}) can be bound ({why}): {told}"


class MediaProcess:
    """Keeps one media process running. `opening()` gives the Open message of each start; `on_message` gets what it
    says."""

    def __init__(
        self,
        opening: Callable[[], Open],
        on_message: Callable[[FromProcess], None],
        on_up: Callable[[Ready], None],
        on_down: Callable[[str], None],
    ) -> None:
        self._opening = opening
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._child: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._ready: asyncio.Future[Ready] | None = None
        self._down: asyncio.Future[str] | None = None
        self._heard_at = 0.0
        self._watch: asyncio.Task[None] | None = None
        self.up = False
        self.failures = 0  # starts that failed in a row
        self.restarts = 0
        self._brief_lives = 0

    @property
    def pid(self) -> int | None:
        """The child's process id, None when there is none."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Start the process and wait until its ports are bound. Raises MediaGone."""
        await self._spawn()
        self._watch = asyncio.create_task(self._keep(), name="media process")

    async def close(self) -> None:
        """End the process; it is gone when this returns."""
        self.up = False
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._channel is not None:
            self._channel.close()
        if self._child is not None and self._child.returncode is None:
            try:
                await asyncio.wait_for(self._child.wait(), _END_WITHIN)
            except TimeoutError:
                log.warning("media process does not end by itself; killed", pid=self._child.pid)
        await self._kill()

    def send(self, message: ToProcess) -> None:
        """Tell the process; nothing happens while it is down: whoever sends keeps the state that `on_up` replays."""
        if self.up and self._channel is not None:
            self._channel.send(message)

    async def _spawn(self) -> None:
        loop = asyncio.get_running_loop()
        self._ready, self._down = loop.create_future(), loop.create_future()
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unused, theirs:
            unused.callback(ours.close)
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *command(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=environment(),
                )
            except OSError as error:
                raise MediaGone(f"the media process could not be started: {error.strerror}") from error
            down = self._down
            channel = Channel(self._message, self._fault, lambda: self._went_down(down, "it ended"))
            await loop.create_unix_connection(lambda: channel, sock=ours)
            unused.pop_all()
        self._channel = channel
        opening = self._opening()
        channel.send(opening)
        either: set[asyncio.Future[Any]] = {self._ready, self._down}
        await asyncio.wait(either, timeout=_READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done() or self._down.done():
            reason = self._down.result() if self._down.done() else f"not ready within {_READY_WITHIN:.0f} s"
            await self._kill()
            raise MediaGone(f"the media process could not be started: {reason}")
        ready = self._ready.result()
        if not ready.bound:
            await self._kill()
            raise MediaGone(_unbound(opening, ready))
        self._heard_at = loop.time()
        self.up, self.failures = True, 0
        self._on_up(ready)

    async def _keep(self) -> None:
        """Wait for the end of the process, start it again, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            assert self._down is not None
            born = loop.time()
            reason = await self._end(self._down)
            self.up = False
            self._brief_lives = self._brief_lives + 1 if loop.time() - born < _BRIEF else 0
            await self._kill()
            log.error("media process lost", reason=reason)
            self._on_down(reason)
            while not self.up:
                bad = self.failures + max(0, self._brief_lives - 1)  # one death is no pattern
                await asyncio.sleep(_PAUSES[min(bad, len(_PAUSES) - 1)])
                try:
                    await self._spawn()
                except MediaGone as error:
                    self.failures += 1
                    log.error("media process not restored", reason=str(error), failures=self.failures)
                    self._on_down(str(error))
            self.restarts += 1
            log.warning("media process restored", pid=self.pid)

    async def _end(self, down: asyncio.Future[str]) -> str:
        """Returns why the process must be given up, once it must."""
        loop = asyncio.get_running_loop()
        suspected = False
        while True:
            left = self._heard_at + _SILENCE - loop.time()
            if left > 0:
                suspected = False
            elif suspected:
                return f"it said nothing for {_SILENCE:.0f} s"
            else:  # perhaps it was us who did not listen: read first what has arrived while this loop was held up
                suspected, left = True, _SECOND_THOUGHT
            done, _ = await asyncio.wait({down}, timeout=left)
            if done:
                return down.result()

    async def _kill(self) -> None:
        """The process is gone, and its sockets with it, when this returns."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._child is not None:
            if self._child.returncode is None:
                try:
                    self._child.kill()
                except ProcessLookupError:
                    log.debug("media process was gone already")
            await self._child.wait()
            self._child = None

    def _message(self, message: Message) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if isinstance(message, Ready):
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(message)
        elif isinstance(message, Note):
            log.warning("media process", fault=message.text)
        elif isinstance(message, FromProcess):
            self._on_message(message)
        else:
            self._fault(f"{type(message).__name__} is for the media process only")

    def _fault(self, text: str) -> None:
        log.warning("media process sent no message", fault=text)

    @staticmethod
    def _went_down(down: asyncio.Future[str], reason: str) -> None:
        if not down.done():
            down.set_result(reason)
