"""The calendar of ticks, with a clock that is moved by hand."""

from __future__ import annotations

import pytest

from dialer.media.schedule import FRAME_TICKS, SECOND_TICKS, Schedule


class Counting:
    def __init__(self, turns: int, period: int = FRAME_TICKS) -> None:
        self.period = period
        self.turns = turns
        self.fired: list[tuple[float, int]] = []
        self.now = 0.0

    def fire(self, skipped: int) -> bool:
        self.fired.append((self.now, skipped))
        return len(self.fired) < self.turns


def drive(schedule: Schedule, streams: list[Counting], until: float, late: float = 0.0) -> None:
    while (due := schedule.next_at()) is not None and due + late <= until:
        for stream in streams:
            stream.now = due + late
        schedule.run(due + late)


def test_a_late_loop_does_not_make_the_schedule_drift() -> None:
    schedule, stream = Schedule(1000.0), Counting(500)
    schedule.add(stream, 1000.0)
    drive(schedule, [stream], until=1020.0, late=0.004)
    times = [at for at, _ in stream.fired]
    assert len(times) == 500
    assert times[-1] - times[0] == pytest.approx(499 * 0.020, abs=1e-6)
    assert schedule.next_at() is None


def test_streams_are_spread_over_the_frame() -> None:
    schedule, streams = Schedule(0.0), [Counting(2) for _ in range(40)]
    for stream in streams:
        schedule.add(stream, 0.0)
    drive(schedule, streams, until=1.0)
    begins = [round(stream.fired[0][0] / 0.005) for stream in streams]
    assert {tick: begins.count(tick) for tick in set(begins)} == {1: 10, 2: 10, 3: 10, 4: 10}


def test_a_short_stall_is_caught_up_and_a_long_one_skipped() -> None:
    schedule, stream = Schedule(0.0), Counting(100)
    schedule.add(stream, 0.0)
    schedule.run(0.005)
    schedule.run(0.085)  # 80 ms late
    assert [skipped for _, skipped in stream.fired] == [0, 0, 0, 0, 0]
    schedule.run(1.105)  # a second
    assert [skipped for _, skipped in stream.fired[5:]] == [200]
    assert schedule.late == 1
    assert schedule.next_at() == pytest.approx(1.125)


def test_a_slow_stream_keeps_its_own_period() -> None:
    schedule, stream = Schedule(0.0), Counting(5, period=SECOND_TICKS)
    schedule.add(stream, 0.0)
    drive(schedule, [stream], until=10.0)
    assert [round(at, 3) for at, _ in stream.fired] == [0.005, 1.005, 2.005, 3.005, 4.005]


def test_a_timer_that_fires_a_little_early_is_not_wasted() -> None:
    schedule, stream = Schedule(0.0), Counting(1)
    schedule.add(stream, 0.0)
    schedule.run(0.0045)
    assert len(stream.fired) == 1
