import json
import math

import pytest

from pacing import (
    ConfigError,
    InvalidValueError,
    Pacer,
    PacingConfig,
    PacingError,
    Snapshot,
    TimeBackwardsError,
    UnknownIdError,
    WrongOrderError,
)


def ready(mode: str = "predictive", agents: int = 3, **more: object) -> Pacer:
    pacer = Pacer(PacingConfig(mode=mode, **more))  # type: ignore[arg-type]
    for agent in range(agents):
        pacer.agent_available(agent, 0.0)
    return pacer


def test_one_call_through_its_life() -> None:
    pacer = ready("progressive", 1)
    assert pacer.decide(0.0).place == 1
    pacer.call_placed("c", 0.0, segment="list")
    assert pacer.decide(0.0).place == 0
    pacer.call_ringing("c", 1.0)
    pacer.call_ringing("c", 2.0)
    pacer.call_answered("c", 9.0)
    pacer.call_connected("c", 0, 9.1)
    assert pacer.decide(9.1).place == 0
    pacer.talk_ended(0, 60.0)
    pacer.agent_available(0, 90.0)
    assert pacer.decide(90.0).place == 1


@pytest.mark.parametrize("mode", ["progressive", "zero"])
def test_never_more_in_the_air_than_idle_agents(mode: str) -> None:
    pacer = ready(mode, 4)
    for call in range(3):
        pacer.call_placed(call, 0.0)
    pacer.call_answered(0, 5.0)
    assert pacer.decide(5.0).place == 4 - 1 - 2


def test_power_dials_its_factor_per_idle_agent() -> None:
    assert ready("power", 4, power=2.5).decide(0.0).place == 10


@pytest.mark.parametrize("agents", [1, 2, 3, 10, 100])
def test_predictive_dials_at_least_one_call_when_nothing_is_known(agents: int) -> None:
    place = ready(agents=agents).decide(0.0).place
    assert 1 <= place <= 6 * agents


def test_no_agents_no_calls_and_ringing_ones_are_given_up_past_the_floor() -> None:
    pacer = ready(agents=1)
    pacer.call_placed("young", 2.0)
    pacer.call_placed("old", 2.0)
    pacer.call_ringing("young", 4.0)
    pacer.agent_unavailable(0, 10.0)
    decision = pacer.decide(17.5)
    assert decision.place == 0
    assert decision.cancel == ("old",)
    assert set(pacer.decide(19.0).cancel) == {"old", "young"}


def test_limits_bind_place() -> None:
    pacer = ready("power", agents=20)
    free = pacer.decide(0.0).place
    assert free == 30
    pacer.set_limits(0.0, lines=8)
    assert pacer.decide(0.0).place == 8
    pacer.set_limits(0.0, contacts=3)
    assert pacer.decide(0.0).place == 3
    pacer.call_placed("a", 0.0)
    assert pacer.decide(0.0).place == 2
    pacer.set_limits(0.0, cps=2)
    assert pacer.decide(0.0).place == 2
    pacer.call_placed("b", 0.0)
    pacer.call_placed("c", 0.0)
    held = pacer.decide(0.0)
    assert held.place == 0
    assert held.next_at == pytest.approx(0.5)
    assert pacer.decide(0.5).place == 1
    pacer.set_limits(0.5)
    assert pacer.decide(0.5).place == free - 3


def test_decide_changes_nothing_and_repeats_itself() -> None:
    pacer = ready(agents=10)
    before = json.dumps(pacer.state())
    first = pacer.decide(3.0)
    assert first == pacer.decide(3.0)
    assert json.dumps(pacer.state()) == before
    pacer.call_placed("late", 1.0)  # decide(3.0) did not move the clock


def test_state_survives_json_and_restores_what_was_learned() -> None:
    pacer = ready(agents=1)
    for call in range(400):
        pacer.call_placed(call, call * 10.0, segment="s")
        pacer.call_ended_unanswered(call, call * 10.0 + 5.0, "no_answer")
    learned = pacer.decide(5000.0).why["answer_rate"]
    assert learned < 0.02
    again = Pacer.restore(json.loads(json.dumps(pacer.state())), 0.0)
    assert again.config == pacer.config
    again.agent_available(0, 1.0)
    assert again.decide(1.0).why["answer_rate"] == pytest.approx(learned)
    assert Pacer.restore(pacer.state(), 0.0, PacingConfig(mode="zero")).config.mode == "zero"


@pytest.mark.parametrize("state", [{}, {"version": 2}, {"version": 1}, {"version": 1, "config": {}}, []])
def test_a_foreign_state_is_refused(state: object) -> None:
    with pytest.raises(PacingError):
        Pacer.restore(state, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "reckless"),
        ("abandon_cap", 0.0),
        ("abandon_cap", 1.5),
        ("abandon_cap", math.nan),
        ("patience", -1.0),
        ("ring_floor", math.inf),
        ("ring_timeout", "25"),
        ("power", True),
        ("prior_answer_rate", 1.0),
        ("memory", 0),
        ("cancel", "yes"),
    ],
)
def test_absurd_config_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as refused:
        PacingConfig(**{field: value})  # type: ignore[arg-type]
    assert refused.value.field == field


def test_misuse_raises_typed_errors_and_changes_nothing() -> None:
    pacer = ready("progressive", 2)
    pacer.call_placed("c", 1.0)
    pacer.call_placed("w", 1.0)
    pacer.call_answered("w", 1.0)

    def picture() -> object:
        return json.dumps(pacer.state()), pacer.decide(20.0)

    before = picture()
    for wrong, act in [
        (UnknownIdError, lambda: pacer.agent_unavailable("nobody", 2.0)),
        (UnknownIdError, lambda: pacer.call_answered("nothing", 2.0)),
        (UnknownIdError, lambda: pacer.call_relabelled("nothing", 2.0, "machine")),
        (WrongOrderError, lambda: pacer.agent_available(0, 2.0)),
        (WrongOrderError, lambda: pacer.talk_ended(0, 2.0)),
        (WrongOrderError, lambda: pacer.call_placed("c", 2.0)),
        (WrongOrderError, lambda: pacer.call_connected("c", 0, 2.0)),
        (WrongOrderError, lambda: pacer.call_abandoned("c", 2.0)),
        (WrongOrderError, lambda: pacer.call_relabelled("c", 2.0, "person")),
        (WrongOrderError, lambda: pacer.call_ended_unanswered("w", 2.0, "busy")),
        (UnknownIdError, lambda: pacer.call_connected("w", "nobody", 2.0)),
        (TimeBackwardsError, lambda: pacer.call_answered("c", 0.5)),
        (TimeBackwardsError, lambda: pacer.decide(0.5)),
        (InvalidValueError, lambda: pacer.call_answered("c", math.nan)),
        (InvalidValueError, lambda: pacer.call_answered("c", math.inf)),
        (InvalidValueError, lambda: pacer.call_ended_unanswered("c", 2.0, "bored")),
        (InvalidValueError, lambda: pacer.call_relabelled("w", 2.0, "dog")),
        (InvalidValueError, lambda: pacer.call_placed([], 2.0)),
        (InvalidValueError, lambda: pacer.set_limits(2.0, lines=-1)),
        (InvalidValueError, lambda: pacer.set_limits(2.0, cps=math.nan)),
        (InvalidValueError, lambda: pacer.set_budget(2.0, 1, 2, 3)),
        (InvalidValueError, lambda: pacer.agent_leaving(0, math.nan, 2.0)),
        (InvalidValueError, lambda: pacer.resync(Snapshot(ringing={"r": 3.0}), 2.0)),
        (WrongOrderError, lambda: pacer.resync(Snapshot(available=["a", "a"]), 2.0)),
    ]:
        with pytest.raises(wrong):
            act()
        assert picture() == before


def test_resync_replaces_the_live_picture() -> None:
    pacer = ready("progressive", 5)
    pacer.call_placed("lost", 1.0)
    pacer.resync(Snapshot(available=["a", "b", "c"], busy={"d": 5.0}, ringing={"r": 8.0}, answered={"w": 9.0}), 10.0)
    assert pacer.decide(10.0).place == 3 - 1 - 1
    pacer.call_connected("w", "a", 10.0)
    pacer.talk_ended("d", 11.0)
    pacer.call_ringing("r", 11.0)
    with pytest.raises(UnknownIdError):
        pacer.call_answered("lost", 12.0)


def test_an_announced_leaver_is_not_dialled_for() -> None:
    pacer = ready("zero", 2)
    pacer.agent_leaving(0, 5.0, 0.0)
    assert pacer.decide(0.0).place == 1


def test_a_machine_found_later_leaves_the_counts() -> None:
    pacer = ready("predictive", 1)
    pacer.call_placed("c", 0.0)
    pacer.call_answered("c", 8.0)
    pacer.call_connected("c", 0, 8.0)
    counted = pacer.decide(8.0).why
    pacer.call_relabelled("c", 20.0, "machine")
    corrected = pacer.decide(20.0).why
    assert corrected["answered"] == counted["answered"] - 1 == 0
    assert corrected["answer_rate"] < counted["answer_rate"]
    with pytest.raises(WrongOrderError):
        pacer.call_relabelled("c", 21.0, "machine")
