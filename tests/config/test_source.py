"""Mistakes of TOML's syntax: all that are mistakes of their own, where they stand, with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.config.errors import ConfigErrors
from dialer.config.source import read_source


def errors(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigErrors) as caught:
        read_source(path, "c")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a = \n", "c:1:5:", "a value must follow the ="),
        ("a = 1\nb = hello\n", "c:2:5:", 'text needs quotes: "..."'),
        ("a = True\n", "c:1:5:", "small letters"),
        ("a = “x”\n", "c:1:5:", "straight quotes"),
        ("just words\n", "c:1:6:", ""),
        ("a = 1\na = 2\n", "c:2:6:", ""),
        ("[a]\nx = 1\n[a]\ny = 1\n", "c:3:3:", ""),
        ('a = "open\n', "c:1:10:", ""),
        ("a = [1, 2\n", "c:1:10:", ""),
        ("[open\nx = 1\n", "c:1:6:", ""),
        ("caller id = 5\n", "c:1:8:", "a key with spaces needs quotes"),
    ],
)
def test_one_mistake_of_syntax(text: str, place: str, says: str, tmp_path: Path) -> None:
    lines = errors(tmp_path, text)
    assert len(lines) == 1
    assert lines[0].startswith(f"{place} not valid TOML: ")
    assert says in lines[0]


def test_several_mistakes_of_syntax_at_once(tmp_path: Path) -> None:
    lines = errors(tmp_path, 'a = \nb = 1\nc = hello\n[t\nx = 1\nb = 2\n[u]\nx = "1\n')
    assert [line.split(":")[1] for line in lines] == ["1", "3", "4", "8"]


def test_an_array_that_is_never_closed_is_one_mistake(tmp_path: Path) -> None:
    text = 'lists = ["a",\ntrunks = ["b"]\n[x]\ny = 1\n[z]\nk = 5\n'
    assert len(errors(tmp_path, text)) <= 2


def test_a_table_that_comes_twice_is_named_as_it_is_written(tmp_path: Path) -> None:
    (line,) = errors(tmp_path, "[campaigns.a]\nx = 1\n[campaigns.a]\n")
    assert line.endswith("not valid TOML: cannot declare 'campaigns.a' twice")
