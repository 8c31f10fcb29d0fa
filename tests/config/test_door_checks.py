"""Mistakes in `[tokens.NAME]` and `[webhooks.NAME]`, each with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.config.build import build
from dialer.config.door_checks import KEEP_CHANGES, kept_changes
from dialer.config.load import Config, ConfigErrors, load

ROOT = Path(__file__).parents[2]
ENV = {"T1": "project-token-0001", "T2": "project-token-0002", "S": "the-key-of-the-hook"}
GOOD = """
[tokens.insurance]
token_env = "T1"
campaigns = ["spring"]
may = ["read", "tasks"]

[webhooks.crm]
url = "https://crm.example/hook"
secret_env = "S"
campaigns = ["spring"]
"""


def loaded(tmp_path: Path, table: str) -> Config:
    for name in ("contacts.csv", "do-not-call.txt"):
        (tmp_path / name).write_bytes((ROOT / "examples" / name).read_bytes())
    path = tmp_path / "doors.toml"
    path.write_text(f'base = "{ROOT}/examples/campaign.toml"\n{table}', encoding="utf-8")
    return load(path, environ=ENV)


def test_sound_tables_are_taken(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD)
    built = build(config, ENV)
    assert built.project_tokens["insurance"].reveal() == ENV["T1"]
    assert built.webhook_secrets["crm"].reveal() == ENV["S"]
    assert kept_changes(config.file) == KEEP_CHANGES
    assert "key-of-the-hook" not in repr(built)


def test_nothing_is_kept_where_nobody_asks(tmp_path: Path) -> None:
    assert kept_changes(loaded(tmp_path, "").file) == 0.0
    assert kept_changes(loaded(tmp_path, '[http]\nkeep_changes = "2d"\n').file) == 2 * 86400.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('campaigns = ["spring"]\nmay', 'campaigns = ["sprin"]\nmay', "did you mean 'spring'"),
        ('campaigns = ["spring"]\nmay', "campaigns = []\nmay", "campaigns"),
        ('may = ["read", "tasks"]', 'may = ["everything"]', "may"),
        ('token_env = "T1"\n', "", "no token"),
        ('token_env = "T1"', 'token_env = "T1"\ntoken_file = "x"', "one of them"),
        ('token_env = "T1"', 'token_env = "NOT_SET"', "NOT_SET is not set"),
        ('secret_env = "S"\n', "", "no secret"),
        ('secret_env = "S"\ncampaigns = ["spring"]', 'secret_env = "S"\ncampaigns = ["x"]', "no campaign 'x'"),
        ("https://crm.example/hook", "http://crm.example/hook", "readable"),
        ("https://crm.example/hook", "https://127.0.0.1/hook", "private address"),
        ("https://crm.example/hook", "https://[::1]/hook", "private address"),
        ("https://crm.example/hook", "https://localhost/hook", "private address"),
        ("https://crm.example/hook", "https://169.254.169.254/latest", "private address"),
        ("https://crm.example/hook", "https://me:pw@crm.example/", "holds a password"),
        ("https://crm.example/hook", "ftp://crm.example/", "not a URL"),
        ("https://crm.example/hook", "https://", "not a URL"),
        ("https://crm.example/hook", "https://[::1", "not a URL"),
        ("https://crm.example/hook", "https://crm.example:99999/", "not a URL"),
        ('secret_env = "S"', 'secret_env = "S"\ngive_up_after = "9d"', "kept for"),
        ('secret_env = "S"', 'secret_env = "S"\nevents = ["everything"]', "events"),
        ('secret_env = "S"', 'secret_env = "S"\nat_once = 0', "at_once"),
    ],
)
def test_each_mistake_is_told(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD
    with pytest.raises(ConfigErrors) as raised:
        loaded(tmp_path, GOOD.replace(old, new))
    assert any(message in str(error) for error in raised.value.errors), str(raised.value)


def test_two_projects_with_one_token(tmp_path: Path) -> None:
    second = '[tokens.bank]\ntoken_env = "T1"\ncampaigns = ["spring"]\n'
    with pytest.raises(ConfigErrors, match="the same token"):
        loaded(tmp_path, GOOD + second)


def test_a_private_address_may_be_allowed(tmp_path: Path) -> None:
    hook = GOOD.replace("https://crm.example/hook", "http://127.0.0.1:9/x") + "allow_private = true\n"
    assert loaded(tmp_path, hook).file.webhooks["crm"].allow_private
