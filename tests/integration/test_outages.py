"""What the dialer leans on is taken away in mid-run and given back: it degrades as documented, recovers by itself."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.rig.floor import Floor
from benchmarks.rig.mosquitto import Mosquitto
from benchmarks.rig.process import until
from benchmarks.rig.scenario import CarrierSettings

pytestmark = [pytest.mark.peer, pytest.mark.parallel]

BEHAVIOUR = CarrierSettings(
    answer=50, busy=20, not_found=5, unavailable_503=0, temporarily_480=10, ring=(0.1, 0.5), hold=(0.5, 1.0)
)


def make(make_floor: Callable[..., Floor], contacts: int = 150, **settings: Any) -> Floor:
    """A floor of ten agents that dials for about ten seconds, dialing at work."""
    floor = make_floor(
        contacts=contacts,
        agents=10,
        behaviour=BEHAVIOUR,
        calls_per_second=15.0,
        mode="power",
        ring_timeout=1.5,
        options_interval=0.3,
        **settings,
    )
    floor.start_daemon().wait_healthy()
    floor.start_people(think=0.2, talk=0.8)
    floor.wait_calls(25, 30.0)
    return floor


def check_end(floor: Floor, *, stopped: bool = False) -> None:
    """The list is worked off, nothing lost or doubled, and everything that was acknowledged is there. `stopped`: the
    carrier's process stood still for a while.
    """
    floor.wait_done(90.0, crashed=stopped)
    assert floor.lost() == []
    assert floor.doubled() == {}
    rows = {row.id: row for row in floor.store.attempts()}
    assert {call.call_id for call in floor.calls()} <= {row.call_id for row in rows.values()}
    assert [row for row in rows.values() if not row.ended] == []
    for record in floor.acknowledged():
        assert rows[record["call"]].disposition == record["code"]


def placed_within(floor: Floor, seconds: float) -> int:
    """Calls that reach the carrier in the coming seconds."""
    before = len(floor.calls())
    time.sleep(seconds)
    return len(floor.calls()) - before


def test_store_locked_and_free_again(make_floor: Callable[..., Floor]) -> None:
    """No call is placed that could not be recorded; when the lock goes, all that waited is written."""
    floor = make(make_floor)
    with closing(sqlite3.connect(floor.store.path, timeout=20.0, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        placed_within(floor, 1.0)  # what was on disk when the lock came may still leave
        assert placed_within(floor, 4.0) == 0
        intruder.execute("ROLLBACK")
    assert placed_within(floor, 4.0) > 0
    check_end(floor)


def test_trunk_silent_and_back(make_floor: Callable[..., Floor]) -> None:
    """A carrier that stops answering is left alone once OPTIONS are lost, and used again when they return."""
    floor = make(make_floor, contacts=200)
    daemon = floor.daemon
    assert daemon is not None
    carrier = floor.carriers["carrier"].process

    def up() -> bool:
        return bool(daemon.status()["trunks"]["carrier"]["up"])

    carrier.send(signal.SIGSTOP)
    try:
        until(lambda: not up(), 20.0, "the trunk counts as down")
        until(lambda: daemon.status()["campaigns"]["main"]["state"] == "no_trunk", 3.0, "the campaign says so")
    finally:
        carrier.send(signal.SIGCONT)
    until(up, 40.0, "the trunk is back")
    assert placed_within(floor, 4.0) > 0
    check_end(floor, stopped=True)


def test_reserve_takes_over(make_floor: Callable[..., Floor]) -> None:
    """Calls that the first carrier refuses with 503 go out by the reserve, each once."""
    always_503 = CarrierSettings(answer=0, busy=0, not_found=0, temporarily_480=0, unavailable_503=100, retry_after=2)
    floor = make_floor(
        contacts=60, agents=10, behaviour=always_503, reserve=BEHAVIOUR, calls_per_second=20.0, mode="power",
        ring_timeout=1.5,
    )  # fmt: skip
    floor.start_daemon().wait_healthy()
    floor.start_people(think=0.2, talk=0.8)
    check_end(floor)
    taken = {call.number for call in floor.calls() if "UNAVAILABLE" not in call.events}
    assert len(taken) == 60


@pytest.fixture
def broker(tmp_path: Path, need: Callable[[str], str]) -> Iterator[Mosquitto]:
    """A Mosquitto of the test's own."""
    need("mosquitto")
    mosquitto = Mosquitto(tmp_path / "broker")
    yield mosquitto
    mosquitto.stop()


def test_broker_away_and_back(make_floor: Callable[..., Floor], broker: Mosquitto) -> None:
    """Dialing does not notice; every outcome reaches the subscriber once the broker is back."""
    ended: dict[str, str] = {}

    def received(client: object, userdata: object, message: paho.MQTTMessage) -> None:
        event = json.loads(message.payload)
        if event.get("event") == "call_ended":
            ended[event["call"]] = event["outcome"]

    listener = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
    listener.on_message = received
    listener.on_connect = lambda client, *rest: client.subscribe("dialer/#", qos=1)
    listener.reconnect_delay_set(0.2, 0.5)  # type: ignore[arg-type]
    listener.connect("127.0.0.1", broker.port)
    listener.loop_start()
    floor = make(make_floor, mqtt_port=broker.port)
    broker.stop()
    assert placed_within(floor, 4.0) > 0
    broker.start()
    check_end(floor)
    # an agent's `machine` relabels the outcome later, as an event of its own
    outcomes = {row.id: "answered" if row.connected else row.outcome for row in floor.store.attempts()}
    until(lambda: floor.store.table_size("outbox") == 0, 30.0, "the outbox is empty")
    until(lambda: ended.keys() >= outcomes.keys(), 10.0, "every outcome has arrived")
    listener.loop_stop()
    assert ended == outcomes
