"""Run every default test: most in parallel, then those whose timing counts, against real peers, one by one.

Two runs of pytest, because a peer's timing must not depend on what the neighbouring worker computes. The closing
line is the second run's; the exit code is not 0 when either failed. Further arguments go to both.
"""

from __future__ import annotations

import os
import subprocess
import sys

NO_TESTS = 5  # pytest's exit code when nothing was selected, e.g. by -k


def main(arguments: list[str]) -> int:
    """Exit code for the shell."""
    pytest = [sys.executable, "-m", "pytest", *arguments]
    workers = ["-n", str(min(os.cpu_count() or 1, 4))]
    print("tests: in parallel", flush=True)
    rooms = subprocess.call([*pytest, *workers, "-m", "(parallel or not peer) and not soak", "--durations=8"])
    print("tests: against real peers, one after another", flush=True)
    peers = subprocess.call([*pytest, "-m", "peer and not parallel and not soak", "--durations=8"])
    codes = [code for code in (rooms, peers) if code not in (0, NO_TESTS)]
    if codes and not peers:
        print("tests: the parallel run above failed", flush=True)
    return codes[0] if codes else min(rooms, peers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
