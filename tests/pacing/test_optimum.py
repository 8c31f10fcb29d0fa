import pytest

from pacing import InvalidValueError
from pacing.optimum import index_optimum, optimum


@pytest.mark.parametrize(
    ("n", "p", "handle", "cap", "occupancy"),
    [
        (5, 0.2, 150, 0.03, 0.806),
        (5, 0.5, 150, 0.03, 0.879),
        (10, 0.1, 150, 0.03, 0.836),
        (20, 0.3, 150, 0.03, 0.905),
        (50, 0.5, 150, 0.03, 0.950),
        (3, 0.1, 180, 0.03, 0.736),
        (10, 0.5, 180, 0.03, 0.905),
        (5, 0.2, 150, 0.0005, 0.725),
        (20, 0.2, 150, 0.05, 0.913),
    ],
)
def test_the_published_occupancies(n: int, p: float, handle: float, cap: float, occupancy: float) -> None:
    solved = optimum(n, p, cap, float(handle))
    assert solved.occupancy == pytest.approx(occupancy, abs=0.0015)
    assert solved.bound == pytest.approx(solved.occupancy, abs=1e-5)
    assert solved.abandoned == pytest.approx(cap, rel=1e-4)
    assert solved.edge < 1e-6


def test_the_published_tables() -> None:
    assert optimum(10, 0.2).table[4:11] == (19, 15, 11, 7, 4, 1, 0)
    assert optimum(5, 0.3, handle=180.0).table[:6] == (11, 9, 6, 3, 1, 0)


@pytest.mark.parametrize(("n", "p"), [(4, 0.3), (15, 0.15)])
def test_the_table_is_monotone_and_nearly_linear_in_idle_agents(n: int, p: float) -> None:
    solved = optimum(n, p)
    assert all(a >= b for a, b in zip(solved.table, solved.table[1:], strict=False))
    assert solved.target(-5) == solved.table[0]
    assert solved.target(10_000) == solved.table[-1]


def test_more_cap_agents_or_answers_never_hurt() -> None:
    assert optimum(6, 0.2, 0.01).occupancy < optimum(6, 0.2, 0.03).occupancy < optimum(6, 0.2, 0.05).occupancy
    assert optimum(3, 0.2).occupancy < optimum(6, 0.2).occupancy < optimum(12, 0.2).occupancy
    assert optimum(6, 0.1).occupancy < optimum(6, 0.2).occupancy < optimum(6, 0.4).occupancy
    assert optimum(6, 0.2, ring=18.0).occupancy < optimum(6, 0.2, ring=6.0).occupancy


@pytest.mark.parametrize(
    ("n", "p", "cap", "handle"),
    [(2, 0.3, 0.03, 150), (5, 0.2, 0.03, 150), (12, 0.4, 0.01, 90), (20, 0.1, 0.05, 300), (30, 0.25, 0.03, 60)],
)
def test_the_index_rule_with_known_parameters_is_within_a_fifth_of_a_point(
    n: int, p: float, cap: float, handle: float
) -> None:
    best = optimum(n, p, cap, float(handle)).occupancy
    rule, tau = index_optimum(n, p, cap, float(handle))
    assert best - 0.002 <= rule <= best + 1e-5
    assert 0.001 < tau < 0.3


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: optimum(0, 0.2),
        lambda: optimum(True, 0.2),
        lambda: optimum(5, 0.0),
        lambda: optimum(5, float("nan")),
        lambda: optimum(5, 0.2, cap=2.0),
        lambda: index_optimum(5, 0.2, handle=-1.0),
    ],
)
def test_impossible_input_is_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidValueError):
        wrong()
