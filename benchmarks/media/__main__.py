"""`python -m benchmarks.media`: what prompts, keep-alives, relayed calls and the start cost the media process.

CPU is the media process's own (user and system, from /proc), as a share of one core; a sink in this process receives
everything and notes when. `jitter` is how far arrivals stray from an even 20 ms grid, milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from dialer.media.direct import DirectBackend
from dialer.media.ports import bind_ports, raise_file_limit
from dialer.media.prompt import DEFAULT_PROMPT
from dialer.media.relay import RelayBackend

HOST = "127.0.0.1"
_TICKS = os.sysconf("SC_CLK_TCK")
_BATCH = 64


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15)."""
    after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after[11]) + int(after[12])) / _TICKS


class Sink:
    """A UDP socket that reads everything and keeps arrival times by source port."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sock.bind((HOST, 0))
        self.sock.setblocking(False)
        self.address: tuple[str, int] = (HOST, self.sock.getsockname()[1])
        self.arrivals: dict[int, list[float]] = defaultdict(list)
        asyncio.get_running_loop().add_reader(self.sock.fileno(), self._read)

    def _read(self) -> None:
        for _ in range(_BATCH):
            try:
                _, source = self.sock.recvfrom(2048)
            except BlockingIOError:
                return
            self.arrivals[source[1]].append(time.monotonic())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()


def jitter(arrivals: dict[int, list[float]]) -> dict[str, float]:
    """Percentiles of |arrival - its place on the stream's own 20 ms grid|, in milliseconds."""
    off: list[float] = []
    for times in arrivals.values():
        if len(times) > 1:
            grid = np.asarray(times) - 0.02 * np.arange(len(times))
            off.extend(np.abs(grid - np.median(grid)) * 1000)
    return {f"p{q}": round(float(np.percentile(off, q)), 2) for q in (50, 99)} if off else {}


async def prompts(backend: DirectBackend, count: int, seconds: float) -> dict[str, object]:
    """`count` prompts played at once, again and again for `seconds`."""
    sink = Sink()
    assert backend.pid is not None
    for n in range(count):
        backend.allocate(f"p{n}")
        backend.play(f"p{n}", sink.address, 0, DEFAULT_PROMPT, f"p{n}")
    await asyncio.sleep(0.5)
    cpu, began, already = cpu_seconds(backend.pid), time.monotonic(), sum(map(len, sink.arrivals.values()))
    await asyncio.sleep(seconds)
    took, used = time.monotonic() - began, cpu_seconds(backend.pid) - cpu
    packets = sum(map(len, sink.arrivals.values())) - already
    report = {
        "prompts": count,
        "packets_per_second": round(packets / took),
        "expected_packets_per_second": count * 50,
        "cpu_percent": round(100 * used / took, 1),
        "us_per_packet": round(1e6 * used / max(1, packets), 1),
        "jitter_ms": jitter(sink.arrivals),
    }
    for n in range(count):
        backend.release(f"p{n}")
    sink.close()
    return report


async def holds(backend: DirectBackend, count: int, seconds: float) -> dict[str, object]:
    """`count` agents' legs kept alive."""
    sink = Sink()
    assert backend.pid is not None
    for n in range(count):
        backend.allocate(f"h{n}")
        backend.hold(f"h{n}", sink.address, 0)
    await asyncio.sleep(0.5)
    cpu, began = cpu_seconds(backend.pid), time.monotonic()
    await asyncio.sleep(seconds)
    took, used = time.monotonic() - began, cpu_seconds(backend.pid) - cpu
    for n in range(count):
        backend.release(f"h{n}")
    sink.close()
    return {"holds": count, "cpu_percent": round(100 * used / took, 1)}


async def bridges(backend: RelayBackend, count: int, seconds: float) -> dict[str, object]:
    """`count` calls relayed both ways, u-law on one side and A-law on the other."""
    sink, loop = Sink(), asyncio.get_running_loop()
    assert backend.pid is not None
    ports: list[tuple[int, int]] = []
    for n in range(count):
        for side, payload in (("c", 0), ("a", 8)):
            ports.append((backend.allocate(f"{side}{n}").port, payload))
            backend.set_remote(f"{side}{n}", sink.address, payload)
        backend.bridge(f"c{n}", f"a{n}")
    await asyncio.sleep(0.3)
    cpu, began, sent = cpu_seconds(backend.pid), loop.time(), 0
    while (due := began + 0.02 * (sent // len(ports))) < began + seconds:
        await asyncio.sleep(max(0.0, due - loop.time()))
        sequence = sent // len(ports)
        for port, payload in ports:
            head = struct.pack("!BBHII", 0x80, payload, sequence & 0xFFFF, sequence * 160, port)
            sink.sock.sendto(head + b"\x55" * 160, (HOST, port))
            sent += 1
            if sent % 50 == 0:
                await asyncio.sleep(0)  # the sink reads meanwhile
    took, used = loop.time() - began, cpu_seconds(backend.pid) - cpu
    await asyncio.sleep(0.2)
    got = sum(map(len, sink.arrivals.values()))
    sink.close()
    return {
        "calls": count,
        "sent": sent,
        "lost": sent - got,
        "cpu_percent": round(100 * used / took, 1),
        "us_per_packet": round(1e6 * used / max(1, sent), 1),
    }


def binding(count: int, first: int) -> dict[str, object]:
    """Binding `count` ports (two sockets each), in this process."""
    raise_file_limit()
    began = time.perf_counter()
    ports, failed = bind_ports(HOST, range(first, first + 2 * count, 2), Counter())
    took = time.perf_counter() - began
    for port in ports:
        port.rtp.close()
        port.rtcp.close()
    return {"ports": count, "bound": len(ports), "failed": dict(failed), "ms": round(1000 * took, 1)}


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Everything, one after the other."""
    first = options.first_port
    report: dict[str, object] = {"bind": binding(options.ports, first)}
    direct = DirectBackend(HOST, first, first + 2 * options.ports - 1, quarantine=0.0)
    began = time.perf_counter()
    await direct.start()
    report["start_ms"] = round(1000 * (time.perf_counter() - began), 1)
    report["prompts"] = await prompts(direct, options.prompts, options.seconds)
    report["holds"] = await holds(direct, options.holds, options.seconds)
    began, loops = time.perf_counter(), 2000
    for n in range(loops):
        direct.allocate(f"x{n}")
        direct.release(f"x{n}")
    report["allocate_release_us"] = round(1e6 * (time.perf_counter() - began) / loops, 1)
    report["stats"] = {key: value for key, value in vars_of(direct).items() if key in ("late", "faults", "dropped")}
    await direct.close()
    relay = RelayBackend(HOST, first, first + 2 * options.ports - 1)
    await relay.start()
    report["relay"] = await bridges(relay, options.bridges, options.seconds)
    await relay.close()
    return report


def vars_of(backend: DirectBackend) -> dict[str, object]:
    """The backend's figures by name."""
    stats = backend.stats()
    return {name: getattr(stats, name) for name in stats.__slots__}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--holds", type=int, default=200)
    parser.add_argument("--bridges", type=int, default=50)
    parser.add_argument("--ports", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each part; at most 8: the prompt's length")
    parser.add_argument("--first-port", type=int, default=24000, help="even")
    print(json.dumps(asyncio.run(measure(parser.parse_args())), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
