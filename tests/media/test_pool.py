"""The parent's list of ports."""

from __future__ import annotations

import pytest

from dialer.media.backend import MediaExhausted
from dialer.media.pool import PortPool


def pool_of(*ports: int, quarantine: float = 2.0) -> PortPool:
    pool = PortPool(quarantine)
    pool.set_bound(ports)
    return pool


def test_a_port_rests_before_it_is_used_again() -> None:
    pool = pool_of(10)
    assert pool.take(0.0) == 10
    pool.give_back(10, 5.0)
    assert pool.counts(6.9) == (0, 0, 1)
    with pytest.raises(MediaExhausted, match="0 in use, 1 resting"):
        pool.take(6.9)
    assert pool.take(7.0) == 10


def test_the_longest_rested_port_is_next() -> None:
    pool = pool_of(10, 12, 14)
    assert [pool.take(0.0), pool.take(0.0)] == [10, 12]
    pool.give_back(12, 0.0)
    pool.give_back(10, 1.0)
    assert [pool.take(9.0), pool.take(9.0), pool.take(9.0)] == [14, 12, 10]


def test_after_a_restart_taken_ports_stay_taken() -> None:
    pool = pool_of(10, 12, 14)
    pool.take(0.0)
    pool.set_bound([10, 12, 16])  # 14 is lost, 16 is new
    assert pool.counts(0.0) == (2, 1, 0)
    assert {pool.take(0.0), pool.take(0.0)} == {12, 16}


def test_a_taken_port_that_could_not_be_bound_again_is_not_handed_out() -> None:
    pool = pool_of(10)
    pool.take(0.0)
    pool.set_bound([])
    pool.give_back(10, 0.0)
    assert pool.counts(100.0) == (0, 0, 0)
    pool.set_bound([10])
    assert pool.take(100.0) == 10


def test_giving_back_what_was_not_taken_is_an_error() -> None:
    with pytest.raises(KeyError):
        pool_of(10).give_back(10, 0.0)
