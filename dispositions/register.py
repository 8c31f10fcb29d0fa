"""Do-not-call files: into the list of their name, and what a register has lost off it again."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from pyroaring import BitMap64

from dispositions.csvfile import CsvFile, Fault, Record, detect
from dispositions.errors import ImportFileError, NumberError
from dispositions.importer import CHUNK, ImportReport, Progress, Rejects, chunks, header
from dispositions.number import normalise
from dispositions.store import Store

FEW = 100
"""So many numbers a register may lose at once whatever its size."""


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
    register, and what it has no more is taken off the list once all of it was read; until then the list only grows, so
    that nobody is called because of an import. A file that would empty the list by more than half is refused: it is
    more likely cut off than right. Raises `ImportFileError`, `StoreUnavailable`."""
    started = time.perf_counter()
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
    seen = BitMap64()
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
                if replaces:
                    seen.update(int(number) for number in digits)
            marked += len(digits)
            if progress is not None:
                progress(rows, file.bytes_done, form.bytes)
    if replaces:
        _take_off(store, name, path, seen)
    return ImportReport(
        rows, added, marked - added, 0, sum(reasons.values()), dict(reasons), target if reasons else None,
        time.perf_counter() - started, form.encoding, form.delimiter,
    )  # fmt: skip


def _take_off(store: Store, name: str, path: Path, seen: BitMap64) -> None:
    store.refresh_do_not_call()
    gone = store.do_not_call.numbers(name) - seen
    if len(gone) > FEW and len(gone) > len(seen):
        problem = f"would take {len(gone)} numbers off list {name!r} and leave {len(seen)}: is the file cut off?"
        raise ImportFileError(str(path), None, problem)
    if gone:
        with store.write() as tx:  # at once: whoever keeps the list in memory reads all of it again after this
            tx.remove_do_not_call(gone, name)


def _digits(item: Record | Fault, position: int, region: str | None) -> int | Fault:
    if isinstance(item, Fault):
        return item
    if len(item.cells) <= position or not item.cells[position].strip():
        return Fault(item.line, "empty", item.text)
    try:
        return normalise(item.cells[position], region, validity="possible", default_zone="UTC").digits
    except NumberError as error:
        return Fault(item.line, error.reason, item.text)
