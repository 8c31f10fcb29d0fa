"""CPU of the caller per whole call, ours beside SIPp's uac, both against SIPp's uas, one after the other.

    python -m benchmarks.sip                       # 500 and 1,000 calls/s, 10 s each
    python -m benchmarks.sip --tcp --rate 500      # over one TCP connection
    python -m benchmarks.sip --rate 1000 --seconds 60 --json
    python -m benchmarks.sip --stacks              # beside other Python stacks at the same moment, 200 calls/s
    python -m benchmarks.sip --stacks --in-turns   # the same, one after the other

A ratio is all that carries over to another machine.
SIPp's set-up times are whole milliseconds. Exit status 1 if a call of ours failed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rig.ports import free_port

HOST = "127.0.0.1"
CALLEE = Path(__file__).with_name("uas.xml")
STACKS = ("aiosipua", "sippy")
"""Other Python stacks that can place a call (pip install 'predictive-dialer[stacks]'), by module."""


@contextmanager
def uas(sipp: str, folder: Path, *scenario: str) -> Iterator[int]:
    """SIPp's own uas, or another scenario; yields its port."""
    port = free_port()
    command = [sipp, *(scenario or ("-sn", "uas")), "-i", HOST, "-p", str(port), "-nostdin"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def sipp_uac(sipp: str, folder: Path, port: int, rate: float, calls: int, *more: str) -> dict[str, Any]:
    """SIPp's own uac; its set-up times come from its -trace_rtt file."""
    command = [
        sipp, "-sn", "uac", f"{HOST}:{port}", "-i", HOST, "-p", str(free_port()), "-r", str(int(rate)),
        "-m", str(calls), "-d", "50", "-l", "10000", "-nostdin", "-trace_rtt", "-rtt_freq", "500",
        *more,
    ]  # fmt: skip
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    cpu = usage.ru_utime + usage.ru_stime
    times = []
    for path in folder.glob("uac_*_rtt.csv"):
        with path.open() as lines:
            times += [float(row["response_time_ms"]) for row in csv.DictReader(lines, delimiter=";")]
    times = sorted(times) or [float("nan")]
    return {
        "calls": calls,
        "cpu_us_per_call": cpu / calls * 1e6,
        "core": cpu / wall,
        "setup_p50_ms": times[len(times) // 2],
        "setup_p99_ms": times[int(len(times) * 0.99)],
        "failures": {} if process.returncode == 0 else {f"exit {process.returncode}": 1},
    }


def caller(who: str, port: int, rate: float, calls: int, *more: str) -> list[str]:
    """The command of a caller: ours, another stack's, or that without any (`floor`)."""
    module = "client" if who == "ours" else f"{who}_client"
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.sip.{module}", str(port)]
    return [*command, "--rate", str(rate), "--calls", str(calls), *more]


def at_once(sipp: str, callers: Sequence[str], rate: float, calls: int) -> dict[str, dict[str, Any]]:
    """Each caller against a callee of its own, all at the same moment."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as open_:
        ports = {who: open_.enter_context(uas(sipp, Path(name), "-sf", str(CALLEE))) for who in callers}
        running = {
            who: subprocess.Popen(
                caller(who, port, rate, calls), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            for who, port in ports.items()
        }
        told = {who: process.communicate()[0] for who, process in running.items()}
    return {who: json.loads(text) for who, text in told.items()}


def stacks(sipp: str, rate: float, seconds: float, rounds: int, in_turns: bool, as_json: bool) -> int:
    """Ours beside the other Python stacks, all at the same moment, so that all have the very same machine: its clock
    and what else runs change within seconds. `in_turns`: each has the machine for itself, and finds it idle.
    """
    calls = int(rate * seconds)
    callers = ["ours", "floor", *(module for module in STACKS if importlib.util.find_spec(module) is not None)]
    found: dict[str, list[dict[str, Any]]] = {who: [] for who in callers}
    for turn in range(rounds):
        first = turn % len(callers)
        order = callers[first:] + callers[:first]
        for group in [[who] for who in callers] if in_turns else [order]:
            for who, run in at_once(sipp, group, rate, calls).items():
                found[who].append(run)
    rows = {
        who: {
            "cpu_us_per_call": median(run["cpu_us_per_call"] for run in runs),
            "setup_p99_ms": median(run["setup_p99_ms"] for run in runs),
            "failures": sum(sum(run["failures"].values()) for run in runs),
            # in pairs: what slows one run slows the one beside it
            "times_ours": median(
                run["cpu_us_per_call"] / beside["cpu_us_per_call"]
                for run, beside in zip(runs, found["ours"], strict=True)
            ),
        }
        for who, runs in found.items()
    }
    if as_json:
        head = {"rate": rate, "calls": calls, "rounds": rounds, "in_turns": in_turns}
        json.dump({**head, "stacks": rows}, sys.stdout, indent=1)
        print()
    else:
        how = "in turns" if in_turns else "all at the same moment"
        print(f"{rate:.0f} calls/s, {how}, medians of {rounds} runs of {calls} calls")
        for who, row in rows.items():
            print(
                f"{who:>9} {row['cpu_us_per_call']:8.0f} us/call  {row['times_ours']:5.2f} x ours  "
                f"set-up p99 {row['setup_p99_ms']:6.2f} ms  failures {row['failures']}"
            )
        print("floor: the same six datagrams from ready texts, without any SIP; x ours: medians of runs side by side")
        for missing in [module for module in STACKS if module not in rows]:
            print(f"{missing:>9} is not installed: pip install 'predictive-dialer[stacks]'")
    return 1 if rows["ours"]["failures"] else 0


def ours(port: int, rate: float, calls: int, plain: bool, tcp: bool) -> dict[str, Any]:
    """Our caller in a process of its own."""
    more = [*(["--asyncio"] if plain else []), *(["--tcp"] if tcp else [])]
    command = caller("ours", port, rate, calls, *more)
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, action="append", help="calls per second; may be repeated (500 and 1000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run")
    parser.add_argument("--asyncio", action="store_true", help="the standard loop instead of uvloop")
    parser.add_argument("--tcp", action="store_true", help="over one TCP connection instead of UDP")
    parser.add_argument("--stacks", action="store_true", help="beside other Python stacks instead of SIPp, 200 calls/s")
    parser.add_argument("--in-turns", action="store_true", help="with --stacks: one after the other")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each stack, for their median")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args()
    sipp = shutil.which("sipp")
    if sipp is None:
        print("sipp is not installed: apt-get install --no-install-recommends sip-tester", file=sys.stderr)
        return 2
    if options.stacks:
        return stacks(
            sipp, (options.rate or [200.0])[0], options.seconds, options.rounds, options.in_turns, options.json
        )
    results = []
    for rate in options.rate or [500.0, 1000.0]:
        calls = int(rate * options.seconds)
        over = ("-t", "t1") if options.tcp else ()
        with tempfile.TemporaryDirectory() as name, uas(sipp, Path(name), "-sn", "uas", *over) as port:
            theirs = sipp_uac(sipp, Path(name), port, rate, calls, *over)
            mine = ours(port, rate, calls, options.asyncio, options.tcp)
        ratio = mine["cpu_us_per_call"] / theirs["cpu_us_per_call"]
        results.append({"rate": rate, "sipp": theirs, "ours": mine, "ratio": ratio})
    if options.json:
        json.dump(results, sys.stdout, indent=1)
        print()
    else:
        print(f"{'calls/s':>8} {'caller':>6} {'us/call':>8} {'core':>6} {'p50 ms':>7} {'p99 ms':>7}  failures")
        for result in results:
            for who in ("sipp", "ours"):
                row = result[who]
                print(
                    f"{result['rate']:8.0f} {who:>6} {row['cpu_us_per_call']:8.1f} {row['core']:6.1%} "
                    f"{row['setup_p50_ms']:7.2f} {row['setup_p99_ms']:7.2f}  {row['failures'] or 'none'}"
                )
            print(f"{'':8} ratio of CPU {result['ratio']:.2f}")
    return 1 if any(result["ours"]["failures"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
