"""Agents shared by campaigns: the targets are the best there are, moves keep every rule, hysteresis holds."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacing import ConfigError, InvalidValueError
from pacing.allocator import (
    AllocatorConfig,
    Claim,
    Shared,
    allot,
    busy,
    chance_taken,
    targets,
    worth_of_next,
)
from pacing.optimum import optimum

A, B, C = "a", "b", "c"
BOTH = frozenset({A, B})


def shared(campaign: str, count: int, idle: int = 0, since: float = 0.0, first: int = 0) -> dict[str, Shared]:
    return {f"{campaign}{first + n}": Shared(campaign, since, n < idle, BOTH) for n in range(count)}


@pytest.mark.parametrize(
    ("n", "p", "handle", "ring", "cap"),
    [
        (1, 0.2, 150.0, 12.0, 0.03),
        (5, 0.1, 150.0, 12.0, 0.03),
        (10, 0.3, 60.0, 12.0, 0.03),
        (20, 0.2, 150.0, 12.0, 0.01),
        (20, 0.2, 300.0, 6.0, 0.05),
    ],
)
def test_busy_is_near_the_exact_optimum(n: int, p: float, handle: float, ring: float, cap: float) -> None:
    assert busy(n, p, handle, ring, cap) == pytest.approx(n * optimum(n, p, cap, handle, ring).occupancy, abs=0.5)


@given(
    p=st.floats(0.02, 0.9), handle=st.floats(20.0, 900.0), ring=st.floats(4.0, 30.0), cap=st.floats(0.001, 0.1),
    weight=st.floats(0.1, 10.0),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_next_agent_is_worth_less_than_the_one_before(
    p: float, handle: float, ring: float, cap: float, weight: float
) -> None:
    claim = Claim(answer_rate=p, handle=handle, ring=ring, cap=cap, weight=weight)
    worth = [worth_of_next(claim, n) for n in range(1, 40)]
    assert all(a > b > 0.0 for a, b in pairwise(worth))


claim_ = st.builds(
    Claim,
    weight=st.sampled_from([0.5, 1.0, 3.0]), least=st.integers(0, 3), most=st.sampled_from([0, 2, 5, 100]),
    answer_rate=st.sampled_from([0.1, 0.3]), handle=st.sampled_from([60.0, 200.0]),
)  # fmt: skip
allowed_ = st.sampled_from([frozenset({A}), frozenset({B}), BOTH, frozenset({B, C}), frozenset({A, B, C})])


@given(claims=st.fixed_dictionaries({A: claim_, B: claim_, C: claim_}), agents=st.lists(allowed_, max_size=7))
@settings(max_examples=150, deadline=None)
def test_targets_are_the_best_of_all_that_are_possible(claims: dict[str, Claim], agents: list[frozenset[str]]) -> None:
    """Against every assignment of every agent (brute force), by: minima served, then the weighted log of talks."""
    found = targets(claims, agents)

    def value(counts: dict[str, int]) -> tuple[float, float]:
        served = sum(min(counts[c], claims[c].least, claims[c].most) for c in claims)
        logs = 0.0
        for c, claim in claims.items():
            # the first agent counts for more than anything finite
            worth = [min(1e6, worth_of_next(claim, n)) for n in range(counts[c])]
            logs += sum(worth)
        return served, logs

    best = (-1.0, -1.0)
    for choice in product(*([*sorted(allowed), None] for allowed in agents)):
        counts = {c: sum(one == c for one in choice) for c in claims}
        if all(counts[c] <= claims[c].most for c in claims):
            best = max(best, value(counts))
    assert all(found[c] <= claims[c].most for c in claims)
    served, logs = value(found)
    assert served == best[0]
    if not any(claim.least for claim in claims.values()):
        assert logs == pytest.approx(best[1], rel=1e-9)


def test_weights_share_the_agents_and_a_minimum_is_kept() -> None:
    even = targets({A: Claim(), B: Claim()}, [BOTH] * 20)
    assert even == {A: 10, B: 10}
    heavy = targets({A: Claim(weight=3.0), B: Claim()}, [BOTH] * 20)
    assert 14 <= heavy[A] <= 16
    assert targets({A: Claim(weight=100.0), B: Claim(least=4)}, [BOTH] * 20)[B] == 4
    assert targets({A: Claim(most=3), B: Claim()}, [BOTH] * 20) == {A: 3, B: 17}
    assert targets({A: Claim(most=0), B: Claim(most=5)}, [BOTH] * 20) == {A: 0, B: 5}


def test_agents_with_one_skill_leave_room_for_it() -> None:
    only_a = frozenset({A})
    assert targets({A: Claim(), B: Claim()}, [only_a] * 5 + [BOTH] * 5) == {A: 5, B: 5}


agent_ = st.builds(
    Shared,
    campaign=st.sampled_from([A, B, C, "gone"]),
    since=st.floats(0.0, 1000.0),
    idle=st.booleans(),
    allowed=allowed_,
)


@given(
    claims=st.fixed_dictionaries({A: claim_, B: claim_, C: claim_}),
    agents=st.dictionaries(st.integers(0, 20), agent_, max_size=12),
    waiting=st.integers(0, 4), dwell=st.floats(0.0, 500.0), band=st.floats(0.0, 3.0),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_moves_keep_every_rule(
    claims: dict[str, Claim], agents: dict[int, Shared], waiting: int, dwell: float, band: float
) -> None:
    claims = {**claims, A: Claim(weight=claims[A].weight, waiting=waiting)}
    config = AllocatorConfig(dwell=dwell, band=band)
    found = allot(1000.0, claims, agents, config)
    assert found == allot(1000.0, claims, agents, config), "pure"
    assert len({move.agent for move in found.moves}) == len(found.moves), "at most once"
    for move in found.moves:
        agent = agents[move.agent]  # type: ignore[index]
        assert agent.idle
        assert move.source == agent.campaign != move.target
        assert move.target in agent.allowed
        if not move.rescue and move.source in claims and claims[str(move.source)].most > 0:
            assert 1000.0 - agent.since >= dwell
    rescued = [move for move in found.moves if move.rescue]
    assert all(move.target == A for move in rescued)
    assert len(rescued) <= waiting


def test_nothing_moves_within_the_band_nor_before_the_dwell_is_over() -> None:
    agents = {**shared(A, 11, idle=3), **shared(B, 10, idle=3)}
    assert allot(500.0, {A: Claim(), B: Claim()}, agents).moves == ()
    agents = {**shared(A, 14, idle=4, since=450.0), **shared(B, 8, idle=1)}
    assert allot(500.0, {A: Claim(), B: Claim()}, agents).moves == ()
    moved = allot(600.0, {A: Claim(), B: Claim()}, agents).moves
    assert [move.target for move in moved] == [B, B, B]
    assert all(move.worth_there > move.worth_here for move in moved)


def test_after_its_moves_nothing_is_left_to_move() -> None:
    agents = {**shared(A, 16, idle=8), **shared(B, 2)}
    claims = {A: Claim(), B: Claim()}
    first = allot(1000.0, claims, agents)
    assert first.moves
    for move in first.moves:
        agents[str(move.agent)] = Shared(move.target, 1000.0, True, BOTH)
    assert allot(1000.0, claims, agents).moves == ()
    assert allot(5000.0, claims, agents).moves == ()


def test_a_call_that_waits_gets_the_agent_who_is_missed_least() -> None:
    agents = {**shared(A, 5), **shared(B, 5, idle=2), "c0": Shared(C, 990.0, True, frozenset({A, C}))}
    claims = {A: Claim(waiting=1), B: Claim(answers=0.2), C: Claim(answers=3.0)}
    found = allot(1000.0, claims, agents)
    assert [(move.source, move.target, move.rescue) for move in found.moves][:1] == [(B, A, True)]
    # where both are about to be needed nobody is moved for the call
    busy_too = {A: Claim(waiting=1), B: Claim(answers=9.0), C: Claim(answers=9.0)}
    assert not any(move.rescue for move in allot(1000.0, busy_too, agents).moves)


def test_the_chance_to_be_taken_is_poisson() -> None:
    assert chance_taken(Claim(answers=2.0), 1) == pytest.approx(1.0 - math.exp(-2.0))
    assert chance_taken(Claim(answers=2.0), 2) == pytest.approx(1.0 - 3.0 * math.exp(-2.0))
    assert chance_taken(Claim(answers=2.0, freed=1.0), 1) == chance_taken(Claim(answers=2.0), 2)
    assert chance_taken(Claim(waiting=3), 2) == 1.0


def test_a_claim_is_made_of_a_pacers_numbers() -> None:
    from pacing import Pacer

    pacer = Pacer()
    pacer.agent_available("x", 0.0)
    claim = Claim.of(pacer.decide(0.0).why, weight=2.0, most=7)
    assert (claim.weight, claim.most, claim.waiting) == (2.0, 7, 0)
    assert 0.0 < claim.answer_rate < 1.0
    assert claim.handle > 10.0


@pytest.mark.parametrize("wrong", [{"weight": 0.0}, {"least": -1}, {"handle": math.nan}, {"answers": math.inf}])
def test_absurd_claims_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError):
        Claim(**wrong)  # type: ignore[arg-type]


def test_absurd_settings_are_refused() -> None:
    with pytest.raises(ConfigError):
        AllocatorConfig(gain=2.0)
    with pytest.raises(InvalidValueError):
        allot(math.nan, {}, {})


def test_lines_bound_the_agents_they_can_keep_busy() -> None:
    """12 s of ringing at p = .2 for 150 s of talk: four tenths of a line ring for each that talks."""
    assert Claim().agents_for(14) == 10
    assert Claim().agents_for(1) == 1
