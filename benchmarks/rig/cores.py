"""Processes and threads on cores: what they spent, where they run, how fast a core is just now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

HZ = os.sysconf("SC_CLK_TCK")


def cpu(stat: Path) -> float:
    """User and system seconds in a /proc stat file."""
    fields = stat.read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def module_of(pid: int) -> str:
    """The `-m` argument that a Python process was started with, or ''."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return words[words.index("-m") + 1] if "-m" in words[:-1] else ""


def threads(pid: int) -> dict[int, float]:
    """CPU seconds by thread id."""
    return {int(path.name): cpu(path / "stat") for path in Path(f"/proc/{pid}/task").iterdir()}


def yardstick() -> float:
    """CPU milliseconds that a fixed loop takes this thread now: how fast this core is at this moment."""
    begun, total, record = time.thread_time(), 0, {"a": 1, "b": 2}
    for number in range(100_000):
        total += record["a" if number & 1 else "b"] + len(str(number))
    return 1000 * (time.thread_time() - begun)


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Hold processes, with all their threads, on `cores`."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)
