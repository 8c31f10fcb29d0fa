"""SIPp over TCP: its own uas and uac, and a phone that takes re-INVITEs."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.rig.ports import free_port
from dialer.sip import Answered, Ended, Event, Failed, Flow, IncomingCall, Reinvited, sdp
from dialer.transport import Transports

pytestmark = [pytest.mark.peer, pytest.mark.parallel]
HOST = "127.0.0.1"
OFFER = sdp.audio(HOST, 40_000)
ANSWERS = Path(__file__).parent / "sipp" / "answer.xml"


def start(program: str, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    options = ["-i", HOST, "-t", "t1", "-nostdin", "-watchdog_interval", "0", "-trace_err", "-error_file", "errors.log"]
    command = [program, *arguments, *options]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(process: subprocess.Popen[bytes], folder: Path) -> None:
    errors = folder / "errors.log"
    try:
        code = process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert code == 0, errors.read_text(errors="replace") if errors.exists() else ""


async def listening(port: int) -> None:
    """SIPp has its socket."""
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


@pytest.mark.parametrize("phone", [["-sn", "uas"], ["-sf", str(ANSWERS)]], ids=["uas", "re-INVITE"])
def test_200_calls_over_one_tcp_connection(phone: list[str], need: Callable[[str], str], tmp_path: Path) -> None:
    port, calls, asks = free_port(), 200, phone[0] == "-sf"
    process = start(need("sipp"), tmp_path, *phone, "-p", str(port), "-m", str(calls))

    async def scene() -> list[Event]:
        events: list[Event] = []
        done = asyncio.Event()

        def heard(event: Event) -> None:
            events.append(event)
            if isinstance(event, Answered) and asks:
                ours.reinvite(event.leg, sdp.readdressed(event.sdp or b"", session_id=7, version=2))
            elif isinstance(event, Answered | Reinvited):
                ours.bye(event.leg)
            if isinstance(event, Failed | Ended) and sum(isinstance(e, Failed | Ended) for e in events) == calls:
                done.set()

        async with asyncio.timeout(40):
            await listening(port)
            ours = await Transports.start(HOST, 0, heard, tcp=(HOST, 0))
            for _ in range(calls):
                plan = ours.plan_invite(
                    f"sip:100@{HOST}:{port};transport=tcp",
                    from_uri=f"sip:dialer@{HOST}",
                    destination=Flow(HOST, port, "tcp"),
                    sdp=OFFER,
                )
                ours.invite(plan)
                await asyncio.sleep(0.004)
            await done.wait()
        # closing the connection would fail the calls that SIPp has answered and not yet put away
        await asyncio.to_thread(finish, process, tmp_path)
        assert ours.streams.connections <= 1
        assert not ours.drops, ours.drops
        assert set(ours.errors) <= {"stream_lost_econnreset"}  # it leaves when its last call has ended
        ours.close()
        return events

    events = asyncio.run(scene())
    kinds = Counter(type(event) for event in events)
    assert (kinds[Answered], kinds[Ended], kinds[Failed]) == (calls, calls, 0)
    assert kinds[Reinvited] == (calls if asks else 0)


def test_sipp_calls_us_over_tcp(need: Callable[[str], str], tmp_path: Path) -> None:
    calls = 100
    program = need("sipp")

    async def scene() -> None:
        ended = 0
        done = asyncio.Event()

        def heard(event: Event) -> None:
            nonlocal ended
            if isinstance(event, IncomingCall):
                ours.ring(event.leg)
                ours.answer(event.leg, OFFER)
            if isinstance(event, Ended):
                assert event.by == "remote"
                ended += 1
                if ended == calls:
                    done.set()

        async with asyncio.timeout(40):
            ours = await Transports.start(HOST, 0, heard, tcp=(HOST, 0))
            where = ours.listens("tcp")
            assert where is not None
            process = start(
                program, tmp_path, "-sn", "uac", "-p", str(free_port()), "-m", str(calls), "-r", "200",
                "-d", "20", f"{HOST}:{where[1]}",
            )  # fmt: skip
            await done.wait()
        await asyncio.to_thread(finish, process, tmp_path)
        assert not ours.drops, ours.drops
        ours.close()

    asyncio.run(scene())
