"""A pacer that is told twice, or too early, is set right and never left wrong."""

from __future__ import annotations

from collections import Counter

import pytest

from dialer.pacemaker import Pacemaker
from pacing import Pacer, PacingConfig, Snapshot


@pytest.fixture
def maker():
    counters = Counter()
    truth = Snapshot(
        available=["ana"], busy={"berta": 1.0}, wrap_up={}, ringing={}, ring_since={}, answered={}, segments={}
    )
    return Pacemaker(Pacer(PacingConfig()), lambda: truth, counters), counters


def test_an_agent_may_leave_twice(maker):
    pacemaker, counters = maker
    pacemaker.available("ana", 1.0)
    pacemaker.unavailable("ana", 2.0)
    pacemaker.unavailable("ana", 3.0)
    pacemaker.unavailable("nobody", 3.0)
    assert not counters
    assert not pacemaker.agents


def test_a_refused_event_is_counted_and_set_right_at_the_next_decision(maker):
    pacemaker, counters = maker
    pacemaker.tell("call_ringing", "unknown", 1.0)
    pacemaker.tell("call_ringing", "unknown too", 1.0)
    assert counters == {"pacer_resync": 1}
    pacemaker.decide(2.0)
    assert pacemaker.agents == {"ana", "berta"}
    pacemaker.unavailable("berta", 3.0)
    pacemaker.tell("talk_ended", "ana", 3.0)
    assert counters == {"pacer_resync": 2}, "ana does not talk"
