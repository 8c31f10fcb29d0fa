"""The daemon with a sampler: `python -m benchmarks.rig.sampled_daemon OUT.json CAMPAIGN.toml`.

Every 10 ms of CPU that the process uses (ITIMER_PROF) the loop's thread notes in which of our files it is, walking out
from the innermost frame to the first that is ours. At the end OUT.json holds {"samples": {file:function: count},
"threads": {id of the system: name}}. The sampler costs well under a percent; what the kernel does for a system call
counts for the caller.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

#: Threads of ours -> the word for them in the figures.
NAMES = {"MainThread": "loop", "ledger-write": "store, writing", "ledger-read": "store, reading"}
ROOT = Path(__file__).resolve().parents[2]
EVERY = 0.01
NAME_EVERY = 2.0
samples: Counter[str] = Counter()
threads: dict[int, str] = {}


def note(_signal: int, frame: FrameType | None) -> None:
    """Count the innermost frame that is ours."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(str(ROOT)) and "/.venv/" not in name and "/rig/" not in name:
            samples[f"{Path(name).relative_to(ROOT)}:{frame.f_code.co_name}"] += 1
            return
        frame = frame.f_back
    samples["(loop, libraries)"] += 1


def name_threads() -> None:
    """Keep `threads`, in a thread of its own: the sampler may have interrupted whoever holds the lock of their list."""
    while True:
        for thread in threading.enumerate():
            if thread.native_id is not None:
                threads[thread.native_id] = NAMES.get(thread.name.rpartition("_")[0] or thread.name, "other threads")
        time.sleep(NAME_EVERY)


def main() -> None:
    """Run `daemon.main` under the sampler."""
    out, *rest = sys.argv[1:]
    sys.path.insert(0, str(ROOT))
    import importlib

    threading.Thread(target=name_threads, daemon=True).start()
    signal.signal(signal.SIGPROF, note)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        code = importlib.import_module("daemon").main(rest)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        Path(out).write_text(json.dumps({"samples": dict(samples.most_common()), "threads": threads}))
    sys.exit(code)


if __name__ == "__main__":
    main()
