"""A small config that holds, and ways to spoil it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dialer.config.errors import ConfigErrors
from dialer.config.load import Config, load

GOOD = """\
[trunks.main]
address = "127.0.0.1:5080"
prefixes = ["+34"]

[agents.ana]
phone = "sip:ana@127.0.0.1:5070"

[lists.spring]
path = "spring.csv"
region = "ES"

[campaigns.promo]
lists = ["spring"]
trunks = ["main"]
caller_id = "+34910000000"
jurisdiction = "none"

[campaigns.promo.dispositions]
sold = { next = "sale" }
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a config (and the list that GOOD names) and returns its path."""

    def writer(text: str | bytes, name: str = "campaign.toml") -> Path:
        (tmp_path / "spring.csv").write_text("number\n+34600000001\n", encoding="utf-8")
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    return writer


@pytest.fixture
def good() -> str:
    return GOOD


@pytest.fixture
def loaded(write: Callable[[str], Path]) -> Callable[[str], Config]:
    """Loads a text that must hold."""
    return lambda text: load(write(text), environ={})


@pytest.fixture
def mistakes(write: Callable[[str], Path]) -> Callable[[str], list[str]]:
    """The error lines of a text, without the directory."""

    def find(text: str | bytes) -> list[str]:
        path = write(text)  # type: ignore[arg-type]
        with pytest.raises(ConfigErrors) as caught:
            load(path, environ={})
        lines = str(caught.value).splitlines()
        assert len(lines) == len(caught.value.errors)
        return [line.replace(f"{path.parent}/", "") for line in lines]

    return find
