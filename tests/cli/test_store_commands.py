"""import, check and contact against real files and a real store."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Dialer = Callable[..., Any]


def one_line(said: Any, code: int, says: str) -> None:
    assert said.code == code, said
    assert len(said.err.splitlines()) == 1, said
    assert says in said.err
    assert "Traceback" not in said.err


def test_importing_twice_adds_nothing(dialer: Dialer, nobody: Path) -> None:
    said = dialer("import", nobody, "--json")
    assert said.code == 0
    first = said.json[0]
    assert {key: first[key] for key in ("campaign", "list", "rows", "added", "duplicates", "rejected")} == {
        "campaign": "promo", "list": "spring", "rows": 4, "added": 2, "duplicates": 1, "rejected": 1,
    }  # fmt: skip
    assert Path(first["rejects_file"]).is_file()
    second = dialer("import", nobody, "--json").json[0]
    assert (second["added"], second["duplicates"]) == (0, 3)
    out = dialer("import", nobody).out
    assert "1 rejected (1 " in out


def test_importing_a_file_into_a_list(dialer: Dialer, nobody: Path) -> None:
    more = nobody.parent / "more.csv"
    more.write_text("number\n07700 900105\n", encoding="utf-8")
    report = dialer("import", nobody, more, "--json").json
    assert [(r["list"], r["added"]) for r in report] == [("spring", 1)]
    one_line(dialer("import", nobody, "--list", "autumn"), 2, "there is no list 'autumn'; the config has: spring")
    one_line(dialer("import", nobody, nobody.parent / "gone.csv"), 1, "gone.csv")
    more.write_text("phone\n07700 900105\n", encoding="utf-8")
    one_line(dialer("import", nobody, more), 1, "no column 'number'")


def test_contact_without_a_dialer(dialer: Dialer, nobody: Path) -> None:
    one_line(dialer("contact", nobody, "+447700900101"), 1, "there is no store at")
    dialer("import", nobody)
    said = dialer("contact", nobody, "+447700900101")
    assert said.code == 0
    assert "dialable now" in said.out
    assert "never dialed" in said.out
    card = dialer("contact", nobody, "+447700900101", "--json").json["contacts"][0]
    assert (card["campaign"], card["state"], card["dialable"], card["fields"]) == (
        "promo",
        "ready",
        True,
        {"name": "Ada"},
    )
    one_line(dialer("contact", nobody, "+447700900199"), 1, "is in no campaign")
    one_line(dialer("contact", nobody, "nobody"), 1, "is not a number")


def test_a_broken_store_is_one_line(dialer: Dialer, nobody: Path) -> None:
    store = nobody.parent / "var" / "dialer.db"
    store.parent.mkdir()
    store.write_bytes(b"this is no database, but it is long enough to be looked at" * 100)
    for arguments in (["contact", nobody, "+447700900101"], ["import", nobody], ["check", nobody]):
        one_line(dialer(*arguments), 1, "store ")
    store.unlink()
    store.parent.rmdir()
    store.parent.write_text("a file in the way", encoding="utf-8")
    one_line(dialer("import", nobody), 1, "cannot be made")


def fingerprint(directory: Path) -> dict[str, str]:
    return {
        str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(directory.rglob("*"))
        # SQLite leaves its shared memory and an empty log behind whoever reads
        if file.is_file()
        and not file.name.endswith("-shm")
        and not (file.name.endswith("-wal") and not file.stat().st_size)
    }


def test_check_changes_nothing_and_counts(dialer: Dialer, config: Path) -> None:
    before = fingerprint(config.parent)
    said = dialer("check", config)
    assert (said.code, said.err) == (0, "")
    assert "fit to run" in said.out
    assert fingerprint(config.parent) == before
    found = dialer("check", config, "--json").json
    assert found["ok"] is True
    assert found["campaigns"]["promo"]["contacts"]["dialable"] == 2
    assert found["lists"]["spring"]["rejected"] == 1
    assert found["lists"]["spring"]["columns"] == ["number", "name"]
    table = {row["result"]: row for row in found["campaigns"]["promo"]["table"]}
    assert table["sold"]["next"] == "sale"
    assert set(table) >= {"busy", "no_answer", "machine", "invalid", "abandoned", "interrupted", "undisposed"}


def test_check_sees_the_store_as_it_is(dialer: Dialer, config: Path) -> None:
    dialer("import", config)
    with (config.parent / "spring.csv").open("a", encoding="utf-8") as stream:
        stream.write("07700 900109,Eve\n")
    before = fingerprint(config.parent)
    found = dialer("check", config, "--json").json
    assert found["campaigns"]["promo"]["contacts"]["dialable"] == 3
    assert (found["lists"]["spring"]["added"], found["lists"]["spring"]["duplicates"]) == (1, 3)
    assert fingerprint(config.parent) == before


def test_check_counts_whom_no_trunk_may_call(dialer: Dialer, config: Path) -> None:
    config.write_text(config.read_text(encoding="utf-8").replace('["+44"]', '["+4477009001019", "+447700900102"]'))
    said = dialer("check", config)
    assert said.code == 0
    assert "no trunk may carry any of their numbers" in said.out
    contacts = dialer("check", config, "--json").json["campaigns"]["promo"]["contacts"]
    assert (contacts["no_trunk"], contacts["dialable"]) == (1, 1)


def test_check_says_why_nobody_is_dialed(dialer: Dialer, config: Path) -> None:
    (config.parent / "dnc.txt").write_text("+447700900101\n", encoding="utf-8")
    text = config.read_text(encoding="utf-8").replace('"none"\n', '"none"\nschedule = { close_at = 2020-01-01 }\n')
    config.write_text(text + '[do_not_call.house]\npath = "dnc.txt"\nregion = "GB"\n', encoding="utf-8")
    said = dialer("check", config)
    assert said.code == 1
    assert "never opens in the year to come" in said.out
    assert "campaigns.promo: never opens in the year to come; see its schedule" in said.err
    assert "fit to run" not in said.out
    found = dialer("check", config, "--json").json
    assert found["campaigns"]["promo"]["contacts"]["closed"] == 1
    assert found["lists"]["spring"]["do_not_call"] == 1


def test_a_list_without_its_column_is_told_at_its_place(dialer: Dialer, config: Path) -> None:
    (config.parent / "spring.csv").write_text("phone,name\n1,2\n", encoding="utf-8")
    said = dialer("check", config)
    assert said.code == 1
    assert said.err == (
        f"{config}:8:8: lists.spring.columns: {config.parent}/spring.csv has no column 'number'; allowed: phone, name\n"
    )
    assert dialer("check", config, "--json").json["ok"] is False


@pytest.fixture
def carrier() -> Iterator[int]:
    """The port of something that answers OPTIONS with 200."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while (message := sock.recvfrom(65535))[0] != b"stop":
                lines = message[0].decode().split("\r\n")
                kept = [line for line in lines if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
                to = next(line for line in lines if line.startswith("To:"))
                answer = ["SIP/2.0 200 OK", *kept, f"{to};tag=x", "Content-Length: 0", "", ""]
                sock.sendto("\r\n".join(answer).encode(), message[1])

        thread = threading.Thread(target=serve)
        thread.start()
        yield sock.getsockname()[1]
        sock.sendto(b"stop", sock.getsockname())
        thread.join()


def test_options_to_the_trunks(dialer: Dialer, config: Path, carrier: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(
        config.read_text(encoding="utf-8").replace("127.0.0.1:9", f"127.0.0.1:{carrier}"), encoding="utf-8"
    )
    said = dialer("check", config, "--options")
    assert said.code == 0, said
    assert "200 in " in said.out
    trunk = dialer("check", config, "--options", "--json").json["trunks"]["main"]
    assert trunk["status"] == 200
    assert 0 < trunk["rtt"] < 2


def test_a_trunk_that_does_not_answer(config: Path) -> None:
    from dialer.cli.probe import probe
    from dialer.config.load import load

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        text = config.read_text(encoding="utf-8").replace("127.0.0.1:9", f"127.0.0.1:{port}")
        config.write_text(text, encoding="utf-8")
        answer = probe(load(config).file, patience=0.2)["main"]
    assert answer == {"status": None, "rtt": None, "problem": "no answer to OPTIONS within 0.2 s"}


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "contacts"), [("campaign.toml", 7), ("second.toml", 3)])
def test_the_examples_are_fit_to_run(name: str, contacts: int, dialer: Dialer) -> None:
    said = dialer("check", ROOT / "examples" / name, "--json")
    assert said.code == 0, said
    found = json.loads(said.out)
    assert sum(found["campaigns"]["spring"]["contacts"].values()) == contacts
    assert found["campaigns"]["spring"]["abandon_cap"] == 0.02
    assert not (ROOT / "examples" / "var").exists()


def test_check_warns_of_lines_without_ports(dialer: Dialer, config: Path) -> None:
    with config.open("a", encoding="utf-8") as stream:
        stream.write("\n[media]\nport_min = 20001\nport_max = 20004\n")
    said = dialer("check", config, "--no-lists")
    assert said.code == 0
    assert "20001 to 20004 are 1: calls beyond them wait" in said.err
    assert said.err.count("\n") == 1
    assert dialer("check", config, "--no-lists", "--json").json["warnings"] == [said.err.strip()]


def test_check_warns_of_sales_that_nobody_would_carry_through(
    dialer: Dialer, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = '[[sales.steps]]\nname = "book"\nconnector = "book"\ndo.path = "/book"\n'
    with config.open("a", encoding="utf-8") as stream:
        stream.write(f'\n[sales.connectors.book]\nkind = "http"\nurl = "https://book.example"\n{step}')
    assert dialer("check", config, "--no-lists").err == ""
    monkeypatch.setattr("dialer.cli.check.find_spec", lambda name: None)
    said = dialer("check", config, "--no-lists")
    assert said.code == 0
    assert said.err == (
        "warning: sales would wait in their queue: dbos is not installed; install the dialer with its extra 'sales'\n"
    )
    with config.open("a", encoding="utf-8") as stream:
        stream.write("[sales]\nrun = false\n")  # it runs somewhere else
    assert dialer("check", config, "--no-lists").err == ""


def test_a_projects_do_not_call_list_in_the_funnel_and_at_the_contact(dialer: Dialer, nobody: Path) -> None:
    from dialer.config.build import build_campaigns
    from dialer.config.load import load
    from dispositions import Store

    text = nobody.read_text(encoding="utf-8").replace('"none"\n', '"none"\nproject = "insurance"\n')
    nobody.write_text(text, encoding="utf-8")
    dialer("import", nobody)
    before = dialer("check", nobody, "--json").json["campaigns"]["promo"]["contacts"]
    store = Store(next(nobody.parent.glob("**/*.db")))
    store.register_all([campaign.policy for campaign in build_campaigns(load(nobody, outside=False)).values()])
    with store.write() as tx:
        tx.add_do_not_call(["+447700900101"], "project:insurance", 0.0)  # as the command of a running dialer does
    store.close()
    card = dialer("contact", nobody, "+447700900101", "--json").json["contacts"][0]
    assert card["why"] == ["must not be called: +447700900101 is on do-not-call list 'project:insurance'"]
    found = dialer("check", nobody, "--json").json["campaigns"]["promo"]["contacts"]
    assert (before.get("do_not_call", 0), found.get("do_not_call", 0)) == (0, 1), found
    assert found["dialable"] == before["dialable"] - 1
