"""Two doors, the config file and the flags, times every class of bad input: one clear line and an exit code each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Dialer = Callable[..., Any]
CLASSES = ("missing", "malformed", "wrong type", "out of range", "too large", "hostile", "unauthenticated")


@dataclass(frozen=True, slots=True)
class Row:
    """What is spoiled in the config (`old` -> `new`, or the whole `content`), or which arguments are given, and what
    comes of it."""

    says: str
    code: int = 1
    old: str = ""
    new: str = ""
    content: bytes | None = None
    arguments: tuple[str, ...] = ("check", "CONFIG")


ROWS: dict[tuple[str, str], Row] = {
    ("config", "missing"): Row("c.toml:1:9: the key 'address' is missing", old='address = "127.0.0.1:9"\n'),
    ("config", "malformed"): Row("c.toml:3:12: not valid TOML", old='["+44"]', new="plus44"),
    ("config", "wrong type"): Row("c.toml:3:12: trunks.main.prefixes: got the text '+44'", old='["+44"]', new='"+44"'),
    ("config", "out of range"): Row(
        "c.toml:4:9: trunks.main.lines: got the number 0", old="\n\n", new="\nlines = 0\n\n"
    ),
    ("config", "too large"): Row("c.toml:1:1: larger than 4 MB", content=b"# " + b"x" * (4 << 20)),
    ("config", "hostile"): Row(
        "c.toml:6:9: agents.ana.phone: got the text", old="sip:ana@", new="sip:ana\\r\\nVia: evil\\u001b[31m@"
    ),
    ("config", "unauthenticated"): Row(
        "c.toml:23:10: http.listen: 0.0.0.0:", old='127.0.0.1:HTTP"\ntoken_file = "token"', new='0.0.0.0:80"'
    ),
    ("flag", "missing"): Row("Missing argument 'CONFIG'", code=2, arguments=("check",)),
    ("flag", "malformed"): Row(
        "'soon' is no time", code=2, arguments=("agent", "dispose", "CONFIG", "ana", "sold", "--callback-at", "soon")
    ),
    ("flag", "wrong type"): Row("is a directory", arguments=("check", "DIRECTORY")),
    ("flag", "out of range"): Row(
        "there is no list 'autumn'", code=2, arguments=("import", "CONFIG", "--list", "autumn")
    ),
    ("flag", "too large"): Row("File name too long", arguments=("check", "x" * 200_000)),
    ("flag", "hostile"): Row("no such file", arguments=("check", "a\r\n\x1b]0;evil\x07b\udcff")),
    ("flag", "unauthenticated"): Row(
        "this token is nobody's", arguments=("pause", "CONFIG", "promo", "--token-file", "OTHER")
    ),
}


def test_the_table_is_complete() -> None:
    assert set(ROWS) == {(door, kind) for door in ("config", "flag") for kind in CLASSES}


@pytest.mark.parametrize(("door", "kind"), ROWS)
def test_one_clear_line(door: str, kind: str, dialer: Dialer, config: Path, api: Any) -> None:
    row = ROWS[door, kind]
    other = config.parent / "other"
    other.write_text("a-token-of-nobody-at-all", encoding="ascii")
    other.chmod(0o600)
    if row.content is not None:
        config.write_bytes(row.content)
    elif row.old:
        text = config.read_text(encoding="utf-8")
        old = row.old.replace("HTTP", str(api.port))
        assert old in text
        config.write_text(text.replace(old, row.new, 1), encoding="utf-8")
    places = {"CONFIG": str(config), "DIRECTORY": str(config.parent), "OTHER": str(other)}
    said = dialer(*(places.get(argument, argument) for argument in row.arguments))
    assert said.code == row.code
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1, said
    assert row.says in lines[0]
    assert lines[0].isprintable()
    assert len(lines[0]) < 1500
