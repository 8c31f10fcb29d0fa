"""Bytes become a command or a DoorError, never anything else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.doors import MAX_DEPTH, DoorError, encode, one_line, parse_command, parse_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def refusal(parse: Callable[[], Any]) -> DoorError | None:
    """The DoorError of `parse`, None when it accepts; anything else that it raises fails the test."""
    try:
        parse()
    except DoorError as error:
        return error
    return None


@given(st.binary())
def test_any_bytes_are_an_object_or_refused(data: bytes) -> None:
    error = refusal(lambda: parse_object(data))
    assert error is None or error.code in ("malformed", "invalid", "too_large")
    assert error is None or len(error.message.splitlines()) == 1


@given(st.dictionaries(st.text(), JSON, max_size=5), st.sampled_from(["dispose", "login", "add_contacts", "status"]))
def test_any_object_is_a_command_or_refused(fields: dict[str, Any], name: str) -> None:
    error = refusal(lambda: parse_command(name, parse_object(json.dumps(fields).encode())))
    assert error is None or 0 < len(error.message) <= 500
    assert error is None or len(error.message.splitlines()) == 1


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_encoded_is_strict_json(record: dict[str, Any]) -> None:
    def strict(word: str) -> float:
        raise AssertionError(word)

    again = json.loads(encode(record), parse_constant=strict)
    assert again.keys() == record.keys()


def test_encode_takes_what_events_hold() -> None:
    record = {"n": np.int64(3), "f": np.float64(0.5), "s": {1}, "i": math.inf, "deep": [{"x": math.nan}]}
    assert encode(record) == b'{"n":3,"f":0.5,"s":[1],"i":null,"deep":[{"x":null}]}'


def nested(levels: int) -> bytes:
    return b'{"x":' + b"[" * levels + b"]" * levels + b"}"


def test_depth_is_limited() -> None:
    parse_object(nested(MAX_DEPTH - 1))
    with pytest.raises(DoorError, match="deeper"):
        parse_object(nested(MAX_DEPTH))


def test_many_mistakes_are_cut_short() -> None:
    with pytest.raises(DoorError, match="and 5 more") as found:
        parse_command("status", {f"x{n}": 1 for n in range(10)})
    assert found.value.field == "x0"


def test_one_line_is_one_line_and_not_long() -> None:
    assert one_line("a\r\nb\u2028c") == "a??b?c"
    assert len(one_line("x" * 10_000)) == 500
    assert one_line("x" * 500) == "x" * 500
