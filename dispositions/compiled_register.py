"""A do-not-call register of any size: a file of numbers, compiled into a bitmap that is loaded in a second.

A national register has hundreds of millions of lines and is replaced as a whole every month. Its numbers are no rows
of the store: the file is the truth, `compile_register` reads it once (best in a process of its own) and writes the
compiled form beside it, and `Register.load` takes that in piece by piece, so that while a fresh copy replaces the old
one no more than the two are in memory.

The compiled form: one line of JSON (`Stamp`), then pieces, each a length of 8 bytes and a CRC-32 of 4 (big-endian) and
a serialised 64-bit roaring bitmap.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from pyroaring import BitMap64

from dispositions.errors import ImportFileError, NumberError
from dispositions.number import normalise
from dispositions.plainlines import read_plain

_VERSION = 1
_BLOCK = 1 << 24
_PIECE = 1 << 27
"""numbers between the first and the last of a piece: at most 16 MB"""
_HEAD = struct.Struct(">QI")
_LONGEST_PIECE = 1 << 26
_LONGEST_LINE = 1000

Progress = Callable[[int, int, int], None]
"""Called now and then with (lines done, bytes done, bytes of the file)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a compiled register was made from. `size` and `mtime_ns`: of the file then."""

    version: int
    size: int
    mtime_ns: int
    region: str
    numbers: int
    lines: int
    refused: int


@dataclass(frozen=True, slots=True)
class RegisterReport:
    """What compiling did. `refused`: lines that are no numbers, the first of them in `examples` as (line, text)."""

    lines: int
    numbers: int
    refused: int
    examples: tuple[tuple[int, str], ...]
    seconds: float


def compiled_path(path: Path) -> Path:
    """Where the compiled form of the file at `path` is kept."""
    return path.with_name(f"{path.name}.numbers")


def is_stale(path: Path, region: str | None, compiled: Path | None = None) -> bool:
    """Whether the compiled form is not that of the file as it is now. Raises ImportFileError when there is no file."""
    stamp = read_stamp(compiled or compiled_path(path))
    status = _status(path)
    return stamp is None or (stamp.version, stamp.size, stamp.mtime_ns, stamp.region) != (
        _VERSION, status.st_size, status.st_mtime_ns, region or "",
    )  # fmt: skip


def read_stamp(compiled: Path) -> Stamp | None:
    """The stamp of a compiled register; None when there is none, or it is of another program."""
    try:
        with compiled.open("rb") as file:
            return Stamp(**json.loads(file.readline(_LONGEST_LINE)))
    except (OSError, ValueError, TypeError):
        return None


def compile_register(
    path: Path, region: str | None, compiled: Path | None = None, progress: Progress | None = None
) -> RegisterReport:
    """Read the file (one number a line; `region`: of numbers without a country code) and write its compiled form, whole
    or not at all. Lines that are no numbers are counted, not taken. Raises ImportFileError."""
    began = time.perf_counter()
    target = compiled or compiled_path(path)
    status = _status(path)
    numbers, lines, refused = BitMap64(), 0, 0
    examples: list[tuple[int, str]] = []
    for block, done in _blocks(path):
        plain, others = read_plain(block, region)
        if len(plain):
            plain.sort()  # three times as fast to take in
            numbers.update(plain.tolist())
        for index, text in others:
            read = _read(text, region)
            if read is None:
                refused += 1
                if len(examples) < 10:
                    examples.append((lines + index + 1, text[:80].decode("utf-8", "replace")))
            else:
                numbers.add(read)
        lines += block.count(b"\n")
        if progress is not None:
            progress(lines, done, status.st_size)
    if not len(numbers):
        raise ImportFileError(str(path), None, "there is not one number in it; is it the right file?")
    stamp = Stamp(_VERSION, status.st_size, status.st_mtime_ns, region or "", len(numbers), lines, refused)
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            file.write(json.dumps(asdict(stamp)).encode() + b"\n")
            for piece in _pieces(numbers):
                data = piece.serialize()
                file.write(_HEAD.pack(len(data), crc32(data)) + data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise ImportFileError(str(target), None, error.strerror or "cannot be written") from error
    return RegisterReport(lines, len(numbers), refused, tuple(examples), time.perf_counter() - began)


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


def _blocks(path: Path) -> Iterator[tuple[bytes, int]]:
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


def _read(text: bytes, region: str | None) -> int | None:
    line = text.decode("utf-8", "replace").strip().strip('"')
    try:
        return normalise(line, region, validity="possible", default_zone="UTC").digits
    except NumberError:
        return None


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
