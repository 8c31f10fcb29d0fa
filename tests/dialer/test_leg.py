"""Pointing legs at each other, with a line that only takes notes."""

from __future__ import annotations

import pytest

from dialer.leg import MAX_ROUNDS, Bridge, Leg, answer_direction
from dialer.media import MediaPort
from dialer.sip import sdp


class Notes:
    def __init__(self):
        self.sent = []
        self.there = True

    def reinvite(self, leg, description):
        if self.there:
            self.sent.append((leg, sdp.parse(description)))
        return self.there

    def targets(self, leg):
        return [d.port for name, d in self.sent if name == leg]


def far(port, direction="sendrecv"):
    return sdp.audio("127.0.0.1", port, direction=direction)


def up(line, name, port):
    leg = Leg(name, name, MediaPort("127.0.0.1", port + 1000), line, session=1)
    leg.note_far(far(port))
    leg.settle_initial()
    return leg


@pytest.fixture
def line():
    return Notes()


@pytest.fixture
def pair(line):
    return up(line, "customer", 10), up(line, "agent", 20)


def joined(pair):
    done = []
    bridge = Bridge(*pair, on_done=lambda: done.append(True))
    bridge.start()
    return bridge, done


def test_a_bridge_is_done_when_both_have_accepted(line, pair):
    customer, agent = pair
    _, done = joined(pair)
    assert line.targets("customer") == [20]
    assert line.targets("agent") == [10]
    customer.accepted(far(10))
    assert not done
    agent.accepted(far(20))
    assert done == [True]


def test_a_far_end_that_moves_in_its_answer_is_followed(line, pair):
    customer, agent = pair
    _, done = joined(pair)
    agent.accepted(far(22))
    customer.accepted(far(10))
    assert line.targets("customer") == [20, 22]
    assert not done
    customer.accepted(far(10))
    assert done


def test_far_ends_that_keep_moving_are_left_as_they_are_at_last(line, pair):
    customer, agent = pair
    _, done = joined(pair)
    port = 30
    while (customer.in_flight or agent.in_flight) and port < 200:
        for leg in pair:
            if leg.in_flight:
                leg.accepted(far(port))
                port += 2
    assert done
    assert len(line.targets("customer")) <= MAX_ROUNDS
    assert len(line.targets("agent")) <= MAX_ROUNDS


def test_a_wish_that_changes_in_mid_flight_is_made_good_afterwards(line, pair):
    customer, agent = pair
    joined(pair)
    agent.aim(None)
    assert line.targets("agent") == [10], "one re-INVITE at a time"
    agent.accepted(far(20))
    assert line.targets("agent") == [10, 1020]
    agent.accepted(far(20))
    assert agent.synced()
    assert customer.aimed_at is agent


def test_nothing_is_sent_for_a_wish_that_holds_already(line, pair):
    pair[0].aim(None)
    assert not line.sent


def test_after_a_refusal_nothing_is_taken_for_granted(line, pair):
    customer, _ = pair
    joined(pair)
    customer.refused()
    assert not customer.synced()
    customer.aim(None)
    assert line.targets("customer") == [20, 1010]


def test_a_leg_that_is_gone_is_never_synced(line, pair):
    line.there = False
    _, done = joined(pair)
    assert not pair[0].synced()
    assert not done


def test_versions_rise_with_every_description(line, pair):
    customer, _ = pair
    joined(pair)
    customer.accepted(far(10))
    customer.aim(None)
    customer.accepted(far(10))
    answer = sdp.parse(customer.answer_to_offer(far(10, "sendonly")))
    versions = [d.version for name, d in line.sent if name == "customer"]
    assert versions == sorted(set(versions))
    assert answer.version > versions[-1]


def test_what_cannot_be_used_leaves_the_far_end_as_it_was(pair):
    customer, _ = pair
    assert not customer.note_far(b"no session description")
    assert not customer.note_far(far(0))
    assert customer.far.port == 10


@pytest.mark.parametrize(
    ("offered", "party", "answer"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendonly", "sendonly", "inactive"),
        ("sendonly", "inactive", "inactive"),
    ],
)
def test_directions_of_answers(offered, party, answer):
    assert answer_direction(offered, party) == answer
