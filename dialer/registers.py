"""Do-not-call files that are kept up to date while the dialer runs: a file that has changed is read again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from dialer.clock import Clock
from dialer.config.list_tables import DoNotCallTable
from dialer.events import EventStream, ServiceAlert
from dispositions import DispositionsError, Store, import_do_not_call

log = structlog.get_logger("registers")

#: Seconds between two looks. A file is read once it looked the same twice: until then somebody may be writing it.
LOOK_EVERY = 15.0

#: What tells a file from what it was: when it was written, its length, which file it is.
Stamp = tuple[int, int, int]


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
                if await self._take(name, table, path):
                    done.append(name)
        return done

    async def _take(self, name: str, table: DoNotCallTable, path: Path) -> bool:
        at = self._clock.at()
        try:
            report = await asyncio.to_thread(
                import_do_not_call, self._store, name, path, at, region=table.region, column=table.column,
                replaces=table.replaces,
            )  # fmt: skip
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
