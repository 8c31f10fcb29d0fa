"""A do-not-call register of 200 million numbers: `python -m benchmarks.store.register --numbers 200000000`.

Writes a file of national numbers, compiles it in a process of its own, loads it, loads it again while the first stays
(a fresh copy being swapped in), and checks numbers: one by one, with all that is done right before an INVITE, and many
at once, as an import does. Memory is this process's own, above what it had before. Checks are stated by this thread's
CPU and by the clock. `--span` is the span that the numbers are drawn from: 1e9 is as dense as a country of nine digits,
2.9e9 as North America.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dispositions.compiled_register import Register, compiled_path
from dispositions.donotcall import DoNotCall

NAMES = ("own", "national")
BATCH = 10_000


class Lap:
    """Seconds of this thread's CPU and of the clock, from its making to `stop`."""

    def __init__(self) -> None:
        self.cpu, self.clock = -time.thread_time(), -time.perf_counter()

    def stop(self) -> None:
        """The end of it."""
        self.cpu += time.thread_time()
        self.clock += time.perf_counter()


def resident() -> float:
    """Resident megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def write(path: Path, numbers: int, span: int, seed: int) -> None:
    """`numbers` different national numbers of ten digits, in no order."""
    import numpy as np

    chance = np.random.default_rng(seed)
    with path.open("wb") as file:
        for part in range(0, numbers, 1_000_000):
            low, high = part * span // numbers, min(numbers, part + 1_000_000) * span // numbers
            drawn = low + chance.choice(high - low, size=min(1_000_000, numbers - part), replace=False)
            file.write(b"\n".join(b"%d" % value for value in (2_000_000_000 + drawn).tolist()) + b"\n")


def measure(numbers: int, span: int, checks: int, folder: Path) -> dict[str, Any]:
    """The figures."""
    path = folder / "register.txt"
    write(path, numbers, span, 1)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "dispositions.compiled_register", str(path), str(compiled_path(path)), "--region", "US"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    compiled = time.perf_counter() - began
    before = resident()
    began = time.perf_counter()
    register = Register.load(compiled_path(path))
    loaded = time.perf_counter() - began
    one = resident() - before
    fresh = Register.load(compiled_path(path))
    both = resident() - before
    register, fresh = fresh, register
    del fresh
    chance = random.Random(2)
    asked = [12_000_000_000 + chance.randrange(span) for _ in range(checks)]
    lists = DoNotCall()
    lists.put_register("national", register.numbers)
    one_by_one = Lap()
    hits = sum(lists.blocked(number, NAMES) is not None for number in asked)
    one_by_one.stop()
    at_once = Lap()
    found = sum(len(lists.among(asked[n : n + BATCH], NAMES)) for n in range(0, checks, BATCH))
    at_once.stop()
    if not 0.9 * checks * numbers / span < hits < 1.1 * checks * numbers / span or found > hits:
        raise SystemExit(f"{hits} of {checks} numbers are in the register, and {found} different: that cannot be")
    return {
        "numbers": len(register),
        "file_mb": path.stat().st_size / 2**20,
        "compile_seconds": compiled,
        "lines_per_second": numbers / compiled,
        "load_seconds": loaded,
        "resident_mb": one,
        "resident_mb_while_swapped": both,
        "checks_per_cpu_second_at_once": checks / at_once.cpu,
        "checks_per_second_at_once": checks / at_once.clock,
        "checks_per_cpu_second_one_by_one": checks / one_by_one.cpu,
        "checks_per_second_one_by_one": checks / one_by_one.clock,
        "hits": hits,
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--numbers", type=int, default=20_000_000)
    parser.add_argument("--span", type=float, default=0.0, help="default: five times as many as the numbers")
    parser.add_argument("--checks", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    span = int(options.span) or 5 * options.numbers
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.numbers, span, options.checks, Path(folder))
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        print(f"{name:<28} {value:,.1f}" if isinstance(value, float) else f"{name:<28} {value}")


if __name__ == "__main__":
    main()
