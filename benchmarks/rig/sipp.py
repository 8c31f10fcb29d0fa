"""SIPp as a process, and what its logs say.

Needs Debian's sip-tester (SIPp 3.6). Every call's events are in the call log (see `scenario`); every message that the
scenario did not expect is in the error log, which must stay empty.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig.ports import free_port, free_ports
from benchmarks.rig.process import Process

LOGGED = 6  # EVENT CALL-ID NUMBER DATE TIME EPOCH
_ERROR = re.compile(r"^(\d{4}-\d\d-\d\d[T\s]\S+\s+\S+:\s*)(?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class CallLine:
    """One event of one call, as the peer saw it. `at` is epoch seconds by the peer's clock."""

    event: str
    call_id: str
    number: str
    at: float


def is_bound(transport: str, port: int) -> bool:
    """Whether somebody is there, by the kernel's table of sockets; state 0A is a TCP socket that listens, no mere
    connection.
    """
    state = "0A" if transport == "tcp" else "07"
    rows = (line.split() for line in Path(f"/proc/net/{transport}").read_text().splitlines()[1:])
    return any(row[1].endswith(f":{port:04X}") and row[3] == state for row in rows)


class Sipp:
    """A SIPp server running a scenario on a loopback port of its own."""

    def __init__(
        self, name: str, scenario: str, folder: Path, *, port: int | None = None, transport: str = "udp"
    ) -> None:
        """Start it; `folder` receives NAME.xml and the logs. `port` 0 or None takes a free one. `transport` udp or
        tcp.
        """
        self.name = name
        self.transport = transport
        self.port = port or free_port()
        self.media_port = free_ports(4)  # it binds the one after the next, too, for video
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.xml"
        path.write_text(scenario)
        self.calls_path = folder / f"{name}.calls.log"
        self.errors_path = folder / f"{name}.errors.log"
        sipp = shutil.which("sipp")
        if sipp is None:
            raise FileNotFoundError("sipp is not installed: apt-get install sip-tester")
        self.process = Process(
            [sipp, "-sf", str(path), "-i", "127.0.0.1", "-p", str(self.port), "-mi", "127.0.0.1",
             "-mp", str(self.media_port), "-nostdin", "-trace_err", "-error_file", str(self.errors_path),
             "-trace_logs", "-log_file", str(self.calls_path), "-buff_size", "4000000",
             # its complaints that the machine is busy stand among the errors, and the 120th ends it
             "-watchdog_interval", "0", "-t", "t1" if transport == "tcp" else "u1"],
            folder / f"{name}.out",
        )  # fmt: skip
        self.process.wait_ready(
            lambda: is_bound(transport, self.port), 10.0, f"{name} listens on {transport} port {self.port}"
        )

    @property
    def address(self) -> str:
        """host:port of its SIP side."""
        return f"127.0.0.1:{self.port}"

    def calls(self) -> Iterator[CallLine]:
        """The call log so far, in order."""
        if not self.calls_path.exists():
            return
        for line in self.calls_path.read_text().splitlines():
            parts = line.split()
            if len(parts) == LOGGED:
                yield CallLine(parts[0], parts[1], parts[2], float(parts[-1]))

    def errors(self) -> list[str]:
        """What SIPp did not expect: each entry of its error log, without the times.

        A wait of the scenario's own that ran out as planned is written there too, and is no message.
        """
        if not self.errors_path.exists():
            return []
        found = []
        for line in self.errors_path.read_text(errors="replace").splitlines():
            match = _ERROR.match(line)
            if match and match["text"] and "receive timeout on message" not in match["text"]:
                found.append(match["text"])
        return found

    def stop(self, seconds: float = 5.0) -> None:
        """End it: SIGUSR1 twice makes SIPp leave without waiting for calls."""
        self.process.send(signal.SIGUSR1)
        self.process.stop(signal.SIGTERM, seconds)


#: What the carrier's log calls its refusals.
REFUSALS = frozenset({"BUSY", "NOT_FOUND", "UNAVAILABLE", "TEMPORARILY", "RUNG_OUT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStory:
    """Everything the peer saw of one call, by Call-ID. `events` are names in order; `at` the INVITE's time."""

    call_id: str
    number: str
    at: float
    events: tuple[str, ...]
    times: tuple[float, ...]

    @property
    def answered(self) -> bool:
        """Whether a 200 OK went out for the INVITE."""
        return "ANSWER" in self.events

    @property
    def over(self) -> bool:
        """Whether the call has ended at the carrier, with its last message acknowledged."""
        return "END" in self.events

    @property
    def rings_no_more(self) -> bool:
        """Whether it has ended, its CANCEL took effect, or it was refused. (SIPp stops repeating the 487 when a second
        CANCEL comes, and sends nothing else while it repeats a refusal: a dialer that died, or a SIPp that was stopped
        for a while, leaves it waiting for an ACK that has come or never will. Nothing rings or stands on either.)
        """
        return self.over or "CANCELLED" in self.events or not REFUSALS.isdisjoint(self.events)

    @property
    def ended_by_dialer(self) -> bool:
        """Whether the dialer's BYE or CANCEL ended it, and the carrier did not have to."""
        return ("BYE" in self.events or "CANCEL" in self.events) and "BYE_SENT" not in self.events


def stories(lines: Iterator[CallLine]) -> list[CallStory]:
    """The calls in `lines`, in the order of their INVITEs."""
    gathered: dict[str, list[CallLine]] = defaultdict(list)
    for line in lines:
        gathered[line.call_id].append(line)
    return [
        CallStory(
            call_id=call_id,
            number=events[0].number,
            at=events[0].at,
            events=tuple(event.event for event in events),
            times=tuple(event.at for event in events),
        )
        for call_id, events in gathered.items()
        if events[0].event == "INVITE"
    ]
