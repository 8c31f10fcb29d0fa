"""Do-not-call files: added to the list of their name, or in place of it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from dispositions.compiled_register import Register, compile_register, compiled_path, is_stale
from dispositions.csvfile import CsvFile, Fault, Record, detect
from dispositions.errors import ImportFileError, NumberError
from dispositions.importer import CHUNK, ImportReport, Progress, Rejects, chunks, header
from dispositions.number import normalise
from dispositions.store import Store


def import_do_not_call(
    store: Store,
    name: str,
    path: Path,
    at: float,
    *,
    region: str | None = None,
    column: str | None = None,
    replaces: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Put a file's numbers on the do-not-call list `name`: one number a line (no header), or a CSV's `column`. Any
    possible number is taken but premium ones, which are never dialed anyway. `replaces`: the file is the whole
    register, of any size: see `take_register`. Raises `ImportFileError`, `StoreUnavailable`."""
    started = time.perf_counter()
    if replaces:
        return take_register(store, name, path, region=region, column=column, progress=progress)
    form = detect(path)
    file = CsvFile(path, form)
    records = iter(file)
    position = 0
    if column is not None:
        line, columns = header(path, records)
        if column not in columns:
            raise ImportFileError(str(path), line, f"no column {column!r}; there are: {', '.join(columns)[:500]}")
        position = columns.index(column)
    reasons: Counter[str] = Counter()
    rows = added = marked = 0
    target = path.with_name(f"{path.name}.rejects.csv")
    with Rejects(target) as rejects:
        for chunk in chunks(records, CHUNK):
            digits: list[str | int] = []
            for item in chunk:
                rows += 1
                made = _digits(item, position, region)
                if isinstance(made, Fault):
                    reasons[made.reason] += 1
                    rejects.write(made)
                else:
                    digits.append(made)
            if digits:
                with store.write() as tx:
                    added += tx.add_do_not_call(digits, name, at)
            marked += len(digits)
            if progress is not None:
                progress(rows, file.bytes_done, form.bytes)
    return ImportReport(
        rows, added, marked - added, 0, sum(reasons.values()), dict(reasons), target if reasons else None,
        time.perf_counter() - started, form.encoding, form.delimiter,
    )  # fmt: skip


def take_register(
    store: Store,
    name: str,
    path: Path,
    *,
    region: str | None = None,
    column: str | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Make the file's numbers the do-not-call list `name`, in place of all that it held, in one step: no row of the
    store, so that it may have hundreds of millions. The compiled form is made first where it is not that of the file
    (`FILE.numbers`; in a process of its own by `python -m dispositions.compiled_register`, for those who cannot wait).
    Raises `ImportFileError`, and then the list stays what it was, and `StoreUnavailable`."""
    started = time.perf_counter()
    compiled = compiled_path(path.resolve())
    if is_stale(path, compiled, region, column):
        compiled = compiled_path(path)
        compile_register(path, compiled, region, column, progress)
    register = Register.load(compiled)
    stamp, before = register.stamp, store.do_not_call.register(name)
    store.do_not_call.put_register(name, register.numbers)
    store.refresh_do_not_call()
    new = register.numbers.difference_cardinality(before)
    rows = store.do_not_call.numbers(name)
    if rows:  # what an import without `replaces` left
        with store.write() as tx:
            tx.remove_do_not_call(rows, name)
    return ImportReport(
        stamp.lines, new, max(0, stamp.lines - stamp.refused - new), 0, stamp.refused,
        {"not_a_number": stamp.refused} if stamp.refused else {},
        path.with_name(f"{path.name}.rejects.csv") if stamp.refused else None,
        time.perf_counter() - started, "utf-8", "",
    )  # fmt: skip


def _digits(item: Record | Fault, position: int, region: str | None) -> int | Fault:
    if isinstance(item, Fault):
        return item
    if len(item.cells) <= position or not item.cells[position].strip():
        return Fault(item.line, "empty", item.text)
    try:
        return normalise(item.cells[position], region, validity="possible", default_zone="UTC").digits
    except NumberError as error:
        return Fault(item.line, error.reason, item.text)
