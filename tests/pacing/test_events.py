"""Random orders of events: typed errors, state unchanged, counts always those of a plain model."""

import json
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pacing import Pacer, PacingConfig, PacingError
from pacing.pacer import CAUSES

IDS = st.integers(0, 4)
TIMES = st.one_of(st.floats(0.0, 30.0), st.sampled_from([-1.0, 0.0, math.nan, math.inf, -math.inf]), st.just("soon"))
EVENTS = st.one_of(
    st.tuples(st.just("agent_available"), IDS),
    st.tuples(st.just("agent_unavailable"), IDS),
    st.tuples(st.just("agent_leaving"), IDS, st.floats(0.0, 100.0)),
    st.tuples(st.just("talk_ended"), IDS),
    st.tuples(st.just("call_placed"), IDS),
    st.tuples(st.just("call_ringing"), IDS),
    st.tuples(st.just("call_ended_unanswered"), IDS, st.sampled_from([*CAUSES, "nonsense", None])),
    st.tuples(st.just("call_answered"), IDS),
    st.tuples(st.just("call_connected"), IDS, IDS),
    st.tuples(st.just("call_abandoned"), IDS),
    st.tuples(st.just("call_relabelled"), IDS, st.sampled_from(["machine", "person", "cat"])),
    st.tuples(st.just("set_limits"), st.sampled_from([None, -1.0, 0.0, 2.0, math.nan, 50.0])),
    st.tuples(st.just("set_budget"), st.integers(-1, 50), st.integers(-1, 50), st.floats(-1.0, 1e4)),
)


def apply(pacer: Pacer, event: tuple[Any, ...], now: Any) -> None:
    name, *rest = event
    method = getattr(pacer, name)
    if name in ("agent_leaving", "call_connected"):
        method(*rest, now)
    elif name in ("call_ended_unanswered", "call_relabelled"):
        method(rest[0], now, rest[1])
    elif name == "set_limits":
        method(now, lines=rest[0], cps=rest[0], contacts=rest[0])
    elif name == "set_budget":
        method(now, *rest)
    else:
        method(rest[0], now)


def picture(pacer: Pacer, now: float) -> tuple[str, Any]:
    """Everything that can be seen from outside, now and a while later."""
    return json.dumps(pacer.state(), sort_keys=True), (pacer.decide(now), pacer.decide(now + 20.0))


@settings(max_examples=250, deadline=None)
@given(
    mode=st.sampled_from(["predictive", "progressive", "power", "zero"]),
    steps=st.lists(st.tuples(EVENTS, st.floats(0.0, 5.0), st.one_of(st.none(), TIMES)), max_size=60),
)
def test_any_order_either_counts_or_is_refused_whole(mode: Any, steps: list[Any]) -> None:
    pacer = Pacer(PacingConfig(mode=mode))
    now = 0.0
    pacer.set_limits(now)  # any first time is taken; from here on it may not run backwards
    for event, pause, odd in steps:
        at = now + pause if odd is None else odd
        before = picture(pacer, now)
        try:
            apply(pacer, event, at)
        except PacingError:
            assert picture(pacer, now) == before
        else:
            assert at >= now
            now = at
        first = pacer.decide(now)
        assert first == pacer.decide(now)
        assert first.place >= 0
        assert first.next_at > now
        assert math.isfinite(first.next_at)
        assert all(math.isfinite(v) or k == "room" for k, v in first.why.items())
        assert not (first.place and first.cancel)
        if mode in ("progressive", "zero"):
            free = max(0.0, first.why["available"] - first.why["waiting"])
            assert first.place + first.why["in_air"] <= max(free, first.why["in_air"])


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(EVENTS, st.floats(0.0, 5.0)), max_size=80))
def test_the_counts_are_those_of_a_plain_model(steps: list[Any]) -> None:
    """The book against sets kept by the simplest possible rules."""
    pacer = Pacer()
    now = 0.0
    agents: dict[int, str] = {}
    calls: dict[int, str] = {}
    for event, pause in steps:
        now += pause
        try:
            apply(pacer, event, now)
        except PacingError:
            now = max(now - pause, 0.0)
            continue
        name, who = event[0], event[1]
        if name == "agent_available":
            agents[who] = "free"
        elif name == "agent_unavailable":
            del agents[who]
        elif name == "call_placed":
            calls[who] = "air"
        elif name == "call_ended_unanswered":
            del calls[who]
        elif name == "call_answered":
            calls[who] = "waiting"
        elif name == "call_connected":
            del calls[who]
            agents[event[2]] = "busy"
        elif name == "call_abandoned":
            del calls[who]
        elif name == "call_relabelled" and event[2] == "machine":
            calls.pop(who, None)
        why = pacer.decide(now).why
        assert why["in_air"] == sum(c == "air" for c in calls.values())
        assert why["waiting"] == sum(c == "waiting" for c in calls.values())
        staying = why["available"] + why["busy"]
        assert staying <= len(agents)
        if not any(r.leaving_at is not None for r in pacer._book.agents.values()):
            assert why["available"] == sum(a == "free" for a in agents.values())


def test_a_restored_pacer_learns_on_like_the_first() -> None:
    def teach(pacer: Pacer, start: float) -> None:
        pacer.agent_available("a", start)
        for i in range(300):
            at = start + i * 7.0
            pacer.call_placed(i, at)
            if i % 5 == 0:
                pacer.call_answered(i, at + 4.0)
                pacer.call_connected(i, "a", at + 4.0)
                pacer.talk_ended("a", at + 5.0)
                pacer.agent_available("a", at + 6.0)
            else:
                pacer.call_ended_unanswered(i, at + 6.0, "no_answer")

    whole = Pacer()
    teach(whole, 0.0)
    resumed = Pacer.restore(json.loads(json.dumps(whole.state())), 0.0)
    fresh = Pacer()
    for pacer in (whole, resumed, fresh):
        if pacer is whole:
            pacer.agent_unavailable("a", 3000.0)
        teach(pacer, 3000.0)
    known, again, new = (p.decide(6000.0).why for p in (whole, resumed, fresh))
    for key in ("answer_rate", "ring", "handle"):
        assert math.isclose(known[key], again[key], rel_tol=0.02)
    assert new["answer_rate_cv"] > known["answer_rate_cv"]
