"""The servers of one trunk (RFC 3263 4.3, RFC 2782): priority, weight, rest."""

from __future__ import annotations

import random
from collections import Counter

from dialer.locate import Located, Target
from dialer.targets import Targets

A, B, C, D = (("192.0.2.1", 5060), ("192.0.2.2", 5060), ("192.0.2.3", 5060), ("192.0.2.4", 5060))
LOCATED = Located((Target((A, B), 1, 70), Target((C,), 1, 30), Target((D,), 2, 0)), 60.0)


def test_servers_of_one_priority_are_drawn_by_weight() -> None:
    targets = Targets(LOCATED, random.Random(1).random)
    drawn = Counter(targets.pick(0.0) for _ in range(4000))
    assert set(drawn) == {A, C}
    assert 0.66 < drawn[A] / 4000 < 0.74


def test_a_weight_of_zero_beside_others_is_rare_but_not_never() -> None:
    targets = Targets(Located((Target((A,), 1, 0), Target((B,), 1, 1))), random.Random(1).random)
    drawn = Counter(targets.pick(0.0) for _ in range(4000))
    assert 0 < drawn[A] < 200


def test_who_failed_rests_and_the_next_takes_its_place() -> None:
    targets = Targets(LOCATED, lambda: 0.0)
    assert targets.pick(0.0) == A
    assert targets.failed(A, 0.0, 30.0)
    assert targets.pick(1.0) == B  # the other address of the same server
    assert targets.failed(B, 1.0, 30.0)
    assert targets.pick(2.0) == C
    assert targets.failed(C, 2.0, 30.0)
    assert targets.pick(3.0) == D  # only now the next priority
    assert not targets.failed(D, 3.0, 30.0)
    assert targets.pick(4.0) == A  # all rest: the one whose rest ends first
    assert targets.pick(30.5) == A


def test_an_answer_ends_the_rest() -> None:
    targets = Targets(LOCATED, lambda: 0.0)
    targets.failed(A, 0.0, 30.0)
    targets.answered(A)
    assert targets.pick(1.0) == A
    assert targets.resting == {}


def test_rests_that_are_over_are_forgotten() -> None:
    targets = Targets(LOCATED, lambda: 0.0)
    for number in range(100):
        targets.failed(("198.51.100.1", 1000 + number), float(number), 5.0)
    assert len(targets.resting) <= 6
