"""`base`: key by key, and every mistake in the file that it stands in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dialer.config.errors import ConfigErrors
from dialer.config.load import load
from dialer.config.merge import PATH_KEYS
from dialer.config.model import ConfigFile
from dialer.config.partial import PLACEHOLDERS
from dialer.config.schema import json_schema
from dialer.config.store_url import resolve_store_url, shown_url, sqlite_file

Write = Callable[..., Path]


def errors_of(path: Path) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load(path, environ={})
    return [line.replace(f"{path.parent}/", "") for line in str(caught.value).splitlines()]


def test_tables_merge_and_everything_else_replaces(write: Write, good: str) -> None:
    write(good.replace('"+34"]', '"+34", "+33"]'), "base.toml")
    second = write(
        'base = "base.toml"\n[trunks.main]\nlines = 5\nprefixes = ["+351"]\n[campaigns.promo]\n'
        'caller_id = "+351210000000"\n[campaigns.promo.dispositions]\nno = { next = "done" }\n'
    )
    config = load(second, environ={})
    trunk = config.file.trunks["main"]
    assert (trunk.address, trunk.lines, trunk.prefixes) == ("127.0.0.1:5080", 5, ["+351"])
    assert list(config.file.campaigns["promo"].dispositions) == ["sold", "no"]
    assert [file.name for file in config.files] == ["campaign.toml", "base.toml"]
    assert Path(config.place("trunks", "main", "address").file).name == "base.toml"
    assert Path(config.place("trunks", "main", "lines").file).name == "campaign.toml"


def test_mistakes_point_into_the_file_where_the_key_stands(write: Write, good: str) -> None:
    write(good.replace("5080", "x").replace('["main"]', '["mian"]'), "base.toml")
    second = write('base = "base.toml"\n\n[campaigns.promo]\ncaller_id = "none"\n[trunks.main]\nprefixes = ["34"]\n')
    assert [line.split(": ")[0] for line in errors_of(second)] == [
        "base.toml:2:11",
        "base.toml:14:11",
        "campaign.toml:4:13",
        "campaign.toml:6:13",
    ]


def test_a_mistake_in_a_list_that_was_replaced_is_gone(write: Write, good: str) -> None:
    write(good.replace('"+34"]', '"+34", "x"]'), "base.toml")
    second = write('base = "base.toml"\ntrunks.main.prefixes = ["+34"]\n')
    assert load(second, environ={}).file.trunks["main"].prefixes == ["+34"]


def test_relative_paths_resolve_against_their_own_file(tmp_path: Path, good: str) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "base.toml").write_text(good, encoding="utf-8")
    (tmp_path / "shared" / "spring.csv").write_text("number\n", encoding="utf-8")
    (tmp_path / "autumn.csv").write_text("number\n", encoding="utf-8")
    second = tmp_path / "second.toml"
    second.write_text(
        'base = "shared/base.toml"\n[lists.autumn]\npath = "autumn.csv"\nregion = "ES"\n'
        '[campaigns.promo]\nlists = ["autumn"]\n[do_not_call.house]\npath = "~/nope-dnc.txt"\nregion = "ES"\n',
        encoding="utf-8",
    )
    config = load(second, outside=False)
    assert config.file.lists["spring"].path == str(tmp_path / "shared" / "spring.csv")
    assert config.file.lists["autumn"].path == str(tmp_path / "autumn.csv")
    assert config.file.do_not_call["house"].path == str(Path("~/nope-dnc.txt").expanduser())
    # the store of a file without [store] lies beside the file that was started
    assert config.file.store.url == f"sqlite:///{tmp_path}/var/dialer.db"


def test_a_base_of_a_base(write: Write, good: str) -> None:
    write(good, "a.toml")
    write('base = "a.toml"\ntrunks.main.lines = 7\n', "b.toml")
    third = write('base = "b.toml"\ntrunks.main.price = 2\n')
    trunk = load(third, environ={}).file.trunks["main"]
    assert (trunk.lines, trunk.price) == (7, 2)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"campaign.toml": 'base = "campaign.toml"\n'},
            "campaign.toml:1:8: base: goes in a circle: campaign.toml -> campaign.toml",
        ),
        (
            {"b.toml": '\nbase = "campaign.toml"\n', "campaign.toml": 'base = "b.toml"\n'},
            "b.toml:2:8: base: goes in a circle: campaign.toml -> b.toml -> campaign.toml",
        ),
        ({"campaign.toml": 'base = "gone.toml"\n'}, "campaign.toml:1:8: base: no such file: "),
        ({"campaign.toml": "base = 5\n"}, "campaign.toml:1:8: base: got 5; allowed: the name of another config file"),
        ({"campaign.toml": 'base = "."\n'}, "campaign.toml:1:8: base: no such file: "),
        ({"b.toml": "a = \n", "campaign.toml": 'base = "b.toml"\n'}, "b.toml:1:5: not valid TOML"),
    ],
)  # fmt: skip
def test_a_base_that_cannot_be(files: dict[str, str], says: str, write: Write) -> None:
    for name, text in files.items():
        path = write(text, name)
    lines = errors_of(path.parent / "campaign.toml")
    assert len(lines) == 1
    assert lines[0].startswith(says)


def test_a_table_over_a_value_and_a_value_over_a_table(write: Write, good: str) -> None:
    write(good, "base.toml")
    lines = errors_of(write('base = "base.toml"\ntrunks = 5\n[campaigns.promo]\ncaller_id = { a = 1 }\n'))
    assert lines[0].startswith("campaign.toml:2:10: trunks: got the number 5; allowed: a table")
    assert lines[1].startswith("campaign.toml:4:13: campaigns.promo.caller_id: got a table")


def test_all_path_keys_are_known() -> None:
    """A key whose type is Path must be in PATH_KEYS, or it would be resolved against the working directory."""
    definitions = json_schema()["$defs"]
    found = set()
    tables: dict[str, tuple[str, ...]] = {
        "TrunkTable": ("trunks", "*"),
        "AgentTable": ("agents", "*"),
        "ListTable": ("lists", "*"),
    }
    tables |= {"DoNotCallTable": ("do_not_call", "*"), "CampaignTable": ("campaigns", "*")}
    tables |= {"SipTable": ("sip",), "HttpTable": ("http",), "MqttTable": ("mqtt",)}
    tables |= {"ConnectorTable": ("sales", "connectors", "*"), "TokenTable": ("tokens", "*")}
    tables["WebhookTable"] = ("webhooks", "*")
    for name, definition in definitions.items():
        for key, node in definition["properties"].items():
            if node.get("maxLength") == 4096:
                found.add((*tables[name], key))
    assert found == set(PATH_KEYS)


def test_every_required_key_has_a_placeholder() -> None:
    schema = json_schema()
    required = {key for definition in schema["$defs"].values() for key in definition.get("required", [])}
    assert required == set(PLACEHOLDERS)
    assert set(schema["then"]["required"]) == {
        name for name, field in ConfigFile.model_fields.items() if field.is_required()
    }


def test_store_urls() -> None:
    here = Path("/srv/x")
    assert resolve_store_url("sqlite:///var/a.db", here) == "sqlite:////srv/x/var/a.db"
    assert resolve_store_url("sqlite:////abs/a.db", here) == "sqlite:////abs/a.db"
    assert resolve_store_url("sqlite:///a.db?timeout=5", here) == "sqlite:////srv/x/a.db?timeout=5"
    assert resolve_store_url("sqlite://", here) == "sqlite://"
    assert resolve_store_url("postgresql+psycopg://h/d", here) == "postgresql+psycopg://h/d"
    assert sqlite_file("sqlite:////srv/x/var/a.db") == Path("/srv/x/var/a.db")
    assert sqlite_file("postgresql+psycopg://h/d") is None
    assert shown_url("postgresql://dialer:hush@h/d") == "postgresql://dialer:***@h/d"
    assert shown_url("postgresql://dialer:hu@sh@h/d") == "postgresql://dialer:***@h/d"
    assert shown_url("postgresql://dialer@h/d") == "postgresql://dialer@h/d"
