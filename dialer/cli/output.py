"""How commands speak: one line for a mistake, a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from dialer.config.secret import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Characters in a line of a table that goes into a file.
PIPE_WIDTH = 160

F = TypeVar("F", bound=Callable[..., Any])


class Failure(Exception):
    """A command that cannot do its work. `message` is one line that says what to do; `code` is for programs; `details`:
    where several things are wrong, each in a line of its own, shown instead of the message.
    """

    def __init__(self, message: str, *, code: str = "failed", exit_code: int = 1, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message, self.code, self.exit_code, self.details = message, code, exit_code, tuple(details)


_json_wanted = False


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    global _json_wanted
    _json_wanted = value
    return value


def json_option(command: F) -> F:
    """Adds `--json` as the argument `as_json`."""
    option = click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=_remember, help="Print JSON, errors included."
    )
    return option(command)


def ask_for_json() -> bool:
    """Whether the command that runs was given --json, so that its failure is JSON, too."""
    return _json_wanted


def forget() -> None:
    """A new command line begins: forget what the one before asked for."""
    global _json_wanted
    _json_wanted = False


def config_argument(command: F) -> F:
    """Adds the argument CONFIG as `config_path`. Whether the file is there is for the loader to say."""
    return click.argument("config_path", metavar="CONFIG", type=click.Path(path_type=str))(command)


def fail_line(message: str) -> None:
    """One line on standard error."""
    click.echo(f"dialer: {printable(message)}", err=True)


def show_failure(failure: Failure) -> None:
    """The failure as JSON on standard output when JSON was asked for, in the shape of all doors; else on standard error
    as one line, or as the lines of its details.
    """
    if ask_for_json():
        details = {"details": list(failure.details)} if failure.details else {}
        print_json({"error": {"code": failure.code, "message": failure.message, **details}})
    elif failure.details:
        for line in failure.details:
            click.echo(printable(line), err=True)
    else:
        fail_line(failure.message)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """A table for people. Cells are shown as they are: no markup, no control characters."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        right = column.endswith("#")
        drawn.add_column(column.rstrip("#").strip(), justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    return drawn


def show(*parts: RenderableType) -> None:
    """Print tables and lines for people; colours only on a terminal."""
    from rich.console import Console

    # A pipe has no width: rich would fold everything at 80.
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def seconds(value: float | None) -> str:
    """A duration for people: 45 s, 15 min, 3 h, 2 d."""
    if value is None:
        return ""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} s"


def when(at: float | None, to: Literal["seconds", "minutes"] = "seconds") -> str:
    """An instant (epoch seconds) in this machine's zone for people; empty for none."""
    return "" if at is None else datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec=to)
