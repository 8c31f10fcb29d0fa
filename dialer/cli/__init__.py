"""The command line. Importing this costs nothing: click comes with `main`, everything heavier with its command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the `dialer` command with `arguments` (default: the process's own) and leave with its exit code:
    0 well, 1 a problem, 2 wrong usage, 130 interrupted."""
    from dialer.cli.group import run

    raise SystemExit(run(arguments))
