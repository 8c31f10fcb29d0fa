"""Every mistake at its line and column, all of them at once, each saying what is allowed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dialer.config.errors import ConfigErrors
from dialer.config.load import Config, load

Mistakes = Callable[[str | bytes], list[str]]
Loaded = Callable[[str], Config]


def test_a_good_file_holds(loaded: Loaded, good: str, tmp_path: Path) -> None:
    config = loaded(good)
    assert config.file.campaigns["promo"].lists == ["spring"]
    assert config.file.lists["spring"].path == str(tmp_path / "spring.csv")
    assert config.file.store.url == f"sqlite:///{tmp_path}/var/dialer.db"
    place = config.place("campaigns", "promo", "caller_id")
    assert (place.line, place.column) == (15, 13)


#: name -> (what replaces what in GOOD, the beginning of the one error line, something that it must say)
ONE_MISTAKE: dict[str, tuple[str, str, str, str]] = {
    "unknown key": ("prefixes =", "prefixs =", "campaign.toml:3:1: unknown key 'prefixs'", "did you mean 'prefixes'?"),
    "unknown table": ("[agents.ana]", "[agent.ana]", "campaign.toml:5:2: unknown key 'agent' in the file", "'agents'?"),
    "text for a number": (
        '"]\n',
        '"]\nlines = "30"\n',
        "campaign.toml:4:9: trunks.main.lines: got the text '30'",
        "without quotes: 30",
    ),
    "number for a text": (
        '"+34910000000"',
        "34910000000",
        "campaign.toml:15:13: campaigns.promo.caller_id: got the number 34910000000",
        "in quotes",
    ),
    "fraction for a whole number": (
        '"]\n',
        '"]\nlines = 2.5\n',
        "campaign.toml:4:9: trunks.main.lines: got the number 2.5",
        "a whole number from 1 to 100000",
    ),
    "truth for a number": (
        '"]\n',
        '"]\nlines = true\n',
        "campaign.toml:4:9: trunks.main.lines: got true",
        "a whole number",
    ),
    "table for a text": (
        '"127.0.0.1:5080"',
        "{ host = 1 }",
        "campaign.toml:2:11: trunks.main.address: got a table",
        "'host:port'",
    ),
    "text for a list": (
        '["spring"]',
        '"spring"',
        "campaign.toml:13:9: campaigns.promo.lists: got the text 'spring'",
        "a list",
    ),
    "text for a table": (
        '[agents.ana]\nphone = "sip:ana@127.0.0.1:5070"',
        '[agents]\nana = "sip:x"',
        "campaign.toml:6:7: agents.ana: got the text 'sip:x'",
        "a table",
    ),
    "below the range": (
        '"]\n',
        '"]\nlines = 0\n',
        "campaign.toml:4:9: trunks.main.lines: got the number 0",
        "from 1 to 100000",
    ),
    "not a number": (
        '"]\n',
        '"]\nprice = nan\n',
        "campaign.toml:4:9: trunks.main.price: got the number nan",
        "from 0 on",
    ),
    "infinite": ('"]\n', '"]\nprice = inf\n', "campaign.toml:4:9: trunks.main.price: got the number inf", "a number"),
    "hostile number": (
        '"]\n',
        f'"]\nlines = {"9" * 4000}\n',
        "campaign.toml:4:9: trunks.main.lines: got a number beyond 10^18",
        "1 to 100000",
    ),
    "port too large": (
        ":5080",
        ":70000",
        "campaign.toml:2:11: trunks.main.address: got the text '127.0.0.1:70000'",
        "at most 65535",
    ),
    "header injection": ("sip:ana@", "sip:ana\\r\\nX: y@", "campaign.toml:6:9: agents.ana.phone", "a SIP address"),
    "control character": (
        '"]\n',
        '"]\nusername = "a\\u0007b"\n',
        "campaign.toml:4:12: trunks.main.username",
        "control characters",
    ),
    "digits of another script": (
        '"+34910000000"',
        '"+٣٤٩١"',
        "campaign.toml:15:13: campaigns.promo.caller_id",
        "2 to 15 digits",
    ),
    "one of a few": (
        '"none"',
        '"none"\npacing.mode = "predictve"',
        "campaign.toml:17:15: campaigns.promo.pacing.mode",
        "did you mean 'predictive'?",
    ),
    "missing key": (
        'region = "ES"\n',
        "",
        "campaign.toml:8:8: the key 'region' is missing in [lists.spring]",
        "two capital letters",
    ),
    "empty list": ('["main"]', "[]", "campaign.toml:14:10: campaigns.promo.trunks: the list is empty", "at least one"),
    "unknown trunk": (
        '["main"]',
        '["mian"]',
        "campaign.toml:14:11: campaigns.promo.trunks[0]: there is no trunk 'mian'",
        "did you mean 'main'?",
    ),
    "unknown list": (
        '["spring"]',
        '["autumn"]',
        "campaign.toml:13:10: campaigns.promo.lists[0]: there is no list",
        "'spring'",
    ),
    "unknown agent": (
        '"none"',
        '"none"\nagents = ["anna"]',
        "campaign.toml:17:11: campaigns.promo.agents[0]: there is no agent 'anna'",
        "'ana'?",
    ),
    "unknown do-not-call list": (
        '"none"',
        '"none"\ndo_not_call = ["robinson"]',
        "campaign.toml:17:16: campaigns.promo.do_not_call[0]",
        "there is no [do_not_call.NAME] table",
    ),
    "unknown jurisdiction": ('"none"', '"nonne"', "campaign.toml:16:16: campaigns.promo.jurisdiction", "'none'?"),
    "unknown campaign": (
        '5070"',
        '5070"\ncampaigns = ["promos"]',
        "campaign.toml:7:14: agents.ana.campaigns[0]",
        "'promo'?",
    ),
    "named twice": (
        '["main"]',
        '["main", "main"]',
        "campaign.toml:14:19: campaigns.promo.trunks[1]: 'main' is named twice",
        "once",
    ),
    "nobody works": ('"none"', '"none"\nagents = []', "campaign.toml:17:10: campaigns.promo.agents: nobody", "'all'"),
    "power without its number": (
        '"none"',
        '"none"\npacing = { mode = "power" }',
        "campaign.toml:17:19: campaigns.promo.pacing.mode: power mode needs calls_per_agent",
        "from 1 to 20",
    ),
    "floor above time-out": (
        '"none"',
        '"none"\npacing = { ring_floor = 30 }',
        "campaign.toml:17:25: campaigns.promo.pacing.ring_floor",
        "less than ring_timeout",
    ),
    "bad duration": (
        '"none"',
        '"none"\nredial_delay = "3 hours"',
        "campaign.toml:17:16: campaigns.promo.redial_delay: got the text '3 hours'",
        "'3h'",
    ),
    "duration out of range": (
        '"none"',
        '"none"\npacing.patience = "5m"',
        "campaign.toml:17:19: campaigns.promo.pacing.patience: got the text '5m'",
        "from 0 to 60 s",
    ),
    "ports swapped": (
        "[trunks.main]",
        "[media]\nport_min = 30000\nport_max = 2000\n[trunks.main]",
        "campaign.toml:2:12: media.port_min",
        "at most port_max",
    ),
    "media address": (
        "[trunks.main]",
        '[media]\nlisten = "here"\n[trunks.main]',
        "campaign.toml:2:10: media.listen",
        "an IP address",
    ),
    "hours swapped": (
        '"none"',
        '"none"\nschedule.hours.mon = [{ start = "17:00", end = "09:00" }]',
        "campaign.toml:17:23: campaigns.promo.schedule.hours.mon[0]: ends at 09:00",
        "after the start",
    ),
    "hours overlap": (
        '"none"',
        '"none"\nschedule.hours.mon = [{ start = "09:00", end = "14:00" }, { start = "13:00", end = "15:00" }]',
        "campaign.toml:17:59: campaigns.promo.schedule.hours.mon[1]",
        "do not overlap",
    ),
    "no hours": (
        '"none"',
        '"none"\nschedule.hours = {}',
        "campaign.toml:17:18: campaigns.promo.schedule.hours: no day",
        "nothing would ever be dialed",
    ),
    "unknown day": (
        '"none"',
        '"none"\nschedule.hours.monday = []',
        "campaign.toml:17:16: unknown key 'monday'",
        "'mon'?",
    ),
    "no such day": (
        '"none"',
        '"none"\nschedule.closed = ["2026-02-30"]',
        "campaign.toml:17:20: campaigns.promo.schedule.closed[0]",
        "no such day",
    ),
    "no such zone": (
        '"none"',
        '"none"\nschedule.timezone = "Europe/Madird"',
        "campaign.toml:17:21: campaigns.promo.schedule.timezone",
        "IANA",
    ),
    "dates swapped": (
        '"none"',
        '"none"\nschedule = { open_at = 2026-05-01, close_at = 2026-04-01 }',
        "campaign.toml:17:47: campaigns.promo.schedule.close_at",
        "a later one",
    ),
    "unknown next state": (
        '"sale"',
        '"sail"',
        "campaign.toml:19:17: campaigns.promo.dispositions.sold.next",
        "'sale'?",
    ),
    "next state missing": (
        'next = "sale"',
        'label = "x"',
        "campaign.toml:19:1: the key 'next' is missing in [campaigns.promo.dispositions.sold]",
        "one of",
    ),
    "code with capitals": ("sold =", "Sold =", "campaign.toml:19:1: the name 'Sold' cannot be used", "small letters"),
    "key without effect": (
        '"sale" }',
        '"sale", after = 5 }',
        "campaign.toml:19:25: campaigns.promo.dispositions.sold.after: means nothing",
        "'retry' or 'callback'",
    ),
    "no code at all": (
        'sold = { next = "sale" }',
        "",
        "campaign.toml:18:18: campaigns.promo.dispositions: is empty",
        "at least one",
    ),
    "reserved code": (
        "sold =",
        "undisposed =",
        "campaign.toml:19:1: campaigns.promo.dispositions.undisposed",
        "reserved",
    ),
    "sale without agent": (
        '"none"',
        '"none"\noutcomes.busy = { next = "sale" }',
        "campaign.toml:17:26: campaigns.promo.outcomes.busy.next",
        "an agent's word",
    ),
    "unknown outcome": (
        '"none"',
        '"none"\noutcomes.buzy = { next = "done" }',
        "campaign.toml:17:10: unknown key 'buzy'",
        "'busy'?",
    ),
    "retry too soon": (
        '"none"',
        '"none"\noutcomes.busy = { next = "retry", after = "5m" }',
        "campaign.toml:17:43: campaigns.promo.outcomes.busy.after: 300 s is sooner than redial_delay",
        "at least 3600 s",
    ),
    "exhausted without attempts": (
        '"none"',
        '"none"\noutcomes.busy = { next = "retry", exhausted = "done" }',
        "campaign.toml:17:35: campaigns.promo.outcomes.busy.exhausted",
        "attempts",
    ),
    "only reserves": (
        '"]\n\n',
        '"]\nreserve = true\n\n',
        "campaign.toml:15:10: campaigns.promo.trunks: every trunk named is a reserve",
        "reserve = false",
    ),
    "route outside the prefixes": (
        '"]\n\n',
        '"]\nroutes = [{ prefix = "+33" }]\n\n',
        "campaign.toml:4:22: trunks.main.routes[0].prefix: '+33' is outside",
        "'+34'",
    ),
    "user without password": (
        '"]\n\n',
        '"]\nusername = "u"\n\n',
        "campaign.toml:4:1: trunks.main.username: a user name without a password",
        "password_env",
    ),
    "list file missing": (
        "spring.csv",
        "sprnig.csv",
        "campaign.toml:9:8: lists.spring.path: no such file",
        "sprnig.csv",
    ),
    "list file a directory": ('"spring.csv"', '"."', "campaign.toml:9:8: lists.spring.path", "is a directory"),
    "secret unset": (
        "[trunks.main]",
        '[http]\ntoken_env = "TOKEN_UNSET"\n[trunks.main]',
        "campaign.toml:2:13: http.token_env: the environment variable TOKEN_UNSET is not set",
        "set it",
    ),
    "secret file missing": (
        "[trunks.main]",
        '[http]\ntoken_file = "t"\n[trunks.main]',
        "campaign.toml:2:14: http.token_file: the secret file",
        "does not exist",
    ),
    "open door": (
        "[trunks.main]",
        '[http]\nlisten = "0.0.0.0:8080"\n[trunks.main]',
        "campaign.toml:2:10: http.listen: 0.0.0.0:8080 can be reached from other machines",
        "token_env",
    ),
    "open broker": (
        "[trunks.main]",
        '[mqtt]\nhost = "broker.example"\ncommands = false\n[trunks.main]',
        "campaign.toml:2:8: mqtt.host: broker.example is another machine",
        "tls = true",
    ),
    "commands for all": (
        "[trunks.main]",
        '[mqtt]\nhost = "broker.example"\ntls = true\n[trunks.main]',
        "campaign.toml:2:8: mqtt.host: whoever may write",
        "command_token_env",
    ),
    "message not a WAV": (
        '"none"',
        '"none"\nmessage = "spring.csv"',
        "campaign.toml:17:11: campaigns.promo.message: not a WAV file",
        "PCM",
    ),
    "message missing": (
        '"none"',
        '"none"\nmessage = "hello.wav"',
        "campaign.toml:17:11: campaigns.promo.message: no such file",
        "WAV",
    ),
    "time stretched": (
        "[trunks.main]",
        "time_scale = 0.5\n[trunks.main]",
        "campaign.toml:1:14: time_scale: got the number 0.5",
        "from 1 to 100",
    ),
}


@pytest.mark.parametrize("case", ONE_MISTAKE)
def test_one_mistake_one_line(case: str, mistakes: Mistakes, good: str) -> None:
    old, new, begins, says = ONE_MISTAKE[case]
    spoiled = good.replace(old, new, 1)
    assert spoiled != good
    lines = mistakes(spoiled)
    # a misspelled required key is missing as well
    assert len(lines) == (2 if case in ("unknown key", "unknown table") else 1), lines
    assert any(line.startswith(begins) and says in line for line in lines), lines
    assert all(line.isprintable() for line in lines)


def test_who_calls_and_where_the_phones_are(mistakes: Mistakes, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "s3cret")
    twice = 'caller_ids = [{ prefix = "+34", number = "+34911" }, { prefix = "+34", number = "+34912" }]'
    for old, new, says in [
        (
            'jurisdiction = "none"',
            'jurisdiction = "none"\nprivacy = "id"',
            "campaigns.promo.privacy: nobody could tell",
        ),
        ('jurisdiction = "none"', f'jurisdiction = "none"\n{twice}', "caller_ids[1].prefix: '+34' is named twice"),
        ("[agents.ana]", "[sip]\nsession_expires = 60\n[agents.ana]", "sip.session_expires: got 60 s"),
        ('"sip:ana@127.0.0.1:5070"', '"register"', "agents.ana.phone: a phone that registers needs a password"),
        ('127.0.0.1:5070"', '127.0.0.1:5070"\npassword_env = "PW"', "does not register, so no password"),
        ('"127.0.0.1:5080"', '"127.0.0.1:5080"\nregistration = {}', "trunks.main.registration: nobody to register as"),
        ('"127.0.0.1:5080"', '"127.0.0.1:5080"\ncauses.sip.200 = "busy"', "the name '200' cannot be used"),
        ('"127.0.0.1:5080"', '"127.0.0.1:5080"\nbreaker.share = 0', "trunks.main.breaker.share"),
        ('"127.0.0.1:5080"', '"127.0.0.1:5080"\nasserted_identity = "anna"', "trunks.main.asserted_identity"),
    ]:
        spoiled = good.replace(old, new, 1)
        assert spoiled != good
        assert any(says in line for line in mistakes(spoiled)), (says, mistakes(spoiled))


#: What replaces what in GOOD, and the lines that come of it.
TWO_MISTAKES: list[tuple[str, str, list[str]]] = [
    (
        '"none"',
        '"none"\nschedule.hours.mon = [{ start = "9:00", end = "24:30" }]',
        [":17:33: campaigns.promo.schedule.hours.mon[0].start", ":17:47: campaigns.promo.schedule.hours.mon[0].end"],
    ),
    (
        '"]\n\n',
        '"]\npassword_env = "P"\n\n',
        [":1:9: trunks.main: a password without a user name", ":4:16: trunks.main.password_env: the environment"],
    ),
    (
        "[trunks.main]",
        '[http]\ntoken_env = "T"\ntoken_file = "t"\n[trunks.main]',
        [":2:13: http.token_env: the environment", ":3:1: http.token_file: token_env is set, too"],
    ),
]


@pytest.mark.parametrize(("old", "new", "begins"), TWO_MISTAKES)
def test_two_mistakes_two_lines(old: str, new: str, begins: list[str], mistakes: Mistakes, good: str) -> None:
    lines = mistakes(good.replace(old, new, 1))
    assert len(lines) == 2
    assert all(line.startswith(f"campaign.toml{begin}") for line, begin in zip(lines, begins, strict=True)), lines


def test_all_mistakes_at_once(mistakes: Mistakes, good: str) -> None:
    spoiled = good
    for old, new in [
        ("5080", "99999"), ('"ES"', '"es"'), ('["spring"]', '["spring", "autumn"]'), ('["main"]', '["mian"]'),
        ("+34910000000", "phone"),
        ('"sale"', '"sail"'), ("[trunks.main]", '[http]\nlisten = "0.0.0.0:80"\n[trunks.main]'),
    ]:  # fmt: skip
        assert old in spoiled
        spoiled = spoiled.replace(old, new, 1)
    lines = mistakes(spoiled)
    assert [line.split(": ")[0] for line in lines] == [
        "campaign.toml:2:10", "campaign.toml:4:11", "campaign.toml:12:10", "campaign.toml:15:20", "campaign.toml:16:11",
        "campaign.toml:17:13", "campaign.toml:21:17",
    ]  # fmt: skip


def test_two_campaigns_must_not_share_a_list(mistakes: Mistakes, good: str) -> None:
    second = good[good.index("[campaigns.promo]") :].replace("promo", "Promo")
    lines = mistakes(good + second)
    assert [line.split(":")[1] for line in lines] == ["20", "21"]
    assert "differs from campaign 'promo' only in capitals" in lines[0]
    assert "campaign 'promo' dials list 'spring' already" in lines[1]


def test_two_agents_must_not_share_a_phone(mistakes: Mistakes, good: str) -> None:
    lines = mistakes(good + '[agents.eva]\nphone = "sip:ANA@127.0.0.1:5070"\n')
    assert lines == [
        "campaign.toml:21:9: agents.eva.phone: agent 'ana' has the same phone; allowed: a phone of its own"
    ]


def test_a_problem_is_not_reported_twice(mistakes: Mistakes, good: str) -> None:
    """A trunk with a mistake is still a known trunk; a campaign without lists is still checked for its trunks."""
    spoiled = good.replace("5080", "x").replace('lists = ["spring"]\n', "").replace('["main"]', '["mian"]')
    lines = mistakes(spoiled)
    assert len(lines) == 3
    assert "trunks.main.address" in lines[0]
    assert "the key 'lists' is missing" in lines[1]
    assert "there is no trunk 'mian'" in lines[2]


def test_columns_count_characters(mistakes: Mistakes, good: str) -> None:
    lines = mistakes(good + '[trunks."ñandú€"]\nname = "ñ€𝄞"\naddress = "é" # x\nprefixes = ["+", "𝄞", "é"]\n')
    assert any(line.startswith("campaign.toml:23:23: ") for line in lines)


def test_secrets_come_from_the_environment_or_a_private_file(write: Callable[[str], Path], good: str) -> None:
    text = good + '[http]\ntoken_env = "T"\n[mqtt]\nusername = "u"\npassword_file = "secret"\n'
    path = write(text)
    secret = path.parent / "secret"
    secret.write_text("hush\n", encoding="utf-8")
    secret.chmod(0o644)
    with pytest.raises(ConfigErrors) as caught:
        load(path, environ={"T": "x" * 16})
    assert "is open to every user of this machine; chmod 600" in str(caught.value)
    assert "hush" not in str(caught.value)
    secret.chmod(0o600)
    load(path, environ={"T": "x" * 16})
    with pytest.raises(ConfigErrors, match="T is empty"):
        load(path, environ={"T": " "})
    with pytest.raises(ConfigErrors, match="control characters"):
        load(path, environ={"T": "a\r\nb"})


def test_tokens_are_long_and_ones_own(write: Callable[[str], Path], good: str) -> None:
    path = write(good.replace('5070"', '5070"\ntoken_env = "A"', 1) + '[http]\ntoken_env = "T"\n')
    with pytest.raises(ConfigErrors) as caught:
        load(path, environ={"T": "x" * 15, "A": "y" * 16})
    assert str(caught.value).split("campaign.toml:")[1].startswith("22:13: http.token_env: the token is too short")
    with pytest.raises(ConfigErrors) as caught:
        load(path, environ={"T": "x" * 16, "A": "x" * 16})
    assert (
        str(caught.value).split("campaign.toml:")[1].startswith("7:13: agents.ana.token_env: http has the same token")
    )
    assert "xxx" not in str(caught.value)


def test_the_name_own_is_kept(mistakes: Mistakes, good: str) -> None:
    lines = mistakes(good + '[do_not_call.own]\npath = "spring.csv"\nregion = "ES"\n')
    assert len(lines) == 1
    assert lines[0].startswith("campaign.toml:20:14: do_not_call.own: this name is kept")


def test_commands_to_a_daemon_need_nothing_outside(write: Callable[[str], Path], good: str) -> None:
    path = write(good.replace("spring.csv", "gone.csv"))
    assert load(path, outside=False).file.lists["spring"].path == str(path.parent / "gone.csv")


WHOLE_FILES: dict[str, tuple[bytes, str]] = {
    "byte order mark": (b"\xef\xbb\xbfa = 1\n", ":1:1: begins with a byte order mark"),
    "UTF-16": ("a = 1\n".encode("utf-16"), ":1:1: is UTF-16"),
    "Latin-1": (b"a = 1\nb = 'caf\xe9'\n", ":2:9: byte 0xe9 is not UTF-8"),
    "too large": (b"#" * (4 * 1024 * 1024 + 1), ":1:1: larger than 4 MB"),
    "nested too deeply": (b"a = " + b"[" * 100_000, ":1:1: values are nested too deeply"),
    "tables too deep": (b"[" + b"a." * 3000 + b"a]", ""),
    "huge number": (b"a = " + b"9" * 5000, ""),
    "NUL": (b"a = 1\nb\x00 = 2\n", ":2:2: not valid TOML"),
    "empty": (b"", ""),
    "binary": (bytes(range(128, 256)), ":1:1: byte 0x80"),
    "lone CR": (b"a = 1\rb = 2\n", ":1:6: not valid TOML"),
}


@pytest.mark.parametrize("case", WHOLE_FILES)
def test_hostile_files_give_clear_lines(case: str, mistakes: Mistakes) -> None:
    content, says = WHOLE_FILES[case]
    lines = mistakes(content)
    assert all(line.startswith("campaign.toml:") and line.isprintable() and len(line) < 1000 for line in lines)
    assert says in lines[0]
    if says:
        assert len(lines) == 1


def test_what_is_no_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, says in [
        (tmp_path, "is a directory"),
        (tmp_path / "none.toml", "no such file"),
        (fifo, "not a regular file"),
    ]:
        with pytest.raises(ConfigErrors) as caught:
            load(path)
        assert len(caught.value.errors) == 1
        assert says in str(caught.value)


def test_windows_line_ends_are_fine(loaded: Loaded, good: str) -> None:
    assert loaded(good.replace("\n", "\r\n")).place("campaigns", "promo", "caller_id").column == 13


def test_a_flood_of_mistakes_is_cut(mistakes: Mistakes, good: str) -> None:
    lines = mistakes(good + "[sip]\n" + "".join(f"x{i} = 1\n" for i in range(1000)))
    assert len(lines) == 201
    assert "800 further mistakes" in lines[-1]
