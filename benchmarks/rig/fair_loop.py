"""An event loop whose time stands still while other processes hold the machine.

Tests of the engine run on real sockets with time-outs of some ten milliseconds. On a busy machine a process may get no
core for longer than that, and whatever waits then runs out for no fault of its own. Here time is what the loop has
worked (the CPU time of its thread) plus what it has waited for, as long as it asked for and no longer: waking late
costs nothing. While a thread works for the loop (a commit, a read of the store) that thread too may get no core, so
time passes at a tenth of its pace.

Such a clock never runs ahead of the real one, so nothing can be found too early that is not.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

__all__ = ["FairLoop", "run_fairly"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
#: How fast time passes while a thread works for the loop.
SLOWLY = 0.1


class _FairSelector(selectors.DefaultSelector):
    """Adds up the seconds that were waited as asked."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0
        self.working = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As `select`, and the wait is counted."""
        began = time.monotonic()
        found = super().select(timeout)
        passed = time.monotonic() - began
        if timeout is not None:
            passed = min(passed, max(0.0, timeout))
        elif not self.working:
            passed = 0.0  # nothing is due, whatever comes next decides
        self.waited += passed * (SLOWLY if self.working else 1.0)
        return found


class FairLoop(asyncio.SelectorEventLoop):
    """See the top of this file. To be made by the thread that runs it; all in it must go by its `time()`."""

    def __init__(self) -> None:
        self._fair = _FairSelector()
        self._cpu = time.pthread_getcpuclockid(threading.get_ident())
        self._from = time.monotonic() - time.clock_gettime(self._cpu)
        super().__init__(self._fair)

    def time(self) -> float:
        """Seconds that the loop has worked and waited; starts at the monotonic clock's. May be asked by any thread."""
        return self._from + time.clock_gettime(self._cpu) + self._fair.waited

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As ever; time passes slowly until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._fair.working += 1
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _: asyncio.Future[Any]) -> None:
        self._fair.working -= 1


def run_fairly(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in such a loop."""
    with asyncio.Runner(loop_factory=FairLoop) as runner:
        return runner.run(main)
