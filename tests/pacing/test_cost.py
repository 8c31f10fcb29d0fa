"""What a decision costs, as a ratio to plain numpy work in the same process: no clock of another machine enters."""

from time import process_time

import numpy as np
import pytest

from pacing import Pacer


def busy_pacer(agents: int, in_air: int) -> tuple[Pacer, float]:
    """`agents` agents, nine of ten talking, and `in_air` calls placed over the last 24 s, after 2,000 calls."""
    pacer = Pacer()
    rng = np.random.default_rng(1)
    for agent in range(agents):
        pacer.agent_available(agent, 0.0)
    now = 0.0
    for call in range(2000):
        now = call * 0.5
        pacer.call_placed(call, now)
        pacer.call_ringing(call, now)
        if call >= 40:
            old = call - 40
            if rng.random() < 0.2 and pacer._book.available > 0.1 * agents:
                free = next(a for a, r in pacer._book.agents.items() if r.state == "available")
                pacer.call_answered(old, now)
                pacer.call_connected(old, free, now)
            else:
                pacer.call_ended_unanswered(old, now, "no_answer")
    start = now
    for call in range(2000, 2000 + in_air):
        now = start + (call - 2000) * 24.0 / in_air
        pacer.call_placed(call, now)
        pacer.call_ringing(call, now)
    return pacer, now


def work() -> float:
    """CPU seconds of a fixed amount of small numpy and Python work, like a decision's own; the least of five."""
    best = float("inf")
    values = np.linspace(0.1, 1.0, 76)
    for _ in range(5):
        start = process_time()
        for _ in range(400):
            total = 0.0
            for _ in range(5):
                total += float((values / (values + total)).sum())
        best = min(best, process_time() - start)
    return best / 400.0


@pytest.mark.parametrize(("agents", "in_air"), [(100, 600), (500, 5000)])
def test_a_decision_costs_a_few_dozen_vector_operations(agents: int, in_air: int) -> None:
    """6 and 16 of the units when written; the bound leaves room for noise, not for a loop over the calls."""
    pacer, now = busy_pacer(agents, in_air)
    best = float("inf")
    for repeat in range(5):
        start = process_time()
        for i in range(60):
            # agents come and go, so that the decisions differ
            pacer.decide(now + 0.001 * (i + 60 * repeat))
        best = min(best, process_time() - start)
    assert best / 60.0 / work() < 40.0


def test_the_cost_does_not_grow_with_the_calls_in_the_air() -> None:
    few, few_now = busy_pacer(500, 200)
    many, many_now = busy_pacer(500, 8000)

    def cost(pacer: Pacer, now: float) -> float:
        best = float("inf")
        for _ in range(7):
            start = process_time()
            for i in range(40):
                pacer.decide(now + 0.001 * i)
            best = min(best, process_time() - start)
        return best

    assert cost(many, many_now) < 4.0 * cost(few, few_now)
