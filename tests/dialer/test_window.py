"""The legal windows, across a change to summer time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dialer.window import DAY, legal_window, time_to_dial
from dispositions import CallingRules, week


def at(*parts):
    return datetime(*parts, tzinfo=UTC).timestamp()


def test_a_day_is_the_local_calendar_day():
    since, left = legal_window("day", at(2026, 7, 1, 10), "Europe/Madrid")
    assert since == at(2026, 6, 30, 22)
    assert left == 12 * 3600


def test_the_short_day_of_summer_time_has_23_hours():
    since, left = legal_window("day", at(2026, 3, 29, 0), "Europe/Madrid")
    assert since == at(2026, 3, 28, 23)
    assert left == 22 * 3600


def test_rolling_windows():
    now = at(2026, 7, 1, 10)
    assert legal_window("24h", now, "UTC") == (now - DAY, DAY)
    assert legal_window("30d", now, "UTC") == (now - 30 * DAY, 30 * DAY)


def test_a_month_is_the_local_calendar_month():
    since, left = legal_window("month", at(2026, 3, 15, 12), "America/Toronto")
    assert since == at(2026, 3, 1, 5)  # standard time
    assert since + (at(2026, 3, 15, 12) - since) + left == at(2026, 4, 1, 4)  # summer time


def test_call_counts_on_no_later_calls():
    assert legal_window("call", at(2026, 7, 1, 10), "UTC") == (at(2026, 7, 1), 0.0)


def test_an_unknown_window_is_named():
    with pytest.raises(ValueError, match="'week'"):
        legal_window("week", 0.0, "UTC")


WORK = CallingRules(week({"wed": ["09:00-13:00", "15:00-20:00"]}), "Europe/Madrid")


@pytest.mark.parametrize(
    ("hour", "left"),
    [(10, 10 * 3600), (18, 2 * 3600), (21, 0)],
    ids=["over the pause at noon", "until the last closing", "closed"],
)
def test_a_day_counts_on_answers_until_the_last_closing_only(hour, left):
    now = at(2026, 7, 1, hour - 2)  # a Wednesday, summer time
    assert time_to_dial("day", now, WORK) == (at(2026, 6, 30, 22), left)


def test_a_day_without_dialing_has_nothing_to_count_on():
    assert time_to_dial("day", at(2026, 7, 2, 10), WORK)[1] == 0.0


def test_a_month_loses_the_evening_of_today_only():
    now = at(2026, 7, 1, 16)  # 18:00 there
    _, left = legal_window("month", now, "Europe/Madrid")
    assert time_to_dial("month", now, WORK)[1] == left - 4 * 3600


@pytest.mark.parametrize("window", ["30d", "call"])
def test_other_windows_are_as_they_are(window):
    now = at(2026, 7, 1, 16)
    assert time_to_dial(window, now, WORK) == legal_window(window, now, "Europe/Madrid")


def test_a_rolling_day_is_judged_at_the_last_closing():
    now = at(2026, 7, 1, 16)
    assert time_to_dial("24h", now, WORK) == (now - DAY, 2 * 3600)


@pytest.mark.parametrize("window", ["day", "24h", "month"])
def test_round_the_clock_nothing_changes(window):
    now = at(2026, 7, 1, 16)
    rules = CallingRules(timezone="Europe/Madrid")
    assert time_to_dial(window, now, rules) == legal_window(window, now, "Europe/Madrid")


def test_a_shorter_day_falls_into_windows_of_equal_length():
    now = at(2026, 7, 1, 10, 30)  # 12:30 in Madrid
    assert legal_window("day", now, "Europe/Madrid", 24.0) == (at(2026, 7, 1, 10), 1800.0)
    assert legal_window("call", now, "Europe/Madrid", 24.0) == (at(2026, 7, 1, 10), 0.0)
    assert legal_window("24h", now, "Europe/Madrid", 24.0) == (now - 3600, 3600)
    assert legal_window("30d", now, "Europe/Madrid", 30.0) == (now - DAY, DAY)
    since, left = legal_window("month", at(2026, 6, 16, 12), "UTC", 15.0)
    assert (since, left) == (at(2026, 6, 15), DAY / 2)


@pytest.mark.parametrize("window", ["day", "24h"])
def test_a_shorter_window_counts_on_nothing_after_the_last_closing(window):
    minutes_before = at(2026, 7, 1, 17, 50)  # ten minutes before the last closing
    assert time_to_dial(window, minutes_before, WORK, 24.0)[1] == 600.0
    assert time_to_dial(window, at(2026, 7, 1, 12), WORK, 24.0)[1] == 3600.0
