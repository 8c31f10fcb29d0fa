"""One TOML file as read from disk: its values, its positions, and every mistake of its syntax."""

from __future__ import annotations

import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialer.config.errors import ConfigError, ConfigErrors
from dialer.config.positions import Positions, find_positions

MAX_BYTES = 4 * 1024 * 1024
#: After so many mistakes of syntax a file is something else than TOML.
MAX_SYNTAX_ERRORS = 20

#: tomllib names a table as Python would print its keys.
_KEYS = re.compile(r"\('[^()]*'\,?\)")
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_HEADER = re.compile(r"^\s*\[")


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file. `data` is what tomllib gives; `positions` has an entry for each key path in it."""

    path: Path
    data: dict[str, Any]
    positions: Positions


def read_source(path: Path, shown: str | None = None) -> Source:
    """Read and parse `path`; `shown` is how messages call it. Raises ConfigErrors with all mistakes of the syntax."""
    name = str(path) if shown is None else shown
    data = _read_bytes(path, name)
    text = _decode(data, name)
    try:
        values = tomllib.loads(text)
        return Source(path, values, find_positions(name, text.encode("utf-8")))
    except RecursionError:
        raise ConfigErrors(
            [ConfigError(name, 1, 1, "values are nested too deeply; a config needs six levels")]
        ) from None
    except ValueError:
        raise ConfigErrors(_syntax_errors(name, text)) from None


def legible(path: Path) -> dict[str, Any]:
    """The values of `path` without the lines that are no TOML. Raises ConfigErrors when it is no text file."""
    name = str(path)
    lines = _decode(_read_bytes(path, name), name).split("\n")
    for _ in range(MAX_SYNTAX_ERRORS):
        try:
            return tomllib.loads("\n".join(lines))
        except RecursionError:
            break
        except tomllib.TOMLDecodeError as error:
            # nothing that is of use is said below a line which breaks twice
            line = _located(name, lines, str(error)).line
            if not _blankable(lines, line):
                break
            _take_out(lines, line)
        except ValueError:
            break
    return {}


def _read_bytes(path: Path, name: str) -> bytes:
    def refuse(what: str) -> ConfigErrors:
        return ConfigErrors([ConfigError(name, 1, 1, what)])

    try:
        # A FIFO or a device would block or never end: look before opening.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise refuse("this is a directory; a TOML file is needed")
        if not stat.S_ISREG(mode):
            raise refuse("this is not a regular file; a TOML file is needed")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise refuse("no such file") from None
    except PermissionError:
        raise refuse("this file may not be read by the user who runs the dialer") from None
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise refuse("a file name may not hold a NUL") from None
    if len(data) > MAX_BYTES:
        raise refuse(
            f"larger than {MAX_BYTES // 1024 // 1024} MB; contacts belong into a list file, not into the config"
        )
    return data


def _decode(data: bytes, name: str) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        raise ConfigErrors([ConfigError(name, 1, 1, "begins with a byte order mark; save it as UTF-8 without BOM")])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigErrors([ConfigError(name, 1, 1, "is UTF-16; save it as UTF-8 without BOM")])
    try:
        # tomllib refuses a lone CR; CRLF is fine and would shift no column.
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ConfigErrors([ConfigError(name, line, column, what)]) from None


def _syntax_errors(name: str, text: str) -> list[ConfigError]:
    """tomllib stops at its first mistake: blank that line and go on, as long as the next is a mistake of its own."""
    lines = text.split("\n")
    errors: list[ConfigError] = []
    while len(errors) < MAX_SYNTAX_ERRORS:
        try:
            tomllib.loads("\n".join(lines))
            break
        except RecursionError:
            errors.append(ConfigError(name, 1, 1, "values are nested too deeply; a config needs six levels"))
            break
        except tomllib.TOMLDecodeError as error:
            found = _located(name, lines, str(error))
        except ValueError as error:
            # int() on thousands of digits: tomllib lets it through without a place.
            found = ConfigError(name, 1, 1, f"not valid TOML: {error}")
        if errors and (found.line <= errors[-1].line or found.message == errors[-1].message):
            break  # an echo of the mistake before, such as an array that is never closed
        errors.append(found)
        if found.line == 1 and found.column == 1 and not _blankable(lines, found.line):
            break
        _take_out(lines, found.line)
    return errors


def _take_out(lines: list[str], line: int) -> None:
    # A broken header must go on being a header, or its keys would fall into the table before.
    lines[line - 1] = f"[_broken_{line}]" if _HEADER.match(lines[line - 1]) else ""


def _blankable(lines: list[str], line: int) -> bool:
    return bool(lines[line - 1].strip())


def _located(name: str, lines: list[str], message: str) -> ConfigError:
    match = _WHERE.search(message)
    what = message[: match.start()] if match else message
    what = _KEYS.sub(lambda found: "'" + ".".join(re.findall(r"'([^']*)'", found[0])) + "'", what)
    if match is None or match.group(1) is None:
        line = max((number for number, text in enumerate(lines, 1) if text.strip()), default=1)
        column = len(lines[line - 1]) + 1
    else:
        line, column = int(match.group(1)), int(match.group(2))
        # At the end of a line tomllib may point at the line break or at the next line's start.
        while line > 1 and column == 1 and not lines[line - 1].strip():
            line -= 1
            column = len(lines[line - 1]) + 1
    return ConfigError(
        name,
        min(line, len(lines)),
        column,
        f"not valid TOML: {what[:1].lower()}{what[1:]}{_hint(lines[min(line, len(lines)) - 1])}",
    )


def _hint(line: str) -> str:
    """What people usually meant, for the commonest slips."""
    key, equals, value = line.partition("=")
    value = value.strip()
    if not equals:
        return "" if line.lstrip().startswith("[") else "; a line is KEY = VALUE or a [table] header"
    if value[:1] in ("“", "”", "‘", "’"):
        return "; use straight quotes"
    if value in ("True", "False"):
        return "; write true or false in small letters"
    if value == "":
        return "; a value must follow the ="
    if value[:1].isalpha() and value.split(" ")[0] not in ("true", "false", "inf", "nan"):
        return '; text needs quotes: "..."'
    if " " in key.strip() and key.strip()[:1] not in ('"', "'"):
        return "; a key with spaces needs quotes"
    return ""
