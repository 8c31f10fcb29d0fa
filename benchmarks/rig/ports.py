"""Ports of loopback that no other test, worker or benchmark of this machine takes meanwhile.

That a port is free at this instant says little: another worker may pick it before it is bound here, and a message still
on its way to who had it before (a retransmission, a late BYE) would reach a stranger, who counts it as a fault. So each
process takes a block of ports for itself, by a lock on a file that lasts as long as the process, and hands them out in
turn: a port comes back when all others of the block have been used.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

#: Ports that the system gives to nobody by itself: who asks again and again for one of its own choice, before anybody
#: listens there, sooner or later meets itself (a TCP connection from a port to the same port).
PORTS = range(10_000, 20_000)
BLOCK = 400
HOST = "127.0.0.1"


class NoPortsError(RuntimeError):
    """Every block is another process's, or no port of this process's block is free."""


class _Block:
    """This process's own ports, and how far they have been handed out."""

    def __init__(self) -> None:
        self._held = ExitStack()
        starts = list(PORTS[::BLOCK])
        random.SystemRandom().shuffle(starts)  # a test that seeds `random` draws the same in every worker
        for start in starts:
            if lock(self._held, start):
                self._ports, self._next = range(start, start + BLOCK), 0
                return
        raise NoPortsError(f"every {BLOCK} ports between {PORTS.start} and {PORTS.stop} are another process's")

    def take(self, count: int, kinds: tuple[socket.SocketKind, ...]) -> int:
        """The first of `count` neighbouring free ports; an even one where there are more."""
        for _ in range(BLOCK):
            if count > 1 and self._next % 2:
                self._next += 1
            if self._next + count > BLOCK:
                self._next = 0
            first = self._ports[self._next]
            if all(is_free(port, kind) for port in range(first, first + count) for kind in kinds):
                self._next += count
                return first
            self._next += 1
        raise NoPortsError(f"no {count} neighbouring ports are free from {self._ports.start} to {self._ports.stop - 1}")


_blocks: dict[int, _Block] = {}


def free_ports(count: int, *kinds: socket.SocketKind) -> int:
    """The first of `count` neighbouring ports that nobody is bound to, an even one, for `kinds` (both UDP and TCP when
    none is named). Raises NoPortsError.
    """
    pid = os.getpid()  # a forked child has a block of its own
    if pid not in _blocks:
        _blocks[pid] = _Block()
    return _blocks[pid].take(count, kinds or (socket.SOCK_DGRAM, socket.SOCK_STREAM))


def free_port(*kinds: socket.SocketKind) -> int:
    """A port that nobody is bound to, for `kinds` (both UDP and TCP when none is named). Raises NoPortsError."""
    return free_ports(1, *kinds)


def lock(stack: ExitStack, block: int) -> bool:
    """Whether the ports from `block` on are this process's now, until `stack` is closed or the process ends."""
    folder = Path(tempfile.gettempdir()) / f"dialer-rig-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    file = stack.enter_context((folder / f"{block}.lock").open("a"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(port: int, kind: socket.SocketKind) -> bool:
    """Whether nobody is bound to it at this instant."""
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
