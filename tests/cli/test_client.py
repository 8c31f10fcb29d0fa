"""Commands to a running dialer: what they send, what they say, and one line for whatever goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Dialer = Callable[..., Any]


def test_agents_commands_reach_the_api(dialer: Dialer, api: Any, config: Path) -> None:
    sent: list[tuple[list[str], dict[str, Any]]] = [
        (["login", "ana", "--campaign", "promo"], {"command": "login", "agent": "ana", "campaign": "promo"}),
        (["login", "ana"], {"command": "login", "agent": "ana"}),
        (["logout", "ana"], {"command": "logout", "agent": "ana"}),
        (["ready", "ana"], {"command": "ready", "agent": "ana"}),
        (["break", "ana", "--reason", "lunch"], {"command": "break", "agent": "ana", "reason": "lunch"}),
        (["hangup", "ana"], {"command": "hangup", "agent": "ana"}),
        (["hand-over", "ana", "ben"], {"command": "hand_over", "agent": "ana", "to": "ben"}),
        (["preview", "ana"], {"command": "preview", "agent": "ana"}),
        (["dial", "ana"], {"command": "dial", "agent": "ana"}),
        (["dial", "ana", "+441632960001"], {"command": "dial", "agent": "ana", "number": "+441632960001"}),
        (["skip", "ana"], {"command": "skip", "agent": "ana"}),
        (
            ["dispose", "ana", "sold", "--note", "n", "--field", "tariff=green=1", "--stay", "--shared"],
            {
                "command": "dispose", "agent": "ana", "code": "sold", "note": "n", "fields": {"tariff": "green=1"},
                "ready": False, "personal": False,
            },
        ),
        (
            ["dispose", "ana", "later", "--callback-at", "2026-11-21T17:30+01:00"],
            {"command": "dispose", "agent": "ana", "code": "later", "ready": True},
        ),
    ]  # fmt: skip
    for (command, name, *rest), body in sent:
        said = dialer("agent", command, config, name, *rest)
        assert (said.code, said.err) == (0, "")
        assert name in said.out
        method, path, got = api.asked[-1]
        assert (method, path) == ("POST", "/api/v1/command")
        callback = got.pop("callback_at", None)
        assert got == body
        if callback is not None:
            from datetime import datetime

            assert datetime.fromisoformat(callback).timestamp() == 1795278600


def test_campaigns_of_an_agent_are_said_in_words(dialer: Dialer, api: Any, config: Path) -> None:
    api.answers["login"] = (200, {"agent": "ana", "state": "available", "serves": ["promo", "spring"]})
    assert (
        dialer("agent", "login", config, "ana").out == "ana is logged in (state: available, serves: promo and spring)\n"
    )


def test_every_command_parses_as_a_command_of_the_dialer(dialer: Dialer, api: Any, config: Path) -> None:
    from dialer.commands import COMMAND

    for arguments in (
        ["pause", config, "promo"], ["resume", config, "promo"], ["reload", config],
        ["dnc", "add", config, "+441632960001"],
        ["add-contacts", config, "promo", "--number", "+441632960001"], ["agent", "dispose", config, "ana", "x"],
        ["agent", "dispose", config, "ana", "x", "--callback-at", "2026-11-21T17:30"],
    ):  # fmt: skip
        assert dialer(*arguments).code == 0
        COMMAND.validate_python(api.asked[-1][2])
    assert api.asked[-1][2]["callback_at"] == "2026-11-21T17:30:00"  # the dialer knows the contact's zone


def test_supervisors_commands(dialer: Dialer, api: Any, config: Path) -> None:
    assert dialer("pause", config, "promo").out == "promo is paused\n"
    assert dialer("resume", config, "promo").out == "promo dials again\n"
    api.answers["reload"] = (200, {"changed": ["log.level"], "needs_restart": ["sip.listen"]})
    assert dialer("reload", config).out == "reloaded: log.level; only after a restart: sip.listen\n"
    assert dialer("reload", config, "--json").json == {"changed": ["log.level"], "needs_restart": ["sip.listen"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '[{"number": "+441632960001", "name": "Ada"}, {"number": "+441632960002"}]'),
        ("a.jsonl", '{"number": "+441632960001", "name": "Ada"}\n\n{"number": "+441632960002"}\n'),
        ("a.csv", "number,name\n+441632960001,Ada\n+441632960002,\n"),
        ("bom.csv", "\ufeffnumber,name\n+441632960001,Ada\n+441632960002,\n"),
    ],
)
def test_contacts_from_a_file(name: str, content: str, dialer: Dialer, api: Any, config: Path) -> None:
    file = config.parent / name
    file.write_text(content, encoding="utf-8")
    api.answers["add_contacts"] = (200, {"added": 2, "results": []})
    for where, stdin in ((file, b""), ("-", content.encode())):
        said = dialer("add-contacts", config, "promo", where, "--list", "hot", stdin=stdin)
        assert (said.code, said.out) == (0, "added: 2\n")
        assert api.asked[-1][2] == {
            "command": "add_contacts",
            "campaign": "promo",
            "list_name": "hot",
            "contacts": [{"number": "+441632960001", "name": "Ada"}, {"number": "+441632960002"}],
        }


def test_many_contacts_go_in_batches(dialer: Dialer, api: Any, config: Path) -> None:
    file = config.parent / "many.csv"
    file.write_text("number\n" + "".join(f"+4416329{i:05}\n" for i in range(2500)), encoding="utf-8")
    api.answers["add_contacts"] = (200, {"added": 7})
    assert dialer("add-contacts", config, "promo", file).out == "added: 21\n"
    assert [len(body["contacts"]) for _, _, body in api.asked] == [1000, 1000, 500]


FILES: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"[{", "is not JSON"),
    "not objects": (b"[1]", "no contact in it: line 1: not an object"),
    "too deep": (b"[" * 100_000, "is not JSON"),
    "no number column": (b"phone\n+441632960001\n", "has no column 'number'; there are: phone"),
    "nothing in it": (b"number\n", "there is no contact in it"),
    "open quote": (b'number\n"+44', "line 2: a quote that is not closed"),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_contact_files_are_one_line(case: str, dialer: Dialer, config: Path) -> None:
    content, says = FILES[case]
    file = config.parent / "bad"
    file.write_bytes(content)
    one_line(dialer("add-contacts", config, "promo", file), 1, says)


def one_line(said: Any, code: int, says: str) -> None:
    assert said.code == code
    lines = said.err.splitlines()
    assert len(lines) == 1, said
    assert says in lines[0]
    assert lines[0].isprintable()
    assert "Traceback" not in said.err


ANSWERS: dict[str, tuple[tuple[int, Any], str]] = {
    "refused": ((409, {"error": {"code": "busy", "message": "ana talks"}}), "ana talks"),
    "two lines": ((422, {"error": {"code": "invalid", "message": "a\r\nb\x1b[31m"}}), "a\\r\\nb"),
    "no JSON": ((200, b"<html>"), "not like a dialer"),
    "a list": ((200, b"[]"), "not like a dialer"),
    "server error": ((500, {}), "status 500"),
    "forbidden": ((403, {}), "refuses this token"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_bad_answers_are_one_line(case: str, dialer: Dialer, api: Any, config: Path) -> None:
    answer, says = ANSWERS[case]
    api.answers["pause"] = answer
    one_line(dialer("pause", config, "promo"), 1, says)
    error = dialer("pause", config, "promo", "--json").json["error"]
    assert set(error) == {"code", "message"}


def test_no_dialer_runs(dialer: Dialer, nobody: Path) -> None:
    for arguments in (["status", nobody], ["pause", nobody, "promo"], ["agent", "ready", nobody, "ana"]):
        one_line(dialer(*arguments), 1, f"start it with: dialer run {nobody}")


def test_tokens(dialer: Dialer, api: Any, config: Path) -> None:
    """From --token-file, the config's keys, else the file beside the store; one line when it does not open."""
    other = config.parent / "other"
    other.write_text("another-token-of-somebody", encoding="ascii")
    one_line(dialer("pause", config, "promo", "--token-file", other), 1, "is open to every user")
    other.chmod(0o600)
    one_line(dialer("pause", config, "promo", "--token-file", other), 1, "this token is nobody's")
    one_line(dialer("pause", config, "promo", "--token-file", config.parent), 1, "is a directory")
    one_line(dialer("pause", config, "promo", "--token-file", "gone"), 1, "does not exist")
    text = config.read_text(encoding="utf-8").replace('token_file = "token"\n', "")
    config.write_text(text, encoding="utf-8")
    one_line(dialer("pause", config, "promo"), 1, "this token is nobody's")
    made = config.parent / "var" / "api-token"
    made.parent.mkdir()
    (config.parent / "token").rename(made)
    assert dialer("pause", config, "promo").code == 0


def test_an_api_on_a_port_of_the_systems_choice(dialer: Dialer, api: Any, config: Path) -> None:
    text = config.read_text(encoding="utf-8").replace(f"127.0.0.1:{api.port}", "127.0.0.1:0")
    config.write_text(text, encoding="utf-8")
    one_line(dialer("pause", config, "promo"), 1, f"start it with: dialer run {config}")
    written = config.parent / "var" / "api-address"
    written.parent.mkdir()
    written.write_text(f"127.0.0.1:{api.port}\n", encoding="ascii")
    assert dialer("pause", config, "promo").code == 0


def test_a_bad_config_comes_as_its_lines(dialer: Dialer, config: Path) -> None:
    config.write_text("a = \n", encoding="utf-8")
    said = dialer("status", config)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"{config}:1:5: not valid TOML")
    error = json.loads(dialer("status", config, "--json").out)["error"]
    assert error["code"] == "config"
    assert [line.startswith(f"{config}:1:5: not valid TOML") for line in error["details"]] == [True]


def test_every_failure_has_one_shape_in_json(dialer: Dialer, api: Any, config: Path, nobody: Path) -> None:
    for arguments, code in (
        (("status", nobody), "not_running"),
        (("check", nobody.parent / "gone.toml"), "config"),
        (("add-contacts", "--json", nobody), "usage"),
        (("import", nobody, "--list", "autumn"), "unknown_list"),
    ):
        said = dialer(*arguments, "--json")
        assert said.code != 0
        assert said.err == ""
        assert set(said.json) == {"error"}
        assert said.json["error"]["code"] == code
        assert "\n" not in said.json["error"]["message"]


def test_numbers_in_addresses_are_escaped(dialer: Dialer, api: Any, config: Path) -> None:
    dialer("contact", config, "+44/../status?x=1")
    assert api.asked[-1][1] == "/api/v1/contacts/%2B44%2F..%2Fstatus%3Fx%3D1"


STATUS = {
    "at": 1.0,
    "campaigns": {
        "promo": {
            "state": "closed", "reason": "outside its hours", "mode": "predictive", "lines": 3, "placed": 100,
            "answered": 40, "connected": 39, "abandoned": 1, "queues": {"ready": 12, "sale": 2},
            "abandonment": {"window": "24h", "answered": 400, "abandoned": 4, "rate": 0.01, "cap": 0.03},
        }
    },
    "agents": [
        {"agent": "ana", "campaign": "promo", "state": "talking", "reason": None, "seconds": 75.0, "calls_taken": 9},
        {"agent": "ben", "campaign": None, "state": "logged_out", "reason": None, "seconds": 1.0, "calls_taken": 0},
    ],
    "trunks": {"main": {"up": False, "reason": "2 OPTIONS lost", "rests": 0.0, "lines_in_use": 3, "lines": 30}},
    "store": {"locked": True, "waiting": 5},
}  # fmt: skip


def test_status_for_people_and_for_programs(dialer: Dialer, api: Any, config: Path) -> None:
    api.answers["/api/v1/status"] = (200, STATUS)
    out = dialer("status", config).out
    for part in (
        "outside its hours",
        "1.00 %",
        "3.00 %",
        "1 logged_out, 1 talking",
        "1.25 min",
        "2 OPTIONS lost",
        "3 of 30",
    ):
        assert part in out
    budget = next(line for line in out.splitlines() if "24h" in line)
    assert budget.split()[-1] == "8"  # 3 % of 400, less 4
    assert "5 writes wait" in out
    assert dialer("status", config, "--json").json == STATUS


def test_status_right_after_the_start_says_that_queues_are_not_counted_yet(
    dialer: Dialer, api: Any, config: Path
) -> None:
    fresh = {"campaigns": {"promo": {**STATUS["campaigns"]["promo"], "queues": {}}}}
    api.answers["/api/v1/status"] = (200, STATUS | fresh)
    assert "Queues: not counted yet; ask again in some seconds" in dialer("status", config).out


@pytest.mark.parametrize("arguments", [("status",), ("pause", "promo"), ("contact", "+441632960001")])
def test_a_running_dialer_is_reached_while_its_config_has_mistakes(
    arguments: tuple[str, ...], dialer: Dialer, api: Any, config: Path
) -> None:
    command, *rest = arguments
    config.write_text("[trunks.old\n" + config.read_text(encoding="utf-8") + "colour = 3\n", encoding="utf-8")
    said = dialer(command, config, *rest)
    assert said.code == 0
    assert len(api.asked) == 1
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"dialer: ignored, the running dialer is asked all the same: {config}:1:")
    assert dialer(command, config, *rest, "--json").json is not None


def test_a_reload_of_a_file_with_mistakes_is_for_the_dialer_to_refuse(dialer: Dialer, api: Any, config: Path) -> None:
    """It then counts it and alerts, as at SIGHUP; only what it says is shown."""
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("caller_id", "caller") + "colour = 3\n", encoding="utf-8")
    details = ["c.toml:1:1: one", "c.toml:2:1: two"]
    api.answers["reload"] = (422, {"error": {"code": "invalid", "message": "not taken", "details": details}})
    said = dialer("reload", config)
    assert len(api.asked) == 1
    assert (said.code, said.err) == (1, "c.toml:1:1: one\nc.toml:2:1: two\n")


def test_a_reload_where_no_dialer_runs_tells_all_mistakes_of_the_file(dialer: Dialer, nobody: Path) -> None:
    text = nobody.read_text(encoding="utf-8")
    nobody.write_text(text.replace("caller_id", "caller") + "colour = 3\n", encoding="utf-8")
    said = dialer("reload", nobody)
    assert said.code == 1
    assert said.err.count("\n") >= 2


def test_what_the_dialer_says_in_details_is_told_line_by_line(dialer: Dialer, api: Any, config: Path) -> None:
    details = ["c.toml:1:1: one", "c.toml:2:1: two\x1b[31m"]
    error = {"code": "invalid", "message": "not taken: c.toml:1:1: one (and 1 more)", "details": details}
    api.answers["reload"] = (422, {"error": error})
    said = dialer("reload", config)
    assert (said.code, said.err) == (1, "c.toml:1:1: one\nc.toml:2:1: two\\x1b[31m\n")
    assert dialer("reload", config, "--json").json == {"error": error}


def test_a_csv_is_read_like_the_lists_own_files(dialer: Dialer, api: Any, config: Path) -> None:
    """Its columns and encoding, a delimiter that nobody named, and rows that are refused beside good ones."""
    columns = '[lists.spring.columns]\nnumber = ["tel", "mobile"]\nid = "key"\npriority = "rank"\nname = "who"\n'
    text = config.read_text(encoding="utf-8").replace('region = "GB"', 'region = "GB"\nencoding = "cp1252"')
    config.write_text(text + columns, encoding="utf-8")
    file = config.parent / "more.csv"
    rows = "key;tel;mobile;who;rank;town\n1;07700 900101;;Zo\xeb;5;M\xe1laga\n2;;;Nobody;;\n3;12;;;;;;\n4;12;;Short;;\n"
    file.write_bytes(rows.encode("cp1252"))
    api.answers["add_contacts"] = (
        200,
        {"added": 1, "rejected": 1, "results": [{"status": "added"}, {"status": "rejected", "reason": "not_possible"}]},
    )
    said = dialer("add-contacts", config, "promo", file)
    assert api.asked[-1][2]["contacts"] == [
        {"number": "07700 900101", "id": "1", "name": "Zo\xeb", "priority": 5, "town": "M\xe1laga"},
        {"number": "12", "id": "4", "name": "Short"},
    ]
    assert (said.code, said.out) == (0, "added: 1, refused: 3\n")
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["line 3", "line 4", "line 5", "refused rows"]
    assert "line 5: too short or too long for a phone number: 4;12" in said.err
    rejects = (config.parent / "more.csv.rejects.csv").read_text(encoding="utf-8").splitlines()
    assert rejects[0] == "line,reason,row"
    told = [row.split(",")[:2] for row in rejects[1:]]
    assert told == [["3", "empty"], ["4", "too_many_cells"], ["5", "not_possible"]]
    assert [row["line"] for row in dialer("add-contacts", config, "promo", file, "--json").json["refused"]] == [3, 4, 5]


def test_do_not_call_numbers_that_cannot_be_read_do_not_stop_the_others(dialer: Dialer, api: Any, config: Path) -> None:
    file = config.parent / "dnc.csv"
    file.write_bytes("who;tel\nAda;+441632960001\nBen;x\nCleo;\n".encode("utf-16"))
    answer = {"added": 1, "marked": 1, "refused": [{"index": 1, "number": "x", "reason": "not_a_number"}]}
    api.answers["do_not_call"] = (200, answer)
    said = dialer("dnc", "add", config, "--file", file, "--column", "tel")
    assert api.asked[-1][2]["numbers"] == ["+441632960001", "x"]
    assert (said.code, said.out) == (1, "1 number is never called again, 1 of them new\n")
    assert said.err.splitlines()[:2] == ["line 3: not a phone number: Ben;x", "line 4: no number: Cleo;"]
    assert dialer("dnc", "add", config, "--file", file, "--column", "fax").code == 1


def test_a_contact_gets_another_priority(dialer: Dialer, api: Any, config: Path) -> None:
    api.answers["correct"] = (200, {"contacts": [1], "corrected": 1})
    said = dialer("contact", config, "+441632960001", "--priority", -5)
    assert (said.code, said.out.strip()) == (0, "+441632960001 has priority -5")
    assert api.asked[-1][2] == {"command": "correct", "number": "+441632960001", "priority": -5}
    api.answers["correct"] = (200, {"contacts": [1], "corrected": 0})
    assert "already" in dialer("contact", config, "+441632960001", "--priority", -5).out
    for wrong in (("--priority", "high"), ("--priority", "1000001"), ("--priority", "1", "--erase")):
        said = dialer("contact", config, "+441632960001", *wrong)
        assert said.code == 2
        assert (said.out, said.err.count("\n")) == ("", 1)


def test_a_projects_own_do_not_call_list(dialer: Dialer, api: Any, config: Path) -> None:
    api.answers["do_not_call"] = (200, {"added": 1, "marked": 1, "refused": []})
    said = dialer("dnc", "add", config, "+441632960001", "--project", "insurance")
    assert (said.code, said.out) == (0, "1 number is never called again for project insurance, 1 of them new\n")
    assert api.asked[-1][2] == {"command": "do_not_call", "numbers": ["+441632960001"], "project": "insurance"}
