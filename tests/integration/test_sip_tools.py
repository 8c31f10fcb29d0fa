"""`dialer sip ping|call|trace` against a SIPp carrier and a running daemon, each a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from benchmarks.rig.floor import Floor
from benchmarks.rig.scenario import CarrierSettings

pytestmark = [pytest.mark.peer, pytest.mark.parallel]
ANSWERS = CarrierSettings(
    answer=100, busy=0, not_found=0, unavailable_503=0, temporarily_480=0, ring=(0.1, 0.2), hold=(2.0, 3.0)
)


def dialer(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dialer", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def floor(make_floor: Callable[..., Floor]) -> Floor:
    return make_floor(contacts=3, agents=1, behaviour=ANSWERS, mode="progressive")


def test_a_trunk_is_pinged(floor: Floor) -> None:
    said = dialer("sip", "ping", "carrier", "--config", floor.config, "--count", 2, "--interval", 0.1, "--json")
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert (told["sent"], told["answered"], told["statuses"]) == (2, 2, [200])
    assert told["rtt_ms"]["min"] > 0
    unknown = dialer("sip", "ping", "elsewhere", "--config", floor.config)
    assert unknown.returncode == 1
    assert "no trunk 'elsewhere'" in unknown.stderr


def test_a_call_shows_its_ladder_and_hangs_up(floor: Floor) -> None:
    number = floor.listed()[0]
    said = dialer("sip", "call", floor.config, number, "--hold", 0.3, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    told = json.loads(said.stdout)
    assert told["status"] == 200
    assert told["ended_by"] == "us"
    said_and_heard = [(rung["sent"], rung["summary"].split(" ")[0]) for rung in told["ladder"]]
    assert said_and_heard[0] == (True, "INVITE")
    assert said_and_heard[-3:] == [(True, "ACK"), (True, "BYE"), (False, "200")]
    floor.wait_calls(1, 10.0)
    (story,) = floor.calls()
    assert story.number == number
    assert story.ended_by_dialer


@pytest.mark.parametrize(
    ("number", "word"), [("+99912345", "not a number"), ("+34600000001", "no trunk may carry")], ids=["text", "prefix"]
)
def test_a_call_that_may_not_be_is_refused_in_one_line(floor: Floor, number: str, word: str) -> None:
    said = dialer("sip", "call", floor.config, number)
    assert said.returncode == 1
    assert word in said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert floor.calls() == []


def test_a_trace_shows_an_agents_leg_and_the_call_on_it(floor: Floor) -> None:
    number = floor.listed()[0]
    floor.start_daemon().wait_healthy()
    trace = subprocess.Popen(
        [sys.executable, "-m", "dialer", "sip", "trace", str(floor.config), "--number", number, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert trace.stdout is not None
    assert trace.stderr is not None
    assert trace.stderr.readline() == "watching; Ctrl-C ends it\n"
    floor.start_people(hangup=0.0, think=0.1, talk=0.2)
    wanted = {(True, "INVITE"), (True, "ACK"), (False, "BYE")}
    legs: set[str] = set()
    seen: set[tuple[bool, str]] = set()
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline and not wanted <= seen:
        rung = json.loads(trace.stdout.readline())
        assert set(rung) == {"at", "sent", "far", "call_id", "summary", "text"}
        seen.add((rung["sent"], rung["summary"].split(" ")[0]))
        legs.add(rung["call_id"])
    trace.send_signal(signal.SIGINT)
    _, errors = trace.communicate(timeout=20)
    assert wanted <= seen
    assert len(legs) == 2, "the customer's leg, and the agent's, which was joined to it"
    assert errors.strip() == ""
