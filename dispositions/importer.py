"""Contact files into the store, in transactions of some thousand rows.

Everything that takes time (reading, decoding, normalising numbers) is done before a transaction begins, so that a
campaign that is being dialed waits for an import no longer than the rows take to write (`pace`). Importing the same
file again adds nothing, so an import that was cut short is simply run again."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from dispositions.candidate import Candidates
from dispositions.collector import uncollected
from dispositions.consent import Consent
from dispositions.csvfile import NO_ROWS, CsvFile, Fault, Format, Record, detect
from dispositions.errors import ImportFileError
from dispositions.ground import ConsentColumns
from dispositions.hours import zone_info
from dispositions.listreading import APART_FROM, read_apart, read_here
from dispositions.listrows import plan_of
from dispositions.number import Validity
from dispositions.pace import Pace, commits_of_others
from dispositions.quality import IMPORT_KEY
from dispositions.store import Store

CHUNK = 10_000
MAX_COLUMNS = 500
Progress = Callable[[int, int, int], None]
"""Called now and then with (rows done, bytes done, bytes of the file)."""


@dataclass(frozen=True, slots=True)
class ListSpec:
    """A contact list in a file.

    `numbers`: its number columns, in the order to dial them. `rename`: column -> name of the field; other columns
    keep their own name. `region`: of numbers without a country code; None: the campaign's. `default_zone`: of numbers
    whose zone is not known; None: the campaign's. `rejects`: where refused rows go; None: `PATH.rejects.csv`.
    `consent`: columns of the lawful basis; `ground`: that of rows that name none. `reference`: read numbers without the
    accelerator."""

    name: str
    path: Path
    numbers: tuple[str, ...] = ("number",)
    external_id: str | None = None
    zone: str | None = None
    priority: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    validity: Validity = "valid"
    default_zone: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    rejects: Path | None = None
    consent: ConsentColumns = field(default_factory=ConsentColumns)
    ground: Consent | None = None
    reference: bool = False


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `rows` = added + duplicates + do_not_call + rejected. `reasons`: rejects by reason."""

    rows: int
    added: int
    duplicates: int
    do_not_call: int
    rejected: int
    reasons: Mapping[str, int]
    rejects_file: Path | None
    seconds: float
    encoding: str
    delimiter: str


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a list's file. `missing`: columns that the spec names and the file lacks."""

    columns: tuple[str, ...]
    missing: tuple[str, ...]
    form: Format


def read_head(spec: ListSpec) -> Head:
    """Look at the file without importing it. Raises `ImportFileError`."""
    form = detect(spec.path, spec.encoding, spec.delimiter)
    columns = _columns(spec.path, form)
    return Head(columns, _missing(spec, columns), form)


def import_csv(
    store: Store, campaign: str, spec: ListSpec, at: float, progress: Progress | None = None, *, apart: bool = False
) -> ImportReport:
    """Add the file's contacts to the campaign. `apart`: a large file is read in a process of its own, so that reading
    and writing have a core each, and a program that does other things in the meantime is not held up. Raises
    `ImportFileError` for a file that cannot be imported at all, `UnknownCampaign`, `StoreUnavailable` (what was
    committed stays; run it again)."""
    started = time.perf_counter()
    policy = store.policy(campaign)
    if spec.zone is None and spec.default_zone is not None:
        zone_info(spec.default_zone)
    form = detect(spec.path, spec.encoding, spec.delimiter)
    columns = _columns(spec.path, form)
    missing = _missing(spec, columns)
    if missing:
        raise ImportFileError(str(spec.path), 1, f"no column {missing[0]!r}; there are: {', '.join(columns)[:500]}")
    plan = plan_of(spec, policy, columns)
    writer = _Writer(store, campaign, spec.name, at)
    counts = writer.counts
    reasons: Counter[str] = Counter()
    rows = 0
    target = spec.rejects or spec.path.with_name(f"{spec.path.name}.rejects.csv")
    source = read_apart(plan, form) if apart and form.bytes >= APART_FROM else read_here(plan, form)
    with Rejects(target) as rejects, closing(source):
        for part in source:
            rows += part.rows
            for fault in part.faults:
                reasons[fault.reason] += 1
                rejects.write(fault)
            if writer.take(part.candidates) and progress is not None:
                progress(rows, part.bytes_done, form.bytes)
        writer.finish()
    if progress is not None:
        progress(rows, form.bytes, form.bytes)
    _remember(store, campaign, spec.name, rows, counts, reasons, at)
    return ImportReport(
        rows=rows,
        added=counts["added"],
        duplicates=counts["duplicate"],
        do_not_call=counts["do_not_call"],
        rejected=sum(reasons.values()),
        reasons=dict(reasons),
        rejects_file=target if reasons else None,
        seconds=time.perf_counter() - started,
        encoding=form.encoding,
        delimiter=form.delimiter,
    )


def _remember(
    store: Store, campaign: str, name: str, rows: int, counts: Counter[str], reasons: Counter[str], at: float
) -> None:
    """What the import that added contacts last did, for the list's report. Reading the same file again is none."""
    key = f"{IMPORT_KEY}{campaign}/{name}"
    with store.read() as view:
        known = view.load_state(key)
    if known is not None and not counts["added"]:
        return
    kept = {
        "at": at, "rows": rows, "added": counts["added"], "duplicates": counts["duplicate"],
        "do_not_call": counts["do_not_call"], "rejected": sum(reasons.values()), "reasons": dict(reasons),
    }  # fmt: skip
    with store.write() as tx:
        tx.save_state(key, kept)


class _Writer:
    """Enters candidates in transactions of the right size."""

    def __init__(self, store: Store, campaign: str, list_name: str, at: float) -> None:
        self._store, self._campaign, self._list, self._at = store, campaign, list_name, at
        self._waiting = Candidates()
        self._pace = Pace()
        self._ended = 0.0
        self._seen: tuple[int, int] | None = None
        self.counts: Counter[str] = Counter()

    def take(self, candidates: Candidates) -> bool:
        """Enter them, as soon as there are enough for a transaction; whether there were."""
        self._waiting.extend(candidates)
        full = len(self._waiting) >= self._pace.rows
        while len(self._waiting) >= self._pace.rows:
            self._write(self._pace.rows)
        return full

    def finish(self) -> None:
        """Enter what is left."""
        while self._waiting:
            self._write(self._pace.rows)
        self._store.shorten_log()  # or somebody's next commit would have to

    def _write(self, count: int) -> None:
        some, self._waiting = self._waiting.split(count)
        rest = self._ended + self._pace.pause - time.perf_counter()
        if rest > 0:
            time.sleep(rest)
        with uncollected(), self._store.write(log_pages=self._pace.log_pages) as tx:
            began = time.perf_counter()
            seen = commits_of_others(tx.connection)
            entered = tx.enter_candidates(self._campaign, self._list, some, self._at)
        self.counts.update(entered.counts())
        self._ended = time.perf_counter()
        self._pace.wrote(len(some), began, self._ended, others=None if seen is None else self._seen not in (None, seen))
        self._seen = seen


def chunks(records: Iterator[Record | Fault], size: int) -> Iterator[list[Record | Fault]]:
    chunk: list[Record | Fault] = []
    for item in records:
        chunk.append(item)
        if len(chunk) >= size:
            yield chunk
            chunk = []
    yield chunk


def _columns(path: Path, form: Format) -> tuple[str, ...]:
    with closing(CsvFile(path, form).blocks()) as blocks:
        return header(path, iter(next(blocks, NO_ROWS).items()))[1]


def header(path: Path, records: Iterator[Record | Fault]) -> tuple[int, tuple[str, ...]]:
    first = next(records, None)
    if first is None:
        raise ImportFileError(str(path), None, "the file is empty")
    if isinstance(first, Fault):
        raise ImportFileError(str(path), first.line, f"the header cannot be read: {first.reason}")
    columns = tuple(cell.strip().removeprefix("\ufeff") for cell in first.cells)
    if len(columns) > MAX_COLUMNS:
        raise ImportFileError(str(path), first.line, f"{len(columns)} columns; at most {MAX_COLUMNS}")
    named = [column for column in columns if column]
    twice = [column for column, times in Counter(named).items() if times > 1]
    if twice:
        raise ImportFileError(str(path), first.line, f"column {twice[0]!r} is there twice")
    return first.line, columns


def _missing(spec: ListSpec, columns: tuple[str, ...]) -> tuple[str, ...]:
    wanted = [*spec.numbers, spec.external_id, spec.zone, spec.priority, *spec.rename, *spec.consent.named]
    return tuple(column for column in wanted if column is not None and column not in columns)


class Rejects:
    """The rejects file, made when the first row is refused, put in place when the import ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._file: TextIO | None = None

    def __enter__(self) -> Rejects:
        return self

    def write(self, fault: Fault) -> None:
        """One refused row: line, reason, the row."""
        if self._file is None:
            try:
                self._file = self._part.open("w", encoding="utf-8", newline="", errors="backslashreplace")
            except OSError as error:
                raise ImportFileError(str(self._path), None, f"rejects file: {error.strerror}") from error
            csv.writer(self._file).writerow(("line", "reason", "row"))
        text = fault.text.rstrip("\r\n").replace("\x00", "\\0")[:10_000]
        if text.startswith(("=", "+", "-", "@", "\t", "\r")):
            text = f"'{text}"  # a spreadsheet must not run it
        csv.writer(self._file).writerow((fault.line, fault.reason, text))

    def __exit__(self, kind: object, *_: object) -> None:
        if self._file is None:
            if kind is None:
                self._path.unlink(missing_ok=True)  # an earlier import's rejects would mislead
            return
        self._file.close()
        if kind is None:
            self._part.replace(self._path)
