"""Whose turn it is: shares are kept to within a contact a lane, and nobody starves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from dispositions import CampaignPolicy, ListPolicy, NewContact, Store
from dispositions.mix import Turn, Turns
from dispositions.work import SLOT, rank_of

weights = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.1, 10.0), min_size=1)


@given(weights, st.integers(1, 400))
def test_every_lane_gets_its_share_and_none_starves(given_weights: dict[str, float], contacts: int) -> None:
    turn = Turn(given_weights)
    lanes = sorted(given_weights)
    taken: Counter[str] = Counter()
    total = sum(given_weights.values())
    for n in range(1, contacts + 1):
        taken[turn.next(lanes)] += 1
        for lane in lanes:
            assert abs(taken[lane] - n * given_weights[lane] / total) <= len(lanes)


def test_who_was_away_is_not_paid_back() -> None:
    turn = Turn({"a": 1.0, "b": 1.0})
    for _ in range(100):
        assert turn.next(["a"]) == "a"
    both = Counter(turn.next(["a", "b"]) for _ in range(20))
    assert both == {"a": 10, "b": 10}


def row(slot: int, origin: str, contact: int, priority: int = 0) -> tuple[int, int, int]:
    return 1, rank_of(origin, priority, slot), contact


def test_callbacks_first_then_lists_by_weight_then_recycled_and_fresh_by_share() -> None:
    rows = [row(0, "fresh", n) for n in range(100)] + [row(1, "fresh", 100 + n) for n in range(100)]
    rows += [row(1, "retry", 200 + n) for n in range(100)] + [row(1, "shared", 300)]
    picked = Turns().pick(rows, 81, {0: 3.0, 1: 1.0}, 0.25)
    assert picked[0][2] == 300
    by_list = Counter(one[1] // SLOT for one in picked[1:])
    assert by_list == {0: 60, 1: 20}
    recycled = sum(200 <= one[2] < 300 for one in picked)
    assert recycled == 5
    assert Turns().pick(rows, 81, {0: 3.0, 1: 1.0}, 0.25) == picked


def test_without_weights_priority_counts_over_all_lists() -> None:
    rows = [row(0, "fresh", 1), row(1, "fresh", 2, priority=9), row(1, "retry", 3)]
    assert [one[2] for one in Turns().pick(rows, 3, None, None)] == [3, 2, 1]


ORIGINS = ["fresh", "retry", "shared"]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["fresh", "retry", "shared"])), max_size=40),
    st.integers(0, 50),
)
def test_nobody_twice_and_as_many_as_there_are(kinds: list[tuple[int, str]], most: int) -> None:
    rows = [row(slot, origin, n) for n, (slot, origin) in enumerate(kinds)]
    picked = Turns().pick(rows, most, {0: 1.0, 2: 5.0}, 0.5)
    assert len(picked) == len(set(picked)) == min(most, len(rows))


def test_claims_mix_the_lists(store: Store, number: Callable[[int], str], noon: float) -> None:
    lists = {"big": ListPolicy(weight=3.0), "small": ListPolicy(weight=1.0)}
    store.register(CampaignPolicy("c", region="US", lists=lists))
    with store.write() as tx:
        tx.add_contacts("c", "big", [NewContact([number(n)]) for n in range(40)], noon)
        tx.add_contacts("c", "small", [NewContact([number(40 + n)]) for n in range(40)], noon)
    seen: Counter[str] = Counter()
    for n in range(1, 6):
        with store.write() as tx:
            seen.update(claim.list_name for claim in tx.claim("c", 8, noon + n, noon + 60))
    assert seen == {"big": 30, "small": 10}
    with store.write() as tx:  # what is left comes, too
        rest = tx.claim("c", 100, noon + 9, noon + 60)
    assert Counter(claim.list_name for claim in rest) == {"big": 10, "small": 30}
    with store.read() as view:
        assert view.accounted("c") == []


def test_recycled_and_fresh_share_the_calls(store: Store, number: Callable[[int], str], noon: float) -> None:
    from dispositions import NewAttempt, Outcome

    store.register(CampaignPolicy("c", region="US", recycled_share=0.25))
    with store.write() as tx:
        tx.add_contacts("c", "l", [NewContact([number(n)]) for n in range(40)], noon)
        claims = tx.claim("c", 20, noon, noon + 60)
        tx.start_attempts([NewAttempt(f"a{c.contact_id}", c.contact_id, c.number, "x") for c in claims], noon)
        for claim in claims:
            tx.finish_attempt(f"a{claim.contact_id}", Outcome.BUSY, noon + 5)
    later = noon + 3600
    with store.write() as tx:
        again = Counter(claim.origin for claim in tx.claim("c", 16, later, later + 60))
    assert again == {"retry": 4, "fresh": 12}


def test_a_list_that_another_process_adds_is_dialed(
    store: Store, url: str, number: Callable[[int], str], noon: float
) -> None:
    policy = CampaignPolicy("c", region="US")
    store.register(policy)
    with store.write() as tx:
        tx.add_contacts("c", "one", [NewContact([number(1)])], noon)
    other = Store(url)
    other.register(policy)
    with other.write() as tx:
        tx.add_contacts("c", "two", [NewContact([number(2)])], noon)
    other.close()
    with store.write() as tx:
        assert {claim.list_name for claim in tx.claim("c", 5, noon, noon + 60)} == {"one", "two"}
