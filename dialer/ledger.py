"""The one writer of the store: operations from all calls share a transaction (group commit), in the order they came.

An operation is a function of a write transaction. `write` returns after its commit; `post` calls back after it. A
locked or lost database (`StoreUnavailable`) makes the whole batch wait and try again, so nothing is dropped and nothing
is acknowledged before it is on disk; meanwhile claims do not return and no new call is placed. An operation that the
store refuses (`DispositionsError`) fails alone. Any other exception is a fault of ours: it ends `run`, and with it the
daemon; whoever still waits then gets a `LedgerStopped`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

from dispositions import DispositionsError, ReadView, Store, StoreUnavailable, WriteTransaction

T = TypeVar("T")
Operation = Callable[[WriteTransaction], Any]

FIRST_RETRY, LAST_RETRY = 0.05, 1.0
#: A batch after one of so many operations waits twice as long for its own; and how long at most, seconds. With two
#: commits of some 10 ms around it that is well within the 100 ms in which an outcome is to be on disk.
PER_WAIT, LONGEST_WAIT = 8, 0.05


class LedgerStopped(DispositionsError):
    """The writer has come to its end: nothing is written any more."""


@dataclass(slots=True)
class _Entry:
    operation: Operation
    about: str | None
    last: bool
    done: Callable[[Any], None] | None
    failed: Callable[[DispositionsError], None]


def _place(entry: _Entry) -> bool:
    return entry.last


class Ledger:
    """Group commit over a `Store`. `interval`: seconds that the first operation of a batch waits for others, at most
    0.1; under load up to `LONGEST_WAIT`.
    """

    def __init__(
        self,
        store: Store,
        *,
        interval: float,
        on_refused: Callable[[DispositionsError], None],
        on_locked: Callable[[str], None],
        on_restored: Callable[[], None],
        on_commit: Callable[[float, int], None] = lambda seconds, operations: None,
    ) -> None:
        self.store = store
        self.locked = False
        self._interval = interval
        self._on_refused, self._on_locked, self._on_restored, self._on_commit = (
            on_refused,
            on_locked,
            on_restored,
            on_commit,
        )
        self._queue: list[_Entry] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended = asyncio.Event()
        self._running = False
        self._closing = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger-write")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="ledger-read")

    @property
    def waiting(self) -> int:
        """Operations not yet committed."""
        return len(self._queue)

    def post(
        self,
        operation: Operation,
        then: Callable[[Any], None] | None = None,
        refused: Callable[[DispositionsError], None] | None = None,
        *,
        about: str | None = None,
        last: bool = False,
    ) -> None:
        """Write without waiting; `then(result)` is called in the loop after the commit, `refused(error)` (default: the
        ledger's `on_refused`) when the store refuses it.

        `about`: the attempt that the operation concerns; those of a batch are read together. `last`: it looks at the
        list as a whole (a claim), so it runs after the others of its batch, whose changes are then written together.
        """
        self._enter(_Entry(operation, about, last, then, refused or self._on_refused))

    async def write(self, operation: Callable[[WriteTransaction], T], *, about: str | None = None) -> T:
        """Return the operation's result after its commit; raises the DispositionsError that refused it. `about`: see
        `post`.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(result: T) -> None:
            if not future.done():
                future.set_result(result)

        def failed(error: DispositionsError) -> None:
            if not future.done():
                future.set_exception(error)

        self._enter(_Entry(operation, about, False, done, failed))
        return await future

    def _enter(self, entry: _Entry) -> None:
        if self._ended.is_set():
            entry.failed(LedgerStopped("the store's writer has ended"))
            return
        self._queue.append(entry)
        self._idle.clear()
        self._wake.set()

    async def read(self, query: Callable[[ReadView], T]) -> T:
        """Run a query on a snapshot, beside the writer. Raises StoreUnavailable and other DispositionsErrors."""

        def work() -> T:
            with self.store.read() as view:
                return query(view)

        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    def save(self, key: str, value: Any) -> None:
        """Keep a JSON value under a name; None forgets it."""
        self.post(lambda tx: tx.save_state(key, value))

    async def load(self, key: str) -> Any:
        """What `save` kept; None if nothing."""
        return await self.read(lambda view: view.load_state(key))

    async def flush(self) -> None:
        """Wait until everything posted so far is committed."""
        await self._idle.wait()

    async def run(self) -> None:
        """Commit batches until `close`. To be run as the daemon's own task."""
        self._running = True
        batch: list[_Entry] = []
        try:
            await self._commit_batches(batch)
        finally:
            self._ended.set()
            left, self._queue = [*batch, *self._queue], []
            for entry in left:
                entry.failed(LedgerStopped("the store's writer has ended"))
            self._idle.set()

    async def _commit_batches(self, batch: list[_Entry]) -> None:
        """`batch` holds what is being committed, so that nobody waits for ever when this fails."""
        loop = asyncio.get_running_loop()
        share, took = 0, 0.0
        while True:
            if not self._queue:
                self._idle.set()
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            if not self._closing and self._interval > 0:
                await asyncio.sleep(self.wait_after(share, took))
            batch[:], self._queue = sorted(self._queue, key=_place), []
            started = perf_counter()
            results = await self._commit_until_it_holds(loop, batch)
            took = perf_counter() - started
            self._on_commit(took, len(batch))
            committed = list(zip(batch, results, strict=True))
            share = len(batch)
            batch.clear()
            for entry, (good, value) in committed:
                if not good:
                    entry.failed(value)
                elif entry.done is not None:
                    entry.done(value)

    def wait_after(self, share: int, took: float = 0.0) -> float:
        """Seconds to wait for others, after a batch of `share` that was committed in `took` seconds: the more there is
        to do, the more share a commit. While a commit takes longer than that wait, enough others gather behind it: the
        excess is not waited for again, so that a slow disk or a busy machine delays an outcome by two commits only.
        """
        wait = min(self._interval * (1 + share / PER_WAIT), max(self._interval, LONGEST_WAIT))
        return min(wait, max(0.0, 2 * wait - took))

    async def _commit_until_it_holds(
        self, loop: asyncio.AbstractEventLoop, batch: list[_Entry]
    ) -> list[tuple[bool, Any]]:
        pause = FIRST_RETRY
        while True:
            try:
                results = await loop.run_in_executor(self._writer, self.commit, batch)
            except StoreUnavailable as error:
                if not self.locked:
                    self.locked = True
                    self._on_locked(str(error))
                await asyncio.sleep(pause)
                pause = min(LAST_RETRY, pause * 2)
                continue
            if self.locked:
                self.locked = False
                self._on_restored()
            return results

    def commit(self, batch: list[_Entry]) -> list[tuple[bool, Any]]:
        """One transaction for the whole batch, in the writer's thread: (True, result) or (False, refusal) for each."""
        results: list[tuple[bool, Any]] = []
        with self.store.write() as tx:
            for index, entry in enumerate(batch):
                if entry.about is not None and not tx.holds(entry.about):
                    tx.prefetch([other.about for other in batch[index:] if other.about is not None])
                try:
                    results.append((True, entry.operation(tx)))
                except StoreUnavailable:
                    raise
                except DispositionsError as refusal:
                    results.append((False, refusal))
        return results

    async def close(self) -> None:
        """Commit what is left; returns when `run` has returned and the threads are done."""
        self._closing = True
        self._wake.set()
        if self._running:
            await self._ended.wait()
        self._writer.shutdown()
        self._reader.shutdown()
