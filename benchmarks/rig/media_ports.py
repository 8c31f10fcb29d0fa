"""A range of RTP ports for one daemon under test, which no other test or benchmark of this machine takes meanwhile.

A range that is free at this instant may be another floor's a moment later: its daemon has not bound it yet, or is dead
and about to start again. So each block of ports has a file, locked by who uses it, for as long as the process lives.
"""

from __future__ import annotations

import fcntl
import random
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

#: Below those ports that the system gives out, above those of the peers.
FIRST, END = 20_000, 32_000
BLOCK = 200


class MediaPorts:
    """`count` ports, from `first` to `last`, even and free, until `release`."""

    def __init__(self, count: int) -> None:
        blocks = -(-count // BLOCK)
        if blocks * BLOCK > END - FIRST:
            raise ValueError(f"there are no {count} ports between {FIRST} and {END}")
        while True:
            self.first = random.randrange(FIRST, END - blocks * BLOCK + 1, BLOCK)
            self.last = self.first + count - 1
            with ExitStack() as stack:
                if all(_lock(stack, self.first + block * BLOCK) for block in range(blocks)) and self._free():
                    self._held = stack.pop_all()
                    return

    def _free(self) -> bool:
        with ExitStack() as stack:
            for port in range(self.first, self.last + 1):
                probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    return False
        return True

    def release(self) -> None:
        """Others may take them."""
        self._held.close()


def _lock(stack: ExitStack, block: int) -> bool:
    folder = Path(tempfile.gettempdir()) / "dialer-rig-ports"
    folder.mkdir(exist_ok=True, mode=0o777)
    file: IO[str] = stack.enter_context((folder / f"{block}.lock").open("a"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
