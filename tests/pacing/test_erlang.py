import math

import numpy as np
import pytest

from pacing import InvalidValueError
from pacing.erlang import (
    ErlangA,
    agents_for_abandonment,
    agents_for_level,
    agents_for_wait,
    erlang_b,
    erlang_c,
    mean_wait,
    rate_for_abandonment,
    service_level,
)


def chain_a(rate: float, handle: float, agents: int, patience: float, room: int = 2000) -> tuple[float, float]:
    """(P(wait), share abandoned) of M/M/c+M from the birth-death chain itself."""
    logs = [0.0]
    for k in range(1, agents + room):
        death = min(k, agents) / handle + max(0, k - agents) / patience
        logs.append(logs[-1] + math.log(rate / death))
    p = np.exp(np.array(logs) - max(logs))
    p /= p.sum()
    k = np.arange(len(p))
    lost = float((p * np.maximum(k - agents, 0)).sum() / patience / rate)
    return float(p[agents:].sum()), lost


# Erlang's own tables: traffic that N trunks carry at 1 % blocking (e.g. ITU handbook on teletraffic)
@pytest.mark.parametrize(
    ("trunks", "load"), [(1, 0.0101), (2, 0.153), (5, 1.361), (10, 4.461), (20, 12.03), (50, 37.90), (100, 84.06)]
)
def test_b_meets_the_published_one_per_cent_table(trunks: int, load: float) -> None:
    assert float(erlang_b(load, trunks)) == pytest.approx(0.01, abs=2e-4)


def test_b_and_c_limits_and_large_systems() -> None:
    assert float(erlang_b(5.0, 0)) == 1.0
    assert float(erlang_b(0.0, 3)) == 0.0
    assert float(erlang_b(1e9, 3)) == pytest.approx(1.0)
    assert float(erlang_c(0.5, 1)) == pytest.approx(0.5)  # M/M/1: P(wait) = rho
    assert float(erlang_c(12.0, 10)) == 1.0
    near = float(erlang_c(9_999.9, 10_000))
    assert 0.99 < near < 1.0
    # heavy traffic, B(n) ~ sqrt(2 / (pi n)) at load = agents
    assert float(erlang_b(10_000.0, 10_000)) * math.sqrt(math.pi * 10_000 / 2) == pytest.approx(1.0, rel=0.01)


def test_broadcasting() -> None:
    loads, agents = np.array([[1.0], [3.0]]), np.array([1, 2, 5])
    both = erlang_b(loads, agents)
    assert both.shape == (2, 3)
    assert both[1, 2] == pytest.approx(float(erlang_b(3.0, 5)))


def test_c_wait_obeys_little_and_the_m_m_1_formula() -> None:
    assert float(mean_wait(0.8, 1.0, 1)) == pytest.approx(0.8 / 0.2)
    assert math.isinf(float(mean_wait(2.0, 1.0, 2)))
    assert float(service_level(0.8, 1.0, 1, 3.0)) == pytest.approx(1 - 0.8 * math.exp(-0.2 * 3))
    assert float(service_level(3.0, 1.0, 2, 10.0)) == 0.0


@pytest.mark.parametrize(
    ("rate", "handle", "agents", "patience"),
    [(0.6, 150, 100, 2), (0.05, 150, 5, 2), (0.9, 150, 100, 2), (0.3, 60, 20, 60), (3.0, 10, 20, 5), (0.01, 10, 1, 1)],
)
def test_a_equals_its_birth_death_chain(rate: float, handle: float, agents: int, patience: float) -> None:
    waits, lost = chain_a(rate, handle, agents, patience)
    a = ErlangA(rate, handle, agents, patience)
    assert float(a.waits) == pytest.approx(waits, rel=1e-8)
    assert float(a.abandoned) == pytest.approx(lost, rel=1e-6)
    assert float(a.queue) == pytest.approx(rate * float(a.mean_wait))
    served = 1 - float(a.abandoned)
    assert float(a.served_within(0.0)) == pytest.approx(1 - waits, rel=1e-7)
    assert float(a.served_within(1e4)) == pytest.approx(served, rel=1e-7)
    levels = a.served_within(np.array([0.0, 0.5, 1, 5, 30]))
    assert np.all(np.diff(levels) >= -1e-12)


def test_a_tends_to_b_and_c() -> None:
    assert float(ErlangA(0.1, 100, 12, 1e-5).abandoned) == pytest.approx(float(erlang_b(10.0, 12)), rel=1e-3)
    assert float(ErlangA(0.1, 100, 12, 1e7).waits) == pytest.approx(float(erlang_c(10.0, 12)), rel=1e-3)


def test_a_at_ten_thousand_agents_is_finite_and_monotone() -> None:
    a = ErlangA(np.array([60.0, 66.0, 66.6, 70.0, 100.0]), 150.0, 10_000, 2.0)
    assert np.all(np.isfinite(a.abandoned))
    assert np.all(np.diff(a.abandoned) >= 0)
    assert float(a.abandoned[-1]) == pytest.approx(1 - 10_000 / 15_000, rel=1e-3)


def test_inverse_problems_are_tight() -> None:
    c = agents_for_wait(1.0, 180.0, 10.0)
    assert float(mean_wait(1.0, 180.0, c)) <= 10.0 < float(mean_wait(1.0, 180.0, c - 1))
    c = agents_for_level(1.0, 180.0, 0.8, 20.0)
    assert float(service_level(1.0, 180.0, c, 20.0)) >= 0.8 > float(service_level(1.0, 180.0, c - 1, 20.0))
    c = agents_for_abandonment(1.0, 180.0, 60.0, 0.05)
    assert float(ErlangA(1.0, 180.0, c, 60.0).abandoned) <= 0.05 < float(ErlangA(1.0, 180.0, c - 1, 60.0).abandoned)
    rate = rate_for_abandonment(20, 150.0, 2.0, 0.03)
    assert float(ErlangA(rate, 150.0, 20, 2.0).abandoned) == pytest.approx(0.03, rel=1e-6)


def test_open_loop_occupancy_of_the_published_figures() -> None:
    """Idleness of a fixed rate grows like sqrt n: .369 / .687 / .888 at n = 5 / 20 / 100 (cap 3 %, 2 s)."""
    for agents, occupancy in [(5, 0.369), (20, 0.687), (100, 0.888)]:
        rate = rate_for_abandonment(agents, 150.0, 2.0, 0.03)
        assert float(ErlangA(rate, 150.0, agents, 2.0).occupancy) == pytest.approx(occupancy, abs=0.002)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: erlang_b(-1.0, 2),
        lambda: erlang_b(math.nan, 2),
        lambda: erlang_b(1.0, 2.5),
        lambda: erlang_c(1.0, -2),
        lambda: erlang_b("many", 2),
        lambda: ErlangA(1.0, 0.0, 3, 2.0),
        lambda: ErlangA(1.0, 1.0, 0, 2.0),
        lambda: rate_for_abandonment(5, 100.0, 2.0, 1.5),
    ],
)
def test_impossible_input_is_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidValueError):
        wrong()
