"""The daemon under load: `python -m benchmarks.daemon --rate 100 --seconds 60`.

SIPp plays the carrier and the agents' phones, people code the calls over HTTP, and /metrics is read once a second.
The daemon and its media process are held on one core, everything else on the others. Prints CPU per call: user and
system time of the daemon's and the media process's from /proc, over the calls that the carrier counted in the same
window; which threads spent it; and what the loop's thread spent it on, by a sampler (see `rig/sampled_daemon.py`).

    --bridged      every call is answered, and joined to an agent by two re-INVITEs
    --bare         nobody else at the doors: no codes, no event streams, no /metrics; agents are ready again by
                   `wrap_up_max`. What the loop's thread spends then is the SIP stack and the engine, with the pacing
    --everything   beside all that is there anyway: an MQTT broker, and sales at `--sales` a second through the sale
                   process (on the others' cores) with third parties of which 5 % of the requests fail

The trunk is given a limit a little above the rate: the limit holds over any second, and a call's way from the decision
to its INVITE takes two commits of it. Compare runs on one machine only, and mind what else it does: `yardstick` is the
CPU time of a fixed piece of Python, taken beside the run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.rig.cores import children, cpu, module_of, pin, threads, yardstick
from benchmarks.rig.daemon import Daemon
from benchmarks.rig.floor import Floor
from benchmarks.rig.listener import Listener
from benchmarks.rig.mosquitto import Mosquitto
from benchmarks.rig.parts import SIGNALLING
from benchmarks.rig.people import CODES
from benchmarks.rig.scenario import CarrierSettings
from benchmarks.thirdparty.parties import ThirdParties

__all__ = ["BEHAVIOUR", "BRIDGED", "children", "cpu"]

#: The trunk's limit over the rate that is asked for.
HEADROOM = 1.15
#: The longest that an ordered stop may take, seconds: the daemon's own grace for talks (30), then its goodbyes.
STOP_WITHIN = 60.0
BEHAVIOUR = CarrierSettings(
    answer=40, busy=20, not_found=5, unavailable_503=0, temporarily_480=10, ring=(0.5, 1.5), hold=(1.5, 2.5)
)
#: Every call is answered, and joined to an agent by two re-INVITEs.
BRIDGED = replace(BEHAVIOUR, answer=100, busy=0, not_found=0, temporarily_480=0)
#: Wrap-up of agents whom nobody codes for, seconds; as long as the people's is on average.
BARE_WRAP_UP = 0.15
FAULTS = {"error": 0.02, "lost": 0.01, "reset": 0.01, "slow": 0.01, "slow_seconds": 3.0}
SALE_PROCESS = "dialer.sales"


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the load; the figures."""
    behaviour = BRIDGED if options.bridged else BEHAVIOUR
    agents = options.agents or round(options.rate * behaviour.answer / 100 * 3.5)
    campaign: dict[str, Any] = {}
    with ExitStack() as stack:
        if options.everything:
            parties = stack.enter_context(ThirdParties(folder / "parties", FAULTS, seed=7))
            broker = Mosquitto(folder / "broker")
            stack.callback(broker.stop)
            campaign = {"extra": parties.table(at_once="400"), "mqtt_port": broker.port}
        floor = stack.enter_context(
            Floor(
                folder,
                contacts=round(options.rate * (options.seconds + 15)),
                agents=agents,
                behaviour=behaviour,
                calls_per_second=round(HEADROOM * options.rate, 1),
                lines=4000,
                mode=options.mode,
                calls_per_agent=4.0,
                wrap_up_max=BARE_WRAP_UP if options.bare else 60.0,
                log_level="warning",
                program=["-m", "benchmarks.rig.sampled_daemon", str(folder / "samples.json")],
                media_port_count=4000,
                **campaign,
            )
        )
        return {"agents": agents, **_run(options, folder, floor)}


def _run(options: argparse.Namespace, folder: Path, floor: Floor) -> dict[str, Any]:
    daemon = floor.start_daemon()
    daemon.wait_healthy()
    pid = daemon.process.pid
    others = _hold(daemon, floor)
    listener = None if options.bare else Listener(daemon)
    if options.bare:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(daemon.login, floor.settings.agent_names))
    else:
        people = floor.start_people(think=0.3, talk=1.5, **_sale_weight(options))
        pin([people.pid], others)
    floor.wait_calls(round(options.rate * 5), 120.0)
    carrier = floor.carriers["carrier"]
    page, seen = daemon.metrics(), Counter[str]() if listener is None else Counter(listener.seen)
    before = _counters(page)
    placed, cpu_before, threads_before = len(floor.calls()), cpu(Path(f"/proc/{pid}/stat")), threads(pid)
    of_children = {child: cpu(Path(f"/proc/{child}/stat")) for child in children(pid)}
    os.kill(pid, signal.SIGUSR1)
    begun, scrapes, speeds = time.monotonic(), 0, []
    while time.monotonic() - begun < options.seconds:
        if not options.bare:
            daemon.metrics()
            scrapes += 1
        speeds.append(yardstick())
        time.sleep(1.0)
    os.kill(pid, signal.SIGUSR2)
    span = time.monotonic() - begun
    cpu_used = cpu(Path(f"/proc/{pid}/stat")) - cpu_before
    by_thread = {task: used - threads_before.get(task, 0.0) for task, used in threads(pid).items()}
    by_child = {module_of(child): cpu(Path(f"/proc/{child}/stat")) - used for child, used in of_children.items()}
    calls = len(floor.calls()) - placed
    counted = _counters(daemon.metrics())
    events = Counter[str]() if listener is None else listener.seen - seen
    attempts = floor.store.table_size("attempt")
    errors = carrier.errors()
    stopping = time.monotonic()
    code = daemon.stop(STOP_WITHIN)
    stopped = time.monotonic() - stopping
    if code != 0:
        raise SystemExit(f"the daemon ended with {code} after {stopped:.0f} s: see its log in the folder of --keep")
    if not calls:
        raise SystemExit("no call was placed: see the daemon's log in the folder of --keep")
    sampled = json.loads((folder / "samples.json").read_text())
    names = {int(task): name for task, name in sampled["threads"].items()}
    spent: dict[str, float] = {}
    for task, used in sorted(by_thread.items(), key=lambda item: -item[1]):
        name = names.get(task, "other threads")
        spent[name] = spent.get(name, 0.0) + 1000 * used / calls
    sales = by_child.pop(SALE_PROCESS, 0.0)
    media = sum(by_child.values())
    parts = _shares(sampled["parts"], spent.get("loop", 0.0))
    decided = counted["decisions"] - before["decisions"]
    return {
        "rate_asked": options.rate,
        "rate": calls / span,
        "seconds": span,
        "mode": options.mode,
        "calls": calls,
        "connected": round(counted["connected"] - before["connected"]),
        "dispositions": events["disposition"],
        "sales": events["sale"],
        "attempts_on_disk": attempts,
        "commits_per_second": (counted["commits"] - before["commits"]) / span,
        "scrapes": scrapes,
        "yardstick_ms": sorted(speeds)[len(speeds) // 2],
        "cpu_ms_per_call": 1000 * (cpu_used + media) / calls,
        "of_it": {**spent, "media process": 1000 * media / calls},
        "core_percent": 100 * (cpu_used + media) / span,
        "loop_ms_by_part": parts,
        "signalling_ms_per_call": sum(parts.get(name, 0.0) for name in SIGNALLING),
        "pacing_core_percent": parts.get("pacing", 0.0) * calls / span / 10,
        "decisions_per_second": decided / span,
        "sale_process_core_percent": 100 * sales / span,
        "loop_by_function": dict(list(_shares(sampled["functions"], spent.get("loop", 0.0)).items())[:40]),
        "samples": sum(sampled["parts"].values()),
        "sipp_unexpected": len(errors),
        "stop_seconds": stopped,
    }


def _hold(daemon: Daemon, floor: Floor) -> set[int]:
    """The daemon and its media process on the first core, all else on the others, which are returned."""
    cores = sorted(os.sched_getaffinity(0))
    rest = set(cores[1:]) or set(cores)
    pid = daemon.process.pid
    for child in children(pid):
        pin([child], rest if module_of(child) == SALE_PROCESS else {cores[0]})
    pin([pid], {cores[0]})
    pin([sipp.process.pid for sipp in [*floor.carriers.values(), floor.agents] if sipp is not None], rest)
    pin([os.getpid()], rest)
    return rest


def _sale_weight(options: argparse.Namespace) -> dict[str, float]:
    """The people's weight of the code for a sale that makes `--sales` a second of the calls that are connected."""
    if not options.everything:
        return {}
    connected = options.rate * (BRIDGED if options.bridged else BEHAVIOUR).answer / 100
    share = min(0.9, options.sales / connected)
    return {"sale": share / (1 - share) * sum(weight for code, weight in CODES.items() if code != "sale")}


def _counters(page: str) -> dict[str, float]:
    """Group commits, decisions that did something and connected calls so far, from the text of /metrics."""
    return {
        "commits": _sum(page, "dialer_store_commit_seconds_count"),
        "decisions": _sum(page, "dialer_decisions_total"),
        "connected": _sum(page, "dialer_calls_connected_total"),
    }


def _sum(page: str, name: str) -> float:
    found: Iterable[str] = re.findall(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", page, re.MULTILINE)
    return sum(float(value) for value in found)


def _shares(samples: dict[str, int], milliseconds: float) -> dict[str, float]:
    """What each name's samples say that it spent of `milliseconds`."""
    total = max(1, sum(samples.values()))
    return {name: milliseconds * count / total for name, count in samples.items()}


def show(figures: dict[str, Any], functions: bool) -> None:
    """Print the table."""
    print(f"calls/s            {figures['rate']:.1f} (asked {figures['rate_asked']}), {figures['calls']} calls")
    print(f"agents             {figures['agents']}, connected {figures['connected']}, coded {figures['dispositions']}")
    print(f"CPU per call       {figures['cpu_ms_per_call']:.2f} ms ({figures['core_percent']:.0f} % of one core)")
    for part, spent in figures["of_it"].items():
        print(f"  {part:<24} {spent:.2f} ms")
    print(f"the loop's thread, by {figures['samples']} samples:")
    for name, spent in figures["loop_ms_by_part"].items():
        print(f"  {name:<24} {spent:.2f} ms")
    print(f"SIP and engine     {figures['signalling_ms_per_call']:.2f} ms a call ({', '.join(SIGNALLING)})")
    print(
        f"pacing             {figures['pacing_core_percent']:.1f} % of a core, "
        f"{figures['decisions_per_second']:.0f} decisions a second that placed or gave up calls"
    )
    if figures["sale_process_core_percent"]:
        print(f"sales              {figures['sales']}, {figures['sale_process_core_percent']:.0f} % of another core")
    if functions:
        for name, spent in figures["loop_by_function"].items():
            print(f"  {1000 * spent:6.0f} us  {name}")
    print(f"commits            {figures['commits_per_second']:.0f} a second")
    print(f"yardstick          {figures['yardstick_ms']:.1f} ms (a fixed loop, to compare runs)")
    print(f"unexpected messages at SIPp: {figures['sipp_unexpected']}; stopped in {figures['stop_seconds']:.1f} s")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="CPU per call of the whole daemon")
    parser.add_argument("--rate", type=float, default=100.0, help="calls per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bridged", action="store_true", help="every call is answered and joined to an agent")
    parser.add_argument("--bare", action="store_true", help="nobody codes, listens or scrapes: SIP, engine and store")
    parser.add_argument("--everything", action="store_true", help="with an MQTT broker and sales")
    parser.add_argument("--sales", type=float, default=5.0, help="sales per second of --everything")
    parser.add_argument("--agents", type=int, default=0, help="default: enough for the rate")
    parser.add_argument("--mode", default="predictive", choices=["predictive", "power", "progressive"])
    parser.add_argument("--functions", action="store_true", help="the functions, too, in which the loop was found")
    parser.add_argument("--keep", type=Path, help="folder for the run's files; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.bare and options.everything:
        parser.error("--bare and --everything exclude each other")
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(options, options.keep or Path(temporary))
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, options.functions)


if __name__ == "__main__":
    main()
