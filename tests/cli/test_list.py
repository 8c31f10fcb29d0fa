"""`dialer list` and `dialer contact --erase` against a real store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Dialer = Callable[..., Any]


def test_report_tables_json_and_page(dialer: Dialer, nobody: Path, tmp_path: Path) -> None:
    dialer("import", nobody)
    said = dialer("list", "report", nobody)
    assert said.code == 0
    assert "Lists of promo" in said.out
    page = tmp_path / "lists.html"
    found = dialer("list", "report", nobody, "--json", "--html", page).json["promo"][0]
    assert (found["list"], found["total"], found["duplicates"], found["imported"]["rejected"]) == ("spring", 2, 1, 1)
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert "spring: contacts" in text
    assert dialer("list", "report", nobody, "--campaign", "nobody").code == 1
    assert dialer("list", "report", nobody, "--since", "tomorrow").code == 2


def test_forecast(dialer: Dialer, nobody: Path) -> None:
    dialer("import", nobody)
    assert "no calls of late" in dialer("list", "forecast", nobody).out
    found = dialer("list", "forecast", nobody, "--rate", "1", "--json").json["promo"]
    assert found["rate"] == 1
    assert found["dry_at"] is not None
    assert found["calls"] == 2
    assert "run out at" in dialer("list", "forecast", nobody, "--rate", "1").out


def test_export(dialer: Dialer, nobody: Path, tmp_path: Path) -> None:
    dialer("import", nobody)
    out = tmp_path / "out.csv"
    assert dialer("list", "export", nobody, out, "--json").json["contacts"] == 2
    assert "+447700900101" in out.read_text()
    assert dialer("list", "export", nobody, out, "--list", "autumn").code == 2
    assert dialer("list", "export", nobody, tmp_path / "no" / "out.csv").code == 1


def test_sync(dialer: Dialer, nobody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing to do" in dialer("list", "sync", nobody).err or dialer("list", "sync", nobody).code == 1
    dialer("import", nobody)
    said = dialer("list", "sync", nobody)
    assert (said.code, "no list has a" in said.err) == (2, True)
    text = nobody.read_text()
    table = '[lists.spring.database]\nurl_env = "CRM_URL"\ntable = "people"\nkey = "id"\nchanged_column = "version"\n'
    nobody.write_text(text.replace("[campaigns.promo]", f"{table}\n[campaigns.promo]", 1))
    monkeypatch.delenv("CRM_URL", raising=False)
    assert "set CRM_URL" in dialer("list", "sync", nobody).err
    crm = tmp_path / "crm.db"
    with sqlite3.connect(crm) as run:
        run.execute("CREATE TABLE people (id TEXT PRIMARY KEY, number TEXT, name TEXT, version INTEGER)")
        run.execute("INSERT INTO people VALUES ('7', '07700 900150', 'Cleo', 1)")
    run.close()
    monkeypatch.setenv("CRM_URL", f"sqlite:///{crm}")
    assert dialer("list", "sync", nobody, "--json").json[0]["added"] == 1
    assert dialer("list", "sync", nobody, "--json").json[0]["added"] == 0
    assert "promo" in dialer("list", "sync", nobody, "--list", "spring").out


def test_the_table_is_drawn(dialer: Dialer, nobody: Path) -> None:
    said = dialer("check", nobody, "--diagram")
    assert said.code == 0
    assert said.out.startswith("%% campaign promo\nflowchart LR\n")
    assert '["sold"]' in said.out
    assert dialer("check", nobody, "--diagram", "--json").json["promo"].startswith("flowchart LR")


def test_erase_keeps_the_mark(dialer: Dialer, nobody: Path) -> None:
    dialer("import", nobody)
    rejects = nobody.parent / "spring.csv.rejects.csv"
    before = rejects.read_text()
    with rejects.open("a") as stream:
        stream.write('9,bad_field,"07700 900101,Ada with her own hand"\n')
    said = dialer("contact", nobody, "+447700900101", "--erase", "--yes")
    assert said.code == 0
    assert "1 contacts forgotten, 1 numbers are never called again" in said.out
    assert rejects.read_text().splitlines() == before.splitlines()
    assert "1 rows taken out of " in said.out
    assert "list spring: " in said.out.split("look there yourself")[1]
    assert "is in no campaign" in dialer("contact", nobody, "+447700900101").err
    assert dialer("import", nobody, "--json").json[0]["do_not_call"] == 1
    again = json.loads(dialer("contact", nobody, "+447700900101", "--erase", "--yes", "--json").out)
    assert any("backups" in place for place in again.pop("also_look"))
    assert again == {
        "contacts": [], "sales_kept": 0, "marked": 1, "messages": 0, "rejects": {}, "rejects_failed": {},
    }  # fmt: skip
    assert dialer("contact", nobody, "12", "--erase", "--yes").code == 1
