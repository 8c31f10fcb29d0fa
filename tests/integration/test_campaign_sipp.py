"""A whole campaign against SIPp as carrier and as the agents' phones: nothing stuck, lost, doubled or unexpected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from benchmarks.rig import joins
from benchmarks.rig.floor import Floor
from benchmarks.rig.scenario import CarrierSettings

pytestmark = [pytest.mark.peer, pytest.mark.parallel]

#: what the carrier's log says of a call -> the outcomes that the store may have for it
FITTING = {
    "BUSY": {"busy"},
    "NOT_FOUND": {"invalid"},
    "TEMPORARILY": {"no_answer", "rejected"},
    "UNAVAILABLE": {"congestion"},
    "ANSWER": {"answered", "abandoned", "machine"},
}


def check_books(floor: Floor) -> None:
    """The carrier's log, the list and the store agree on every call."""
    calls = floor.calls()
    rows = {row.call_id: row for row in floor.store.attempts()}
    assert floor.lost() == []
    assert floor.doubled() == {}
    assert joins.stray(calls, floor.listed()) == set()
    assert [call.call_id for call in calls if call.call_id not in rows] == []
    assert [call.events for call in calls if not call.over] == []
    assert [row for row in rows.values() if not row.ended] == []
    last = {call.call_id: call for call in calls}  # a call that failed over has the reserve trunk's story
    for call in last.values():
        fitting = [outcomes for event, outcomes in FITTING.items() if event in call.events]
        given_up = {"no_answer", "cancelled"} if "ANSWER" not in call.events and "CANCEL" in call.events else set()
        row = rows[call.call_id]
        assert row.outcome in given_up.union(*fitting), (call, row)
        # the network never says machine here: an agent must have
        assert row.outcome != "machine" or row.disposition == "machine", (call, row)


def check_people(floor: Floor) -> None:
    """Every code that the daemon acknowledged is on disk, with what it promised."""
    rows = {row.id: row for row in floor.store.attempts()}
    callbacks, sales = floor.store.open_callbacks(), floor.store.sales()
    acknowledged = floor.acknowledged()
    assert acknowledged
    for record in acknowledged:
        assert rows[record["call"]].disposition == record["code"]
        if record["code"] == "sale":
            assert record["call"] in sales
        if record["code"] in ("callback", "own_callback"):
            assert record["call"] in callbacks
    connected = [row for row in rows.values() if row.connected]
    assert len(connected) == len(acknowledged)
    # to hang up on a customer who has just hung up is refused; nothing else may be
    assert [record for record in floor.refused() if record["command"] != "hangup" or record["status"] != 409] == []


def check_floor_at_rest(floor: Floor) -> None:
    """Every agent is available, no line is in use, and no SIPp saw a message that it did not expect."""
    assert floor.daemon is not None
    assert floor.agents is not None
    status = floor.daemon.status()
    states = Counter(agent["state"] for agent in status["agents"])
    assert states == {"available": floor.settings.agents}
    for name, sipp in {**floor.carriers, "agents": floor.agents}.items():
        assert sipp.errors() == [], name


def run_campaign(floor: Floor, seconds: float) -> None:
    """Work the whole list off, then look at the books."""
    daemon = floor.start_daemon()
    daemon.wait_healthy()
    floor.start_people()
    floor.wait_done(seconds)
    check_books(floor)
    check_people(floor)
    check_floor_at_rest(floor)
    assert daemon.stop() == 0
    faults = [record for record in daemon.log() if record.get("level") in ("error", "critical") or "raw" in record]
    assert faults == []


def test_three_hundred_contacts(make_floor: Callable[..., Floor]) -> None:
    """Every outcome, in half a minute."""
    behaviour = CarrierSettings(answer=45, busy=15, not_found=8, unavailable_503=0, temporarily_480=8, hold=(0.8, 1.6))
    floor = make_floor(contacts=300, agents=20, behaviour=behaviour, calls_per_second=20.0, ring_timeout=3.0)
    run_campaign(floor, 90.0)
    seen = Counter(row.outcome for row in floor.store.attempts())
    assert set(seen) >= {"answered", "busy", "invalid", "no_answer"}


def test_two_thousand_contacts(make_floor: Callable[..., Floor]) -> None:
    """2,000 contacts, 20 agents, 20 calls/s, holds around 2 s, all outcomes, a reserve trunk for the 503s."""
    behaviour = CarrierSettings(
        answer=45, busy=15, not_found=5, unavailable_503=0.3, temporarily_480=10, hold=(1.5, 2.5)
    )
    floor = make_floor(
        contacts=2000,
        agents=20,
        behaviour=behaviour,
        reserve=CarrierSettings(answer=45, busy=20, not_found=5, unavailable_503=0, hold=(1.5, 2.5)),
        calls_per_second=20.0,
    )
    run_campaign(floor, 400.0)
