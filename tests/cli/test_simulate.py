"""`dialer simulate`: what to expect, from the options, the config, the store or a guess; one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispositions import CampaignPolicy, NewAttempt, NewContact, Outcome, Store
from pacing import Pacer
from pacing.laws import realistic
from pacing.simulate import full_time
from pacing.simulate import simulate as run_simulation

CONFIG = """
[store]
url = "sqlite:///store.db"
[trunks.t]
address = "127.0.0.1:5060"
prefixes = ["+1"]
lines = 20
price = 0.02
[agents.ana]
phone = "sip:ana@127.0.0.1:5070"
[agents.ben]
phone = "sip:ben@127.0.0.1:5071"
[lists.l]
region = "US"
[campaigns.spring]
lists = ["l"]
trunks = ["t"]
caller_id = "+12025550100"
jurisdiction = "none"
dispositions.sale = { next = "sale" }
"""
QUICK = ("--days", "1", "--hours", "1", "--contacts", "500", "--processes", "1")


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    path = tmp_path / "campaign.toml"
    path.write_text(CONFIG)
    return path


def test_table_page_and_assumptions(dialer, campaign: Path, tmp_path: Path) -> None:
    page = tmp_path / "expect.html"
    said = dialer("simulate", campaign, "--agents", 4, "--html", page, *QUICK)
    assert said.code == 0, said.err
    assert "> 4" in said.out
    assert "One agent more" in said.out
    assert "500 contacts last" in said.out
    assert "a guess: give --answer-rate" in said.out
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "<script" not in text
    assert text.count("<svg") >= 4


def test_one_agent_is_spoken_of_as_one(dialer, campaign: Path) -> None:
    said = dialer("simulate", campaign, "--agents", 1, *QUICK)
    assert said.code == 0, said.err
    assert "1 agent is busy" in said.out


def test_json_has_every_figure_and_repeats_with_its_seed(dialer, campaign: Path) -> None:
    first = dialer("simulate", campaign, "--json", "--seed", 5, *QUICK)
    assert first.code == 0, first.err
    found = first.json
    assert [team["agents"] for team in found["teams"]] == [1, 2, 3]
    own = found["teams"][1]
    assert 0.2 < own["occupancy"] < 1.0
    assert own["cost"] == pytest.approx(0.02 * own["billed"] / 60.0)
    assert found["one_agent_more"]["talks"] > 0
    assert found["list"]["contacts"] == 500
    assert found["assumed"]["agents"] == {"value": "2", "from": "the config's agents who may work here"}
    assert dialer("simulate", campaign, "--json", "--seed", 5, *QUICK).out == first.out
    assert dialer("simulate", campaign, "--json", "--seed", 6, *QUICK).out != first.out


def test_several_processes_find_the_same(dialer, campaign: Path) -> None:
    # days enough for several blocks, which may end in any order
    days = ("--days", "11", "--hours", "0.5", "--contacts", "500", "--processes")
    alone = dialer("simulate", campaign, "--json", "--agents", 1, *days, "1")
    beside = dialer("simulate", campaign, "--json", "--agents", 1, *days, "2")
    assert beside.out == alone.out


def test_what_the_store_has_seen_comes_before_a_guess(dialer, campaign: Path, tmp_path: Path) -> None:
    import time

    from dialer.config.build import build_campaigns
    from dialer.config.load import load

    policy = build_campaigns(load(campaign, outside=False))["spring"].policy
    assert isinstance(policy, CampaignPolicy)
    now = time.time()
    pacer = Pacer()
    run_simulation(pacer, realistic(0.4), full_time(2, 900.0), 900.0, 1)
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    store.register(policy)
    numbers = [f"+1202555{n:04d}" for n in range(100, 340)]
    with store.write() as tx:
        tx.add_contacts("spring", "l", [NewContact([number]) for number in numbers], now - 900, validity="possible")
    with store.write() as tx:
        claims = tx.claim("spring", 240, now - 800, now)
        tx.start_attempts(
            [NewAttempt(f"a{n:04d}", c.contact_id, c.number, f"id{n}") for n, c in enumerate(claims)], now - 800
        )
        tx.save_state("pacing/spring", pacer.state())
    with store.write() as tx:
        for n in range(len(claims)):
            if n % 3 == 0:
                tx.finish_attempt(f"a{n:04d}", Outcome.ANSWERED, now - 700, talk_seconds=60.0)
            else:
                tx.finish_attempt(f"a{n:04d}", Outcome.NO_ANSWER, now - 700)
    store.close()
    assert len(claims) == 240
    found = dialer("simulate", campaign, "--json", *QUICK).json["assumed"]
    assert found["people who answer"] == {"value": "33.3 % of the calls", "from": "the store: 240 calls"}
    assert found["mean talk"] == {"value": "60 s", "from": "the store: the last 80 talks"}
    assert found["pacer"]["value"] == "starts with what it learned"
    overridden = dialer("simulate", campaign, "--json", "--answer-rate", 0.1, "--talk", 90, *QUICK).json["assumed"]
    assert overridden["people who answer"]["from"] == "--answer-rate"
    assert overridden["mean talk"]["value"] == "90 s"


def test_the_lists_are_counted_when_nothing_is_said(dialer, config: Path) -> None:
    said = dialer("simulate", config, "--json", "--days", 1, "--hours", 1, "--processes", 1)
    assert said.code == 0, said.err
    assert said.json["assumed"]["contacts to dial"] == {"value": "2", "from": "the lists and the store"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--campaign", "autumn"], 1, "no campaign 'autumn'"),
        (["--html", "/nowhere/at/all.html", *QUICK], 1, "/nowhere/at/all.html"),
        (["--answer-rate", "0.9", "--machines", "0.5", *QUICK], 2, "lower the answer rate"),
        (["--agents", "0"], 2, "--agents"),
    ],
)
def test_mistakes_are_one_line(dialer, campaign: Path, arguments: list[str], code: int, words: str) -> None:
    said = dialer("simulate", campaign, *arguments)
    assert said.code == code
    assert words in said.err
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


def test_manual_campaigns_are_not_paced(dialer, campaign: Path) -> None:
    campaign.write_text(CONFIG + '[campaigns.spring.pacing]\nmode = "preview"\n')
    said = dialer("simulate", campaign, *QUICK, "--json")
    assert said.code == 1
    assert json.loads(said.out)["error"]["code"] == "not_paced"


def test_a_list_that_cannot_be_read_leaves_its_end_open(dialer, campaign: Path) -> None:
    campaign.write_text(CONFIG.replace('region = "US"', 'region = "US"\npath = "gone.csv"'))
    said = dialer("simulate", campaign, "--json", "--days", 1, "--hours", 1, "--processes", 1)
    assert said.code == 0, said.err
    assert said.json["list"] is None
    assert "give --contacts" in said.json["assumed"]["contacts to dial"]["from"]


def test_breaks_late_arrivals_and_callbacks(dialer, campaign: Path, tmp_path: Path) -> None:
    """Fewer agents at work, fewer talks, a list that lasts longer; in the table, the page and the JSON."""
    day = ("--days", 1, "--hours", 2, "--contacts", 300, "--processes", 1, "--agents", 5, "--seed", 3)
    promising = campaign.read_text() + 'dispositions.later = { next = "callback", after = "2h" }\n'
    campaign.write_text(promising)
    plain = dialer("simulate", campaign, "--json", *day).json
    page = tmp_path / "expect.html"
    wishes = ("--break", "30m/30m", "--break", "90m/15m", "--late", "20m", "--callbacks", "0.3")
    said = dialer("simulate", campaign, "--json", *wishes, *day)
    assert said.code == 0, said.err
    found = said.json
    own, before = found["teams"][1], plain["teams"][1]
    assert before["present"] == pytest.approx(5.0)
    # 45 of 120 minutes on a break, and 10 more before the agent comes
    assert own["present"] == pytest.approx(5 * (120 - 45 - 10) / 120, abs=0.6)
    assert own["connected"] < 0.8 * before["connected"]
    assert len(own["there"]) == 2
    assert found["assumed"]["breaks of each agent"]["value"] == "30 min after 0.5 h, 15 min after 1.5 h"
    assert found["assumed"]["talks that promise a callback"] == {"value": "30 %", "from": "--callbacks"}
    assert found["list"]["callbacks"] > 20
    assert plain["list"]["callbacks"] == 0
    assert found["list"]["days"] > plain["list"]["days"]
    shown = dialer("simulate", campaign, *wishes, "--html", page, *day)
    assert "Breaks and late arrivals leave" in shown.out
    assert "further talks are callbacks that were promised" in shown.out
    assert "Agents at work, by hour" in page.read_text()


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (("--break", "15m"), "is not AT/LENGTH"),
        (("--break", "noon/15m"), "is no duration"),
        (("--break", "7h/15m", "--hours", "2"), "does not fit into 2 h"),
        (("--late", "3 weeks"), "is no duration"),
        (("--late", "3h", "--hours", "2"), "do not fit into 2 h"),
        (("--callbacks", "1.5"), "0.9"),
    ],
)
def test_what_makes_no_sense_of_breaks_is_one_line(dialer, campaign: Path, wish: tuple[str, ...], says: str) -> None:
    found = dialer("simulate", campaign, "--contacts", 10, *wish)
    assert found.code == 2
    assert says in found.err
    assert "Traceback" not in found.err
