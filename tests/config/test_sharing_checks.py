"""Mistakes in what a file says of agents whom campaigns share, each at its key, and what is made of a sound one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.config.build import build
from dialer.config.load import Config, ConfigErrors, load

ROOT = Path(__file__).parents[2]
TEXT = """
time_scale = 10
[trunks.main]
address = "127.0.0.1:5070"
prefixes = ["+34"]
[agents.ana]
phone = "sip:ana@127.0.0.1:5071"
skills = ["catalan", "sales"]
[agents.ben]
phone = "sip:ben@127.0.0.1:5072"
campaigns = ["autumn"]
[agents.eva]
phone = "sip:eva@127.0.0.1:5073"
[lists.one]
region = "ES"
[lists.two]
region = "ES"
[sharing]
dwell = "3m"
[campaigns.spring]
lists = ["one"]
trunks = ["main"]
caller_id = "+34910000000"
jurisdiction = "none"
agents = ["ana", "eva"]
skills = ["catalan"]
[campaigns.spring.dispositions]
sold = { next = "sale" }
[campaigns.spring.sharing]
weight = 2
least_agents = 1
[campaigns.autumn]
lists = ["two"]
trunks = ["main"]
caller_id = "+34910000000"
jurisdiction = "none"
[campaigns.autumn.dispositions]
sold = { next = "sale" }
[campaigns.autumn.sharing]
least_agents = 2
most_agents = 5
"""


def loaded(tmp_path: Path, text: str = TEXT) -> Config:
    path = tmp_path / "shared.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_a_sound_file_is_taken(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    built = build(config)
    assert built.sharing.dwell == 18.0, "divided by time_scale, like every duration of the campaigns"
    assert (built.sharing.band, built.sharing.gain) == (1.0, 0.25)
    assert config.file.campaigns["spring"].sharing.weight == 2.0


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('skills = ["catalan"]', 'skills = ["catlan"]', "campaigns.spring.skills[0]", "did you mean 'catalan'"),
        ('skills = ["catalan", "sales"]', 'skills = ["sales"]', "campaigns.spring.skills[0]", "no agent has the skill"),
        ('agents = ["ana", "eva"]', 'agents = ["eva"]', "campaigns.spring", "nobody may work here"),
        ('agents = ["ana", "eva"]', "agents = []", "campaigns.spring.agents", "nobody may work here"),
        ('campaigns = ["autumn"]', 'campaigns = ["spring"]', "agents.ben.campaigns", "ben may work in none of these"),
        (
            "least_agents = 1",
            "least_agents = 2",
            "campaigns.spring.sharing.least_agents",
            "only 1 agents may work here",
        ),
        ("least_agents = 2", "least_agents = 3", "campaigns.autumn.sharing.least_agents", "promised 4 agents, of 3"),
        ("most_agents = 5", "most_agents = 1", "campaigns.autumn.sharing.least_agents", "more than most_agents (1)"),
        ("weight = 2", "weight = 0", "campaigns.spring.sharing.weight", "0"),
        ("weight = 2", "wieght = 2", "shared.toml:30:1:", "did you mean 'weight'"),
        ('dwell = "3m"', 'dwell = "3 moons"', "sharing.dwell", "duration"),
        ('dwell = "3m"', "gain = 2", "sharing.gain", "2"),
        (
            "least_agents = 2\nmost_agents = 5",
            'least_agents = 2\n[campaigns.autumn.pacing]\nmode = "preview"',
            "campaigns.autumn.sharing",
            "not shared in preview mode",
        ),
    ],
)
def test_each_mistake_has_its_place(tmp_path: Path, old: str, new: str, key: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, TEXT.replace(old, new, 1))
    found = [str(error) for error in caught.value.errors]
    assert any(key in line and message in line for line in found), found


def test_a_slip_is_told_once(tmp_path: Path) -> None:
    """An agent with a typo does not also leave a campaign without anybody."""
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, TEXT.replace('agents = ["ana", "eva"]', 'agents = ["anna"]'))
    assert len(caught.value.errors) == 1
