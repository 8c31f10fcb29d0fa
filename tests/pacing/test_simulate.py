import math
from dataclasses import replace

import numpy as np
import pytest

from pacing import Decision, Pacer, PacingConfig
from pacing.history import History
from pacing.laws import constant, empirical, erlang, lifelike, lognormal, memoryless, mixture, realistic
from pacing.rates import alternating, by_hour, drifting, stepping, swinging
from pacing.simulate import Shift, Trunk, full_time, simulate
from pacing.staffing import Break, day_shifts
from pacing.supply import ContactList


@pytest.mark.parametrize(
    ("law", "mean", "cv"),
    [
        (lognormal(120.0, 0.9), 120.0, 0.9),
        (erlang(60.0, 4), 60.0, 0.5),
        (constant(7.0), 7.0, 0.0),
        (empirical([1.0, 3.0]), 2.0, 0.5),
        (mixture([(0.25, constant(8.0)), (0.75, constant(4.0))]), 5.0, math.sqrt(3.0) / 5.0),
    ],
)
def test_laws_have_their_moments(law, mean: float, cv: float) -> None:  # type: ignore[no-untyped-def]
    drawn = law(np.random.default_rng(1), 200_000)
    assert drawn.mean() == pytest.approx(mean, rel=0.01)
    assert drawn.std() / mean == pytest.approx(cv, abs=0.02)


def test_the_same_seed_gives_the_same_run_and_another_does_not() -> None:
    def once(seed: int):  # type: ignore[no-untyped-def]
        return simulate(Pacer(), realistic(), full_time(6, 3600.0), 3600.0, seed)

    assert once(3).ends == once(3).ends
    assert once(3).ends != once(4).ends


def test_progressive_dialing_abandons_nobody_and_loses_the_ring_time() -> None:
    """Renewal argument, one call per idle agent: idle time per contact is the mean time to an answer."""
    p, ring, handle = 0.25, 10.0, 100.0
    out = simulate(
        Pacer(PacingConfig(mode="progressive", ring_timeout=120.0)), memoryless(p, ring, handle),
        full_time(40, 20_000.0), 20_000.0, 5, 1000.0,
    )  # fmt: skip
    assert out.abandoned == 0
    assert out.occupancy == pytest.approx(handle / (handle + ring / p), abs=0.01)


def test_occupied_time_obeys_little() -> None:
    out = simulate(Pacer(), realistic(), full_time(20, 40_000.0), 40_000.0, 6, 2000.0)
    per_second = out.connected / 38_000.0
    assert out.occupied / out.logged_in * 20 == pytest.approx(per_second * 150.0, rel=0.04)
    assert out.answered == pytest.approx(out.connected + out.abandoned, abs=3)


def test_shifts_end_after_the_running_call_and_minutes_add_up() -> None:
    shifts = [Shift(0, 0.0, 1800.0, announced=60.0), Shift(1, 600.0, 3000.0)]
    out = simulate(Pacer(), realistic(0.5), shifts, 4000.0, 7, by_minute=True)
    assert sum(out.agents_by_minute.values()) == pytest.approx(out.logged_in)
    assert sum(out.busy_by_minute.values()) == pytest.approx(out.occupied)
    assert 4200.0 <= out.logged_in <= 4200.0 + 2 * 1200.0


class Once:
    """A policy that places `count` calls at the start and looks on."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.log: list[str] = []

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return lambda *args: self.log.append(name)

    def decide(self, now: float) -> Decision:
        place, self.count = self.count, 0
        return Decision(place, (), now + 1000.0, {})


def test_an_answer_without_agent_is_abandoned_after_patience() -> None:
    laws = replace(realistic(1.0), ring_answered=constant(5.0))
    policy = Once(3)
    out = simulate(policy, laws, full_time(1, 200.0), 200.0, 1)  # type: ignore[arg-type]
    assert (out.placed, out.answered, out.connected, out.abandoned) == (3, 3, 1, 2)
    assert [round(at, 6) for at, lost in out.ends if lost] == [7.0, 7.0]
    assert policy.log.count("call_abandoned") == 2


@pytest.mark.parametrize("agents", [2, 5, 20])
def test_predictive_keeps_the_cap_and_beats_progressive(agents: int) -> None:
    hours = 10 * 3600.0
    runs = {}
    for mode in ("predictive", "progressive"):
        config = PacingConfig(mode=mode)  # type: ignore[arg-type]
        runs[mode] = simulate(Pacer(config), realistic(), full_time(agents, hours), hours, 11, 900.0)
    assert runs["predictive"].abandon_rate <= 0.033
    assert runs["predictive"].occupancy > runs["progressive"].occupancy + 0.06


def test_calls_are_given_up_only_past_the_floor() -> None:
    config = PacingConfig(ring_floor=15.0)
    pacer = Pacer(config)
    placed: dict[object, float] = {}
    tell = pacer.call_placed
    pacer.call_placed = lambda call, now: (placed.__setitem__(call, now), tell(call, now))[1]  # type: ignore
    ages: list[float] = []
    simulate(
        pacer, realistic(), full_time(10, 7200.0), 7200.0, 12,
        each=lambda now, d: ages.extend(now - placed[c] for c in d.cancel),
    )  # fmt: skip
    assert len(ages) > 20
    assert min(ages) >= 15.0


def test_a_day_of_a_strict_budget_ends_below_the_cap() -> None:
    for seed in range(4):
        pacer = Pacer(PacingConfig(overrun_chance=0.005))
        pacer.set_budget(0.0, 0, 0, 4 * 3600.0)
        out = simulate(pacer, realistic(), full_time(10, 4 * 3600.0), 4 * 3600.0, seed)
        assert 0.005 < out.abandon_rate <= 0.03


def test_time_scaled_down_is_paced_alike() -> None:
    """All durations divided by 20, as a demonstration does: occupancy stays near that of full time."""
    from pacing.laws import Laws, gamma_after

    def scaled(k: float) -> float:
        laws = Laws(
            lambda _: 0.25, gamma_after(3.0 / k, 9.0 / k, 2.0), constant(25.0 / k), lognormal(120.0 / k, 0.9),
            constant(30.0 / k), constant(2.0 / k), 25.0 / k,
        )  # fmt: skip
        config = PacingConfig(
            patience=2.0 / k, ring_floor=15.0 / k, ring_timeout=25.0 / k, prior_ring=10.0 / k, prior_handle=120.0 / k
        )
        seconds = 6 * 3600.0 / k
        out = simulate(Pacer(config), laws, full_time(10, seconds), seconds, 31, seconds / 20)
        assert out.abandon_rate <= 0.033
        return out.occupancy

    assert scaled(20.0) == pytest.approx(scaled(1.0), abs=0.02)


def test_machines_occupy_agents_shortly_and_leave_the_counts_when_noticed() -> None:
    laws = lifelike(0.2, machines=0.2)
    out = simulate(Pacer(), laws, full_time(8, 2 * 3600.0), 2 * 3600.0, 13)
    found = out.machines / (out.machines + out.connected)
    # machines answer after about 20 s: some calls are given up before; one in ten is never noticed
    assert 0.2 < found < 0.5
    deaf = simulate(Pacer(), replace(laws, noticed=0.0), full_time(8, 2 * 3600.0), 2 * 3600.0, 13)
    assert deaf.machines == 0
    assert deaf.connected > out.connected


def test_an_agent_who_is_still_busy_at_the_end_of_a_break_stays() -> None:
    """One endless call across the break: the agent never leaves, and is logged in for the whole time."""
    laws = replace(realistic(1.0), ring_answered=constant(5.0), talk=constant(500.0))
    shifts = [Shift(0, 0.0, 100.0), Shift(0, 200.0, 400.0)]
    policy = Once(1)
    out = simulate(policy, laws, shifts, 400.0, 1)  # type: ignore[arg-type]
    assert out.logged_in == pytest.approx(400.0)
    assert policy.log.count("agent_available") == 1


def test_lines_and_calls_per_second_hold_whoever_paces() -> None:
    laws = realistic(0.001)
    policy = Once(50)
    out = simulate(policy, laws, full_time(5, 20.0), 20.0, 1, trunk=Trunk(lines=8))  # type: ignore[arg-type]
    assert out.placed == 8
    policy = Once(50)
    assert simulate(policy, laws, full_time(5, 9.0), 9.0, 1, trunk=Trunk(cps=3.0)).placed == 3  # type: ignore[arg-type]


def test_a_list_ends_and_every_contact_is_settled_or_exhausted() -> None:
    supply = ContactList(300, attempts=3, retry_after={"no_answer": 600.0, "cancelled": 60.0, "abandoned": 900.0})
    day = 8 * 3600.0
    out = simulate(Pacer(), realistic(), full_time(8, day), day, 14, supply=supply, stop_when_done=True)
    assert supply.left == 0
    assert supply.settled + supply.exhausted == 300
    assert supply.settled == out.connected
    assert 300 < out.placed <= 900
    assert out.logged_in < 8 * day


def test_contacts_who_differ_answer_less_the_longer_they_are_tried() -> None:
    supply = ContactList(20_000, even=1.0, seed=3)
    first = [supply.factor(supply.take(0.0)) for _ in range(20_000)]
    assert np.mean(first) == pytest.approx(1.0, abs=0.03)
    for contact, factor in enumerate(first):
        supply.ended(contact, "answered" if factor > 1.0 else "no_answer", 0.0)
    assert supply.ready(1.0) == 0
    due = supply.next_due()
    assert due is not None
    assert np.mean([supply.factor(supply.take(due)) for _ in range(supply.ready(due))]) < 0.5


def test_a_day_has_breaks_and_late_arrivals() -> None:
    shifts = day_shifts(50, 8 * 3600.0, 5, breaks=[Break(7200.0, 900.0), Break(4 * 3600.0, 1800.0)], late=1200.0)
    at_work = sum(s.end - s.start for s in shifts)
    assert at_work == pytest.approx(50 * (8 * 3600.0 - 2700.0 - 600.0), rel=0.01)
    assert max(s.start for s in shifts[::3]) <= 1200.0
    assert day_shifts(50, 8 * 3600.0, 5, breaks=[Break(7200.0, 900.0)]) != day_shifts(
        50, 8 * 3600.0, 6, breaks=[Break(7200.0, 900.0)]
    )


def test_rates_move_as_they_say() -> None:
    assert [alternating(0.1, 0.2, 1800.0)(t) for t in (0.0, 1799.0, 1800.0, 3600.0)] == [0.1, 0.1, 0.2, 0.1]
    swing = [swinging(0.1, 0.3, 7200.0)(t) for t in np.linspace(0.0, 7200.0, 500)]
    assert (min(swing), max(swing)) == (pytest.approx(0.1, abs=1e-3), pytest.approx(0.3, abs=1e-3))
    assert [stepping(1.0, 1.5, 60.0)(t) for t in (59.0, 60.0)] == [1.0, 1.5]
    path = [drifting(0.2, 0.4, 1)(t) for t in np.arange(0.0, 7 * 86400.0, 300.0)]
    logits = np.log(np.array(path) / (1.0 - np.array(path)))
    assert logits.mean() == pytest.approx(math.log(0.25), abs=0.2)
    assert logits.std() == pytest.approx(0.4, abs=0.1)
    assert [by_hour({9: 0.3}, 0.1)(t * 3600.0) for t in (8.0, 9.5, 33.0)] == [0.1, 0.3, 0.3]


def test_pacing_lives_with_drift_breaks_machines_and_a_late_team() -> None:
    laws = lifelike(drifting(0.15, 0.3, 2), machines=0.1)
    day = 3 * 3600.0
    shifts = day_shifts(8, day, 3, breaks=[Break(1 * 3600.0, 900.0, announced=300.0)], late=900.0)
    out = simulate(Pacer(), laws, shifts, day, 4)
    answered = out.connected + out.abandoned
    assert out.abandoned <= 0.03 * answered + 2.0 * math.sqrt(0.03 * answered)  # three hours bear no tighter bound
    assert out.occupancy > 0.6


def test_the_window_is_told_and_counts_what_a_store_would() -> None:
    told: list[tuple[float, int, int, float]] = []

    class Told(Pacer):
        def set_budget(self, now: float, answered: float, abandoned: float, window_left: float) -> None:
            told.append((now, int(answered), int(abandoned), window_left))
            super().set_budget(now, answered, abandoned, window_left)

    history = History()
    laws = lifelike(0.3, machines=0.1)
    for number in range(2):
        out = simulate(
            Told(), laws, full_time(5, 1800.0, number * 7200.0), 1800.0, number,
            start=number * 7200.0, window=lambda now: (0.0, 9000.0 - now), history=history,
        )  # fmt: skip
    assert told[0] == (0.0, 0, 0, 9000.0)
    assert told[-1][3] < 100.0
    first = next(entry for entry in told if entry[0] >= 7200.0)
    assert first[1] > 20, "the second run knows of the first"
    total = history.since(7200.0, 1e9)
    assert total == (out.connected + out.abandoned, out.abandoned)


def test_machines_that_agents_take_make_no_room_to_abandon_people() -> None:
    """A third of the answers are machines, relabelled when the agent has noticed: the cap counts people."""
    answered = abandoned = 0
    for seed in (1, 2):
        out = simulate(Pacer(), lifelike(0.2, machines=0.15, noticed=1.0), full_time(8, 10800.0), 10800.0, seed)
        answered, abandoned = answered + out.connected + out.abandoned, abandoned + out.abandoned
        assert out.machines > 0.3 * out.connected
    assert abandoned <= 0.03 * answered + 1.0 * math.sqrt(0.03 * answered)


def test_a_promised_callback_is_dialed_until_it_reaches_the_contact() -> None:
    """Every talk is followed by another with chance c, so there are 1 / (1 - c) talks a contact; none is given up."""
    supply = ContactList(2000, attempts=1, retry_after={"no_answer": 60.0}, callbacks=0.4, callback_after=600.0, seed=4)
    now, calls, talks = 0.0, 0, 0
    while supply.left:
        now = max(now, supply.next_due() or 0.0)
        for _ in range(supply.ready(now)):
            contact = supply.take(now)
            calls += 1
            missed = supply.promised(contact) and calls % 3 == 0
            talks += not missed
            supply.ended(contact, "no_answer" if missed else "answered", now)
    assert supply.exhausted == 0
    assert supply.settled == 2000
    assert talks == pytest.approx(2000 / 0.6, rel=0.06)
