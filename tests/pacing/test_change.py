import numpy as np
import pytest

from pacing.change import Change

WIDTH, BINS = 0.5, 75


def fed(seconds: float, per_second: float, p: float, change: Change, start: float, seed: int) -> tuple[float, int]:
    """Place calls with exponential rings of 10 s until an alarm: (s until it, -1 if none; answers seen)."""
    rng = np.random.default_rng(seed)
    spent = 1.0 - np.exp(-(np.arange(BINS) * WIDTH) / 10.0)
    answers: list[tuple[float, float]] = []
    at, seen = start, 0
    while at < start + seconds:
        at += rng.exponential(1.0 / per_second)
        change.placed(at, at)
        if rng.random() < p:
            answers.append((at + rng.exponential(10.0), at))
        due = sorted(x for x in answers if x[0] <= at)
        answers = [x for x in answers if x[0] > at]
        for _, placed in due:
            seen += 1
            change.answered(placed, at)
            if change.test(at, spent, 200.0, 1800.0) is not None:
                return at - start, seen
        if not due and change.due(False) and change.test(at, spent, 200.0, 1800.0) is not None:
            return at - start, seen
    return -1.0, seen


def test_a_doubled_rate_is_seen_before_the_calls_have_ended() -> None:
    delays = []
    for seed in range(5):
        change = Change(WIDTH, BINS)
        fed(120.0, 5.0, 0.1, change, 0.0, seed)
        delays.append(fed(120.0, 5.0, 0.2, change, 120.0, 50 + seed)[0])
    assert all(d > 0.0 for d in delays)
    assert np.mean(delays) < 60.0


def test_a_halved_rate_is_seen() -> None:
    change = Change(WIDTH, BINS)
    fed(120.0, 5.0, 0.1, change, 0.0, 3)
    assert 0.0 < fed(400.0, 5.0, 0.03, change, 120.0, 4)[0] < 400.0


def test_a_steady_rate_raises_no_alarm() -> None:
    alarms = sum(fed(1200.0, 3.0, 0.1, Change(WIDTH, BINS), 0.0, 100 + seed)[0] >= 0.0 for seed in range(5))
    assert alarms <= 1


def test_an_alarm_names_the_new_rate_and_forgets_the_old_calls() -> None:
    change = Change(WIDTH, BINS)
    spent = np.ones(BINS)
    for i in range(100):
        change.placed(i * 0.1, i * 0.1)
    for i in range(100, 200):
        change.placed(10.0 + i * 0.1, 10.0 + i * 0.1)
        if i % 2:
            change.answered(10.0 + i * 0.1, 10.0 + i * 0.1)
    proved = change.test(30.0, spent, 200.0, 1800.0)
    assert proved is not None
    rate, exposure, age = proved
    assert rate == pytest.approx(0.25)  # half of them answered; no more than LIKELY times what was known is believed
    assert exposure <= 105.0
    assert 8.0 <= age <= 12.0
    assert change.test(30.0, spent, 50.0, 50.0) is None


def test_a_run_of_bad_luck_does_not_make_the_rate_vanish() -> None:
    change = Change(WIDTH, BINS)
    for i in range(120):
        change.placed(i * 0.5, i * 0.5)
    proved = change.test(60.0, np.ones(BINS), 400.0, 1600.0)
    assert proved is not None
    assert proved[0] == pytest.approx(0.2 / 2.5)


def test_little_evidence_proves_nothing() -> None:
    change = Change(WIDTH, BINS)
    for i in range(20):
        change.placed(float(i), float(i))
        change.answered(float(i), float(i))
    assert change.test(20.0, np.ones(BINS), 1.0, 5.0) is None
    assert change.weight == 0.0


def test_more_answers_than_expected_are_half_believed_before_the_alarm() -> None:
    change = Change(WIDTH, BINS)
    for i in range(40):
        change.placed(i * 0.2, i * 0.2)
    for i in range(13):
        change.answered(i * 0.4, 8.0)
    assert change.test(8.0, np.ones(BINS), 200.0, 1800.0) is None
    assert 0.02 < change.weight < 0.9
    assert change.rate > 0.2
