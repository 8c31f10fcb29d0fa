"""Run every default test in three parts: those that compute, a worker to each core; those that talk to real peers and
mostly wait for them, two workers to each core; and one by one the few whose verdict depends on timing.

Three runs of pytest, because a phone's audio must not depend on what the neighbouring worker computes. The exit code is
not 0 when any of them failed. Further arguments go to all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
MARKER = "mark.peer"
NO_TESTS = 5  # pytest's exit code when nothing was selected, e.g. by -k


def with_peers() -> list[str]:
    """The test files that can hold a test with a real peer: they name the marker, or their folder's conftest.py does.
    To look through all files once more takes each worker as long as ten tests.
    """
    folders = {path.parent for path in TESTS.rglob("conftest.py") if MARKER in path.read_text(encoding="utf-8")}
    files = sorted(TESTS.rglob("test_*.py"))
    return [str(path) for path in files if path.parent in folders or MARKER in path.read_text(encoding="utf-8")]


def main(arguments: list[str]) -> int:
    """Exit code for the shell."""
    pytest = [sys.executable, "-m", "pytest", "--durations=8", *arguments]
    cores = min(os.cpu_count() or 1, 4)
    # small portions: whoever has a test that waits for a minute keeps no other test waiting with it
    waiting = ["-n", str(2 * cores), "--maxschedchunk=2"]
    chosen = any(Path(argument.partition("::")[0]).exists() for argument in arguments)
    peers = [] if chosen else with_peers()
    parts = {
        "without peers": [*pytest, "-n", str(cores), "-m", "not peer and not soak"],
        "with real peers": [*pytest, *waiting, "-m", "peer and parallel and not soak", *peers],
        "with real peers, one by one": [*pytest, "-m", "peer and not parallel and not soak", *peers],
    }
    codes: dict[str, int] = {}
    for name, command in parts.items():
        print(f"tests: {name}", flush=True)
        codes[name] = subprocess.call(command)
    failed = {name: code for name, code in codes.items() if code not in (0, NO_TESTS)}
    for name in failed:
        print(f"tests: the part {name!r} failed", flush=True)
    return max(failed.values(), default=min(codes.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
