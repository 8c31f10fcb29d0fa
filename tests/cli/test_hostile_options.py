"""Whatever is given as breaks, late arrivals, promised callbacks or a country: an answer, or one line that says what is
wrong. Never a traceback, never half a folder."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Dialer = Callable[..., Any]

QUIET = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
#: Without what no operating system passes on.
WORDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
UNITS = st.sampled_from(["", "s", "m", "h", "d", "ms", "M", " h", "min", "٣m", "²"])
TIMES = st.one_of(
    WORDS,
    st.builds("{}{}".format, st.one_of(st.integers(-(10**20), 10**20), st.floats(), st.integers(0, 20)), UNITS),
    st.sampled_from(["", "/", "0", "-0", "1e400", "9" * 400, "0x10", "1_0", "+5m", "nan", "inf", "--late", "5m/"]),
)
BREAKS = st.one_of(
    TIMES, st.builds("{}/{}".format, TIMES, TIMES), st.builds("{}m/{}m".format, *[st.integers(0, 9)] * 2)
)
SHARES = st.one_of(TIMES, st.floats().map(str), st.sampled_from(["0", "0.9", "0.91", "50%", ".5"]))
CONFIG = """
[store]
url = "sqlite:///store.db"
[trunks.t]
address = "127.0.0.1:5060"
prefixes = ["+1"]
lines = 20
[agents.ana]
phone = "sip:ana@127.0.0.1:5070"
[lists.l]
region = "US"
[campaigns.spring]
lists = ["l"]
trunks = ["t"]
caller_id = "+12025550100"
jurisdiction = "none"
dispositions.later = { next = "callback" }
"""


def one_line(said: Any) -> None:
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert said.err.strip().isprintable(), said.err
    assert len(said.err) < 1000


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    path = tmp_path / "campaign.toml"
    path.write_text(CONFIG)
    return path


@QUIET
@given(breaks=st.lists(BREAKS, max_size=3), late=st.one_of(st.none(), TIMES), callbacks=st.one_of(st.none(), SHARES))
def test_what_a_day_may_look_like(
    dialer: Dialer, campaign: Path, breaks: list[str], late: str | None, callbacks: str | None
) -> None:
    day = ("--days", 1, "--hours", 0.2, "--contacts", 5, "--processes", 1, "--agents", 1, "--json")
    wishes = [f"--break={text}" for text in breaks]
    wishes += [f"--late={late}"] * (late is not None) + [f"--callbacks={callbacks}"] * (callbacks is not None)
    said = dialer("simulate", campaign, *day, *wishes)
    if said.code == 0:
        teams = said.json["teams"]
        assert all(0.0 <= team["present"] <= team["agents"] for team in teams)
    else:
        assert said.code == 2
        plain = dialer("simulate", campaign, *day[:-1], *wishes)
        assert plain.code == 2
        one_line(plain)


@QUIET
@given(country=st.one_of(WORDS, st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh", min_size=2, max_size=2)))
def test_any_country(dialer: Dialer, country: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "new"
        said = dialer("init", folder, f"--country={country}")
        if said.code:
            one_line(said)
            assert not folder.exists()
            return
        made = tomllib.loads((folder / "campaign.toml").read_text(encoding="utf-8"))
        assert made["lists"]["leads"]["region"] == country.strip().upper()
        checked = dialer("check", folder / "campaign.toml", "--json")
        assert checked.json["ok"], checked.out
