"""Contacts and numbers from files, as the commands to a running dialer send them: read like a list's file."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialer.cli.output import Failure
from dialer.config.list_tables import ColumnsTable
from dispositions.csvfile import CsvFile, Fault, Record, detect
from dispositions.errors import ImportFileError

MAX_FILE = 256 * 1024 * 1024

#: Why a contact or number is refused, in words.
WORDS = {
    "empty": "no number",
    "not_a_number": "not a phone number",
    "not_possible": "too short or too long for a phone number",
    "not_valid": "no such number in the numbering plan",
    "premium": "a premium number, which is never dialed",
    "no_zone": "its time zone is not known",
    "bad_zone": "the time zone is none",
    "bad_priority": "the priority is out of range",
    "bad_fields": "a field cannot be kept",
    "number": "the campaign has this number already",
    "external_id": "the campaign has this id already",
    "do_not_call": "on a do-not-call list",
    "quotes": "broken quotes",
    "unclosed_quote": "a quote that is not closed",
    "encoding": "bytes that are no text in the file's encoding",
    "nul": "a NUL character",
    "line_too_long": "the line is too long",
    "too_many_cells": "more cells than the header has",
}


def in_words(reason: str) -> str:
    """A reason as people say it; one without a word of its own as it is."""
    return WORDS.get(reason, reason)


@dataclass(frozen=True, slots=True)
class Entry:
    """One contact or number of a file. `line`: where it stands, from 1; `text`: as it stood there."""

    line: int
    value: Any
    text: str


@contextmanager
def _as_path(file: str) -> Iterator[Path]:
    """The file, standard input as a temporary one: its encoding is found by looking twice."""
    if file != "-":
        yield Path(file)
        return
    with tempfile.NamedTemporaryFile(prefix="dialer-") as copy:
        copy.write(sys.stdin.buffer.read(MAX_FILE + 1))
        copy.flush()
        yield Path(copy.name)


def read_contacts(file: str, columns: ColumnsTable, delimiter: str | None, encoding: str | None) -> list[Entry | Fault]:
    """The contacts of a JSON, JSON Lines or CSV file (`-`: standard input); what cannot be read as `Fault`. Raises
    Failure for a file that cannot be read at all.
    """
    with _as_path(file) as path:
        text = _json_text(path, file)
        if text is not None:
            return _from_json(text, file)
        return list(_from_csv(path, file, columns, delimiter, encoding))


def read_numbers(file: str, column: str | None) -> list[Entry | Fault]:
    """One number a line, or a CSV's `column`."""
    with _as_path(file) as path:
        records = _records(path, file, None, None)
        position = 0
        if column is not None:
            header = next(records, None)
            cells = header.cells if isinstance(header, Record) else []
            position = _position(column, [cell.strip().removeprefix("\ufeff") for cell in cells], file)
        found: list[Entry | Fault] = []
        for item in records:
            if isinstance(item, Fault):
                found.append(item)
            elif len(item.cells) <= position or not item.cells[position].strip():
                found.append(Fault(item.line, "empty", item.text))
            else:
                found.append(Entry(item.line, item.cells[position].strip().removeprefix("\ufeff"), item.text))
        return found


def _json_text(path: Path, shown: str) -> str | None:
    """The file's text when it begins as JSON does."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise Failure(f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}", code="no_file") from None
    if len(data) > MAX_FILE:
        raise Failure(f"{shown} is larger than {MAX_FILE >> 20} MB; use `dialer import`", code="too_large")
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"[", b"{"):
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Failure(f"{shown} is JSON but not UTF-8, at byte {error.start}", code="invalid") from None


def _from_json(text: str, shown: str) -> list[Entry | Fault]:
    if text.lstrip().startswith("{"):
        return [_json_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"{shown} is not JSON: {error}", code="invalid") from None
    return [_object(number, record, json.dumps(record)) for number, record in enumerate(records, 1)]


def _json_line(number: int, line: str) -> Entry | Fault:
    try:
        return _object(number, json.loads(line), line)
    except (ValueError, RecursionError) as error:
        return Fault(number, f"not JSON: {error}", line)


def _object(number: int, record: Any, text: str) -> Entry | Fault:
    if not isinstance(record, dict):
        return Fault(number, "not an object with a number", text)
    return Entry(number, record, text)


def _records(path: Path, shown: str, delimiter: str | None, encoding: str | None) -> Iterator[Record | Fault]:
    try:
        yield from CsvFile(path, detect(path, encoding, delimiter))
    except ImportFileError as error:
        raise Failure(str(error).replace(str(path), shown), code="invalid") from None


def _position(column: str, header: list[str], shown: str) -> int:
    if column not in header:
        there = ", ".join(header)[:300]
        raise Failure(f"{shown} has no column {column!r}; there are: {there}", code="invalid")
    return header.index(column)


def _from_csv(
    path: Path, shown: str, columns: ColumnsTable, delimiter: str | None, encoding: str | None
) -> Iterator[Entry | Fault]:
    records = _records(path, shown, delimiter, encoding)
    first = next(records, None)
    if not isinstance(first, Record):
        raise Failure(f"{shown}: the header cannot be read", code="invalid")
    header = [cell.strip().removeprefix("\ufeff") for cell in first.cells]
    for column in columns.number:
        _position(column, header, shown)
    # a column that the list's table does not name keeps its name, and the API's own words keep their meaning
    names = {columns.id: "id", columns.timezone: "timezone", columns.priority: "priority", columns.name: "name"}
    keys = [names.get(column, column) for column in header]
    for item in records:
        if isinstance(item, Fault):
            yield item
        elif len(item.cells) > len(header):
            yield Fault(item.line, "too_many_cells", item.text)
        else:
            cells = dict(zip(header, item.cells, strict=False))
            numbers = [cells[column] for column in columns.number if cells.get(column)]
            record: dict[str, Any] = {
                key: cell
                for column, key, cell in zip(header, keys, item.cells, strict=False)
                if key and cell and column not in columns.number
            }
            text = record.get("priority", "")
            if text.strip().removeprefix("-").isdecimal():
                record["priority"] = int(text)
            if not numbers:
                yield Fault(item.line, "empty", item.text)
                continue
            given = {"number": numbers[0]} if len(numbers) == 1 else {"numbers": numbers}
            yield Entry(item.line, {**given, **record}, item.text)


def write_rejects(path: Path, faults: Iterable[Fault]) -> None:
    """Line, reason and row of each, as an import's rejects file has them. Raises Failure."""
    try:
        with path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as stream:
            rows = csv.writer(stream)
            rows.writerow(("line", "reason", "row"))
            for fault in faults:
                text = fault.text.rstrip("\r\n").replace("\x00", "\\0")[:10_000]
                # a spreadsheet must not run it
                rows.writerow((fault.line, fault.reason, f"'{text}" if text.startswith(("=", "+", "-", "@")) else text))
    except OSError as error:
        raise Failure(f"rejects file {path}: {error.strerror}", code="no_file") from None
