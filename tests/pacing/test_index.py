import math

import numpy as np
import pytest

from pacing.index import NODES, IndexRule, curve, lost_chances, poisson, read, rounded, tails


@pytest.mark.parametrize("mean", [0.0, 0.3, 7.0, 150.0])
def test_poisson_sums_to_one_with_its_mean(mean: float) -> None:
    pmf = poisson(mean)
    assert pmf.sum() == pytest.approx(1.0)
    assert (np.arange(len(pmf)) * pmf).sum() == pytest.approx(mean, abs=1e-3)


def test_tails_are_exact_for_the_three_classes() -> None:
    binomial = tails(np.array([12 * 0.3]), np.array([12 * 0.3 * 0.7]), 12)[0]
    for k in range(13):
        exact = sum(math.comb(12, j) * 0.3**j * 0.7 ** (12 - j) for j in range(k, 13))
        assert binomial[k] == pytest.approx(exact, abs=1e-9)
    limit = tails(np.array([4.0]), np.array([4.0]), 3)[0]
    assert limit[1] == pytest.approx(1 - math.exp(-4.0), abs=1e-5)
    # negative binomial with r = 2 and mean 4: P(0) = (1 + 4/2)^-2
    assert tails(np.array([4.0]), np.array([4.0 + 16.0 / 2]), 1)[0][1] == pytest.approx(1 - 1 / 9, abs=1e-9)


def test_the_chance_to_lose_an_answer_behaves() -> None:
    mass = np.linspace(0.1, 20.0, 40)
    chances = lost_chances(mass, 5, 1.0, 0.2, 0.1)
    assert np.all(np.diff(chances) >= -1e-12)
    assert np.all(lost_chances(mass, 6, 1.0, 0.2, 0.1) <= chances + 1e-12)
    assert np.all(lost_chances(mass, 5, 2.0, 0.2, 0.1) <= chances + 1e-12)
    # nobody idle, nobody freed: any answer is lost; two waiting already and one freed: still lost
    assert lost_chances(mass, 0, 0.0, 0.2, 0.0) == pytest.approx(1.0)
    assert lost_chances(mass, -2, 0.5, 0.2, 0.0).min() > 0.98


def test_the_normal_branch_continues_the_exact_one() -> None:
    mass = np.array([50.0, 55.0, 60.0, 65.0, 70.0])
    exact = lost_chances(mass, 40, 19.9, 0.3, 0.1)
    normal = lost_chances(mass, 40, 20.2, 0.3, 0.1)
    assert normal == pytest.approx(exact, abs=0.02)


def test_a_curve_reads_back_what_it_was_made_of() -> None:
    scale, values = curve(4, 1.5, 0.2, 0.05)
    for mass in (0.0, 0.7, 2.2, 5.0):
        direct = float(lost_chances(np.array([max(mass, 1e-9)]), 4, 1.5, 0.2, 0.05)[0])
        assert read(scale, values, mass) == pytest.approx(direct, abs=0.01)
    assert read(scale, values, 1e6) == values[-1]


def rule(idle: int = 5, freed: float = 0.5, mass: float = 0.0, p: float = 0.2, spread: float = 0.05) -> IndexRule:
    shares = [(j + 0.5) / NODES for j in range(NODES)]
    return IndexRule(idle, [freed] * NODES, [mass * u for u in shares], shares, p, spread)


def test_place_is_the_first_count_above_the_index() -> None:
    r = rule()
    count = r.place(0.02)
    assert r.loss(count - 1) <= 0.02 < r.loss(count)
    assert r.place(0.02, most=3) == 3
    assert rule(mass=50.0).place(0.02) == 0


def test_place_moves_the_right_way() -> None:
    base = rule().place(0.02)
    assert rule(idle=8).place(0.02) > base
    assert rule(freed=2.0).place(0.02) > base
    assert rule(mass=1.0).place(0.02) < base
    assert rule(p=0.4).place(0.02) < base
    assert rule(spread=0.8).place(0.02) < base
    assert rule().place(0.2) > base


def test_rounding_keeps_the_order_of_magnitude() -> None:
    assert rounded(0.0, 0.02) == 0.0
    assert rounded(3.17, 0.02) == pytest.approx(3.17, rel=0.011)
