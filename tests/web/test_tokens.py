"""Tokens and the count of wrong ones."""

from __future__ import annotations

import pytest

from dialer.web.tokens import FAILURES, WINDOW, Caller, Failures, Tokens


def test_a_token_is_its_owners() -> None:
    tokens = Tokens("s" * 16, {"ana": "a" * 16})
    assert tokens.caller("s" * 16) == Caller(None)
    assert tokens.caller("a" * 16) == Caller("ana")
    assert tokens.caller("a" * 15) is None
    assert tokens.caller("") is None
    assert tokens.caller("\udc80") is None
    assert "aaaa" not in repr(vars(tokens))


@pytest.mark.parametrize(
    ("supervisor", "agents", "why"),
    [
        ("short", {}, "the supervisor is shorter"),
        ("s" * 16, {"ana": "short"}, "agent ana is shorter"),
        ("s" * 16, {"ana": "s" * 16}, "agent ana is somebody else's"),
    ],
)
def test_weak_tokens_are_refused_and_the_old_stay(supervisor: str, agents: dict[str, str], why: str) -> None:
    tokens = Tokens("o" * 16)
    with pytest.raises(ValueError, match=why):
        tokens.replace(supervisor, agents)
    assert tokens.caller("o" * 16) == Caller(None)


def test_failures_slide_out_of_the_window() -> None:
    failures = Failures()
    assert [failures.wrong("a", float(n)) for n in range(FAILURES)] == [0.0] * FAILURES
    assert failures.wrong("a", 10.0) == WINDOW - 10
    assert failures.wrong("b", 10.0) == 0
    assert failures.wrong("a", WINDOW) == 0
    assert failures.wrong("a", WINDOW) == 1.0


def test_addresses_are_not_kept_without_end() -> None:
    failures = Failures()
    for n in range(20_000):
        failures.wrong(f"a{n}", 0.0)
    assert len(failures._times) <= 10_000
