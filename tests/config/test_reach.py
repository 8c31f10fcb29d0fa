"""A running dialer's address and token are found in a file that is full of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.config.errors import ConfigErrors
from dialer.config.reach import reach

HTTP = '[http]\nlisten = "127.0.0.1:8123"\ntoken_file = "secret"\n[store]\nurl = "sqlite:///data/x.db"\n'

BROKEN: dict[str, str] = {
    "an unknown key": HTTP + "[http2]\nx = 1\n",
    "no campaign": HTTP,
    "an unknown key beside them": HTTP.replace("[store]", "colour = 3\n[store]"),
    "a value that is none": "[trunks.main]\nprefixes = nonsense here\n" + HTTP,
    "a broken header": "[trunks.main\nprefixes = 1\n" + HTTP,
    "many broken lines": "what\nis\nthis\n" + HTTP + "[sip]\nand = = that\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_address_and_token_are_found_beside_a_mistake(case: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(BROKEN[case], encoding="utf-8")
    found = reach(file)
    assert found.ignored
    assert found.http.listen == "127.0.0.1:8123"
    assert found.http.token_file == str(tmp_path / "secret")
    assert found.store_url == f"sqlite:///{tmp_path}/data/x.db"


def test_what_a_base_says_counts_too(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "b.toml").write_text(HTTP, encoding="utf-8")
    file = tmp_path / "c.toml"
    file.write_text('base = "base/b.toml"\nnonsense = 1\n[http]\nlisten = "127.0.0.1:8200"\n', encoding="utf-8")
    found = reach(file)
    assert found.http.listen == "127.0.0.1:8200"
    assert found.store_url == f"sqlite:///{tmp_path}/base/data/x.db"
    file.write_text('base = "gone.toml"\n[http]\nlisten = "127.0.0.1:8200"\n', encoding="utf-8")
    assert reach(file).http.listen == "127.0.0.1:8200"
    file.write_text('base = "c.toml"\n[http]\nlisten = "127.0.0.1:8200"\n', encoding="utf-8")
    assert reach(file).http.listen == "127.0.0.1:8200"


def test_a_key_of_theirs_that_is_wrong_is_its_default(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[http]\nlisten = 5\n[store]\nurl = ["x"]\n', encoding="utf-8")
    found = reach(file)
    assert found.http.listen.startswith("127.0.0.1:")
    assert found.store_url.startswith(f"sqlite:///{tmp_path}/")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_is_none_is_a_mistake(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigErrors):
        reach(file)
