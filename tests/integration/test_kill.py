"""Power cuts: the daemon is killed at every named point around each commit and each send, and at random instants.

After each, it starts again on the same files. Then nothing may be lost or doubled, nothing acknowledged forgotten, and
every call that was left standing has been ended: the carrier's people never hang up here, so only the dialer can.
"""

from __future__ import annotations

import asyncio
import random
import runpy
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.rig import joins
from benchmarks.rig.floor import Floor
from benchmarks.rig.process import until
from benchmarks.rig.scenario import CarrierSettings
from benchmarks.rig.tones import write_tone
from dialer import peer_sockets, udp

pytestmark = [pytest.mark.peer, pytest.mark.parallel]

FAULTY = str(Path(__file__).with_name("faulty_daemon.py"))
BEHAVIOUR = CarrierSettings(
    answer=55, busy=15, not_found=5, unavailable_503=0, temporarily_480=5, ring=(0.05, 0.3), hold=(300.0, 300.0)
)
#: Only who lets it ring is given a CANCEL: where that is the point, most of them.
UNANSWERED = replace(BEHAVIOUR, answer=30, busy=0, not_found=0, temporarily_480=0)
OPERATIONS = {
    # operation: the passage at which to die
    "enter_candidate": 1,
    "claim": 2,
    "start_attempt": 2,
    "update_attempt": 4,
    "finish_attempt": 4,
    "dispose_attempt": 3,
    "save_state": 3,
}
MESSAGES = {"agent-INVITE": 2, "INVITE": 5, "ACK": 6, "re-INVITE": 4, "CANCEL": 1, "BYE": 2}
POINTS = {
    f"{side}:{what}": passage
    for side in ("before", "after")
    for what, passage in [
        *((f"commit-{operation}", passage) for operation, passage in OPERATIONS.items()),
        *((f"send-{message}", passage) for message, passage in MESSAGES.items()),
    ]
}


#: Around the ACK of a 200 that no provisional came before, so that nothing on disk knows the far end's tag: `PASSAGE`s
#: beyond the five agents' own.
SILENT_POINTS = [
    ("before:send-ACK", 7),
    ("after:send-ACK", 6),
    ("after:send-ACK", 9),
    ("after:commit-update_attempt", 1),
]


def make(make_floor: Callable[..., Floor], contacts: int, seed: int, behaviour: CarrierSettings = BEHAVIOUR) -> Floor:
    """A small floor in which only the dialer and its agents end calls."""
    floor = make_floor(
        contacts=contacts,
        agents=5,
        behaviour=behaviour,
        seed=seed,
        calls_per_second=40.0,
        mode="power",
        calls_per_agent=2.0,
        patience=0.3,
        ring_floor=0.5,
        ring_timeout=1.0,
        message="message.wav",
    )
    write_tone(floor.folder / "message.wav", 600.0, 0.3)
    return floor


def check_after_restart(floor: Floor) -> None:
    """Nothing lost, doubled or forgotten; nothing left standing.

    The last calls may still be coded while this looks, so what was promised is read before what is kept.
    """
    acknowledged = floor.acknowledged()
    calls = floor.calls()
    rows = {row.call_id: row for row in floor.store.attempts()}
    assert floor.lost() == []
    assert floor.doubled() == {}
    assert joins.stray(calls, floor.listed()) == set()
    assert [call for call in calls if call.call_id not in rows] == []
    assert [call.events for call in calls if not call.rings_no_more] == []
    assert [call.events for call in calls if call.answered and not call.ended_by_dialer] == []
    assert [row for row in rows.values() if not row.ended] == []
    by_id = {row.id: row for row in rows.values()}
    sales, callbacks = floor.store.sales(), floor.store.open_callbacks()
    assert [record for record in floor.refused() if record["command"] == "dispose"] == []
    for record in acknowledged:
        assert by_id[record["call"]].disposition == record["code"], record
        assert record["code"] != "sale" or record["call"] in sales, record
        assert "callback" not in record["code"] or record["call"] in callbacks, record


def start_again(floor: Floor) -> None:
    """Start the unhurt daemon on the files that the dead one left, and let it finish the list."""
    floor.start_daemon(program=()).wait_healthy()
    # a code that nobody can give any more is waited for a quarter of an hour: such contacts rest in review
    floor.wait_done(60.0, ("ready", "leased"), crashed=True)
    check_after_restart(floor)


def test_points_lie_on_the_bound_socket_and_on_connected_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name in ((udp, "bound_socket"), (udp, "PeerSockets"), (peer_sockets, "_BUSY")):
        monkeypatch.setattr(place, name, getattr(place, name))  # put back at the end
    passed: list[str] = []
    runpy.run_path(FAULTY)["wrap_sends"](passed.append)

    async def scene() -> None:
        endpoint = udp.UdpEndpoint.open("127.0.0.1", 0, lambda event: None)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            for connected in (False, True, True):
                assert (far.getsockname() in endpoint._sends) == connected
                endpoint.options("sip:127.0.0.1", far.getsockname())
        endpoint.close()

    asyncio.run(scene())
    assert passed == ["before:send-OPTIONS", "after:send-OPTIONS"] * 3


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(point: str, make_floor: Callable[..., Floor]) -> None:
    """Dies at the point's passage (and the test fails when the run never gets there), then starts again."""
    floor = make(make_floor, 30, len(point), UNANSWERED if "CANCEL" in point else BEHAVIOUR)
    daemon = floor.start_daemon(program=[FAULTY, point, str(POINTS[point])])
    floor.start_people(hangup=1.0, think=0.2, talk=0.4)
    assert daemon.process.wait(40.0) == -signal.SIGKILL, daemon.process.tail()
    start_again(floor)


@pytest.mark.parametrize(("point", "passage"), SILENT_POINTS)
def test_killed_around_an_answer_without_ringing(point: str, passage: int, make_floor: Callable[..., Floor]) -> None:
    """The ACK waits until the dialog is on disk: an answered call is either known after the crash, or still repeats its
    200, which gets ACK and BYE.
    """
    floor = make(make_floor, 30, 11, replace(BEHAVIOUR, rings=False))
    daemon = floor.start_daemon(program=[FAULTY, point, str(passage)])
    floor.start_people(hangup=1.0, think=0.2, talk=0.4)
    assert daemon.process.wait(40.0) == -signal.SIGKILL, daemon.process.tail()
    start_again(floor)


def kill_at_random(floor: Floor, seed: int) -> None:
    """Kill twice, at instants drawn from `seed`, then finish."""
    chance = random.Random(seed)
    floor.start_people(hangup=1.0, think=0.2, talk=0.4)
    for _ in range(2):
        daemon = floor.start_daemon(program=())
        daemon.wait_healthy()
        before = len(floor.calls())
        until(lambda before=before: len(floor.calls()) > before, 20.0, "dialing has begun")  # type: ignore[misc]
        time.sleep(chance.uniform(0.0, 0.9))
        daemon.kill()
    start_again(floor)


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_random_instants(seed: int, make_floor: Callable[..., Floor]) -> None:
    """Five of them by default."""
    kill_at_random(make(make_floor, 90, seed), seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 150))
def test_killed_at_fifty_random_instants(seed: int, make_floor: Callable[..., Floor]) -> None:
    """`make soak`."""
    kill_at_random(make(make_floor, 90, seed), seed)
