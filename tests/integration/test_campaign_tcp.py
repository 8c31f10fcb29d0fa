"""Campaigns of the real daemon over TCP, carriers and phones being SIPp: the whole list worked off, and a carrier whose
first server by SRV is away, whose second has no line, and whose third takes the calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.rig.floor import Floor
from benchmarks.rig.name_server import NameServer
from benchmarks.rig.ports import free_port
from benchmarks.rig.scenario import CarrierSettings, carrier
from benchmarks.rig.sipp import Sipp

# not parallel: on a busy machine SIPp loses a 200 now and then, and over TCP it does not repeat its BYE
pytestmark = pytest.mark.peer
BEHAVIOUR = CarrierSettings(answer=60, busy=20, not_found=5, unavailable_503=0, temporarily_480=5, hold=(0.3, 0.8))


def work_off(floor: Floor, seconds: float) -> Counter[str | None]:
    """The outcomes of the whole list, which every agent survives."""
    daemon = floor.start_daemon()
    daemon.wait_healthy()
    floor.start_people()
    floor.wait_done(seconds)
    assert floor.lost() == []
    assert floor.doubled() == {}
    states = Counter(agent["state"] for agent in daemon.status()["agents"])
    assert states == {"available": floor.settings.agents}
    assert daemon.stop() == 0
    faults = [record for record in daemon.log() if record.get("level") in ("error", "critical") or "raw" in record]
    assert faults == []
    return Counter(row.outcome for row in floor.store.attempts())


def test_a_campaign_through_a_tcp_trunk_to_phones_on_tcp(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor(contacts=60, agents=6, behaviour=BEHAVIOUR, transport="tcp", ring_timeout=3.0)
    outcomes = work_off(floor, 90.0)
    assert outcomes["answered"] > 15
    assert set(outcomes) >= {"answered", "busy"}
    assert floor.agents is not None
    assert floor.agents.errors() == []
    assert floor.carriers["carrier"].errors() == []


def test_rfc3263_4_3_the_next_server_of_the_trunk_takes_the_call(
    make_floor: Callable[..., Floor], tmp_path: Path
) -> None:
    full = Sipp(
        "full",
        carrier(CarrierSettings(answer=0, busy=0, not_found=0, temporarily_480=0, unavailable_503=100)),
        tmp_path,
        transport="tcp",
    )
    good = Sipp("good", carrier(BEHAVIOUR), tmp_path, transport="tcp")
    records = {
        ("_sip._tcp.carrier.test", "SRV"): [
            f"1 0 {free_port()} host.carrier.test.",
            f"2 0 {full.port} host.carrier.test.",
            f"3 0 {good.port} host.carrier.test.",
        ],
        ("host.carrier.test", "A"): ["127.0.0.1"],
    }
    try:
        with NameServer(records) as server:
            floor = make_floor(
                contacts=30, agents=4, behaviour=BEHAVIOUR, carrier_address="carrier.test", transport="tcp",
                sip_extra='nameservers = ["{}:{}"]'.format(*server.address), ring_timeout=3.0,
            )  # fmt: skip
            floor.carriers["good"] = good
            outcomes = work_off(floor, 90.0)
        assert floor.daemon is not None
        rests = [record for record in floor.daemon.log() if record.get("event") == "a server of a trunk rests"]
        assert {record["reason"] for record in rests} == {"connection", "503"}
        assert len({call.number for call in floor.calls()}) == 30
        assert outcomes["answered"] > 5
        assert "congestion" not in outcomes
    finally:
        full.stop()
        good.stop()
