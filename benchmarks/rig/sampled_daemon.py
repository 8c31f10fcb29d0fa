"""The daemon with a sampler: `python -m benchmarks.rig.sampled_daemon OUT.json CAMPAIGN.toml`.

Every few milliseconds of CPU that the loop's own thread uses it notes where it is: in which part of the daemon (see
`parts`), and in which of our functions, the innermost that is ours. Other threads (the writer of the store) have a CPU
time of their own and leave no samples. SIGUSR1 begins anew, SIGUSR2 ends the sampling; so start and stop of the daemon
do not count. At the end OUT.json holds {"parts": {name: count}, "functions": {file:function: count}, "threads": {id of
the system: name}}. The sampler costs well under a percent; what the kernel does for a system call counts for the
caller.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from benchmarks.rig.parts import LOOP, part_of

#: Threads of ours -> the word for them in the figures.
NAMES = {"MainThread": "loop", "ledger-write": "store, writing", "ledger-read": "store, reading"}
ROOT = Path(__file__).resolve().parents[2]
_OURS = tuple(f"{ROOT}/{room}" for room in ("dialer/", "pacing/", "dispositions/", "daemon.py"))
#: Seconds of the thread's CPU between two samples; the kernel looks at its tick, every 4 ms.
EVERY = 0.004
NAME_EVERY = 2.0
_CLOCK_THREAD_CPUTIME_ID, _SIGEV_THREAD_ID = 3, 4
parts: Counter[str] = Counter()
functions: Counter[str] = Counter()
threads: dict[int, str] = {}


class _Event(ctypes.Structure):
    """struct sigevent (timer_create(2))."""

    _fields_ = (
        ("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int),
        ("thread", ctypes.c_int), ("_rest", ctypes.c_int * 11),
    )  # fmt: skip


class _Span(ctypes.Structure):
    """struct itimerspec (timer_settime(2)), seconds and nanoseconds."""

    _fields_ = (
        ("every", ctypes.c_long), ("every_ns", ctypes.c_long), ("first", ctypes.c_long), ("first_ns", ctypes.c_long),
    )  # fmt: skip


def sample_this_thread(seconds: float) -> None:
    """SIGPROF to this thread whenever it has used `seconds` of CPU. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer, nanoseconds = ctypes.c_void_p(), int(seconds * 1e9)
    event = _Event(None, signal.SIGPROF, _SIGEV_THREAD_ID, threading.get_native_id())
    span = _Span(0, nanoseconds, 0, nanoseconds)
    if libc.timer_create(_CLOCK_THREAD_CPUTIME_ID, ctypes.byref(event), ctypes.byref(timer)) or libc.timer_settime(
        timer, 0, ctypes.byref(span), None
    ):
        raise OSError(ctypes.get_errno(), "no timer for this thread's CPU")


def files(frame: FrameType | None) -> Iterator[str]:
    """The files of a stack, from the inside out."""
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


def note(_signal: int, frame: FrameType | None) -> None:
    """One sample."""
    parts[part_of(files(frame))] += 1
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_OURS):
            functions[f"{Path(name).relative_to(ROOT)}:{frame.f_code.co_qualname}"] += 1
            return
        frame = frame.f_back
    functions[LOOP] += 1


def begin(_signal: int, _frame: FrameType | None) -> None:
    """From now on it counts."""
    parts.clear()
    functions.clear()
    signal.signal(signal.SIGPROF, note)


def end(_signal: int, _frame: FrameType | None) -> None:
    """Until now it counted."""
    signal.signal(signal.SIGPROF, signal.SIG_IGN)


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
    for number, handler in ((signal.SIGPROF, signal.SIG_IGN), (signal.SIGUSR1, begin), (signal.SIGUSR2, end)):
        signal.signal(number, handler)
        signal.siginterrupt(number, False)
    sample_this_thread(EVERY)
    try:
        code = importlib.import_module("daemon").main(rest)
    finally:
        end(0, None)
        counted = {"parts": dict(parts.most_common()), "functions": dict(functions.most_common())}
        Path(out).write_text(json.dumps({**counted, "threads": threads}))
    sys.exit(code)


if __name__ == "__main__":
    main()
