"""What an answer means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.sales.answer import Answer, Meaning, PathFault, Verdict, look_up, parse_path, understand


def meant(answer: Answer, **more: Any) -> Meaning:
    given: dict[str, Any] = {
        "verdict": None, "accepted": ["paid"], "rejected": ["declined"], "unknown": ["unknown"], "reason": None,
        "keep": {}, "context": {"key": "k"},
    }  # fmt: skip
    return understand(answer, **{**given, **more})


def test_a_path_reaches_into_json() -> None:
    document = {"a": [{"b-c": 1}, {"b-c": [True]}]}
    assert look_up("$.a[1].b-c[0]", document) is True
    assert parse_path("$") == []
    for wrong in ("$.a[9]", "$.a.b", "$[0]", "$.x"):
        with pytest.raises(PathFault):
            look_up(wrong, document)
    for wrong in ("$a", "$.", "$.a[", "$.a[-1]", "$..a", "$.a b"):
        with pytest.raises(PathFault):
            parse_path(wrong)


@pytest.mark.parametrize(
    ("document", "verdict", "expected"),
    [
        ({"status": "paid"}, "$.status", Verdict.ACCEPTED),
        ({"status": "declined"}, "$.status", Verdict.REJECTED),
        ({"status": "unknown"}, "$.status", Verdict.UNKNOWN),
        ({"status": "odd"}, "$.status", Verdict.UNCLEAR),
        ({}, "$.status", Verdict.UNCLEAR),
        ({"n": 3}, "{% if json.n > 2 %}paid{% else %}declined{% endif %}", Verdict.ACCEPTED),
        ({"n": 1}, "{% if json.n > 2 %}paid{% else %}declined{% endif %}", Verdict.REJECTED),
        (None, "{{ json.n }}", Verdict.UNCLEAR),
    ],
)
def test_the_verdict_is_compared_with_the_configs_words(document: Any, verdict: str, expected: Verdict) -> None:
    assert meant(Answer({"json": document}), verdict=verdict).verdict is expected


def test_without_a_verdict_the_answers_own_counts() -> None:
    for own in Verdict:
        assert meant(Answer({"json": {}}, own, "said")).verdict is own


def test_an_answer_that_is_no_answer_is_not_looked_into() -> None:
    """A 503 with a body that says `declined` is still a 503."""
    found = meant(Answer({"json": {"status": "declined"}}, Verdict.UNCLEAR, "status 503"), verdict="$.status")
    assert found.verdict is Verdict.UNCLEAR


def test_a_rejection_keeps_its_meaning_when_its_verdict_is_missing() -> None:
    """A 402 without the JSON that was expected is no reason to ask again."""
    found = meant(Answer({"json": None}, Verdict.REJECTED, "status 402"), verdict="$.status")
    assert (found.verdict, found.reason) == (Verdict.REJECTED, "status 402")


def test_what_is_kept_must_be_there() -> None:
    answer = Answer({"json": {"id": "c1", "n": 5}})
    assert dict(meant(answer, keep={"charge": "$.id", "n": "$.n", "k": "{{ key }}"}).kept) == {
        "charge": "c1", "n": "5", "k": "k",
    }  # fmt: skip
    assert meant(answer, keep={"charge": "$.none"}).verdict is Verdict.UNCLEAR


def test_the_reason_is_the_third_partys_word_or_what_is_known() -> None:
    answer = Answer({"json": {"status": "declined", "why": "too poor"}}, Verdict.REJECTED, "status 402")
    assert meant(answer, verdict="$.status", reason="$.why").reason == "too poor"
    assert meant(answer, verdict="$.status", reason="$.none").reason == "status 402"


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_a_fault(text: str) -> None:
    try:
        found = look_up(f"${text}", {"a": [1]})
    except PathFault:
        return
    assert found in ({"a": [1]}, [1], 1)
