"""Expectations of simulated days, and lists that run down."""

from dataclasses import replace

import pytest

from pacing import InvalidValueError, PacingConfig
from pacing.rundown import run_down
from pacing.whatif import Day, Plan, block, expectation


def day(number: int, occupied: float = 80.0, answered: int = 100, abandoned: int = 2, over: bool = False) -> Day:
    return Day(3, number, occupied, 100.0, 500, answered, abandoned, 0, 6000.0, over, 0.0, (occupied / 100.0,))


def test_days_are_added_up_not_averaged() -> None:
    found = expectation([day(0), day(1, 60.0, 300, 10, over=True)])
    assert found.occupancy == pytest.approx(0.7)
    assert found.abandoned == pytest.approx(12 / 400)
    assert found.worst_day == pytest.approx(10 / 300)
    assert found.over == 0.5
    assert found.idle == pytest.approx(60.0 / 388)
    assert found.by_hour == (pytest.approx(0.7),)
    # two days of which none is over say little: 1 - .05^(1/2)
    assert expectation([day(0), day(1)]).over_upper == pytest.approx(1 - 0.05**0.5)


def test_no_days_are_refused() -> None:
    with pytest.raises(InvalidValueError):
        expectation([])


@pytest.mark.parametrize(
    "change", [{"agents": 0}, {"hours": 25.0}, {"answer_rate": 0.0}, {"window": "week"}, {"talk": -1.0}]
)
def test_absurd_plans_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError):
        Plan(**{"agents": 3, **change})  # type: ignore[arg-type]


def test_the_window_of_a_day_ends_with_the_dialing() -> None:
    plan = Plan(3, hours=8.0, opens=9 * 3600.0)
    assert plan.legal_window(86400.0 + 10 * 3600.0) == (86400.0, 7 * 3600.0)
    assert replace(plan, window="call").legal_window(10 * 3600.0) == (0.0, 0.0)
    assert replace(plan, window="30d").legal_window(0.0)[0] == -30 * 86400.0
    assert replace(plan, window="24h").legal_window(10 * 3600.0) == (-14 * 3600.0, 7 * 3600.0)
    assert replace(plan, window="month").legal_window(86400.0) == (0.0, 29 * 86400.0)


def test_a_block_is_a_row_of_days_and_repeats() -> None:
    plan = Plan(4, hours=1.0, machine_rate=0.1, wrap_up=0.0, lines=10, config=PacingConfig(abandon_cap=0.05))
    found = list(block(plan, 2, 2))
    assert [one.number for one in found] == [2, 3]
    assert found == list(block(plan, 2, 2))
    assert found != list(block(replace(plan, seed=2), 2, 2))
    assert all(one.machines > 0 and len(one.by_hour) == 1 for one in found)


def test_too_few_lines_are_noticed() -> None:
    plenty, few = (next(iter(block(Plan(5, hours=0.5, lines=lines), 0, 1))) for lines in (100, 5))
    assert plenty.held < 0.02
    assert few.held > 0.1
    assert few.occupied < plenty.occupied


def test_given_talk_times_are_drawn() -> None:
    long, short = (next(iter(block(Plan(3, hours=1.0, talks=(talk,), wrap_up=5.0), 0, 1))) for talk in (300.0, 20.0))
    assert short.answered > 3 * long.answered


def test_a_list_runs_down_and_every_contact_is_accounted_for() -> None:
    run = run_down(1000, 100.0, 500.0, 8.0, 0.2, attempts=4, seed=2)
    assert run.days is not None
    assert run.left[-1] == 0
    assert list(run.left) == sorted(run.left, reverse=True)
    assert run.reached <= 1000
    assert 1000 <= run.calls <= 4000
    assert 5 <= run.days <= 15


def test_a_longer_list_lasts_longer_in_proportion_also_when_it_is_simulated_smaller() -> None:
    small = run_down(10_000, 500.0, 2500.0, 8.0, 0.2, attempts=3)
    large = run_down(100_000, 5000.0, 25_000.0, 8.0, 0.2, attempts=3)
    assert large.days == pytest.approx(small.days, abs=2)
    assert large.reached == pytest.approx(10 * small.reached, rel=0.05)


def test_few_contacts_starve_the_agents() -> None:
    run = run_down(50, 500.0, 2500.0, 8.0, 0.2)
    assert run.starved == 1
    assert run_down(20_000, 100.0, 500.0, 8.0, 0.2, attempts=1).starved is not None


def test_nothing_dialed_is_refused() -> None:
    with pytest.raises(InvalidValueError):
        run_down(10, 0.0, 1.0, 8.0, 0.2)
