"""What is wrong with a config file: values that print as `file:line:column: what is wrong, what is allowed`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dialer.config.secret import printable

#: Characters of a path that a message shows.
LONGEST_PATH = 400


def clip_start(file: str) -> str:
    """A path shortened at its start: its end says more."""
    return file if len(file) <= LONGEST_PATH else f"...{file[-LONGEST_PATH:]}"


@dataclass(frozen=True, slots=True, order=True)
class ConfigError:
    """One mistake. `line` and `column` count from 1, columns in characters; both are 1 when it is the whole file."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{printable(clip_start(self.file))}:{self.line}:{self.column}: {printable(self.message)}"

    def to_dict(self) -> dict[str, Any]:
        """The same as a JSON-able dict."""
        return {"file": self.file, "line": self.line, "column": self.column, "message": self.message}


class ConfigErrors(Exception):
    """All mistakes of a config file and its bases, in file order. `str()` gives one line for each."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors: tuple[ConfigError, ...] = tuple(sorted(set(errors)))
        super().__init__("\n".join(str(error) for error in self.errors))
