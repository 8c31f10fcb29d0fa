"""Power cuts with the store in PostgreSQL: of the daemon, as in `test_kill`, and of the server, at named points around
the daemon's commits and sends and at random instants under load. The daemon outlives its server and goes on by itself.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.rig import joins
from benchmarks.rig.cores import children
from benchmarks.rig.floor import Floor
from benchmarks.rig.postgres import Postgres
from benchmarks.rig.process import until
from benchmarks.rig.scenario import CarrierSettings
from dialer.dialing import LEASE

pytestmark = [pytest.mark.peer, pytest.mark.parallel]

FAULTY = str(Path(__file__).with_name("faulty_daemon.py"))
#: The carrier's people hang up by themselves.
BEHAVIOUR = CarrierSettings(
    answer=55, busy=15, not_found=5, unavailable_503=0, temporarily_480=5, ring=(0.05, 0.3), hold=(0.4, 0.9)
)
#: They never do: what a killed daemon leaves standing must be ended by the next one.
PATIENT = replace(BEHAVIOUR, hold=(300.0, 300.0))
PASSAGES = {
    "commit-claim": 2, "commit-start_attempt": 2, "commit-update_attempt": 4, "commit-finish_attempt": 4,
    "commit-dispose_attempt": 3, "commit-save_state": 3, "send-INVITE": 5, "send-ACK": 6, "send-re-INVITE": 4,
    "send-BYE": 2,
}  # fmt: skip
POINTS = [(f"{side}:{what}", passage) for what, passage in PASSAGES.items() for side in ("before", "after")]
#: Between what the far end has heard and what is on disk.
WORST = ["after:commit-start_attempt", "before:commit-finish_attempt", "after:commit-dispose_attempt"]


def make(
    make_floor: Callable[..., Floor],
    server: Postgres,
    contacts: int,
    seed: int,
    behaviour: CarrierSettings = BEHAVIOUR,
) -> Floor:
    """A small floor on a database of its own."""
    return make_floor(
        contacts=contacts, agents=5, behaviour=behaviour, seed=seed, calls_per_second=20.0, mode="power",
        calls_per_agent=2.0, patience=0.3, ring_floor=0.5, ring_timeout=1.0, store_url=server.empty(),
    )  # fmt: skip


def check_end(floor: Floor, *, crashed: bool) -> None:
    """The list is worked off: nothing lost, doubled or forgotten, nothing left standing. `crashed`: the daemon was
    killed, and a code that nobody can give any more rests in review. Contacts of a claim whose commit the server did
    not live to confirm are dialed once their lease is over."""
    floor.wait_done(LEASE + 60.0, ("ready", "leased") if crashed else ("ready", "leased", "review"), crashed=crashed)
    acknowledged, calls = floor.acknowledged(), floor.calls()
    rows = {row.call_id: row for row in floor.store.attempts()}
    assert floor.lost() == []
    assert floor.doubled() == {}
    assert joins.stray(calls, floor.listed()) == set()
    assert [call for call in calls if call.call_id not in rows] == []
    assert [call.events for call in calls if not call.rings_no_more] == []
    assert [row for row in rows.values() if not row.ended] == []
    by_id = {row.id: row for row in rows.values()}
    sales, callbacks = floor.store.sales(), floor.store.open_callbacks()
    for record in acknowledged:
        assert by_id[record["call"]].disposition == record["code"], record
        assert record["code"] != "sale" or record["call"] in sales, record
        assert "callback" not in record["code"] or record["call"] in callbacks, record


def dialing(floor: Floor) -> None:
    """Until a call more has reached the carrier."""
    before = len(floor.calls())
    until(lambda: len(floor.calls()) > before, 30.0, "dialing goes on")


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


# --- the daemon dies -----------------------------------------------------------------------------------------------


def kill_the_daemon(floor: Floor, times: int, seed: int) -> None:
    chance = random.Random(seed)
    floor.start_people(hangup=1.0, think=0.2, talk=0.4)
    for _ in range(times):
        floor.start_daemon(program=()).wait_healthy()
        dialing(floor)
        time.sleep(chance.uniform(0.0, 0.9))
        assert floor.daemon is not None
        left = children(floor.daemon.process.pid)
        floor.daemon.kill()
        # on a machine that does much else its media process may take long to notice, and holds the ports until then
        until(partial(gone, left), 90.0, "its children are gone")
    floor.start_daemon(program=()).wait_healthy()
    check_end(floor, crashed=True)


def test_the_daemon_is_killed_at_random_instants(make_floor: Callable[..., Floor], server: Postgres) -> None:
    kill_the_daemon(make(make_floor, server, 100, 1, PATIENT), 5, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 110))
def test_the_daemon_is_killed_at_fifty_random_instants(
    seed: int, make_floor: Callable[..., Floor], server: Postgres
) -> None:
    kill_the_daemon(make(make_floor, server, 100, seed, PATIENT), 5, seed)


@pytest.mark.soak
@pytest.mark.parametrize(("point", "passage"), POINTS)
def test_the_daemon_is_killed_at(point: str, passage: int, make_floor: Callable[..., Floor], server: Postgres) -> None:
    floor = make(make_floor, server, 30, len(point), PATIENT)
    daemon = floor.start_daemon(program=[FAULTY, point, str(passage)])
    floor.start_people(hangup=1.0, think=0.2, talk=0.4)
    assert daemon.process.wait(40.0) == -signal.SIGKILL, daemon.process.tail()
    floor.start_daemon(program=()).wait_healthy()
    check_end(floor, crashed=True)


# --- the server dies -------------------------------------------------------------------------------------------------


def kill_the_server_at(floor: Floor, server: Postgres, point: str, passage: int) -> None:
    daemon = floor.start_daemon({"FAULT_VICTIM": str(server.pid)}, program=[FAULTY, point, str(passage)])
    floor.start_people(hangup=0.5, think=0.2, talk=0.4)
    try:
        daemon.process.wait_ready(lambda: not server.alive, 40.0, f"{point} is passed")
    finally:
        time.sleep(0.3)
        server.back()
    check_end(floor, crashed=False)
    assert daemon.process.code is None, "the daemon outlives its server"


@pytest.mark.parametrize("point", WORST)
def test_the_server_is_killed_at(point: str, make_floor: Callable[..., Floor], server: Postgres) -> None:
    passage = PASSAGES[point.partition(":")[2]]
    kill_the_server_at(make(make_floor, server, 30, len(point)), server, point, passage)


@pytest.mark.soak
@pytest.mark.parametrize(("point", "passage"), POINTS)
def test_the_server_is_killed_at_every_point(
    point: str, passage: int, make_floor: Callable[..., Floor], server: Postgres
) -> None:
    kill_the_server_at(make(make_floor, server, 30, len(point)), server, point, passage)


def kill_the_server(floor: Floor, server: Postgres, times: int, seed: int) -> None:
    chance = random.Random(seed)
    daemon = floor.start_daemon()
    daemon.wait_healthy()
    floor.start_people(hangup=0.5, think=0.2, talk=0.4)
    for _ in range(times):
        dialing(floor)
        time.sleep(chance.uniform(0.0, 0.9))
        server.kill()
        time.sleep(chance.uniform(0.0, 1.0))
        server.back()
    check_end(floor, crashed=False)
    assert daemon.process.code is None, "the daemon outlives its server"


def test_the_server_is_killed_at_random_instants(make_floor: Callable[..., Floor], server: Postgres) -> None:
    kill_the_server(make(make_floor, server, 120, 2), server, 5, seed=2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(200, 210))
def test_the_server_is_killed_at_fifty_random_instants(
    seed: int, make_floor: Callable[..., Floor], server: Postgres
) -> None:
    kill_the_server(make(make_floor, server, 120, seed), server, 5, seed)
