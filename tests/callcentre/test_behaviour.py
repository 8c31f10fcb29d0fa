"""The simulated people: shares as asked for, the same seed meets the same people, the sample list shows hygiene."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from benchmarks.callcentre.behaviour import DATA, Population, Shares, read_talks
from benchmarks.callcentre.campaign import usable

NUMBERS = [f"+1{area}55501{last:02d}" for area in range(201, 241) for last in range(100)]


def test_shares_are_as_asked_for() -> None:
    shares = Shares()
    population = Population(7, shares)
    kinds = Counter(population.fate(number, 1).kind for number in NUMBERS)
    total = len(NUMBERS)
    assert kinds["invalid"] / total == pytest.approx(shares.invalid, abs=0.012)
    alive = total - kinds["invalid"]
    # three standard deviations of a share of 4,000 draws are below 2.4 points
    for kind, share in (
        ("person", shares.answer),
        ("machine", shares.machine),
        ("busy", shares.busy),
        ("unreachable", shares.unreachable),
    ):
        assert kinds[kind] / alive == pytest.approx(share, abs=0.024), kind
    assert kinds["no_answer"] / alive == pytest.approx(0.34, abs=0.024)


def test_the_same_seed_number_and_attempt_meet_the_same_fate_and_others_do_not() -> None:
    first, again, other = Population(7), Population(7), Population(8)
    assert [first.fate(number, 1) for number in NUMBERS[:200]] == [again.fate(number, 1) for number in NUMBERS[:200]]
    assert [first.fate(number, 1) for number in NUMBERS[:200]] != [first.fate(number, 2) for number in NUMBERS[:200]]
    assert [first.fate(number, 1) for number in NUMBERS[:200]] != [other.fate(number, 1) for number in NUMBERS[:200]]


def test_a_number_that_does_not_exist_never_does() -> None:
    population = Population(7)
    dead = [number for number in NUMBERS if population.fate(number, 1).kind == "invalid"]
    assert len(dead) > 50
    assert all(population.fate(number, attempt).kind == "invalid" for number in dead for attempt in (2, 3, 9))


def test_who_answers_is_the_same_at_every_attempt() -> None:
    population = Population(7, Shares(answer=1.0, machine=0, busy=0, invalid=0, unreachable=0))
    wrong = [number for number in NUMBERS if population.fate(number, 1).voice == "wrong_person"]
    assert len(wrong) / len(NUMBERS) == pytest.approx(0.03, abs=0.01)
    assert all(population.fate(number, 2).voice == "wrong_person" for number in wrong)


def test_ring_times_have_two_modes() -> None:
    population = Population(7, Shares(answer=1.0, machine=0, busy=0, invalid=0, unreachable=0))
    rings = [population.fate(number, 1).ring for number in NUMBERS]
    middle = sum(7.5 <= ring < 9.0 for ring in rings)
    assert sum(3.0 <= ring < 4.5 for ring in rings) > 2 * middle
    assert sum(12.0 <= ring < 13.5 for ring in rings) > 1.2 * middle


def test_talk_times_are_the_real_ones() -> None:
    talks = read_talks(DATA / "talk_times.csv")
    mean = sum(seconds for seconds, _ in talks) / len(talks)
    assert mean == pytest.approx(258, rel=0.05)
    sold = [seconds for seconds, was_sold in talks if was_sold]
    assert sum(sold) / len(sold) > 1.5 * mean


def test_a_congested_trunk_may_be_passed_by_another() -> None:
    population = Population(7, Shares(congestion=0.5))
    first = [population.congested(number, 1, "trunk1") for number in NUMBERS[:500]]
    second = [population.congested(number, 1, "trunk2") for number in NUMBERS[:500]]
    assert any(one and not two for one, two in zip(first, second, strict=True))
    assert sum(first) / 500 == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("shares", [{"answer": 1.2}, {"busy": -0.1}, {"answer": 0.8, "machine": 0.3}])
def test_impossible_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Shares(**shares)


def test_the_sample_list_holds_what_real_lists_hold() -> None:
    with (DATA / "contacts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    numbers = [usable(row["number"]) for row in rows]
    good = [number for number in numbers if number]
    assert len(set(good)) == 4000
    assert len(good) - len(set(good)) == 24
    assert numbers.count(None) == 10
    assert all(number[5:10] == "55501" for number in good), "only numbers that are kept for fiction"
    forbidden = (DATA / "do_not_call.txt").read_text(encoding="utf-8").split()
    assert len(set(forbidden) & set(good)) == 60
