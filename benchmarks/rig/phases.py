"""Answer-to-agent without and with something beside the calls, in turns within one run.

The turns are off, on, on, off, off, on, on, off, ...: a machine that grows slower over the run, or is busy with other
work for a while, counts alike on both sides. The share of the difference that is chance is told by an interval: phases
are drawn again with replacement, and the calls in them (a bootstrap of both), since two phases of one side differ more
than their calls alone would explain.
"""

from __future__ import annotations

import contextlib
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.answer_to_agent import spread
from benchmarks.rig.daemon import Daemon
from benchmarks.rig.listener import Listener

#: An agent was free: the call waited no longer than this for one, seconds.
AT_ONCE = 0.0005
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Phase:
    """One turn. `to_agent`: answer-to-agent of its calls, seconds; `commits`, `committing`: group commits of the
    daemon and the seconds that they took; `cpu`: seconds of the daemon; `queued`: seconds that the threads of each
    process stood ready and waited for a core, by the process's word."""

    loaded: bool
    to_agent: tuple[float, ...]
    commits: float
    committing: float
    cpu: float
    queued: Mapping[str, float]


def queued(pid: int) -> float:
    """Seconds that the threads of a process have waited for a core so far, by the kernel's count."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            total += int((task / "schedstat").read_text().split()[1])
    return total / 1e9


def turns(pairs: int) -> list[bool]:
    """off, on, on, off, ...: `pairs` of each."""
    return [bool((turn % 4) in (1, 2)) for turn in range(2 * pairs)]


class Watch:
    """What a running daemon's calls do, phase by phase."""

    def __init__(self, daemon: Daemon, peers: Mapping[str, int]) -> None:
        """`peers`: process ids beside the daemon's, by their word."""
        self._daemon = daemon
        self._watched = {"daemon": daemon.process.pid, **peers}
        self._seconds: list[float] = []
        self.listener = Listener(daemon, self._keep)

    def _keep(self, event: dict[str, Any]) -> None:
        if event["event"] == "call_connected" and event["wait"] < AT_ONCE:
            self._seconds.append(event["answer_to_agent"])

    def phase(self, loaded: bool, work: Callable[[], None]) -> Phase:
        """What the calls did while `work` ran."""
        commits, cpu, queued = self._commits(), self._daemon.process.cpu_seconds(), self._queued()
        seconds: list[float] = []
        self._seconds = seconds
        work()
        self._seconds = []
        after = self._commits()
        return Phase(
            loaded,
            tuple(seconds),
            after[0] - commits[0],
            after[1] - commits[1],
            self._daemon.process.cpu_seconds() - cpu,
            {name: seconds - queued[name] for name, seconds in self._queued().items()},
        )

    def _queued(self) -> dict[str, float]:
        return {name: queued(pid) for name, pid in self._watched.items()}

    def _commits(self) -> tuple[float, float]:
        page = self._daemon.metrics()
        count, total = (
            re.search(rf"^dialer_store_commit_seconds_{word} ([0-9.e+-]+)$", page, re.MULTILINE)
            for word in ("count", "sum")
        )
        return (float(count[1]) if count else 0.0), (float(total[1]) if total else 0.0)


def compared(phases: Sequence[Phase]) -> dict[str, Any]:
    """Both sides, and their ratios (with over without) with 95 % intervals."""
    sides = {loaded: [phase for phase in phases if phase.loaded is loaded] for loaded in (False, True)}
    found: dict[str, Any] = {}
    for loaded, name in ((False, "without"), (True, "with")):
        side = sides[loaded]
        commits = sum(phase.commits for phase in side)
        calls = [seconds for phase in side for seconds in phase.to_agent]
        found[name] = {
            **spread(calls),
            "p99_ms_by_phase": [spread(list(phase.to_agent))["p99_ms"] for phase in side],
            "commit_ms": 1000 * sum(phase.committing for phase in side) / max(1.0, commits),
            "cpu_seconds_a_call": sum(phase.cpu for phase in side) / max(1, len(calls)),
            "queued_ms_a_call": {
                word: 1000 * sum(phase.queued[word] for phase in side) / max(1, len(calls)) for word in side[0].queued
            },
        }
    for share, name in ((50, "p50"), (99, "p99")):
        found[f"ratio_{name}"] = found["with"][f"{name}_ms"] / found["without"][f"{name}_ms"]
        found[f"ratio_{name}_interval"] = interval(sides[False], sides[True], share)
    # one phase in which the whole machine stood still decides the percentile of all, and no median
    middle = [statistics.median(found[name]["p99_ms_by_phase"]) for name in ("without", "with")]
    found["median_phase_p99_ms"] = {"without": middle[0], "with": middle[1], "ratio": middle[1] / middle[0]}
    return found


def interval(without: Sequence[Phase], loaded: Sequence[Phase], share: float, seed: int = 1) -> tuple[float, float]:
    """Where the ratio of the `share`-th percentiles lies in 95 of 100 draws."""
    rng = np.random.default_rng(seed)
    ratios = [_drawn(loaded, share, rng) / _drawn(without, share, rng) for _ in range(DRAWS)]
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def _drawn(phases: Sequence[Phase], share: float, rng: np.random.Generator) -> float:
    chosen = [np.asarray(phases[index].to_agent) for index in rng.integers(len(phases), size=len(phases))]
    return float(np.percentile(np.concatenate([rng.choice(calls, len(calls)) for calls in chosen]), share))


def show(found: dict[str, Any], what: str) -> None:
    """Print the comparison; `what` is the load's word."""
    for name in ("without", "with"):
        row = found[name]
        phases = " ".join(f"{ms:.1f}" for ms in row["p99_ms_by_phase"])
        print(
            f"answer to agent {name:<7} {what}  p50 {row['p50_ms']:6.2f} ms   p99 {row['p99_ms']:6.2f} ms   "
            f"n {row['count']}   (p99 by phase: {phases})"
        )
        print(
            f"  the daemon: a commit took {row['commit_ms']:.1f} ms, {1000 * row['cpu_seconds_a_call']:.1f} ms of CPU "
            "for a joined call"
        )
        waits = ", ".join(f"{word} {ms:.1f}" for word, ms in row["queued_ms_a_call"].items())
        print(f"  waiting for a core, ms for a joined call: {waits}")
    for name in ("p50", "p99"):
        low, high = found[f"ratio_{name}_interval"]
        print(f"with / without, {name}: {found[f'ratio_{name}']:.2f}  (95 %: {low:.2f} to {high:.2f})")
    row = found["median_phase_p99_ms"]
    print(f"the middle one of the phases' p99: {row['without']:.2f} and {row['with']:.2f} ms: {row['ratio']:.2f}")
