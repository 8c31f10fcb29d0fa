import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pacing.ages import AgeCounts


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(st.tuples(st.floats(0.0, 9.0), st.booleans()), max_size=40), look=st.floats(0.0, 30.0))
def test_counts_are_those_of_a_plain_list(steps: list[tuple[float, bool]], look: float) -> None:
    counts = AgeCounts(0.5, 12)
    live: list[float] = []
    now = 3.0
    for pause, ends in steps:
        now += pause
        if ends and live:
            counts.add(live.pop(0), now, -1.0)
        else:
            counts.add(now, now)
            live.append(now)
    now += look
    seen = counts.seen(now)
    assert seen.min() >= 0.0
    assert seen.sum() == counts.total == len(live)
    for k in range(11):
        # the rounding of both ends costs at most one bin
        assert seen[: k + 1].sum() <= sum(now - at < 0.5 * (k + 2) + 1e-9 for at in live)
        assert seen[: k + 1].sum() >= sum(now - at <= 0.5 * (k - 1) for at in live)


def test_looking_changes_nothing() -> None:
    counts = AgeCounts(1.0, 5)
    counts.add(0.2, 0.2)
    before = counts.seen(0.2).copy()
    counts.seen(100.0)
    assert np.array_equal(counts.seen(0.2), before)


def test_older_calls_can_be_dropped() -> None:
    counts = AgeCounts(1.0, 20)
    for at in range(15):
        counts.add(at + 0.5, at + 0.5)
    counts.drop_older(4.0)
    assert counts.total == 4.0
    assert counts.seen(15.0).sum() == 4.0
