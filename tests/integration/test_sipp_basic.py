"""The SIP endpoint on a real socket against SIPp: its own uas and uac, and phones of ours that answer, ring, refuse
and challenge.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.ports import free_port
from benchmarks.rig.sipp import is_bound
from dialer.sip import (
    Answered,
    Credentials,
    Ended,
    Event,
    Failed,
    IncomingCall,
    OptionsAnswered,
    Provisional,
    Reinvited,
    sdp,
)
from dialer.udp import UdpEndpoint

pytestmark = [pytest.mark.peer, pytest.mark.parallel]
SCENARIOS = Path(__file__).parent / "sipp"
HOST = "127.0.0.1"
OFFER = sdp.audio(HOST, 40_000)
PATIENT = 4.0
"""T1, seconds. A SIPp that was held up for half a second finds the INVITE twice in its socket, takes the second for a
new message and aborts the call; what repeating is for, tests/sip shows.
"""


class Sipp:
    """One SIPp process with its own folder; `finish` waits for its end and checks that it saw nothing unexpected."""

    def __init__(self, program: str, folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self.folder = folder
        command = [
            program,
            *arguments,
            "-i",
            HOST,
            "-p",
            str(self.port),
            "-nostdin",
            "-watchdog_interval",  # else a busy machine is among the errors
            "0",
            "-trace_err",
            "-error_file",
            "errors.log",
        ]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not is_bound("udp", self.port) and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self.port

    def finish(self) -> None:
        assert self.process.wait(timeout=30) == 0, self.errors()
        assert self.errors() == ""

    def errors(self) -> str:
        path = self.folder / "errors.log"
        return path.read_text(errors="replace") if path.exists() else ""


@pytest.fixture
def sipp(need: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[..., Sipp]]:
    """`sipp("-sn", "uas", ...)` starts one; all of them end with the test."""
    program = need("sipp")
    started: list[Sipp] = []

    def start(*arguments: str) -> Sipp:
        folder = tmp_path / f"sipp{len(started)}"
        folder.mkdir()
        started.append(Sipp(program, folder, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


async def call_all(
    peer: Sipp,
    calls: int,
    rate: float,
    react: Callable[[UdpEndpoint, Event], None],
    credentials: Credentials | None = None,
) -> tuple[list[Event], Counter[str]]:
    """Place calls at a rate and wait until each has ended; the events, and drops and errors by reason."""
    events: list[Event] = []
    left = calls
    done = asyncio.Event()

    def on_event(event: Event) -> None:
        nonlocal left
        events.append(event)
        react(endpoint, event)
        if isinstance(event, Failed | Ended):
            left -= 1
            if left == 0:
                done.set()

    endpoint = UdpEndpoint.open(HOST, 0, on_event, t1=PATIENT)
    try:
        for _ in range(calls):
            plan = endpoint.plan_invite(
                f"sip:100@{HOST}:{peer.port}", from_uri=f"sip:dialer@{HOST}", destination=peer.address, sdp=OFFER
            )
            endpoint.invite(plan, credentials=credentials)
            await asyncio.sleep(1 / rate)
        await asyncio.wait_for(done.wait(), 60)
        assert endpoint.legs == 0
        return events, endpoint.drops + endpoint.errors
    finally:
        endpoint.close()


def count(events: list[Event], kind: type) -> int:
    return sum(isinstance(event, kind) for event in events)


def test_sipp_own_uas_300_calls(sipp: Callable[..., Sipp]) -> None:
    peer = sipp("-sn", "uas", "-m", "300")

    def react(endpoint: UdpEndpoint, event: Event) -> None:
        if isinstance(event, Answered):
            assert sdp.parse(event.sdp or b"").names[0] == "PCMU"
            asyncio.get_running_loop().call_later(0.05, endpoint.bye, event.leg)

    events, trouble = asyncio.run(call_all(peer, 300, 200, react))
    assert (count(events, Provisional), count(events, Answered), count(events, Ended)) == (300, 300, 300)
    assert all(event.by == "local" for event in events if isinstance(event, Ended))
    assert not trouble
    peer.finish()


def test_a_phone_takes_two_reinvites_and_a_bye(sipp: Callable[..., Sipp]) -> None:
    peer = sipp("-sf", str(SCENARIOS / "answer.xml"), "-m", "50")
    seen: Counter[str] = Counter()

    def react(endpoint: UdpEndpoint, event: Event) -> None:
        if isinstance(event, Answered | Reinvited):
            seen[event.leg] += 1
            offer = sdp.readdressed(event.sdp or b"", session_id=7, version=seen[event.leg] + 1)
            if seen[event.leg] == 3:
                endpoint.bye(event.leg)
            else:
                endpoint.reinvite(event.leg, offer)

    events, trouble = asyncio.run(call_all(peer, 50, 100, react))
    assert count(events, Reinvited) == 100
    assert all(0 < event.rtt < 5 for event in events if isinstance(event, Reinvited))
    assert not trouble
    peer.finish()


def test_ringing_calls_are_cancelled(sipp: Callable[..., Sipp]) -> None:
    peer = sipp("-sf", str(SCENARIOS / "no_answer.xml"), "-m", "50")

    def react(endpoint: UdpEndpoint, event: Event) -> None:
        if isinstance(event, Provisional):
            endpoint.cancel(event.leg)

    events, trouble = asyncio.run(call_all(peer, 50, 100, react))
    assert [(event.status, event.kind) for event in events if isinstance(event, Failed)] == [(487, "cancelled")] * 50
    assert not trouble
    peer.finish()


def test_congestion_says_when_to_come_back(sipp: Callable[..., Sipp]) -> None:
    peer = sipp("-sf", str(SCENARIOS / "congested.xml"), "-m", "20")
    events, trouble = asyncio.run(call_all(peer, 20, 100, lambda endpoint, event: None))
    assert [(event.status, event.retry_after, event.cause) for event in events if isinstance(event, Failed)] == [
        (503, 7.0, 42)
    ] * 20
    assert not trouble
    peer.finish()


@pytest.mark.parametrize("password", ["s3cret", "wrong"])
def test_a_trunk_verifies_our_digest(sipp: Callable[..., Sipp], password: str) -> None:
    peer = sipp("-sf", str(SCENARIOS / "digest.xml"), "-m", "10")
    events, trouble = asyncio.run(call_all(peer, 10, 100, lambda endpoint, event: None, Credentials("trunk", password)))
    if password == "s3cret":
        assert [(event.by, event.cause) for event in events if isinstance(event, Ended)] == [("remote", 16)] * 10
    else:
        assert [event.status for event in events if isinstance(event, Failed)] == [403] * 10
    assert not trouble
    peer.finish()


def test_options_are_answered_both_ways_and_sipp_calls_us(sipp: Callable[..., Sipp]) -> None:
    async def scene() -> tuple[list[Event], Counter[str]]:
        events: list[Event] = []
        done = asyncio.Event()

        def on_event(event: Event) -> None:
            events.append(event)
            if isinstance(event, IncomingCall):
                ours.ring(event.leg)
                ours.answer(event.leg, OFFER)
            if isinstance(event, Ended) and count(events, Ended) == 50:
                done.set()

        ours = UdpEndpoint.open(HOST, 0, on_event)
        asker = UdpEndpoint.open(HOST, 0, events.append)
        caller = sipp("-sn", "uac", f"{HOST}:{ours.address[1]}", "-m", "50", "-r", "100", "-d", "50")
        asker.options(f"sip:{HOST}:{ours.address[1]}", ours.address)
        await asyncio.wait_for(done.wait(), 30)
        while caller.process.poll() is None:
            await asyncio.sleep(0.05)
        caller.finish()
        asker.close()
        ours.close()
        return events, ours.drops + ours.errors

    events, trouble = asyncio.run(scene())
    assert [event.status for event in events if isinstance(event, OptionsAnswered)] == [200]
    assert [event.by for event in events if isinstance(event, Ended)] == ["remote"] * 50
    assert not trouble


def test_nobody_there_is_counted_and_raises_nothing(sipp: Callable[..., Any]) -> None:
    async def scene() -> Counter[str]:
        endpoint = UdpEndpoint.open(HOST, 0, lambda event: None)
        try:
            for _ in range(3):
                endpoint.options(f"sip:{HOST}", (HOST, free_port()))
                await asyncio.sleep(0.05)
            endpoint.options("sip:203.0.113.1", ("255.255.255.255", 9))
            await asyncio.sleep(0.05)
            return endpoint.errors
        finally:
            endpoint.close()
            endpoint.close()

    errors = asyncio.run(scene())
    assert errors["send_eacces"] == 1
