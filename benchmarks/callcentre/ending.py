"""How a simulated party ends: asked by a signal, or by a bug of its own, which must not flatter the dialer."""

from __future__ import annotations

import asyncio
import signal
import sys


class Ending:
    """Listens for SIGINT and SIGTERM in `loop`, and for exceptions that nobody caught there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stop = asyncio.Event()
        self.failures: list[str] = []
        loop.set_exception_handler(self._fail)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)

    def _fail(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")
        self.stop.set()

    def code(self, name: str) -> int:
        """Tell the failures on standard error; the exit code."""
        for failure in self.failures:
            print(f"{name}: {failure}", file=sys.stderr)
        return 1 if self.failures else 0
