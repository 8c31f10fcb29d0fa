"""`dialer report`: tables, JSON and a page from a store; one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dialer.cli.group import run
from dispositions import CampaignPolicy, NewContact, Store

CONFIG = """
[store]
url = "sqlite:///store.db"
[trunks.t]
address = "127.0.0.1:5060"
prefixes = ["+1"]
[agents.ana]
phone = "sip:ana@127.0.0.1:5070"
[lists.l]
region = "US"
[campaigns.spring]
lists = ["l"]
trunks = ["t"]
caller_id = "+12025550100"
jurisdiction = "none"
dispositions.sale = { next = "sale" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "campaign.toml"
    path.write_text(CONFIG)
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    store.register(CampaignPolicy("spring"))
    with store.write() as tx:
        tx.add_contacts(
            "spring", "l", [NewContact(["+12025550101"]), NewContact(["+12025550102"])], 0.0, validity="possible"
        )
    store.close()
    return path


def test_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(config), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["contacts"] == {"ready": 2}
    assert result["calls_placed"] == 0
    assert result["callback_promises"] == {"due": 0, "in_time": 0, "reached": 0, "share": None, "within_seconds": 300.0}
    assert "lost" not in result, "without a carrier's log nobody can know"


def test_tables_and_page(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert run(["report", str(config), "--html", str(page), "--days", "7"]) == 0
    assert "calls placed" in capsys.readouterr().out
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--campaign", "autumn"], "no campaign 'autumn'"), (["--html", "/nowhere/at/all.html"], "/nowhere/at/all.html")],
)
def test_mistakes_are_one_line(
    config: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(config), *arguments]) == 1
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1


def test_no_store_yet(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store.db").unlink()
    assert run(["report", str(config)]) == 1
    assert "there is no store" in capsys.readouterr().err
    assert not (tmp_path / "store.db").exists()
