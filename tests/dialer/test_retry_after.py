"""Retry-After (RFC 9110 10.2.3): both forms, all three of a date, and everything that a server may get wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.retry_after import retry_after

#: Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example (5.6.7).
DATE = 784_111_777.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 100.0),  # IMF-fixdate
        ("Sunday, 06-Nov-94 08:49:37 GMT", 100.0),  # RFC 850
        ("Sun Nov  6 08:49:37 1994", 100.0),  # asctime, which names no zone and means UTC
        ("Sun, 06 Nov 1994 08:46:00 GMT", 0.0),  # it is over
    ],
)
def test_what_is_asked_for(value: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")  # where the dialer stands is of no interest
    time.tzset()
    try:
        assert retry_after(value, DATE - 100.0) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "value", [None, "", "soon", "-5", "1.5", "1e9", "9" * 30, "١٢", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov"]
)
def test_what_cannot_be_understood_asks_for_nothing(value: str | None) -> None:
    assert retry_after(value, DATE) is None


@given(st.text(), st.floats(0, 4e9))
def test_whatever_comes_is_none_or_a_time_to_wait(value: str, now: float) -> None:
    found = retry_after(value, now)
    assert found is None or found >= 0
