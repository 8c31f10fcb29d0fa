"""Shared agents over time: who may be taken away when, and that no campaign is left with calls on nobody's account."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacing import Pacer, PacingConfig
from pacing.allocator import AllocatorConfig, Claim, Shared
from pacing.sharing import Cause, Kind, Sharing, Step

A, B, C = "a", "b", "c"
BOTH = frozenset({A, B})
NOW = 1000.0


def team(
    campaign: str, count: int, idle: int = 0, since: float = 0.0, allowed: frozenset[str] = BOTH
) -> dict[str, Shared]:
    return {f"{campaign}{n}": Shared(campaign, since, n < idle, allowed) for n in range(count)}


def kinds(steps: list[Step]) -> list[tuple[str, str, str, str]]:
    return [(str(step.kind), str(step.cause), str(step.source), str(step.target)) for step in steps]


def test_an_agent_whom_ringing_calls_count_on_goes_with_notice() -> None:
    """Told at once, gone when the calls placed before have had their time, and no second notice in between."""
    sharing = Sharing(patience=2.0)
    floor = {**team(A, 4, idle=1), **team(B, 2)}
    claims = {A: Claim(answers=2.0, ring=12.0), B: Claim()}
    steps = sharing.look(NOW, claims, floor)
    assert kinds(steps) == [("notice", "targets", A, B)]
    assert steps[0].at == NOW + 14.0
    assert steps[0].why["worth_there"] > steps[0].why["worth_here"]
    assert (steps[0].why["agents_here"], steps[0].why["target_here"]) == (4, 3)
    assert sharing.look(NOW + 5.0, claims, floor) == []
    assert kinds(sharing.look(NOW + 14.0, claims, floor)) == [("move", "targets", A, B)]
    assert not sharing.notices


def test_an_agent_who_can_be_spared_goes_at_once() -> None:
    floor = {**team(A, 6, idle=5), **team(B, 1)}
    steps = Sharing().look(NOW, {A: Claim(answers=1.5), B: Claim()}, floor)
    assert kinds(steps)[0] == ("move", "targets", A, B)
    # the fewer are left, the likelier the next one is needed: that one has notice
    assert Counter(kind for kind, *_ in kinds(steps)) == {"move": 1, "notice": 1}


def test_where_nobody_is_idle_a_busy_agent_goes_after_the_call() -> None:
    """No call in the air has counted on who talks, so the agent goes the moment the wrap-up is over."""
    sharing = Sharing()
    floor = {**team(A, 5), **team(B, 1)}
    claims = {A: Claim(answers=2.0), B: Claim()}
    steps = sharing.look(NOW, claims, floor)
    assert kinds(steps) == [("notice", "targets", A, B)] * 2
    assert {step.at for step in steps} == {NOW}
    assert sharing.look(NOW + 1.0, claims, floor) == []
    free = {**floor, "a1": replace(floor["a1"], idle=True)}
    assert kinds(sharing.due(NOW + 2.0, claims, free)) == [("move", "targets", A, B)]
    assert list(sharing.notices) == ["a0"]


def test_a_call_taken_meanwhile_is_finished_first() -> None:
    sharing = Sharing()
    floor = {**team(A, 4, idle=1), **team(B, 2, allowed=frozenset({B}))}
    claims = {A: Claim(answers=2.0), B: Claim()}
    sharing.look(NOW, claims, floor)
    busy = {**floor, "a0": replace(floor["a0"], idle=False)}
    assert sharing.look(NOW + 60.0, claims, busy) == []
    assert kinds(sharing.look(NOW + 200.0, claims, floor)) == [("move", "targets", A, B)]


def test_notice_is_taken_back_when_the_other_campaign_closes() -> None:
    sharing = Sharing()
    floor = {**team(A, 4, idle=1), **team(B, 2, allowed=frozenset({B}))}
    sharing.look(NOW, {A: Claim(answers=2.0), B: Claim()}, floor)
    steps = sharing.look(NOW + 1.0, {A: Claim(answers=2.0), B: Claim(most=0)}, floor)
    assert kinds(steps) == [("stay", "targets", A, B)]
    assert sharing.look(NOW + 60.0, {A: Claim(answers=2.0), B: Claim(most=0)}, floor) == []


def test_a_campaign_that_can_use_nobody_lets_go_as_its_calls_end() -> None:
    """Paused or out of contacts: no dwell, but an agent stays for each call that may still be answered."""
    sharing = Sharing()
    floor = {**team(A, 3, idle=3, since=NOW - 1.0), **team(B, 1)}
    first = sharing.look(NOW, {A: Claim(most=0, answers=1.0), B: Claim()}, floor)
    assert Counter(kind for kind, *_ in kinds(first)) == {"notice": 3}
    assert {step.cause for step in first} == {Cause.CLOSED}
    one = sharing.look(NOW + 60.0, {A: Claim(most=0, answers=0.1), B: Claim()}, floor)
    assert [kind for kind, *_ in kinds(one)] == ["move", "move"]
    left = {name: floor[name] for name in sharing.notices} | team(B, 3)
    assert sharing.look(NOW + 61.0, {A: Claim(most=0, answers=0.1), B: Claim()}, left) == []
    rest = sharing.look(NOW + 62.0, {A: Claim(most=0), B: Claim()}, left)
    assert kinds(rest) == [("move", "closed", A, B)]


def test_who_may_not_work_there_any_more_goes_where_work_is() -> None:
    floor = {**team(A, 1, idle=1, since=NOW, allowed=frozenset({B})), **team(B, 1, allowed=frozenset({B}))}
    assert kinds(Sharing().look(NOW, {A: Claim(), B: Claim()}, floor)) == [("move", "membership", A, B)]
    gone = {**team(C, 1, idle=1, since=NOW), **team(B, 1)}
    assert kinds(Sharing().look(NOW, {A: Claim(most=0), B: Claim()}, gone))[0][2:] == (C, B)


def test_a_rescue_waits_for_nothing_and_ends_a_notice() -> None:
    sharing = Sharing()
    floor = {**team(A, 4, idle=1), **team(B, 2, allowed=frozenset({B}))}
    sharing.look(NOW, {A: Claim(answers=0.5), B: Claim()}, floor)
    assert list(sharing.notices) == ["a0"]
    steps = sharing.rescue(NOW + 1.0, {A: Claim(answers=0.2), B: Claim(waiting=1)}, {"a0": floor["a0"]})
    assert kinds(steps) == [("move", "rescue", A, B)]
    assert steps[0].why == {"worth_there": 1.0, "worth_here": pytest.approx(0.181, abs=1e-3), "waiting_there": 1.0}
    assert not sharing.notices


def test_who_has_logged_out_is_forgotten() -> None:
    sharing = Sharing()
    floor = {**team(A, 4, idle=1), **team(B, 2, allowed=frozenset({B}))}
    claims = {A: Claim(answers=2.0), B: Claim()}
    sharing.look(NOW, claims, floor)
    del floor["a0"]
    assert sharing.look(NOW + 60.0, claims, floor) == []
    assert not sharing.notices


claim_ = st.builds(
    Claim,
    weight=st.sampled_from([0.5, 1.0, 3.0]), least=st.integers(0, 3), most=st.sampled_from([0, 2, 5, 100]),
    answer_rate=st.sampled_from([0.1, 0.3]), handle=st.sampled_from([60.0, 200.0]),
    waiting=st.sampled_from([0, 0, 0, 1, 3]), answers=st.sampled_from([0.0, 0.1, 1.0, 5.0]),
    freed=st.sampled_from([0.0, 1.0]),
)  # fmt: skip
agent_ = st.builds(
    Shared,
    campaign=st.sampled_from([A, B, C, "gone"]),
    since=st.sampled_from([0.0, 900.0, NOW]),
    idle=st.booleans(),
    allowed=st.sampled_from([frozenset({A}), BOTH, frozenset({B, C}), frozenset({A, B, C}), frozenset()]),
)


@given(
    looks=st.lists(st.fixed_dictionaries({A: claim_, B: claim_, C: claim_}), min_size=1, max_size=5),
    agents=st.dictionaries(st.integers(0, 20), agent_, max_size=10),
    flips=st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=8),
    gap=st.sampled_from([1.0, 20.0, 200.0]),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_every_history_keeps_every_rule(
    looks: list[dict[str, Claim]], agents: dict[int, Shared], flips: list[tuple[int, bool]], gap: float
) -> None:
    """Only idle agents are moved, only where they may serve, once a look; a pacer that was told of a leave is told that
    it is off or sees the agent go; nobody goes before the dwell but from a campaign that is closed, or to a call.
    """
    config = AllocatorConfig(dwell=100.0)
    sharing = Sharing(config)
    told: dict[object, tuple[object, float]] = {}
    floor = dict(agents)
    now = NOW
    for claims in looks:
        steps = sharing.look(now, claims, floor)  # type: ignore[arg-type]
        moved = [step.agent for step in steps if step.kind is Kind.MOVE]
        assert len(set(moved)) == len(moved)
        for step in steps:
            agent = floor[step.agent]  # type: ignore[index]
            assert step.source == agent.campaign
            if step.kind is Kind.STAY:
                assert told.pop(step.agent)[0] == step.source
                continue
            assert step.target in agent.allowed
            assert step.target != step.source
            if step.kind is Kind.NOTICE:
                assert step.at > now or not agent.idle
                assert step.agent not in told
                told[step.agent] = (step.source, step.at)
                continue
            assert agent.idle
            if step.cause is Cause.TARGETS:
                assert now - agent.since >= config.dwell
            if step.cause is Cause.RESCUE:
                assert claims[str(step.target)].waiting > 0
            told.pop(step.agent, None)
            floor[step.agent] = replace(agent, campaign=str(step.target), since=now)  # type: ignore[index]
        assert set(sharing.notices) == set(told)
        for name, idle in flips:
            if name in floor:
                floor[name] = replace(floor[name], idle=idle)
        now += gap


def test_a_thousand_looks_at_a_quiet_floor_move_nobody() -> None:
    sharing = Sharing()
    floor = {**team(A, 11, idle=3), **team(B, 10, idle=3)}
    claims = {A: Claim(answers=1.0), B: Claim(answers=1.0)}
    assert [step for second in range(1000) for step in sharing.look(NOW + second, claims, floor)] == []


def test_a_pacer_says_what_it_believes_in_every_mode() -> None:
    """A power dialer's decision has no such numbers, and its campaign shares agents all the same."""
    told: dict[str, dict[str, float]] = {}
    for mode in ("predictive", "power", "progressive", "zero"):
        pacer = Pacer(PacingConfig(mode=mode, prior_answer_rate=0.31))
        told[mode] = pacer.estimates(0.0)
        pacer.agent_available("x", 0.0)
        assert pacer.estimates(0.0) == told[mode]
    assert set(map(str, told.values())) == {str(told["power"])}
    assert told["power"]["answer_rate"] == pytest.approx(0.31)
    why = pacer.decide(0.0).why
    assert "handle" not in why
    assert told["power"]["handle"] > 10.0
    assert told["power"]["ring"] > 1.0
