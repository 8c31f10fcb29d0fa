"""The command itself: quick help, and one line with the right exit code for every slip."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dialer.cli.group import COMMANDS, LazyGroup
from dialer.cli.group import dialer as group

ROOT = Path(__file__).parents[2]


def test_help_imports_nothing_heavy() -> None:
    """Counted in CPU time beside that of an interpreter which only loads click: other work must not decide."""
    loaded = "import sys, dialer.cli.group as g; g.run(['--help']); print(sorted(m for m in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=ROOT)
    modules = ran.stdout.rsplit("\n", 2)[-2]
    for heavy in ("numpy", "pydantic", "rich", "sqlalchemy", "httpx2", "fastapi", "tree_sitter", "asyncio"):
        assert f"'{heavy}'" not in modules
    ours, bare = (
        min(_cpu_seconds([sys.executable, *arguments]) for _ in range(5))
        for arguments in (["-m", "dialer", "--help"], ["-c", "import click"])
    )
    assert ours < 2 * bare


def _cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_every_command_can_be_had_and_says_what_it_does() -> None:
    import click

    assert isinstance(group, LazyGroup)
    context = click.Context(group)
    for name, entry in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None
        assert command.help
        assert len(entry.help) < 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chekc"], "There is no command 'chekc'. Did you mean 'check'?"),
        (["check"], "Missing argument 'CONFIG'"),
        (["check", "--optoins", "x"], "No such option '--optoins'"),
        (["agent", "logn", "x", "y"], "No such command 'logn'"),
        (["agent", "dispose", "x", "ana", "sold", "--callback-at", "tomorrow"], "'tomorrow' is no time"),
        (["agent", "dispose", "x", "ana", "sold", "--field", "tariff"], "'tariff' is no KEY=VALUE"),
        (["agent", "hand-over", "x", "ana", "ana"], "ana cannot hand a call over to ana"),
        (["add-contacts", "x", "promo"], "Give either FILE or --number"),
        (["dnc", "add", "x"], "Give NUMBERS or --file"),
        (["check", "a\r\nb\x1b[31m", "x", "y"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], says: str, dialer: Callable[..., object]) -> None:
    said = dialer(*arguments)
    assert (said.code, said.out) == (2, "")  # type: ignore[attr-defined]
    lines = said.err.splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1
    assert says in lines[0]
    assert lines[0].isprintable()
    assert re.match(r"dialer: .*", lines[0])


def test_version(dialer: Callable[..., object]) -> None:
    said = dialer("--version")
    assert re.fullmatch(r"dialer \d+\.\d+\.\d+\n", said.out)  # type: ignore[attr-defined]


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m dialer schema | head -c 1"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.stdout == "{"
    assert ran.stderr == ""
