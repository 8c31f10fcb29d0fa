"""docs/config.md says what the model says."""

from __future__ import annotations

from pathlib import Path

from dialer.config.reference import reference
from dialer.config.schema import json_schema

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m dialer.config.reference > docs/config.md"


def test_every_key_says_what_it_means() -> None:
    tables = {"the file": json_schema(), **json_schema()["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, table in tables.items()
        for key, node in table["properties"].items()
        if not node.get("description")
    ]
    assert silent == []
