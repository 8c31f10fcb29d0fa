"""The dialer's hold on its sale process: start it, hear what it says, start it again when it is gone.

state     event                 ->  state     what is done
down      the pause is over         starting  spawned
starting  READY                     up        told `on_up`
starting  death, or no READY        down      killed; told `on_down`; a longer pause
up        death, or silence         down      killed; told `on_down`
any       close                     closed    its line is closed, it ends by itself; killed when it does not

Nothing waits for it: sales lie in the store. Dialing begins and goes on without it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from dialer.events import Event
from dialer.media.process import environment
from dialer.sales.link import LONGEST_LINE, READY, read_line

#: Seconds before start again, by failures in a row; the last one repeats.
PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
#: A process that lived no longer, seconds, counts as a failure.
BRIEF = 30.0
READY_WITHIN = 60.0
SILENCE = 30.0
#: Seconds for its last tries to come to their answers.
END_WITHIN = 8.0
_NICENESS = 5

log = structlog.get_logger("sales")


class SaleKeeper:
    """`on_event` hears the process's events; `on_up` and `on_down(reason)` how it fares."""

    def __init__(
        self,
        config: Path,
        on_event: Callable[[Event], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
    ) -> None:
        self._config = config
        self._on_event, self._on_up, self._on_down = on_event, on_up, on_down
        self._child: asyncio.subprocess.Process | None = None
        self._line: asyncio.StreamWriter | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.up = False
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The child's process id, None when there is none."""
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Begin to keep it; returns at once."""
        self._keeping = asyncio.create_task(self._keep(), name="sale process")

    async def close(self) -> None:
        """It ends, and is gone when this returns."""
        self.up = False
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        if self._line is not None:
            self._line.close()
        if self._child is not None and self._child.returncode is None:
            try:
                await asyncio.wait_for(self._child.wait(), END_WITHIN)
            except TimeoutError:
                log.warning("sale process does not end by itself; killed", pid=self._child.pid)
        await self._kill()

    async def _keep(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            born = loop.time()
            reason = await self._live()
            was_up, self.up = self.up, False
            await self._kill()
            failures = 0 if was_up and loop.time() - born > BRIEF else failures + 1
            log.error("sale process lost", reason=reason, failures=failures)
            self._on_down(reason)
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            self.restarts += 1

    async def _live(self) -> str:
        """One life of the process; why it is over."""
        try:
            reader = await self._spawn()
        except OSError as error:
            return f"it could not be started: {error.strerror}"
        while True:
            try:
                async with asyncio.timeout(SILENCE if self.up else READY_WITHIN):
                    line = await reader.readline()
            except TimeoutError:
                return "it said nothing" if self.up else "it did not get ready"
            except (OSError, ValueError) as error:
                return f"its line broke: {type(error).__name__}"
            if not line:
                assert self._child is not None
                status = await self._child.wait()
                return f"it ended with status {status}"
            said = read_line(line)
            if isinstance(said, Event):
                self._on_event(said)
            elif said == READY and not self.up:
                self.up = True
                self._on_up()
            elif said is None:
                log.warning("sale process sent no message")

    async def _spawn(self) -> asyncio.StreamReader:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._child = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", "dialer.sales", str(self._config), "--fd", str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=environment(),
                )  # fmt: skip
        except OSError:
            ours.close()
            raise
        give_way(self._child.pid)
        reader, self._line = await asyncio.open_unix_connection(sock=ours, limit=LONGEST_LINE)
        return reader

    async def _kill(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._child is not None:
            if self._child.returncode is None:
                try:
                    self._child.kill()
                except ProcessLookupError:
                    log.debug("sale process was gone already")
            await self._child.wait()
            self._child = None


def give_way(pid: int) -> None:
    """Calls come first where processors are few: a lower priority than our own, whatever that is. No lower than that,
    and no SCHED_IDLE: on a busy machine the process would be stopped for long while it holds the store's lock, and the
    dialer would wait for it."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS))
    except OSError as error:
        log.debug("niceness not set", reason=error.strerror)
