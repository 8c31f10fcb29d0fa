"""Forecasts against what then happened, in simulated runs whose laws the pacer was never told."""

import numpy as np
import pytest
from scipy.stats import kstest

from pacing import Pacer, PacingConfig
from pacing.forecast import HandleLaw, counted, poisson_binomial
from pacing.laws import Laws, constant, exponential, gamma_after, lognormal, memoryless, mixture, realistic
from pacing.simulate import full_time, simulate


class Watched(Pacer):
    """A pacer that every `every` s notes its forecast, and what came of the calls and agents concerned."""

    def __init__(self, config: PacingConfig, every: float) -> None:
        super().__init__(config)
        self._every = every
        self.notes: list[tuple[float, object, set[object], set[object], list[int]]] = []
        self._next = 1800.0

    def _look(self, now: float) -> None:
        if now >= self._next:
            self._next = now + self._every
            busy = {a for a, r in self._book.agents.items() if r.state != "available"}
            self.notes.append((now, self.forecast(now), set(self._book.in_air), busy, [0, 0]))

    def _happened(self, now: float, kind: int, who: object) -> None:
        if self.notes:
            at, forecast, *groups, counts = self.notes[-1]
            if now <= at + forecast.horizon and who in groups[kind]:  # type: ignore[attr-defined]
                groups[kind].discard(who)
                counts[kind] += 1

    def call_answered(self, call, now):  # type: ignore[no-untyped-def]
        self._happened(now, 0, call)
        super().call_answered(call, now)

    def agent_available(self, agent, now):  # type: ignore[no-untyped-def]
        self._happened(now, 1, agent)
        super().agent_available(agent, now)

    def decide(self, now):  # type: ignore[no-untyped-def]
        self._look(now)
        return super().decide(now)


# most calls are answered at once or late, half of the failures are quick, talk is short or long
BIMODAL = Laws(
    lambda _: 0.15,
    mixture([(0.4, gamma_after(1.0, 4.0, 2.0)), (0.6, gamma_after(8.0, 6.0, 3.0))]),
    mixture([(0.5, exponential(5.0)), (0.5, constant(25.0))]),
    mixture([(0.5, exponential(30.0)), (0.5, lognormal(160.0, 0.5))]),
    constant(10.0),
    constant(2.0),
    25.0,
)


@pytest.mark.parametrize(
    ("laws", "agents", "hours", "every"),
    [
        (memoryless(0.2), 20, 14.0, 60.0),
        (realistic(0.25), 20, 14.0, 60.0),
        (memoryless(0.3), 5, 14.0, 60.0),
        (BIMODAL, 5, 14.0, 60.0),
        pytest.param(realistic(0.2), 100, 7.0, 30.0, marks=pytest.mark.soak),
        (BIMODAL, 60, 7.0, 30.0),
    ],
    ids=["memoryless-20", "realistic-20", "memoryless-5", "bimodal-5", "realistic-100", "bimodal-60"],
)
def test_randomised_pit_is_uniform_and_intervals_are_honest(
    laws: Laws, agents: int, hours: float, every: float
) -> None:
    """Kolmogorov-Smirnov at 1 % on the randomised probability integral transform; 90 % intervals."""
    timeout = 96.0 if laws.timeout > 1e6 else 25.0
    pacer = Watched(PacingConfig(cancel=False, ring_timeout=timeout), every)
    simulate(pacer, laws, full_time(agents, hours * 3600.0), hours * 3600.0, 21)
    rng = np.random.default_rng(1)
    for kind in (0, 1):
        pit, inside = [], []
        for _, forecast, _, _, counts in pacer.notes[:-1]:
            pmf = (forecast.answers, forecast.freed)[kind]  # type: ignore[attr-defined]
            k = min(counts[kind], len(pmf) - 1)
            below = float(pmf[:k].sum())
            pit.append(below + rng.random() * float(pmf[k]))
            inside.append(below < 0.95 and below + pmf[k] > 0.05)
        assert len(pit) > 700
        assert kstest(pit, "uniform").pvalue > 0.01
        assert np.mean(inside) > 0.88  # discrete counts cover at least their level


def test_poisson_binomial_is_binomial_when_alike_and_sums_to_one() -> None:
    pmf = poisson_binomial(np.full(6, 0.3))
    assert pmf[2] == pytest.approx(15 * 0.3**2 * 0.7**4)
    assert poisson_binomial(np.array([0.1, 0.9, 0.5])).sum() == pytest.approx(1.0)
    assert poisson_binomial(np.zeros(0)).tolist() == [1.0]


def test_counted_has_its_moments() -> None:
    pmf = counted(6.0, 9.0, 200)
    k = np.arange(len(pmf))
    assert (k * pmf).sum() == pytest.approx(6.0, rel=1e-3)
    assert ((k - 6.0) ** 2 * pmf).sum() == pytest.approx(9.0, rel=1e-2)


def test_the_handle_law_learns_that_short_calls_end_and_long_ones_last() -> None:
    rng = np.random.default_rng(3)
    law = HandleLaw()
    for _ in range(3000):
        law.observe(float(rng.exponential(20.0) if rng.random() < 0.5 else 200.0 + rng.exponential(100.0)), True)
    young, middle, old = law.ends_within(np.array([5.0, 120.0, 260.0]), 20.0, 160.0)
    assert young == pytest.approx(0.5 * (1 - np.exp(-1)) / (0.5 + 0.5 * np.exp(0.25)), abs=0.05)
    assert middle < 0.05
    assert old == pytest.approx(1 - np.exp(-0.2), abs=0.05)
