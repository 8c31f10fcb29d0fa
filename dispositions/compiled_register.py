"""A do-not-call register of any size: a file of numbers, compiled into a bitmap that is loaded in a second.

A national register has hundreds of millions of lines and is replaced as a whole every month. Its numbers are no rows
of the store: the file is the truth, `compile_register` reads it once (best in a process of its own) and writes the
compiled form beside it, and `Register.load` takes that in piece by piece, so that while a fresh copy replaces the old
one no more than the two are in memory.

The compiled form: one line of JSON (`Stamp`), then pieces, each a length of 8 bytes and a CRC-32 of 4 (big-endian) and
a serialised 64-bit roaring bitmap.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from pyroaring import BitMap64

from dispositions.csvfile import CsvFile, Fault, detect
from dispositions.errors import ImportFileError, NumberError
from dispositions.importer import CHUNK, Progress, Rejects, chunks, header
from dispositions.number import normalise
from dispositions.plainlines import read_plain

_VERSION = 1
_BLOCK = 1 << 24
_PIECE = 1 << 27
"""numbers between the first and the last of a piece: at most 16 MB"""
_HEAD = struct.Struct(">QI")
_LONGEST_PIECE = 1 << 26
_LONGEST_LINE = 1000
MOST_REJECTS = 100_000
FEW = 100
"""So many numbers a register may lose at once whatever its size."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a compiled register was made from. `size` and `mtime_ns`: of the file then."""

    version: int
    size: int
    mtime_ns: int
    region: str
    column: str
    numbers: int
    lines: int
    refused: int
    """lines that are no numbers; they are told in the file's rejects"""


def compiled_path(path: Path) -> Path:
    """Where the compiled form of the file at `path` is kept."""
    return path.with_name(f"{path.name}.numbers")


def is_stale(path: Path, compiled: Path, region: str | None, column: str | None = None) -> bool:
    """Whether the compiled form is not that of the file as it is now. Raises ImportFileError when there is no file."""
    stamp, status = read_stamp(compiled), _status(path)
    return stamp is None or (stamp.version, stamp.size, stamp.mtime_ns, stamp.region, stamp.column) != (
        _VERSION, status.st_size, status.st_mtime_ns, region or "", column or "",
    )  # fmt: skip


def read_stamp(compiled: Path) -> Stamp | None:
    """The stamp of a compiled register; None when there is none, or it is of another program."""
    try:
        with compiled.open("rb") as file:
            return Stamp(**json.loads(file.readline(_LONGEST_LINE)))
    except (OSError, ValueError, TypeError):
        return None


def compile_register(
    path: Path,
    compiled: Path,
    region: str | None,
    column: str | None = None,
    progress: Progress | None = None,
) -> Stamp:
    """Read the file (one number a line, or a CSV's `column`; `region`: of numbers without a country code) and write its
    compiled form, whole or not at all. Lines that are no numbers go to the rejects, `PATH.rejects.csv`. A file with
    less than half of the numbers that the compiled form holds is refused: it is more likely cut off than right. Raises
    ImportFileError."""
    status, before = _status(path), read_stamp(compiled)
    numbers, lines, refused = BitMap64(), 0, 0
    with Rejects(path.with_name(f"{path.name}.rejects.csv")) as rejects:
        for found, faults, count, done in _blocks(path, region) if column is None else _records(path, region, column):
            numbers.update(found)
            for fault in faults[: max(0, MOST_REJECTS - refused)]:
                rejects.write(replace(fault, line=lines + fault.line) if column is None else fault)
            refused += len(faults)
            lines += count
            if progress is not None:
                progress(lines, done, status.st_size)
        if not len(numbers):
            raise ImportFileError(str(path), None, "there is not one number in it; is it the right file?")
        if before is not None and before.numbers - len(numbers) > max(FEW, len(numbers)):
            fewer = f"holds {len(numbers)} numbers, and {before.numbers} before: is it cut off?"
            problem = f"{fewer} If it is right, remove {compiled.name} and take it again"
            raise ImportFileError(str(path), None, problem)
    stamp = Stamp(
        _VERSION, status.st_size, status.st_mtime_ns, region or "", column or "", len(numbers), lines, refused
    )
    _write(compiled, stamp, numbers)
    return stamp


def _write(compiled: Path, stamp: Stamp, numbers: BitMap64) -> None:
    part = compiled.with_name(f"{compiled.name}.part")
    try:
        with part.open("wb") as file:
            file.write(json.dumps(asdict(stamp)).encode() + b"\n")
            for piece in _pieces(numbers):
                data = piece.serialize()
                file.write(_HEAD.pack(len(data), crc32(data)) + data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(compiled)
    except OSError as error:
        raise ImportFileError(str(compiled), None, error.strerror or "cannot be written") from error


class Register:
    """The numbers of a compiled register, in memory."""

    def __init__(self, stamp: Stamp, numbers: BitMap64) -> None:
        self.stamp = stamp
        self.numbers = numbers

    def __contains__(self, digits: int) -> bool:
        return digits in self.numbers

    def __len__(self) -> int:
        return self.stamp.numbers

    @classmethod
    def load(cls, compiled: Path) -> Register:
        """Raises ImportFileError when it is not there, cut short, or not what it says."""
        stamp = read_stamp(compiled)
        if stamp is None or stamp.version != _VERSION:
            raise ImportFileError(str(compiled), None, "no compiled register of this version")
        numbers = BitMap64()
        try:
            with compiled.open("rb") as file:
                file.readline(_LONGEST_LINE)
                while head := file.read(_HEAD.size):
                    length, check = _HEAD.unpack(head)
                    data = file.read(min(length, _LONGEST_PIECE))
                    if len(data) != length or crc32(data) != check:
                        raise ImportFileError(str(compiled), None, "is spoilt; remove it, it is made again")
                    numbers |= BitMap64.deserialize(data)
        except (OSError, ValueError, struct.error) as error:
            raise ImportFileError(
                str(compiled), None, f"cannot be read: {error}; remove it, it is made again"
            ) from error
        if len(numbers) != stamp.numbers:
            raise ImportFileError(str(compiled), None, "holds other numbers than it says; remove it, it is made again")
        return cls(stamp, numbers)


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise ImportFileError(str(path), None, error.strerror or "cannot be read") from error


#: numbers, lines that are none, lines in all, bytes of the file read so far
_Part = tuple[list[int], list[Fault], int, int]


def _blocks(path: Path, region: str | None) -> Iterator[_Part]:
    """A file of plain lines, some megabytes at a time; the line of a Fault counts from the block's first."""
    for block, done in _whole_lines(path):
        plain, others = read_plain(block, region)
        plain.sort()  # three times as fast to take in
        found: list[int] = plain.tolist()
        faults = []
        for index, text in others:
            line = text.decode("utf-8", "replace").strip().strip('"')
            made = _digits(line, index + 1, line, region)
            if isinstance(made, Fault):
                faults.append(made)
            else:
                found.append(made)
        yield found, faults, block.count(b"\n"), done


def _records(path: Path, region: str | None, column: str) -> Iterator[_Part]:
    """A CSV file, some thousand records at a time."""
    file = CsvFile(path, detect(path))
    records = iter(file)
    line, columns = header(path, records)
    if column not in columns:
        raise ImportFileError(str(path), line, f"no column {column!r}; there are: {', '.join(columns)[:500]}")
    position = columns.index(column)
    for chunk in chunks(records, CHUNK):
        found: list[int] = []
        faults: list[Fault] = []
        for item in chunk:
            if isinstance(item, Fault):
                faults.append(item)
                continue
            text = item.cells[position] if position < len(item.cells) else ""
            made = _digits(text, item.line, item.text, region)
            if isinstance(made, Fault):
                faults.append(made)
            else:
                found.append(made)
        yield found, faults, len(chunk), file.bytes_done


def _digits(text: str, line: int, row: str, region: str | None) -> int | Fault:
    try:
        return normalise(text, region, validity="possible", default_zone="UTC").digits
    except NumberError as error:
        return Fault(line, error.reason, row)


def _whole_lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """The file in whole lines, some megabytes at a time, each with the bytes read so far."""
    try:
        with path.open("rb") as file:
            rest, done = _without_mark(file), 0
            while data := file.read(_BLOCK):
                done += len(data)
                cut = data.rfind(b"\n") + 1
                if cut:
                    yield rest + data[:cut], done
                    rest = data[cut:]
                elif len(rest) + len(data) > 4 * _BLOCK:
                    raise ImportFileError(str(path), None, "has no lines; is it a text file?")
                else:
                    rest += data
            if rest:
                yield rest + b"\n", done
    except OSError as error:
        raise ImportFileError(str(path), None, error.strerror or "cannot be read") from error


def _without_mark(file: BinaryIO) -> bytes:
    """The first bytes, without UTF-8's byte-order mark."""
    head = file.read(3)
    return b"" if head == b"\xef\xbb\xbf" else head


def _pieces(numbers: BitMap64) -> Iterator[BitMap64]:
    start = numbers.min()
    while True:
        piece = BitMap64()
        piece.add_range(start, start + _PIECE)
        piece &= numbers
        if len(piece):
            yield piece
        try:
            start = numbers.next_set_bit(start + _PIECE)
        except ValueError:
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m dispositions.compiled_register FILE COMPILED [--region ES] [--column NAME]`: compile in a process of
    its own, which leaves the caller's memory and its other threads alone. Prints the stamp as JSON; a file that
    cannot be taken is one line on standard error and 1."""
    parser = argparse.ArgumentParser(prog="python -m dispositions.compiled_register", description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("compiled", type=Path)
    parser.add_argument("--region")
    parser.add_argument("--column")
    given = parser.parse_args(arguments)
    try:
        stamp = compile_register(given.file, given.compiled, given.region, given.column)
    except ImportFileError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(asdict(stamp)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
