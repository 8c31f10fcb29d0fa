import pytest

from pacing.budget import Budget
from pacing.peak import Peak


def index(budget: Budget, agents: int) -> float:
    return budget.index(0.0, budget.aim(0.0, 0.1), 0.1, agents, agents * 0.08)


def test_the_start_is_careful_and_the_care_ends() -> None:
    budget = Budget(0.03, 0.06, 0.005)
    aims = []
    for answered in range(400):
        aims.append(budget.aim(0.0, 0.1))
        budget.observe(answered % 40 == 20, 0.0, 0.1)
    assert aims[0] == pytest.approx(0.03 * 0.54)
    assert 0.026 < aims[-1] <= 0.031


def test_an_early_excess_is_saved_again_soon() -> None:
    budget = Budget(0.03, 0.06, 0.005)
    for _ in range(20):
        budget.observe(False, 0.0, 0.1)
    before = budget.aim(0.0, 0.1)
    budget.observe(True, 0.0, 0.1)
    after_one = budget.aim(0.0, 0.1)
    assert after_one < 0.8 * before
    for _ in range(60):
        budget.observe(False, 0.0, 0.1)
    assert budget.aim(0.0, 0.1) > before


def test_a_small_team_starts_bolder_most_where_it_may_give_calls_up() -> None:
    def gain(agents: int) -> float:
        plain, giving = Budget(0.03, 0.06, 0.005), Budget(0.03, 0.06, 0.005, 1.6)
        return index(giving, agents) / index(plain, agents)

    assert gain(5) > 1.4 * gain(40)
    assert gain(5) == gain(10) > gain(15) > gain(20) == pytest.approx(gain(40))
    assert gain(40) == pytest.approx(1.6)
    late = Budget(0.03, 0.06, 0.005, 1.6)
    late.answered = 3000
    later = Budget(0.03, 0.06, 0.005)
    later.answered = 3000
    assert index(late, 5) / index(later, 5) < 1.65


def test_a_peak_tightens_the_placing_and_not_the_index() -> None:
    budget = Budget(0.03, 0.06, 0.005, peak=Peak(2.0, 0.03, 600.0))
    plain = Budget(0.03, 0.06, 0.005)
    for i in range(100):
        budget.observe(i < 6, 300.0 + i, 0.1)
        plain.observe(i < 6, 300.0 + i, 0.1)
    assert index(budget, 20) == index(plain, 20)
    assert budget.calm(400.0, 0.1) < 0.2
    assert plain.calm(400.0, 0.1) == 1.0
