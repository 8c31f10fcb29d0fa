"""The circuit breaker, its clock moved by hand."""

from __future__ import annotations

from dialer.sales.breaker import TABLE, Breaker, BreakerEvent, BreakerState


def made() -> tuple[Breaker, list[BreakerState]]:
    heard: list[BreakerState] = []
    return Breaker(3, 10.0, heard.append), heard


def test_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    breaker, heard = made()
    for _ in range(5):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded(0.0)
    assert heard == []
    for _ in range(3):
        breaker.failed(1.0)
    assert heard == [BreakerState.OPEN]
    assert breaker.wait(2.0) == 9.0


def test_after_its_rest_one_is_let_through_and_decides() -> None:
    breaker, heard = made()
    for _ in range(3):
        breaker.failed(0.0)
    assert breaker.wait(10.0) == 0.0
    assert breaker.wait(10.0) == 10.0, "only one"
    breaker.failed(11.0)
    assert breaker.wait(11.0) == 10.0
    assert breaker.wait(21.0) == 0.0
    breaker.succeeded(22.0)
    assert breaker.wait(22.0) == 0.0
    assert heard == [
        BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED,
    ]  # fmt: skip


def test_a_probe_that_is_never_heard_of_blocks_nobody_for_ever() -> None:
    breaker, _ = made()
    for _ in range(3):
        breaker.failed(0.0)
    assert breaker.wait(10.0) == 0.0
    assert breaker.wait(19.0) == 1.0
    assert breaker.wait(20.0) == 0.0


def test_what_was_under_way_when_it_opened_may_close_it() -> None:
    breaker, heard = made()
    for _ in range(3):
        breaker.failed(0.0)
    breaker.succeeded(1.0)
    assert breaker.wait(1.0) == 0.0
    assert heard[-1] is BreakerState.CLOSED


def test_every_pair_that_the_breaker_can_meet_is_in_the_table() -> None:
    unreachable = {
        (BreakerState.CLOSED, BreakerEvent.RESTED),
        (BreakerState.OPEN, BreakerEvent.FAILURES),
        (BreakerState.HALF_OPEN, BreakerEvent.FAILURES),
    }
    assert set(TABLE) | unreachable == {(state, event) for state in BreakerState for event in BreakerEvent}
