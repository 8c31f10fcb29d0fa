"""Filters: what they mean, what they refuse, and that nothing in them is ever run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispositions.errors import ExpressionError
from dispositions.expression import parse_filter

PERSON = {
    "fields.age": 34, "fields.plan": "prepaid", "fields.since": "2024-05-01", "fields.vip": True, "fields.debt": "12.5",
    "fields.weird name": "x", "region": "ES-MD", "priority": 5, "attempts": 2, "list": "spring",
}  # fmt: skip


def look(name: str) -> Any:
    return PERSON.get(name)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("fields.age >= 30 and region == 'ES-MD'", True),
        ("18 <= fields.age < 30", False),
        ("region in ('ES-CT', 'ES-MD')", True),
        ("region not in ['ES-MD']", False),
        ("not fields.vip", False),
        ("fields.vip == true", True),
        ("fields.missing > 3", False),
        ("fields.missing < 3", False),
        ("fields.missing == none", True),
        ("fields.age != none", True),
        ("fields.debt > 12", True),  # a text that is a number
        ("fields.plan > 3", False),
        ("fields.since < '2025-01-01'", True),
        ("startswith(fields.plan, 'pre') or attempts > 7", True),
        ("lower('ABC') == 'abc'", True),
        ("length(fields.plan) == 7", True),
        ("'paid' in fields.plan", True),
        ("fields['weird name'] == 'x'", True),
        ("priority > -1", True),
        ("fields.vip > 0", False),  # yes and no have no order
        ("fields.age >= 30\nand list == 'spring'", True),
        ("country == none", True),
    ],
)
def test_meaning(text: str, holds: bool) -> None:
    assert parse_filter(text).holds(look) is holds


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("fields.age >", 1, 1, "cannot be read"),
        ("age > 3", 1, 1, "there is no 'age'"),
        ("priority > 1 and agee > 3", 1, 18, "agee"),
        ("priority > 1\n  and agee > 3", 2, 7, "agee"),
        ("__import__('os').system('x')", 1, 1, "not understood"),
        ("fields.age.real > 3", 1, 1, "not understood"),
        ("open('x')", 1, 1, "not understood"),
        ("(lambda: 1)()", 1, 1, "not understood"),
        ("[x for x in fields]", 1, 1, "not understood"),
        ("fields.age + 1 > 3", 1, 1, "arithmetic"),
        ("2 ** 99999 > 3", 1, 1, "arithmetic"),
        ("fields.age is none", 1, 15, "== none"),
        ("lower()", 1, 1, "takes 1 value"),
        ("lower(x=1)", 1, 1, "not understood"),
        ("f'{priority}' == '5'", 1, 1, "not understood"),
        ("b'x' == 'x'", 1, 1, "not understood"),
        ("x := 3", 1, 1, "not understood"),
        ("", 1, 1, "is empty"),
        ("(" * 500 + ")" * 500, 1, 201, "cannot be read|too deeply"),
        ("1 == 1 and " * 180 + "1 == 1", 1, 1, "parts"),
        ("p" * 2001, 1, 2000, "longer"),
        ("a\x00b", 1, 2, "NUL"),
        ("list == 'x'); import os; (1", 1, 1, "cannot be read"),
    ],
)
def test_mistakes_have_a_place(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem) as error:
        parse_filter(text)
    assert error.value.line == line
    if "cannot be read" not in problem:  # where Python's own grammar breaks off is its own business
        assert error.value.column == column


@given(st.text(alphabet="fields.ag >=<!()'\"andornot1234[],:\n+-*%", max_size=60))
def test_any_text_is_a_filter_or_a_mistake(text: str) -> None:
    try:
        found = parse_filter(text)
    except ExpressionError:
        return
    assert found.holds(look) in (True, False)


def test_filters_of_the_same_text_are_the_same() -> None:
    assert parse_filter("priority > 1") == parse_filter("priority > 1") != parse_filter("priority > 2")
    assert parse_filter("fields.a > 1 or list == 'x'").names == {"fields.a", "list"}
