"""A range of RTP ports for one daemon under test, which no other test or benchmark of this machine takes meanwhile.

A range that is free at this instant may be another floor's a moment later: its daemon has not bound it yet, or is dead
and about to start again. So each block of ports has a file, locked by who uses it, for as long as the process lives.
"""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.rig.ports import is_free, lock

#: Neither among the ports that the system gives out, nor the peers', nor those that a daemon takes by default: one with
#: a config of its own may start on this machine at any moment, and asks for no lock.
BEST = (range(30_000, 32_600), range(61_000, 65_400))
#: With that default: better than nothing.
ALL = (range(20_000, 32_600), BEST[1])
BLOCK = 200
#: Starts that are tried before those of the default range are, too.
TRIES = 100


class MediaPorts:
    """`count` ports, from `first` to `last`, even and free, until `release`."""

    def __init__(self, count: int) -> None:
        blocks = -(-count // BLOCK)
        best, every = _starts(BEST, blocks), _starts(ALL, blocks)
        if not every:
            raise ValueError(f"there are no {count} neighbouring ports")
        for tried in itertools.count():
            self.first = random.choice(best if best and tried < TRIES else every)
            self.last = self.first + count - 1
            with ExitStack() as stack:
                if all(lock(stack, self.first + block * BLOCK) for block in range(blocks)) and self._free():
                    self._held = stack.pop_all()
                    return

    def _free(self) -> bool:
        return all(is_free(port, socket.SOCK_DGRAM) for port in range(self.first, self.last + 1))

    def release(self) -> None:
        """Others may take them."""
        self._held.close()


def _starts(ranges: Sequence[range], blocks: int) -> list[int]:
    return [start for ports in ranges for start in range(ports.start, ports.stop - blocks * BLOCK + 1, BLOCK)]
