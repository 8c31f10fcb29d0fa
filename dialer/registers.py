"""Do-not-call files: read at the start, and again by themselves when they change while the dialer runs.

A register (`replaces`) may have hundreds of millions of numbers: it is compiled in a process of its own, so that
neither the calls nor this process's memory feel it, and swapped in whole.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from dialer.clock import Clock
from dialer.config.list_tables import DoNotCallTable
from dialer.events import EventStream, ServiceAlert
from dispositions import DispositionsError, ImportFileError, ImportReport, Store, import_do_not_call
from dispositions.compiled_register import Register, compiled_path, is_stale
from dispositions.importer import Progress

log = structlog.get_logger("registers")

#: Seconds between two looks. A file is read once it looked the same twice: until then somebody may be writing it.
LOOK_EVERY = 15.0

#: What tells a file from what it was: when it was written, its length, which file it is.
Stamp = tuple[int, int, int]


async def take_file(
    store: Store, name: str, table: DoNotCallTable, at: float, progress: Progress | None = None
) -> ImportReport:
    """Bring the file into the list `name`. Raises DispositionsErrors; the list then stays as it was."""
    path = Path(table.path)
    if table.replaces:
        await _compile(path, table)
    return await asyncio.to_thread(
        import_do_not_call, store, name, path, at, region=table.region, column=table.column,
        replaces=table.replaces, progress=progress,
    )  # fmt: skip


def put_compiled(store: Store, tables: Mapping[str, DoNotCallTable]) -> None:
    """The registers as a dialer left them compiled, for a command that only looks. Raises ImportFileError."""
    for name, table in tables.items():
        compiled = compiled_path(Path(table.path).resolve())
        if table.replaces and compiled.is_file():
            store.do_not_call.put_register(name, Register.load(compiled).numbers)


async def _compile(path: Path, table: DoNotCallTable) -> None:
    compiled = compiled_path(path.resolve())
    if not await asyncio.to_thread(is_stale, path, compiled, table.region, table.column):
        return
    column = [] if table.column is None else ["--column", table.column]
    log.info("compiling a register", file=str(path), bytes=path.stat().st_size)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dispositions.compiled_register", str(path), str(compiled),
        "--region", table.region, *column,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = await child.communicate()
    except asyncio.CancelledError:
        child.kill()
        await child.wait()
        raise
    if child.returncode:
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ImportFileError(str(path), None, last[0].removeprefix(f"{path}: ") if last else "could not be compiled")


class RegisterWatch:
    """Watches the files of `tables`, the config's do-not-call tables as they are in force. What is there at the first
    look was read at the start.
    """

    def __init__(
        self, tables: Callable[[], Mapping[str, DoNotCallTable]], store: Store, clock: Clock, stream: EventStream
    ) -> None:
        self._tables = tables
        self._store = store
        self._clock = clock
        self._stream = stream
        self._read: dict[str, Stamp | None] = {}
        self._seen: dict[str, Stamp | None] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> list[str]:
        """Look once; the names of the lists that were read."""
        done = []
        for name, table in self._tables().items():
            path = Path(table.path)
            now = await asyncio.to_thread(_stamp, path)
            key = f"{name}\0{path}"
            before, self._seen[key] = self._seen.get(key), now
            if key not in self._read:
                self._read[key] = now
            elif now is not None and now != self._read[key] and now == before:
                self._read[key] = now  # a file that cannot be read is tried again when it changes again
                if await self._take(name, table):
                    done.append(name)
        return done

    async def _take(self, name: str, table: DoNotCallTable) -> bool:
        at = self._clock.at()
        try:
            report = await take_file(self._store, name, table, at)
        except DispositionsError as error:
            log.error("do-not-call file not taken: the list stays as it was", list=name, problem=str(error))
            self._tell("do_not_call_rejected", str(error))
            return False
        log.info("do-not-call file read again", list=name, rows=report.rows, new=report.added)
        self._tell("do_not_call_read", f"{name}: {report.rows} rows, {report.added} new, {report.rejected} rejected")
        return True

    def _tell(self, kind: str, detail: str) -> None:
        self._stream.publish(ServiceAlert(at=self._clock.at(), campaign="", alert=kind, detail=detail))


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
