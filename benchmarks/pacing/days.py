"""Legal windows: many days of a day window, and 30-day windows that roll, each kept under the cap or not.

Days are written one a line as they end, so that a run that was broken off goes on where it stood.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.pacing.cells import HOUR, real_cell
from pacing import Pacer
from pacing.history import History
from pacing.simulate import full_time, simulate

DAY, MONTH = 86400.0, 30 * 86400.0
SHIFT = 8 * HOUR


@dataclass(frozen=True, slots=True)
class DayResult:
    """One day: people who answered, of them abandoned, occupancy."""

    agents: int
    seed: int
    answered: int
    abandoned: int
    occupancy: float

    def over(self, cap: float) -> bool:
        return self.abandoned > cap * self.answered


def day(job: tuple[int, int]) -> DayResult:
    """(agents, seed): one 8 h day with nothing learned, the cap kept over the day."""
    agents, seed = job
    cell = real_cell(agents)
    pacer = Pacer(cell.config)
    pacer.set_budget(0.0, 0, 0, SHIFT)
    out = simulate(pacer, cell.laws, full_time(agents, SHIFT), SHIFT, seed)
    return DayResult(agents, seed, out.connected + out.abandoned, out.abandoned, out.occupancy)


def days(agents: int, count: int, into: Path, processes: int = 1, first_seed: int = 100_000) -> Iterator[DayResult]:
    """All days of `agents` in `into`, then those that are missing of `count`, each as it ends."""
    done = [found for found in read(into) if found.agents == agents]
    yield from done
    known = {found.seed for found in done}
    jobs = [(agents, seed) for seed in range(first_seed, first_seed + count) if seed not in known]
    with into.open("a", encoding="utf-8") as file, multiprocessing.get_context("fork").Pool(processes) as pool:
        for found in pool.imap_unordered(day, jobs):
            file.write(json.dumps(asdict(found)) + "\n")
            file.flush()
            yield found


def read(path: Path) -> list[DayResult]:
    """What `days` wrote; nothing when there is no such file."""
    if not path.exists():
        return []
    return [DayResult(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def upper(over: int, count: int, level: float = 0.95) -> float:
    """Exact upper bound (Clopper and Pearson 1934) of a chance that showed `over` times in `count`."""
    from scipy.stats import beta

    return 1.0 if over >= count else float(beta.ppf(level, over + 1, count - over))


@dataclass(frozen=True, slots=True)
class Rolling:
    """60 or more days with a window of 30: how far the worst window came. Shares as fractions."""

    agents: int
    seed: int
    days: int
    windows: int
    worst: float
    over: int
    occupancy: float
    abandoned: float


def rolling(agents: int, seed: int, count: int = 60) -> Rolling:
    """`count` days of 8 h at `agents` agents; the pacer is saved each night and told the last 30 days every 5 s,
    as the daemon does. windows: 30-day windows judged, one ending at each answered call from day 30 on."""
    cell = real_cell(agents)
    config = cell.config
    state = Pacer(config).state()
    history = History()
    windows = over = 0
    worst = occupied = logged_in = 0.0
    for number in range(count):
        start = number * DAY
        pacer = Pacer.restore(state, start, config)
        shifts = full_time(agents, SHIFT, start)
        out = simulate(
            pacer, cell.laws, shifts, SHIFT, seed + number,
            start=start, window=lambda now: (now - MONTH, MONTH), history=history,
        )  # fmt: skip
        state = pacer.state()
        occupied, logged_in = occupied + out.occupied, logged_in + out.logged_in
        for when, _ in out.ends if number >= 30 else ():
            answered, lost = history.since(when - MONTH, when)
            windows += 1
            over += lost > config.abandon_cap * answered
            worst = max(worst, lost / answered)
    answered, lost = history.since(-1.0, count * DAY)
    return Rolling(agents, seed, count, windows, worst, over, occupied / logged_in, lost / max(1, answered))
