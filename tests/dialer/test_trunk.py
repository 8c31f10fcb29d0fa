"""Trunks and routes, with a clock moved by hand."""

from __future__ import annotations

import pytest

from dialer import routing
from dialer.config.sip_tables import BreakerTable, RouteTable, TrunkTable
from dialer.trunk import Trunk, parse_address


def trunk(name="main", **keys):
    keys = {"address": "127.0.0.1:5060", "prefixes": ["+34"], **keys}
    return Trunk(name, TrunkTable(**keys), ("127.0.0.1", 5060))


def test_only_allowed_prefixes_are_carried():
    one = trunk(prefixes=["+346", "+347"])
    assert one.carries("+34600000000")
    assert not one.carries("+34910000000")
    assert not one.carries("+19005550100")


def test_calls_per_second_hold_over_any_second():
    one = trunk(lines=1000, calls_per_second=20)
    now, sent = 100.0, []
    while now < 110.0:
        while one.starts(now) > 0:
            one.seize(now, str(now))
            one.left(now, str(now))
            sent.append(now)
        now += 0.003
    for start in sent:
        assert sum(1 for t in sent if start <= t < start + 1.0) <= 20
    assert len(sent) == pytest.approx(200, abs=10)


def test_next_start_is_when_the_next_token_is_there():
    one = trunk(calls_per_second=4)
    one.seize(10.0, "a")
    assert one.starts(10.0) == 0
    assert one.starts(one.next_start(10.0)) == 1


def test_an_invite_that_waits_for_its_commit_counts_when_it_leaves():
    one = trunk(lines=1000, calls_per_second=2)
    one.seize(10.0, "slow")
    assert one.starts(10.9) == 1
    one.left(10.9, "slow")
    one.seize(10.9, "next")
    one.left(10.9, "next")
    assert one.starts(11.5) == 0
    assert one.starts(11.9) == 1


def test_an_invite_that_never_leaves_does_not_count():
    one = trunk(lines=1000, calls_per_second=1)
    one.seize(10.0, "marked")
    one.free("marked")
    assert one.starts(11.0) == 1


def test_lines_limit_and_come_back():
    one = trunk(lines=1)
    one.seize(1.0, "a")
    assert one.free_lines(1.0) == 0
    one.free("a")
    assert one.free_lines(1.0) == 1


def test_the_cheapest_route_by_longest_prefix_is_chosen():
    cheap_abroad = trunk("a", prefixes=["+"], price=1.0, routes=[RouteTable(prefix="+34", price=9.0)])
    cheap_here = trunk("b", prefixes=["+"], price=5.0, routes=[RouteTable(prefix="+346", price=2.0)])
    both = [cheap_abroad, cheap_here]
    assert routing.choose(both, "+34600000000", 0.0) is cheap_here
    assert routing.choose(both, "+15550100", 0.0) is cheap_abroad


def test_a_reserve_trunk_is_used_only_when_no_other_can():
    main, reserve = trunk("main", price=5.0, options_interval=0.0), trunk("spare", price=0.0, reserve=True)
    assert routing.choose([main, reserve], "+34600000000", 0.0) is main
    main.rest(0.0, 30.0)
    assert routing.choose([main, reserve], "+34600000000", 1.0) is reserve
    assert routing.free_lines([main, reserve], 1.0) == reserve.table.lines
    assert routing.choose([main, reserve], "+34600000000", 31.0) is main


def test_a_trunk_that_refused_this_call_is_not_tried_again():
    main, spare = trunk("main"), trunk("spare", reserve=True)
    assert routing.choose([main, spare], "+34600000000", 0.0, {"main"}) is spare
    assert routing.choose([main, spare], "+34600000000", 0.0, {"main", "spare"}) is None


def test_what_is_dialed_after_strip_and_prepend():
    one = trunk(strip=2, prepend="0", domain="carrier.example")
    assert one.request_uri("+34600000000") == "sip:0600000000@carrier.example"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5070", ("127.0.0.1", 5070)),
        ("sip:ana@192.0.2.7", ("192.0.2.7", 5060)),
        ("sip:ana@192.0.2.7:6000;transport=udp", ("192.0.2.7", 6000)),
        ("[2001:db8::1]:5061", ("2001:db8::1", 5061)),
        ("sip:ana@[2001:db8::1]", ("2001:db8::1", 5060)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["sip:ana@", "host:port", "host:99999", ":5060"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="host:port"):
        parse_address(text)


def test_a_question_with_a_moment_old_time_takes_no_token():
    one = trunk(lines=1000, calls_per_second=12)
    one.starts(20.0)
    one.seize(20.0001, "a")
    one.seize(20.0001, "b")
    assert one.starts(20.0) == 1


def test_a_carrier_that_asks_for_a_rest_of_a_day_is_asked_again_after_five_minutes():
    one = trunk(options_interval=0.0)
    one.rest(100.0, 86400.0)
    assert not one.well(399.9)
    assert one.well(400.0)


def test_a_trunk_on_trial_gets_a_trickle_and_the_rest_goes_over_the_reserve():
    main = trunk("main", options_interval=0.0, breaker=BreakerTable(trickle=1))
    reserve = trunk("spare", reserve=True)
    main.rest(0.0, 30.0)
    assert routing.choose([main, reserve], "+34600000000", 30.0) is main
    main.seize(30.0, "a")
    assert main.well(30.0)
    assert routing.choose([main, reserve], "+34600000000", 30.0) is reserve
    main.free("a")
    assert routing.choose([main, reserve], "+34600000000", 31.0) is main


def test_a_trunk_that_is_asked_by_options_waits_for_the_answer():
    one = trunk(options_interval=30.0)
    one.rest(0.0, 30.0)
    assert not one.well(31.0)
    assert one.why_not(31.0) == "rests after a failure"


@pytest.mark.parametrize(
    ("a", "b", "best"),
    [
        (0.0123, 0.0124, "a"),  # a real cost, per minute
        (2.0, 1.0, "b"),  # a mere priority
        (1.0, 1.0, "b"),  # alike: the emptier one
    ],
)
def test_a_price_may_be_a_real_cost_or_a_mere_priority(a, b, best):
    one, other = trunk("a", price=a, lines=10), trunk("b", price=b, lines=10)
    one.seize(0.0, "x")
    assert routing.choose([one, other], "+34600000000", 5.0).name == best


def test_the_cheapest_is_sought_among_the_well_ones():
    cheap = trunk("cheap", routes=[RouteTable(prefix="+346", price=0.001)], options_interval=0.0, price=1.0)
    dear = trunk("dear", price=0.02)
    assert routing.choose([cheap, dear], "+34600000000", 0.0) is cheap
    assert routing.choose([cheap, dear], "+34910000000", 0.0) is dear
    cheap.rest(0.0, 10.0)
    assert routing.choose([cheap, dear], "+34600000000", 1.0) is dear


def test_slow_commits_cost_nothing_of_the_limit_and_no_second_has_more():
    """The attempts take 0.2 s to disk: calls are begun so much ahead, and those that are early wait for their turn."""
    one = trunk(lines=1000, calls_per_second=10)
    way, held, left = [], [], []
    for step in range(1000):
        now = step * 0.01
        while one.starts(now) > 0:
            call = f"{step}.{len(way)}"
            one.seize(now, call)
            way.append((now + 0.2, call))
        held += [call for ready, call in way if ready <= now]
        way = [(ready, call) for ready, call in way if ready > now]
        for call in list(held):
            if one.turn(now, call) <= 0:
                one.left(now, call)
                held.remove(call)
                left.append(now)
    assert max(sum(at <= other < at + 0.999 for other in left) for at in left) <= 10
    assert sum(at >= 5.0 for at in left) >= 48  # of 50; without the lag it would be 42
    assert len(held) <= 2
