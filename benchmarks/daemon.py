"""The whole daemon under load: `python -m benchmarks.daemon --rate 100 --seconds 60`.

SIPp plays the carrier and the agents' phones, people code the calls over HTTP, and /metrics is read once a second.
The daemon and its media process are held on one core, everything else on the others. Prints CPU per call: user and
system time of the daemon's and the media process's from /proc, over the calls that the carrier counted in the same
window; which threads spent it; and in which files the loop was found by a sampler (see `rig/sampled_daemon.py`).

The trunk is given a limit a little above the rate: the limit holds over any second, and a call's way from the decision
to its INVITE takes two commits of it. Compare runs on one machine only, and mind what else it does: `yardstick` is the
CPU time of a fixed piece of Python, taken beside the run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.rig.floor import Floor
from benchmarks.rig.listener import Listener
from benchmarks.rig.scenario import CarrierSettings

HZ = os.sysconf("SC_CLK_TCK")
#: The trunk's limit over the rate that is asked for.
HEADROOM = 1.15
#: The longest that an ordered stop may take, seconds: the daemon's own grace for talks (30), then its goodbyes.
STOP_WITHIN = 60.0
BEHAVIOUR = CarrierSettings(
    answer=40, busy=20, not_found=5, unavailable_503=0, temporarily_480=10, ring=(0.5, 1.5), hold=(1.5, 2.5)
)
#: Every call is answered, and joined to an agent by two re-INVITEs.
BRIDGED = replace(BEHAVIOUR, answer=100, busy=0, not_found=0, temporarily_480=0)


def cpu(stat: Path) -> float:
    """User and system seconds in a /proc stat file."""
    fields = stat.read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def threads(pid: int) -> dict[int, float]:
    """CPU seconds by thread id."""
    return {int(path.name): cpu(path / "stat") for path in Path(f"/proc/{pid}/task").iterdir()}


def yardstick() -> float:
    """CPU milliseconds that a fixed loop takes this thread now: how fast this core is at this moment."""
    begun, total, record = time.thread_time(), 0, {"a": 1, "b": 2}
    for number in range(100_000):
        total += record["a" if number & 1 else "b"] + len(str(number))
    return 1000 * (time.thread_time() - begun)


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Hold processes, with all their threads, on `cores`."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the load; the figures."""
    behaviour = BRIDGED if options.bridged else BEHAVIOUR
    agents = options.agents or round(options.rate * behaviour.answer / 100 * 3.5)
    with Floor(
        folder,
        contacts=round(options.rate * (options.seconds + 15)),
        agents=agents,
        behaviour=behaviour,
        calls_per_second=round(HEADROOM * options.rate, 1),
        lines=4000,
        mode=options.mode,
        calls_per_agent=4.0,
        log_level="warning",
        program=["-m", "benchmarks.rig.sampled_daemon", str(folder / "samples.json")],
        media_port_count=4000,
    ) as floor:
        daemon = floor.start_daemon()
        daemon.wait_healthy()
        pid = daemon.process.pid
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            pin([pid, *children(pid)], {cores[0]})
            others = [sipp.process.pid for sipp in [*floor.carriers.values(), floor.agents] if sipp is not None]
            pin([*others, os.getpid()], set(cores[1:]))
        listener = Listener(daemon)
        people = floor.start_people(think=0.3, talk=1.5)
        if len(cores) > 1:
            pin([people.pid], set(cores[1:]))
        floor.wait_calls(round(options.rate * 5), 120.0)
        carrier = floor.carriers["carrier"]
        placed, cpu_before, threads_before = len(floor.calls()), cpu(Path(f"/proc/{pid}/stat")), threads(pid)
        media = {child: cpu(Path(f"/proc/{child}/stat")) for child in children(pid)}
        seen, begun, scrapes, speeds = Counter(listener.seen), time.monotonic(), 0, []
        commits_before = commits(daemon.metrics())
        while time.monotonic() - begun < options.seconds:
            page = daemon.metrics()
            scrapes += 1
            speeds.append(yardstick())
            time.sleep(1.0)
        span = time.monotonic() - begun
        cpu_used = cpu(Path(f"/proc/{pid}/stat")) - cpu_before
        by_thread = {task: used - threads_before.get(task, 0.0) for task, used in threads(pid).items()}
        media_used = sum(cpu(Path(f"/proc/{child}/stat")) - before for child, before in media.items())
        calls = len(floor.calls()) - placed
        events = listener.seen - seen
        attempts = floor.store.table_size("attempt")
        errors = carrier.errors()
        stopping = time.monotonic()
        code = daemon.stop(STOP_WITHIN)
        stopped = time.monotonic() - stopping
        if code != 0:
            raise SystemExit(f"the daemon ended with {code} after {stopped:.0f} s: see its log in the folder of --keep")
        sampled = json.loads((folder / "samples.json").read_text())
    if not calls:
        raise SystemExit("no call was placed: see the daemon's log in the folder of --keep")
    names = {int(task): name for task, name in sampled["threads"].items()}
    spent: dict[str, float] = {}
    for task, used in sorted(by_thread.items(), key=lambda item: -item[1]):
        name = names.get(task, "other threads")
        spent[name] = spent.get(name, 0.0) + 1000 * used / calls
    samples: dict[str, int] = sampled["samples"]
    return {
        "rate_asked": options.rate,
        "rate": calls / span,
        "seconds": span,
        "agents": agents,
        "mode": options.mode,
        "calls": calls,
        "connected": events["call_connected"],
        "dispositions": events["disposition"],
        "attempts_on_disk": attempts,
        "commits_per_second": (commits(page) - commits_before) / span,
        "scrapes": scrapes,
        "yardstick_ms": sorted(speeds)[len(speeds) // 2],
        "cpu_ms_per_call": 1000 * (cpu_used + media_used) / calls,
        "of_it": {**spent, "media process": 1000 * media_used / calls},
        "core_percent": 100 * (cpu_used + media_used) / span,
        "loop_by_file": share(samples),
        "loop_by_function": dict(list(samples.items())[:20]),
        "sipp_unexpected": len(errors),
        "stop_seconds": stopped,
    }


def commits(page: str) -> float:
    """Group commits so far, from the text of /metrics."""
    found = re.search(r"^dialer_store_commit_seconds_count ([0-9.e+]+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def share(samples: dict[str, int]) -> dict[str, float]:
    """Percent of samples by file, the larger ones."""
    files: Counter[str] = Counter()
    for place, count in samples.items():
        files[place.partition(":")[0]] += count
    total = sum(files.values())
    return {name: round(100 * count / total, 1) for name, count in files.most_common(18)}


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    print(f"calls/s            {figures['rate']:.1f} (asked {figures['rate_asked']}), {figures['calls']} calls")
    print(f"connected          {figures['connected']}, coded {figures['dispositions']}")
    print(f"CPU per call       {figures['cpu_ms_per_call']:.2f} ms ({figures['core_percent']:.0f} % of one core)")
    for part, spent in figures["of_it"].items():
        print(f"  {part:<24} {spent:.2f} ms")
    print("where the samples fell, percent:")
    for name, percent in figures["loop_by_file"].items():
        print(f"  {percent:5.1f}  {name}")
    print(f"commits            {figures['commits_per_second']:.0f} a second")
    print(f"yardstick          {figures['yardstick_ms']:.1f} ms (a fixed loop, to compare runs)")
    print(f"unexpected messages at SIPp: {figures['sipp_unexpected']}; stopped in {figures['stop_seconds']:.1f} s")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="CPU per call of the whole daemon")
    parser.add_argument("--rate", type=float, default=100.0, help="calls per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bridged", action="store_true", help="every call is answered and joined to an agent")
    parser.add_argument("--agents", type=int, default=0, help="default: enough for the rate")
    parser.add_argument("--mode", default="predictive", choices=["predictive", "power", "progressive"])
    parser.add_argument("--keep", type=Path, help="folder for the run's files; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(options, options.keep or Path(temporary))
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
