"""`dialer init` makes what `dialer check` calls fit, wherever the people are, and never writes over anything."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Dialer = Callable[..., Any]


@pytest.mark.parametrize(
    ("country", "place", "prefix"),
    [
        ("US", "us", "+1"),
        ("gb", "uk", "+44"),
        ("ES", "es", "+34"),
        ("FR", "fr", "+33"),
        ("MX", "mx", "+52"),
        ("IT", "none", "+39"),
        ("DE", "none", "+49"),
    ],
)
def test_what_it_makes_is_fit_to_run(dialer: Dialer, tmp_path: Path, country: str, place: str, prefix: str) -> None:
    folder = tmp_path / "new" / "folder"
    said = dialer("init", folder, "--country", country)
    assert (said.code, said.err) == (0, "")
    assert f"dialer check {folder}/campaign.toml" in said.out
    config = tomllib.loads((folder / "campaign.toml").read_text(encoding="utf-8"))
    assert config["campaigns"]["first"]["jurisdiction"] == place
    assert config["trunks"]["carrier"]["prefixes"] == [prefix]
    checked = dialer("check", folder / "campaign.toml", "--json")
    assert checked.code == 0, checked.out
    report = checked.json
    assert report["ok"]
    assert sum(report["campaigns"]["first"]["contacts"].values()) == 3
    assert report["lists"]["leads"]["rejected"] == 0
    wants_consent = place in ("es", "fr")
    assert ("no_consent" in report["campaigns"]["first"]["contacts"]) is wants_consent
    assert ("lists.leads.consent" in (folder / "campaign.toml").read_text(encoding="utf-8")) is wants_consent


def test_nothing_is_overwritten(dialer: Dialer, tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("mine", encoding="utf-8")
    said = dialer("init", tmp_path)
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "contacts.csv is there already; nothing was written" in said.err
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".csv", ".toml", ".txt")] == ["contacts.csv"]
    assert (tmp_path / "contacts.csv").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("country", ["XX", "Spain", "", "../x"])
def test_a_country_that_is_none(dialer: Dialer, tmp_path: Path, country: str) -> None:
    said = dialer("init", tmp_path / "x", "--country", country)
    assert said.code == 1
    assert "write two letters" in said.err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_made(dialer: Dialer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = dialer("init", tmp_path / "file" / "below")
    assert said.code != 0
    assert "Traceback" not in said.err
