"""Answer to agent: `python -m benchmarks.answer_to_agent --rate 20 --seconds 60`.

From the customer's 200 OK until both re-INVITEs are answered, where an agent was free, by the daemon's own events;
beside it, in the same run, OPTIONS round trips to the same two SIPp processes, sent from here. The carrier's own log is
the witness: from its 200 OK (written down a millisecond before it leaves) to its re-INVITE. Every call is answered, so
that a minute brings a thousand samples, and both peers answer a re-INVITE at once, as they do an OPTIONS (see
`scenario.prompt_carrier`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import statistics
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.rig.floor import Floor
from benchmarks.rig.listener import Listener
from benchmarks.rig.scenario import CarrierSettings, prompt_carrier
from benchmarks.rig.sipp import Sipp

BEHAVIOUR = CarrierSettings(
    answer=40, busy=20, not_found=5, unavailable_503=0, temporarily_480=10, ring=(0.5, 1.5), hold=(1.5, 2.5)
)
AIM = 5.0


def options_request(port: int, target: tuple[str, int]) -> bytes:
    """An OPTIONS of its own call."""
    call = uuid.uuid4().hex
    return (
        f"OPTIONS sip:{target[0]}:{target[1]} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:probe@127.0.0.1>;tag={call[:8]}\r\nTo: <sip:{target[0]}:{target[1]}>\r\n"
        f"Call-ID: {call}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


class Probe(threading.Thread):
    """Measures OPTIONS round trips to `targets` in turn until stopped; `seconds` holds them."""

    def __init__(self, targets: list[tuple[str, int]], every: float = 0.05) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self._targets, self._every = targets, every
        self._stopping = threading.Event()

    def run(self) -> None:
        """One at a time."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(1.0)
            port = sock.getsockname()[1]
            while not self._stopping.wait(self._every):
                target = self._targets[len(self.seconds) % len(self._targets)]
                begun = time.perf_counter()
                sock.sendto(options_request(port, target), target)
                with contextlib.suppress(TimeoutError):  # then the second that it took is the figure
                    sock.recv(4096)
                self.seconds.append(time.perf_counter() - begun)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self.join()


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie, by nearest rank. Raises ValueError when there are none."""
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def spread(values: list[float]) -> dict[str, float]:
    """Count, p50, p99 and mean in milliseconds."""
    return {
        "count": len(values),
        "p50_ms": 1000 * percentile(values, 0.50),
        "p99_ms": 1000 * percentile(values, 0.99),
        "mean_ms": 1000 * statistics.fmean(values),
    }


def measure(rate: float, seconds: float, folder: Path) -> dict[str, Any]:
    """Run the load; the figures."""
    to_agent: list[float] = []

    def keep(event: dict[str, Any]) -> None:
        if event["event"] == "call_connected" and event["wait"] <= 0.0:
            to_agent.append(event["answer_to_agent"])

    carrier = Sipp("carrier", prompt_carrier(), folder / "peers")
    with Floor(
        folder,
        contacts=round(rate * (seconds + 10)),
        agents=round(rate * 6),
        behaviour=BEHAVIOUR,
        carrier_address=carrier.address,
        calls_per_second=rate,
        lines=1000,
        mode="power",
        calls_per_agent=2.0,
        log_level="warning",
        media_port_count=4000,
    ) as floor:
        floor.carriers["carrier"] = carrier  # which ends it, too
        daemon = floor.start_daemon()
        daemon.wait_healthy()
        Listener(daemon, keep)
        floor.start_people(think=0.2, talk=1.5, hangup=1.0)
        floor.wait_calls(round(rate * 3), 60.0)
        assert floor.agents is not None
        to_agent.clear()
        probe = Probe([("127.0.0.1", carrier.port), ("127.0.0.1", floor.agents.port)])
        probe.start()
        placed, begun = len(floor.calls()), time.monotonic()
        time.sleep(seconds)
        probe.stop()
        calls, span = len(floor.calls()) - placed, time.monotonic() - begun
        at_carrier = [
            call.times[call.events.index("REINVITE")] - call.times[call.events.index("ANSWER")]
            for call in floor.calls()[placed:]
            if "ANSWER" in call.events and "REINVITE" in call.events
        ]
        figures: dict[str, Any] = {
            "rate": calls / span,
            "answer_to_agent": spread(list(to_agent)),
            "options": spread(probe.seconds),
            "carrier_answer_to_reinvite": spread(at_carrier),
        }
    figures["ratio_p50"] = figures["answer_to_agent"]["p50_ms"] / figures["options"]["p50_ms"]
    figures["ratio_p99"] = figures["answer_to_agent"]["p99_ms"] / figures["options"]["p99_ms"]
    return figures


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="answer-to-agent beside OPTIONS round trips to the same peers")
    parser.add_argument("--rate", type=float, default=20.0, help="calls per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--keep", type=Path, help="folder for the run's files; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(options.rate, options.seconds, options.keep or Path(temporary))
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"calls/s {figures['rate']:.1f}")
    for name in ("answer_to_agent", "options", "carrier_answer_to_reinvite"):
        row = figures[name]
        print(f"{name:<28} n {row['count']:>5}   p50 {row['p50_ms']:7.2f} ms   p99 {row['p99_ms']:7.2f} ms")
    print(f"p99 of answer-to-agent is {figures['ratio_p99']:.1f} x that of OPTIONS (aim: at most {AIM:g})")


if __name__ == "__main__":
    main()
