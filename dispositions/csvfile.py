"""Reading a CSV that nobody vouches for: any delimiter, any encoding, broken quotes, NULs, endless lines.

Each record comes with the line that it began on; what cannot be read comes as a `Fault` with that line and a reason,
and the next line is read as if nothing had been. Only what makes the whole file unreadable raises."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dispositions.errors import ImportFileError

MAX_LINE = 262_144
"""Characters of one line; a longer one is refused and skipped."""
MAX_RECORD_LINES = 20
"""Lines that one quoted record may span; an unclosed quote costs no more than its own line."""
DELIMITERS = ",;\t|"
_SAMPLE = 262_144
_CHUNK = 1 << 20
_SOME = 65_536  # characters that are looked at together
_GROUP = 100  # lines with quotes that are; one that is odd costs so many the slow way
_LONGEST_CELL = 131_072  # the csv module's limit
_SURROGATE = re.compile("[\udc80-\udcff]")
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Record:
    """One row. `text` is the row as it stood in the file."""

    line: int
    cells: list[str]
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be read. `reason`: `line_too_long`, `nul`, `encoding`, `quotes`, `unclosed_quote`."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is written. `bytes`: its size."""

    encoding: str
    delimiter: str
    bytes: int


def detect(path: Path, encoding: str | None = None, delimiter: str | None = None) -> Format:
    """The file's encoding (byte-order mark, else UTF-8 if all of it is, else what charset-normalizer makes of the
    part that is not) and delimiter, where they are not given. Raises `ImportFileError`."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            chosen = encoding or _encoding(path, file)
            file.seek(0)
            sample = file.read(_SAMPLE)
    except OSError as error:
        raise ImportFileError(str(path), None, error.strerror or "cannot be read") from error
    try:
        codecs.lookup(chosen)
        text = sample.decode(chosen, errors="replace")
    except LookupError as error:
        raise ImportFileError(str(path), None, f"unknown encoding {chosen!r}") from error
    if not text.strip("\ufeff\r\n\t \x00"):
        raise ImportFileError(str(path), None, "the file is empty")
    return Format(chosen, delimiter or _delimiter(text), size)


def _encoding(path: Path, file: BinaryIO) -> str:
    head = file.read(4)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            # what is not UTF-8 says what it is; the rest may be plain ASCII for gigabytes
            around = chunk[max(0, error.start - 20_000) : error.start + 40_000]
            return _guess(path, around)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "utf-8"  # cut off inside a character: its line is refused
    return "utf-8"


def _guess(path: Path, sample: bytes) -> str:
    from charset_normalizer import from_bytes  # 50 ms that well-made files do not need

    matches = from_bytes(sample)
    best = matches.best()
    if best is None or b"\x00" in sample[:4096]:
        raise ImportFileError(str(path), None, "not a text file in any encoding known; name its encoding")
    # A few accents are evidence for several tables alike; then the commonest is meant.
    alike = {match.encoding for match in matches if match.chaos <= best.chaos + 0.02}
    return next((name for name in ("cp1252", "latin_1") if name in alike), str(best.encoding))


def _delimiter(text: str) -> str:
    """The delimiter that cuts the first lines into the same number of cells, more than one; `,` when none does."""
    lines = [line for line in text.splitlines()[:50] if line.strip()][:-1] or text.splitlines()[:1]
    best, most = ",", 0.0
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        # rows as wide as the header speak for it; among equals the wider header wins
        score = sum(width == widths[0] for width in widths) / len(widths) + widths[0] / 10_000
        if score > most:
            best, most = delimiter, score
    return best


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that stand together in the file: those that could be read, side by side as lines, cells and texts (as in
    `Record`), and those that could not."""

    lines: Sequence[int]
    cells: list[list[str]]
    texts: list[str]
    faults: list[Fault]

    def items(self) -> list[Record | Fault]:
        """All of it, in the order of the lines."""
        items: list[Record | Fault] = [*map(Record, self.lines, self.cells, self.texts), *self.faults]
        return sorted(items, key=_line_of) if self.faults else items


NO_ROWS = Block((), [], [], [])


class CsvFile:
    """The records of a file, once, in order.

    Nearly all lines of nearly all files hold nothing odd, so they are looked at and cut many at a time; only where
    there is anything odd are records read one by one."""

    def __init__(self, path: Path, form: Format) -> None:
        self.path, self.form = path, form
        self.bytes_done = 0
        self._line = 0
        self._ahead: deque[tuple[int, str] | Fault] = deque()
        # bytes that are no characters stay visible as lone surrogates (or U+FFFD, where the codec cannot do that)
        self._errors = "surrogateescape" if form.encoding.startswith("utf-8") else "replace"

    def __iter__(self) -> Iterator[Record | Fault]:
        for block in self.blocks():
            yield from block.items()

    def blocks(self) -> Generator[Block]:
        """The same, some thousand rows at a time. The first block has one row, as that may be a header."""
        try:
            with self.path.open("rb") as raw:
                self._raw = raw
                self._file = io.TextIOWrapper(raw, self.form.encoding, errors=self._errors, newline="")
                while (first := self._next()) is not None:
                    self._ahead.appendleft(first)
                    found = self._one_by_one(_line_of(first))
                    if found.lines or found.faults:
                        yield found
                        yield from self._blocks()
        except OSError as error:
            raise ImportFileError(str(self.path), self._line, error.strerror or "cannot be read") from error
        except UnicodeError as error:
            # a byte-order mark that promises what does not follow, UTF-16 cut off in mid-unit
            raise ImportFileError(str(self.path), self._line + 1, f"is not {self.form.encoding}: {error}") from error

    def _blocks(self) -> Iterator[Block]:
        while True:
            while self._ahead:
                group = [self._ahead.popleft() for _ in range(min(_GROUP, len(self._ahead)))]
                block = self._quoted(group)
                if block is None:
                    self._ahead.extendleft(reversed(group))
                    block = self._one_by_one(_line_of(group[-1]))
                yield block
            text = self._more()
            if not text:
                return
            plain = self._plain(text)
            if plain is None:
                self._push(text)
            else:
                yield plain

    def _more(self) -> str:
        """Some more of the file: whole lines, but for one that is too long. Empty at the end."""
        text = self._file.read(_SOME)
        if text and not text.endswith("\n"):
            begun = len(text) - 1 - max(text.rfind("\n"), text.rfind("\r"))
            text += self._file.readline(max(1, MAX_LINE + 1 - begun))
        self.bytes_done = self._raw.tell()
        return text

    def _push(self, text: str) -> None:
        """Put the lines of `text` up to be read next."""
        lines = _LINES.findall(text)
        start = self._line + 1
        self._line += len(lines)
        self._ahead.extend(enumerate(lines, start))
        last = lines[-1]
        if len(last) > MAX_LINE and not last.endswith(("\n", "\r")):
            self._ahead[-1] = Fault(self._line, "line_too_long", last[:200])
            while (more := self._file.readline(MAX_LINE)) and not more.endswith(("\n", "\r")):
                pass

    def _next(self) -> tuple[int, str] | Fault | None:
        if not self._ahead:
            text = self._more()
            if not text:
                return None
            self._push(text)
        return self._ahead.popleft()

    def _plain(self, text: str) -> Block | None:
        """The rows of lines without quotes, which are cut at each delimiter; None if anything is odd."""
        returns = text.count("\r")
        if '"' in text or "\x00" in text or returns != text.count("\r\n") or _undecoded(text, self._errors):
            return None
        lines = (text.replace("\r\n", "\n") if returns else text).split("\n")
        if not lines[-1]:
            lines.pop()
        if max(map(len, lines)) > _LONGEST_CELL:
            return None
        numbers: Sequence[int] = range(self._line + 1, self._line + 1 + len(lines))
        self._line += len(lines)
        if not all(map(str.strip, lines)):
            numbers = [number for number, line in zip(numbers, lines, strict=True) if line.strip()]
            lines = [line for line in lines if line.strip()]
        delimiter = self.form.delimiter
        return Block(numbers, [line.split(delimiter) for line in lines], lines, [])

    def _quoted(self, group: Sequence[tuple[int, str] | Fault]) -> Block | None:
        """The rows of lines with quotes; None if anything is odd, or a row has several lines."""
        good = [item for item in group if not isinstance(item, Fault) and item[1].strip()]
        texts = [text for _, text in good]
        whole = "".join(texts)
        if "\x00" in whole or _undecoded(whole, self._errors) or any(isinstance(item, Fault) for item in group):
            return None
        try:
            cells = list(csv.reader(texts, delimiter=self.form.delimiter, strict=True))
        except csv.Error:
            return None
        return Block([line for line, _ in good], cells, texts, []) if len(cells) == len(texts) else None

    def _one_by_one(self, last: int) -> Block:
        """The records that begin on lines up to `last`."""
        lines: list[int] = []
        cells: list[list[str]] = []
        texts: list[str] = []
        faults: list[Fault] = []
        while self._ahead and _line_of(self._ahead[0]) <= last:
            item = self._ahead.popleft()
            found = item if isinstance(item, Fault) else self._record(*item) if item[1].strip() else None
            if isinstance(found, Fault):
                faults.append(found)
            elif found is not None:
                lines.append(found.line)
                cells.append(found.cells)
                texts.append(found.text)
        return Block(lines, cells, texts, faults)

    def _record(self, line: int, text: str) -> Record | Fault:
        taken: list[tuple[int, str]] = []
        whole = text
        while True:
            try:
                rows = list(csv.reader([whole], delimiter=self.form.delimiter, strict=True))
                break
            except csv.Error as error:
                if "unexpected end of data" not in str(error):
                    return self._fault(line, "quotes", text, taken)
                following = self._next() if len(taken) < MAX_RECORD_LINES else None
                if following is None:
                    return self._fault(line, "unclosed_quote", text, taken)
                if isinstance(following, Fault):
                    self._ahead.appendleft(following)  # it is told of in its turn
                    return self._fault(line, "unclosed_quote", text, taken)
                taken.append(following)
                whole += following[1]
                if len(whole) > MAX_LINE:
                    return self._fault(line, "line_too_long", text, taken)
        if "\x00" in whole:
            return Fault(line, "nul", whole)
        if _undecoded(whole, self._errors):
            return Fault(line, "encoding", whole)
        return Record(line, rows[0] if rows else [], whole)

    def _fault(self, line: int, reason: str, text: str, taken: list[tuple[int, str]]) -> Fault:
        self._ahead.extendleft(reversed(taken))  # they are read again, as records of their own
        return Fault(line, reason, text)


def _undecoded(text: str, errors: str) -> bool:
    if text.isascii():
        return False
    if errors == "replace":
        return "\ufffd" in text
    return _SURROGATE.search(text) is not None


def _line_of(item: tuple[int, str] | Record | Fault) -> int:
    return item[0] if isinstance(item, tuple) else item.line
