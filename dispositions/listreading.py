"""A list's file as candidates, part by part: read here, or in a process of its own.

Reading takes Python's time, writing the database's. In a process of its own (the plan by its standard input, the parts
by its standard output) the one does not wait for the other, and a daemon that takes a list while it dials is not held
up. That process is nice, reads a few parts ahead, and ends when whoever started it does."""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from typing import BinaryIO, NamedTuple

from dispositions.candidate import Candidates
from dispositions.collector import uncollected
from dispositions.csvfile import CsvFile, Fault, Format
from dispositions.errors import ImportFileError
from dispositions.listrows import RowPlan, RowReader

APART_FROM = 2_000_000
"""Bytes of a file from which on a process of its own is worth its start."""
_AHEAD = 16  # parts
_NICE = 10


class Part(NamedTuple):
    """Some of the file's rows: those that may be entered, those that are refused (by line), how many they are, and how
    much of the file was read."""

    candidates: Candidates
    faults: list[Fault]
    rows: int
    bytes_done: int


def read_here(plan: RowPlan, form: Format) -> Generator[Part]:
    """The file's rows below its header. Raises `ImportFileError`."""
    file = CsvFile(plan.spec.path, form)
    reader = RowReader(plan)
    blocks = file.blocks()
    next(blocks, None)  # the header
    for block in blocks:
        with uncollected():
            candidates, refused = reader.candidates(block.cells)
        faults = block.faults + [Fault(block.lines[n], reason, block.texts[n]) for n, reason in refused]
        faults.sort(key=lambda fault: fault.line)
        yield Part(candidates, faults, len(block.cells) + len(block.faults), file.bytes_done)


def read_apart(plan: RowPlan, form: Format) -> Generator[Part]:
    """The same, read by a process of its own. Raises `ImportFileError`."""
    # not by -m: what it pickles must not be named __main__
    command = [sys.executable, "-c", "from dispositions.listreading import main; main()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            try:
                child.stdin.write(pickle.dumps((plan, form)))
                child.stdin.close()
                while (got := pickle.load(child.stdout)) is not None:
                    if not isinstance(got, Part):
                        raise ImportFileError(*got)
                    yield got
            except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
                child.kill()
                said = child.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                problem = f"the process that read it ended: {said[0] if said else f'status {child.wait()}'}"
                raise ImportFileError(str(plan.spec.path), None, problem) from error
        finally:
            child.kill()


def main() -> None:
    """Be that process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it is told, and ends it
    os.nice(_NICE)
    gc.disable()  # nothing here refers to itself, and the many small tuples cost a quarter of the time
    plan, form = pickle.load(sys.stdin.buffer)
    ahead: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
    sender = threading.Thread(target=_send, args=(ahead, sys.stdout.buffer), daemon=True)
    sender.start()
    last: tuple[str, int | None, str] | None = None
    try:
        for part in read_here(plan, form):
            ahead.put(pickle.dumps(part, pickle.HIGHEST_PROTOCOL))
    except ImportFileError as error:
        last = error.path, error.line, error.problem
    ahead.put(pickle.dumps(last, pickle.HIGHEST_PROTOCOL))
    ahead.put(None)
    sender.join()


def _send(ahead: queue.Queue[bytes | None], to: BinaryIO) -> None:
    """In a thread of its own: a reader that waits for nobody to take what it has read goes on reading."""
    try:
        while (data := ahead.get()) is not None:
            to.write(data)
            to.flush()
    except OSError:
        os._exit(1)  # nobody reads any more
