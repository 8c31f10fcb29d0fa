"""A child process with its log in a file, ended by its own process id and nobody else's."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

POLL = 0.02


class NotReadyError(RuntimeError):
    """A process ended, or did not become ready in time; the message ends with its last log lines."""


def until(ready: Callable[[], bool], seconds: float, what: str) -> float:
    """Ask `ready` until it says yes; returns the seconds it took, or raises NotReadyError naming `what`."""
    begun = time.monotonic()
    while not ready():
        if time.monotonic() - begun > seconds:
            raise NotReadyError(f"not within {seconds:g} s: {what}")
        time.sleep(POLL)
    return time.monotonic() - begun


def kill_family(pid: int) -> None:
    """SIGKILL to a process and its children: of a PostgreSQL server's, one that lives on would end its commit first."""
    others = [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for victim in (pid, *others):
        with contextlib.suppress(ProcessLookupError):  # ended by itself
            os.kill(victim, signal.SIGKILL)


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A started program. Standard output and error go to `log`; `with` ends it, and so does the end of its parent."""

    def __init__(
        self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start `command`, appending to `log`. `env` is added to this process's own environment."""
        self.command = list(command)
        self.log = log
        with log.open("ab") as sink:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._child.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._child.poll()

    def tail(self, lines: int = 20) -> str:
        """The last `lines` of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_ready(self, ready: Callable[[], bool], seconds: float, what: str) -> float:
        """Like `until`, but gives up as soon as the process has ended."""

        def ready_or_ended() -> bool:
            if self.code is not None:
                raise NotReadyError(f"{self.command[0]} ended with {self.code} before {what}\n{self.tail()}")
            return ready()

        try:
            return until(ready_or_ended, seconds, what)
        except NotReadyError as error:
            raise NotReadyError(f"{error}\n{self.tail()}") from None

    def send(self, sign: signal.Signals) -> None:
        """Send a signal to this process only; none when it has ended."""
        if self.code is None:
            os.kill(self.pid, sign)

    def wait(self, seconds: float) -> int:
        """Wait for the end; the exit code. Raises subprocess.TimeoutExpired."""
        return self._child.wait(seconds)

    def stop(self, sign: signal.Signals = signal.SIGTERM, seconds: float = 10.0) -> int:
        """Send `sign`, wait, and kill what does not end in time; the exit code."""
        self.send(sign)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            return self.wait(10.0)

    def set_group(self, niceness: int) -> bool:
        """Let the process, with all that it starts, come before (below 0; root only) or after the rest of the machine;
        whether the kernel groups sessions at all (sched(7), autogroup: `nice` then counts within a session only)."""
        try:
            Path(f"/proc/{self.pid}/autogroup").write_text(f"{niceness}\n")
        except OSError:
            return False
        return True

    def cpu_seconds(self) -> float:
        """User and system time used so far, seconds, from /proc."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
