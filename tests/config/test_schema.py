"""The JSON Schema for editors accepts what the loader accepts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dialer.config.campaign_tables import PacingTable
from dialer.config.kinds import PATTERN_WORDS
from dialer.config.schema import DIALECT, allowed, json_schema, schema_at


def nodes(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for item in node for found in nodes(item)]
    if isinstance(node, dict):
        return [node, *(found for item in node.values() for found in nodes(item))]
    return []


def test_it_is_of_the_2020_draft_and_closed() -> None:
    schema = json_schema()
    assert schema["$schema"] == DIALECT
    for table in (schema, *schema["$defs"].values()):
        assert table["additionalProperties"] is False
    assert not [node for node in nodes(schema) if node.get("type") == "null"]


def test_every_pattern_has_words() -> None:
    patterns = {node["pattern"] for node in nodes(json_schema()) if isinstance(node.get("pattern"), str)}
    assert patterns <= set(PATTERN_WORDS)
    for pattern in patterns:
        re.compile(pattern)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("trunks.x.lines", "a whole number from 1 to 100000"),
        ("trunks.x.calls_per_second", "a number above 0 up to 10000"),
        ("campaigns.x.pacing.expected_answer_rate", "a number above 0 and below 1"),
        ("campaigns.x.agents", "a list of: a name of letters, digits, '_', '.' and '-' or 'all'"),
        ("mqtt.tls", "true or false"),
        ("lists.x.delimiter", "one character"),
        ("lists.x.path", "a file name"),
        ("campaigns.x.schedule.hours.mon", "a list of: a table"),
        ("log.format", "one of 'text', 'json'"),
        ("campaigns.x.outcomes.busy.next", "one of 'done', 'retry', 'callback', 'sale', 'do_not_call', 'bad_number'"),
    ],
)
def test_what_a_key_allows_in_words(path: str, words: str) -> None:
    node = schema_at(tuple(path.split(".")))
    assert node is not None
    assert allowed(node) == words


def test_limits_of_durations_are_the_models() -> None:
    for key, low, high in [("patience", 0, 60), ("ring_timeout", 1, 180), ("ring_floor", 0, 120)]:
        node = schema_at(("campaigns", "x", "pacing", key))
        assert node is not None
        number = node["anyOf"][0]
        assert (number["minimum"], number["maximum"]) == (low, high)
        good: list[object] = [low, high, f"{high}s"]
        bad: list[object] = [high + 1, f"{high + 1}s", -1, True, "1 hour", float("inf")]
        for value in good:
            PacingTable.model_validate({key: value})
        for value in bad:
            with pytest.raises(ValueError):
                PacingTable.model_validate({key: value})
