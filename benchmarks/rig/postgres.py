"""A PostgreSQL server of a run's own, on a loopback port, which may be killed and started again."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from benchmarks.rig.ports import free_port
from benchmarks.rig.process import NotReadyError, kill_family

BACK_WITHIN = 60.0


class Postgres:
    """Started at once, ended by `with`. `programs`: the folder of `initdb` and `postgres`. `durable`: commits wait for
    the disk; the death of its processes loses nothing either way, that of the machine would."""

    def __init__(self, programs: Path, *, durable: bool = False, connections: int = 40) -> None:
        """Raises CannotRun where there is no user that the server runs as."""
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="rig-pg-"))  # short: a socket's path has 107 bytes
        if os.geteuid() == 0:
            try:
                pwd.getpwnam("postgres")
            except KeyError:
                shutil.rmtree(self.folder)
                raise CannotRun("root cannot run PostgreSQL, and there is no user postgres") from None
            shutil.chown(self.folder, "postgres")
        self.data = self.folder / "data"
        self.port = free_port()
        self.url = f"postgresql://tester@127.0.0.1:{self.port}/postgres"
        self._options = [
            "-p", str(self.port), "-k", str(self.folder), "-c", "listen_addresses=127.0.0.1",
            "-c", f"fsync={'on' if durable else 'off'}", "-c", f"max_connections={connections}",
        ]  # fmt: skip
        initdb = [str(programs / "initdb"), "-D", str(self.data), "--auth=trust", "--username=tester"]
        subprocess.run(
            _as_server_user([*initdb, "--encoding=UTF8", "--locale=C"]),
            check=True, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._log = (self.folder / "log").open("ab")
        self._child: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except NotReadyError:
            self.stop()
            raise

    # --- its life ------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Of the server's first process: a new one after each start."""
        assert self._child is not None, "started by the constructor"
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether its first process is there."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it, again and again: what is left of a killed one holds its memory for a moment.

        Raises NotReadyError."""
        command = _as_server_user([str(self._programs / "postgres"), "-D", str(self.data), *self._options])
        ends = time.monotonic() + BACK_WITHIN
        while time.monotonic() < ends:
            self._child = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                start_new_session=True,
            )  # fmt: skip
            while self.alive and time.monotonic() < ends:
                if self.answers():
                    return
                time.sleep(0.05)
            time.sleep(0.1)
        self.kill()
        raise NotReadyError(f"PostgreSQL does not start\n{(self.folder / 'log').read_text()[-2000:]}")

    def answers(self) -> bool:
        """Whether it takes connections now."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to all its processes at one instant, as a power cut would."""
        if self._child is not None:
            kill_family(self._child.pid)
            self._child.wait(10.0)

    def back(self) -> None:
        """Started again after somebody has killed it (see `kill_family`)."""
        assert self._child is not None
        self._child.wait(10.0)
        self.start()

    def empty(self) -> str:
        """The URL of a new database of its own."""
        name = f"run{next(_NAMES)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url.rpartition('/')[0]}/{name}"

    def stop(self) -> None:
        """End it, and delete its files."""
        if self._child is not None and self.alive:
            self._child.send_signal(signal.SIGQUIT)  # at once, without a checkpoint
            try:
                self._child.wait(10.0)
            except subprocess.TimeoutExpired:
                self.kill()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_NAMES = itertools.count()


class CannotRun(RuntimeError):
    """The machine lacks what the server needs; the text says what."""


def _as_server_user(command: list[str]) -> list[str]:
    # initdb and postgres refuse to run as root
    # setpriv stays nobody's parent, unlike runuser: the server is our own child
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return [*user, *command] if os.geteuid() == 0 else command
