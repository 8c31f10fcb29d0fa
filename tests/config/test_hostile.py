"""Whatever a file holds: a config, or mistakes with places that are in the file. Nothing else comes out of `load`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer.config.build import build_campaigns
from dialer.config.errors import ConfigError, ConfigErrors
from dialer.config.load import load

EXAMPLE = (Path(__file__).parents[2] / "examples" / "campaign.toml").read_text(encoding="utf-8")

SCALARS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.dates(),
    st.times(),
    st.sampled_from(
        ["all", "1h", "0s", "+44", "retry", "callback", "sale", "none", "uk", "0.0.0.0:1", "spring", "carrier"]
    ),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["next", "start", "x"]), inner, max_size=3)
    ),
)


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(below) for below in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08X}" for c in value) + '"'
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def mistakes_of(path: Path) -> tuple[ConfigError, ...]:
    try:
        build_campaigns(load(path, outside=False))
    except ConfigErrors as errors:
        return errors.errors
    return ()


def holds_or_says_where(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.toml"
        path.write_bytes(content)
        lines = content.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        for error in mistakes_of(path):
            assert 1 <= error.line <= len(lines)
            assert 1 <= error.column <= len(lines[error.line - 1]) + 2
            assert str(error).isprintable()
            assert len(str(error)) < 2500


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_values_of_every_kind_in_every_place(data: st.DataObject) -> None:
    lines = EXAMPLE.split("\n")
    keys = [number for number, line in enumerate(lines) if "=" in line.split("#")[0]]
    for number in data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=4, unique=True)):
        key = lines[number].split("=")[0].strip("# ")
        lines[number] = f"{key} = {toml(data.draw(VALUES))}"
    holds_or_says_where("\n".join(lines).encode("utf-8"))


#: A file in which campaigns share agents; each `{}` gets a value of any kind, or one that fits elsewhere.
SHARED = """
[trunks.t]
address = "127.0.0.1:5060"
prefixes = ["+44"]
[agents.ana]
phone = "sip:ana@127.0.0.1:5070"
skills = {}
campaigns = {}
[agents.ben]
phone = "sip:ben@127.0.0.1:5071"
skills = ["catalan"]
[lists.l]
region = "GB"
[lists.m]
region = "GB"
[sharing]
dwell = {}
band = {}
gain = {}
[campaigns.spring]
lists = ["l"]
trunks = ["t"]
caller_id = "+441632960000"
jurisdiction = "uk"
agents = {}
skills = {}
project = {}
dispositions.sold = { next = "sale" }
sharing.weight = {}
sharing.least_agents = {}
sharing.most_agents = {}
[campaigns.autumn]
lists = ["m"]
trunks = ["t"]
caller_id = "+441632960000"
jurisdiction = "uk"
skills = {}
dispositions.sold = { next = "sale" }
sharing = {}
"""
#: With these it holds.
SOUND = (
    '["catalan"]', '["spring"]', '"2m"', "1", "0.5", '"all"', '["catalan"]', '"acme"', "1", "0", "2", "[]",
    "{ weight = 2 }",
)  # fmt: skip
FITTING = st.sampled_from(
    [
        '["catalan"]', '["ana"]', '["ana", "ben"]', '["spring"]', '["autumn", "spring"]', '["catalan", "catalan"]',
        "[]", '"all"', '"2m"', "0", "1", "2", "3", "0.5", "10000", "1e308", '"acme"', "{ weight = 2 }",
        "{ least_agents = 2, most_agents = 1 }", "nan", "-inf", '"10y"', '"10000d"',
    ]
)  # fmt: skip


def test_agents_may_be_shared_as_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(SHARED.replace("{}", "%s") % SOUND)
    assert mistakes_of(path) == ()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_the_tables_about_shared_agents_hold(data: st.DataObject) -> None:
    values = list(SOUND)
    for place in data.draw(st.lists(st.integers(0, len(SOUND) - 1), max_size=4, unique=True)):
        values[place] = data.draw(st.one_of(FITTING, VALUES.map(toml)))
    first, *rest = SHARED.split("{}")
    text = first + "".join(value + after for value, after in zip(values, rest, strict=True))
    holds_or_says_where(text.encode("utf-8"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 40), st.text(max_size=6)), min_size=1, max_size=4)
)
def test_torn_text(cuts: list[tuple[int, int, str]]) -> None:
    text = EXAMPLE
    for start, length, put in cuts:
        text = text[:start] + put + text[start + length :]
    holds_or_says_where(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    holds_or_says_where(content)


@pytest.mark.parametrize(
    "key", ["campaigns", "trunks", "agents", "lists", "store", "http", "mqtt", "do_not_call", "base"]
)
@pytest.mark.parametrize("value", ["5", '"x"', "[]", "[1]", "{}", "{ a = 1 }", "{ a = {} }", '[{ a = "b" }]'])
def test_a_table_of_another_kind(key: str, value: str) -> None:
    content = f"{key} = {value}\n".encode()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.toml"
        path.write_bytes(content)
        assert mistakes_of(path)
    holds_or_says_where(content)
