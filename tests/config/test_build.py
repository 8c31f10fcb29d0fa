"""The rooms' values: the jurisdiction fills gaps, the campaign tightens, one factor scales, secrets stay hidden."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from dialer.config.build import RING_FLOOR, build
from dialer.config.errors import ConfigErrors
from dialer.config.load import Config, load
from dispositions import ContactState, NextState, Outcome
from pacing import PacingConfig

Loaded = Callable[[str], Config]
ROW = 'jurisdiction = "none"\n'


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_what_a_campaign_leaves_open(loaded: Loaded, good: str) -> None:
    built = build(loaded(good))
    campaign = built.campaigns["promo"]
    assert campaign.pacing is not None
    assert (campaign.abandon_cap, campaign.window, campaign.ring_floor) == (0.03, "day", RING_FLOOR)
    assert campaign.pacing.mode == "predictive"
    assert campaign.policy.abandoned_redial_delay == 72 * 3600
    assert campaign.policy.region == "ES"
    assert Path(campaign.prompt).is_file()
    assert campaign.policy.table.outcomes[Outcome.BUSY].next is NextState.RETRY
    assert Path(built.token_path).name == "api-token"


def test_the_jurisdiction_fills_and_limits(loaded: Loaded, good: str, write: Callable[[str], Path]) -> None:
    british = build(loaded(good.replace('"none"', '"uk"'))).campaigns["promo"]
    assert (british.abandon_cap, british.window, british.ring_floor) == (0.03, "24h", 15.0)
    assert british.policy.rules.timezone == "Europe/London"
    looser = good.replace(
        ROW,
        'jurisdiction = "uk"\npacing = { abandon_cap = 0.05, ring_floor = 10, patience = 3 }\n'
        'abandoned_redial_delay = "1h"\n',
    )
    with pytest.raises(ConfigErrors) as caught:
        load(write(looser), environ={})
    lines = [str(error).split("campaign.toml:")[1] for error in caught.value.errors]
    assert [line.split(": ")[0] for line in lines] == ["17:26", "17:45", "17:60", "18:26"]
    assert all("jurisdiction 'uk'" in line for line in lines)


def test_the_guard_of_ten_minutes_is_the_managers_to_tighten(loaded: Loaded, good: str) -> None:
    assert build(loaded(good)).campaigns["promo"].pacing.peak == PacingConfig().peak
    tighter = good.replace(ROW, f"{ROW}pacing.peak = 2\n")
    assert build(loaded(tighter)).campaigns["promo"].pacing.peak == 2.0


def test_hours_are_the_intersection(loaded: Loaded, good: str) -> None:
    own = (
        'jurisdiction = "uk"\nschedule = { hours = { mon = [{ start = "07:00", end = "12:00" }],'
        ' sat = [{ start = "18:00", end = "24:00" }] }, closed = [2026-06-15], close_at = 2026-06-30 }\n'
    )
    rules = build(loaded(good.replace(ROW, own))).campaigns["promo"].policy.rules
    zones = ("Europe/London",)
    open_at = {  # British summer time is an hour ahead of UTC
        "2026-06-08T06:30": False, "2026-06-08T07:30": True, "2026-06-08T11:30": False, "2026-06-09T09:00": False,
        "2026-06-13T18:30": True, "2026-06-13T20:30": False, "2026-06-15T08:00": False, "2026-07-06T08:00": False,
    }  # fmt: skip
    assert {moment: rules.is_open(zones, at(moment)) for moment in open_at} == open_at
    assert rules.last == date(2026, 6, 30)


def test_the_table_is_the_default_with_the_campaigns_lines(loaded: Loaded, good: str) -> None:
    text = (
        good.replace(
            ROW,
            ROW + 'redial_delay = "5m"\n'
            'outcomes.busy = { next = "retry", after = "5m", attempts = 3, exhausted = "bad_number" }\n'
            'outcomes.undisposed = { next = "done" }\n',
        )
        + 'later = { next = "callback", personal = true, label = "call again" }\n'
        'fax = { next = "retry", person = false }\n'
    )
    table = build(loaded(text)).campaigns["promo"].policy.table
    busy = table.outcomes[Outcome.BUSY]
    assert (busy.after, busy.attempts, busy.exhausted) == (300, 3, ContactState.BAD_NUMBER)
    assert table.undisposed.next is NextState.DONE
    later = table.codes["later"]
    assert (later.next, later.after, later.personal, later.description) == (
        NextState.CALLBACK,
        86400,
        True,
        "call again",
    )
    assert table.codes["fax"].relabel is Outcome.MACHINE


@pytest.mark.parametrize(
    ("mode", "extra", "expected"),
    [
        ("manual", "", None),
        ("preview", "", None),
        ("progressive", "", "progressive"),
        ("power", ", calls_per_agent = 2.5", "power"),
        ("zero", "", "zero"),
    ],
)
def test_pacing_modes(mode: str, extra: str, expected: str | None, loaded: Loaded, good: str) -> None:
    text = good.replace(ROW, f'{ROW}pacing = {{ mode = "{mode}"{extra} }}\n')
    pacing = build(loaded(text)).campaigns["promo"].pacing
    assert (None if pacing is None else pacing.mode) == expected
    if mode == "power":
        assert pacing is not None
        assert pacing.power == 2.5


def test_one_factor_scales_every_duration(loaded: Loaded, good: str) -> None:
    uk = good.replace('"none"', '"uk"')
    one, ten = build(loaded(uk)).campaigns["promo"], build(loaded("time_scale = 10\n" + uk)).campaigns["promo"]
    assert one.pacing is not None
    assert ten.pacing is not None
    long = [
        one.ring_floor, one.pacing.patience, one.pacing.ring_timeout, one.pacing.ring_floor, one.pacing.prior_ring,
        one.pacing.prior_handle, one.policy.redial_delay, one.policy.abandoned_redial_delay, one.policy.callback_grace,
        one.policy.callback_expiry, one.policy.table.outcomes[Outcome.BUSY].after, one.policy.table.undisposed_after,
    ]  # fmt: skip
    short = [
        ten.ring_floor, ten.pacing.patience, ten.pacing.ring_timeout, ten.pacing.ring_floor, ten.pacing.prior_ring,
        ten.pacing.prior_handle, ten.policy.redial_delay, ten.policy.abandoned_redial_delay, ten.policy.callback_grace,
        ten.policy.callback_expiry, ten.policy.table.outcomes[Outcome.BUSY].after, ten.policy.table.undisposed_after,
    ]  # fmt: skip
    assert [a / 10 for a in long if a is not None] == pytest.approx(short)
    assert ten.policy.max_attempts == one.policy.max_attempts
    assert ten.abandon_cap == one.abandon_cap


def test_a_scale_that_pacing_cannot_bear_is_told(loaded: Loaded, good: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        build(loaded("time_scale = 50\n" + good))
    assert "ring_timeout" in str(caught.value)
    assert "divided by time_scale 50" in str(caught.value)
    assert len(caught.value.errors) == 1


def test_secrets_do_not_show(write: Callable[[str], Path], good: str) -> None:
    text = (
        good.replace('"]\n\n', '"]\nusername = "u"\npassword_env = "TRUNK"\n\n', 1).replace(
            '5070"', '5070"\ntoken_env = "ANA"'
        )
        + '[http]\ntoken_env = "HTTP"\n[mqtt]\npassword_env = "MQTT"\nusername = "m"\ncommand_token_env = "COMMANDS"\n'
        '[store]\nurl = "postgresql://dialer:hush-db@db/dialer"\n'
    )
    environ = {name: f"hush-{name}-0123456789" for name in ("TRUNK", "ANA", "HTTP", "MQTT", "COMMANDS")}
    built = build(load(write(text), environ=environ), environ)
    assert built.passwords["main"].reveal() == "hush-TRUNK-0123456789"
    assert built.agent_tokens["ana"].reveal() == "hush-ANA-0123456789"
    assert built.supervisor_token is not None
    assert built.supervisor_token.reveal() == "hush-HTTP-0123456789"
    assert built.store_shown == "postgresql://dialer:***@db/dialer"
    shown = repr(built).replace("hush-db", "", 2)  # the URLs are needed whole; they are shown as store_shown
    assert "hush" not in shown


def test_a_secret_that_has_gone_since_is_one_line(write: Callable[[str], Path], good: str) -> None:
    config = load(write(good + '[http]\ntoken_env = "HTTP"\n'), environ={"HTTP": "x" * 16})
    with pytest.raises(ConfigErrors, match="HTTP is not set"):
        build(config, {})


DEBT = """promise = { next = "retry" }
machine = { next = "retry", after = "2h", person = false }
asked = { next = "callback", after = "1d" }
gone = { next = "retry", after = "14d" }
"""


def test_who_was_spoken_to_rests_as_long_as_the_place_says(
    loaded: Loaded, good: str, write: Callable[[str], Path]
) -> None:
    """Regulation F: none within seven days of a conversation, but a callback that the person asked for."""
    week = 7 * 86400.0
    table = build(loaded(good.replace("none", "us-debt") + DEBT)).campaigns["promo"].policy.table
    assert {code: table.codes[code].after for code in ("promise", "machine", "asked", "gone")} == {
        "promise": week, "machine": 7200.0, "asked": 86400.0, "gone": 2 * week,
    }  # fmt: skip
    assert table.undisposed.after == week
    assert table.outcomes[Outcome.BUSY].after is not None
    assert table.outcomes[Outcome.BUSY].after < week
    elsewhere = build(loaded(good.replace("none", "us") + DEBT)).campaigns["promo"].policy.table
    assert elsewhere.codes["promise"].after is None
    soon = good.replace("none", "us-debt") + DEBT.replace('next = "retry" }', 'next = "retry", after = "6d" }')
    soon += '[campaigns.promo.outcomes]\nundisposed = { next = "retry", after = "1d" }\n'
    with pytest.raises(ConfigErrors) as caught:
        load(write(soon), environ={})
    lines = [str(error) for error in caught.value.errors]
    assert len(lines) == 2
    assert all("jurisdiction 'us-debt'" in line and "at least 604800 s" in line for line in lines)
    assert "dispositions.promise.after" in lines[0]
    assert "outcomes.undisposed.after" in lines[1]


def test_a_project_has_a_do_not_call_list_of_its_own(loaded: Loaded, good: str, tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text("")
    policy = build(loaded(good)).campaigns["promo"].policy
    assert (policy.dnc_lists, policy.project_list) == ((), None)
    files = '[do_not_call.national]\npath = "n.txt"\nregion = "ES"\n'
    for row, wanted in (("", ("national",)), ("do_not_call = []\n", ())):
        text = good.replace(ROW, f'{ROW}project = "acme"\n{row}') + files
        policy = build(loaded(text)).campaigns["promo"].policy
        assert (policy.dnc_lists, policy.project_list) == (wanted, "project:acme")
    code = 'not_them = { next = "do_not_call", project = true }\n'
    text = good.replace(ROW, f'{ROW}project = "acme"\n') + code
    table = build(loaded(text)).campaigns["promo"].policy.table
    assert table.codes["not_them"].project
    assert "of its project" in table.diagram()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{ next = "do_not_call", project = true }', "campaign 'promo' belongs to no project"),
        ('{ next = "done", project = true }', "means nothing with next = 'done'"),
    ],
)
def test_a_mark_for_a_project_needs_one(line: str, says: str, good: str, write: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigErrors, match=says) as caught:
        load(write(f"{good}not_them = {line}\n"), environ={})
    assert f"campaign.toml:{good.count(chr(10)) + 1}:" in str(caught.value.errors[0])


def test_a_projects_token_marks_for_the_projects_of_its_campaigns(loaded: Loaded, good: str, tmp_path: Path) -> None:
    from dialer.door_keys import project_of

    (tmp_path / "t").write_text("0123456789abcdef")
    (tmp_path / "t").chmod(0o600)
    token = '[tokens.house]\ntoken_file = "t"\ncampaigns = ["promo"]\n'
    for row, wanted in (("", frozenset()), ('project = "acme"\n', frozenset({"acme"}))):
        config = loaded(good.replace(ROW, ROW + row) + token)
        built = build(config)
        assert project_of(built, "house").marks == wanted
