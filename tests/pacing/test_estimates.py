import math

import numpy as np
import pytest

from pacing import PacingConfig
from pacing.air import Air
from pacing.answering import BIN, RingLaw
from pacing.book import Call
from pacing.handling import HandleTime
from pacing.level import Level, posterior


def fed_law(rng: np.random.Generator, calls: int, floor: float | None = None) -> RingLaw:
    """A law that has seen `calls` calls: gamma answers, no-answers at 25 s; all given up at `floor`."""
    law = RingLaw(25.0, 6.0, 0.5, 5.0)
    for _ in range(calls):
        answers = rng.random() < 0.3
        end = 3.0 + rng.gamma(2.0, 4.0) if answers else 25.0
        if end >= 25.0:
            answers, end = False, 25.0
        if floor is not None and end > floor:
            law.observe(floor, "censored")
        else:
            law.observe(end, "answered" if answers else "failed")
    law.fit()
    return law


def test_the_ring_law_is_learned_and_old_calls_are_worth_less() -> None:
    law = fed_law(np.random.default_rng(1), 4000)
    assert law.answered_share == pytest.approx(0.28, abs=0.03)
    assert law.mean_ring == pytest.approx(10.3, abs=0.6)
    chance = law.still_to_answer(0.3)
    assert chance[0] == pytest.approx(0.3, abs=1e-6)
    assert np.all(np.diff(chance[int(4 / BIN) : int(24 / BIN)]) <= 1e-6)
    exact = math.exp(-12 / 4) * (1 + 12 / 4) / 0.97  # P(3 + gamma > 15), given that it is before 25
    assert chance[int(15 / BIN)] == pytest.approx(0.3 * exact / (0.3 * exact + 0.7), abs=0.03)


def test_giving_calls_up_does_not_bend_the_law_before_the_floor() -> None:
    whole = fed_law(np.random.default_rng(2), 4000)
    cut = fed_law(np.random.default_rng(2), 4000, floor=15.0)
    early = slice(0, int(14 / BIN))
    assert np.cumsum(cut._density)[early] == pytest.approx(np.cumsum(whole._density)[early], abs=0.005)


def test_calls_in_the_air_count_in_the_law() -> None:
    law = RingLaw(25.0, 10.0, 0.3, 5.0)
    for _ in range(10):
        law.observe(1.0, "answered")
    law.fit()
    naive = law.mean_ring
    air = np.zeros(law.bins)
    air[4] = 200.0
    law.fit(air)
    assert law.mean_ring > naive + 2.0


def test_quantiles_and_horizons_agree() -> None:
    law = fed_law(np.random.default_rng(3), 3000)
    times, shares = law.quantiles(5)
    for t, share in zip(times, shares, strict=True):
        assert law.answered_within(t)[0] == pytest.approx(share, abs=0.01)


def test_level_is_narrow_when_steady_and_quick_after_a_jump() -> None:
    rng = np.random.default_rng(4)
    level = Level(1500.0)
    for at in range(5000):
        level.observe(float(rng.random() < 0.2), 1.5 * at)
    p, spread = posterior(*level.evidence(), 0.3, 2.0)
    assert p == pytest.approx(0.2, abs=0.03)
    assert spread < 0.06
    for at in range(5000, 5250):
        level.observe(float(rng.random() < 0.4), 1.5 * at)
    p, _ = posterior(*level.evidence(), 0.3, 2.0)
    assert p == pytest.approx(0.4, abs=0.08)


def test_steady_evidence_is_rarely_taken_for_a_jump() -> None:
    """Six answers in sixty calls are skewed: by standard errors alone it was twenty in 100,000 calls. The bar rises
    with the calls per second: ten times as many are not ten times as often in doubt."""
    doubts = {pace: doubted(pace) for pace in (1.5, 0.1)}
    assert doubts[1.5] <= 24, doubts
    assert doubts[0.1] <= 4, doubts


def doubted(pace: float) -> int:
    """How often 200,000 steady calls, `pace` s apart, were not believed to be."""
    rng = np.random.default_rng(5)
    doubts = 0
    for rate in (0.05, 0.1, 0.2, 0.5):
        level = Level(1500.0)
        for at, answered in enumerate((rng.random(50_000) < rate).tolist()):
            level.observe(float(answered), pace * at)
        assert level.jumps == 0
        doubts += level.doubts
    return doubts


def test_the_answer_rate_is_unbiased_in_mid_air() -> None:
    """Answers come before no-answers: after 12 s resolved calls alone would say about 80 %."""
    rng = np.random.default_rng(5)
    air = Air(PacingConfig())
    now = 0.0
    live: list[tuple[float, int, bool]] = []
    calls: dict[int, Call] = {}
    for i in range(3000):
        now = i * 0.2
        calls[i] = Call("placed", now)
        air.placed(i, calls[i], None)
        answers = bool(rng.random() < 0.2)
        live.append((now + (3.0 + min(21.0, rng.gamma(2.0, 4.0)) if answers else 25.0), i, answers))
        for end, j, answered in [x for x in live if x[0] <= now]:
            air.ended(j, calls[j], end if end > now else now, "answered" if answered else "failed")
        live = [x for x in live if x[0] > now]
    # a burst of 500 calls; look 12 s later
    answered_now = 0
    for j in range(3000, 3500):
        calls[j] = Call("placed", now)
        air.placed(j, calls[j], None)
    for j in range(3000, 3500):
        if rng.random() < 0.2:
            ring = 3.0 + rng.gamma(2.0, 4.0)
            if ring < 12.0:
                air.ended(j, calls[j], now + 12.0, "answered")
                answered_now += 1
    assert answered_now > 50
    assert air.outlook(now + 12.0).p == pytest.approx(0.2, abs=0.04)


def test_segments_answer_by_their_own_rate_but_borrow_from_the_whole() -> None:
    air = Air(PacingConfig())
    for i in range(600):
        call = Call("placed", float(i))
        air.placed(i, call, "good" if i % 2 else "bad")
        air.ended(i, call, float(i), "answered" if i % 2 and i % 4 == 1 else "failed")
    for name, low, high in (("good", 0.4, 0.5), ("bad", 0.0, 0.1), ("new", 0.2, 0.3)):
        one = Call("placed", 600.0)
        air.placed("probe", one, name)
        assert low <= air.outlook(600.0).to_come <= high
        air.ended("probe", one, 600.0, "lost")


def test_handle_time_counts_calls_still_running() -> None:
    """200 agents with exponential calls of 150 s, seen for 100 s: most calls are still running."""
    rng = np.random.default_rng(6)
    handle = HandleTime(60.0, 2.0)
    ends = np.sort(rng.exponential(150.0, 200))
    for t in ends[ends < 100.0]:
        handle.observe(float(np.minimum(ends, t).sum()))
    done = ends[ends < 100.0]
    assert done.mean() < 60.0
    assert handle.mean(float(np.minimum(ends, 100.0).sum())) == pytest.approx(150.0, rel=0.2)


def test_handle_time_is_right_with_many_agents_and_follows_a_change() -> None:
    rng = np.random.default_rng(7)
    handle = HandleTime(60.0, 2.0)
    total = 0.0
    for mean, calls in ((150.0, 6000), (225.0, 2500)):
        for _ in range(calls):  # 500 busy agents: completions every mean / 500 s
            total += 500 * rng.exponential(mean / 500)
            handle.observe(total)
        assert handle.mean(total) == pytest.approx(mean, rel=0.12)


def test_a_ring_law_of_another_time_scale_is_not_taken_over() -> None:
    law = fed_law(np.random.default_rng(8), 500)
    same, other = RingLaw(25.0, 6.0, 0.5, 5.0), RingLaw(1.25, 0.3, 0.5, 5.0)
    assert same.bins == other.bins
    same.restore(law.state())
    other.restore(law.state())
    assert same.mean_ring == pytest.approx(law.mean_ring)
    assert other.mean_ring < 1.25


@pytest.mark.parametrize("exponential", [True, False])
def test_whether_age_tells_anything_is_settled_by_a_few_calls(exponential: bool) -> None:
    """Under exponential times an old call is worth a fresh one; where no-answers ring out it is worth little."""
    rng = np.random.default_rng(9)
    law = RingLaw(60.0, 10.0, 0.3, 5.0)
    for _ in range(60):
        answers = rng.random() < 0.25
        rung_out = 3.0 + rng.gamma(2.0, 4.0) if answers else 60.0
        end = min(59.0, rng.exponential(10.0)) if exponential else rung_out
        law.observe(end, "answered" if answers else "failed")
    law.fit()
    old = float(law.still_to_answer(0.25)[int(25.0 / law.width)])
    assert (old > 0.2) if exponential else (old < 0.06)


def test_a_longer_handle_time_is_believed_within_a_few_dozen_calls() -> None:
    rng = np.random.default_rng(10)
    handle = HandleTime(60.0, 2.0)
    total, jumps = 0.0, 0
    for _ in range(800):
        total += rng.exponential(100.0)
        jumps += handle.observe(total)
    assert jumps <= 1
    for _ in range(150):
        total += rng.exponential(200.0)
        handle.observe(total)
    assert handle.mean(total) == pytest.approx(200.0, rel=0.25)
