"""What becomes of a call to a number: drawn from a hash of seed, number and attempt, so that a run can be repeated.

Some things belong to the number and stay (it does not exist, someone else answers, the person wants no calls), the
rest is drawn anew for each attempt. Talk times and sales are drawn together from real calls (`data/talk_times.csv`).
All durations are seconds before the time factor.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, field
from pathlib import Path

DATA = Path(__file__).parent / "data"
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of attempts by fate; the rest rings until given up. `invalid` is a share of numbers, drawn first."""

    answer: float = 0.38
    machine: float = 0.10
    busy: float = 0.12
    invalid: float = 0.04
    unreachable: float = 0.06
    congestion: float = 0.01

    def __post_init__(self) -> None:
        """Raises ValueError for shares outside 0..1 or above 1 together."""
        each = (self.answer, self.machine, self.busy, self.invalid, self.unreachable, self.congestion)
        if any(not 0 <= share <= 1 for share in each):
            raise ValueError("shares must lie in 0..1")
        if self.answer + self.machine + self.busy + self.unreachable > 1 + 1e-9:
            raise ValueError("answer + machine + busy + unreachable exceed 1")


@dataclass(frozen=True, slots=True)
class Fate:
    """What one attempt meets.

    `kind`: person, machine, busy, no_answer, invalid (404), unreachable (480). `delay` runs from INVITE to 180 (or to
    the refusal), `ring` from 180 to the answer, `talk` from the first sound heard to the customer's hang-up.
    `impatience` is how long the person bears silence. `voice` is the tone spoken.
    """

    kind: str
    delay: float
    ring: float = 0.0
    talk: float = 0.0
    impatience: float = 0.0
    voice: str = "person"


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody who can be called. `ring` and `talk`, when given, are uniform ranges instead of the natural laws."""

    seed: int
    shares: Shares = field(default_factory=Shares)
    ring: Range | None = None
    talk: Range | None = None
    wrong_person: float = 0.03
    do_not_call: float = 0.04
    talks: tuple[tuple[float, bool], ...] = field(default_factory=lambda: read_talks(DATA / "talk_times.csv"))

    def fate(self, number: str, attempt: int) -> Fate:
        """What the `attempt`-th call (from 1) to `number` meets."""
        own = random.Random(f"{self.seed}/{number}")
        if own.random() < self.shares.invalid:
            return Fate("invalid", own.uniform(0.3, 1.5))
        whom = own.random()
        voice = (
            "wrong_person"
            if whom < self.wrong_person
            else "do_not_call"
            if whom < self.wrong_person + self.do_not_call
            else ""
        )
        rng = random.Random(f"{self.seed}/{number}/{attempt}")
        delay = rng.uniform(0.3, 2.0)
        pick, shares = rng.random(), self.shares
        if pick < shares.answer:
            return self._person(rng, delay, voice)
        pick -= shares.answer
        if pick < shares.machine:
            ring = rng.uniform(*self.ring) if self.ring else max(8.0, rng.gauss(18.0, 1.5))
            return Fate("machine", delay, ring, rng.uniform(15.0, 40.0), 60.0, "machine")
        pick -= shares.machine
        if pick < shares.busy:
            return Fate("busy", delay)
        if pick - shares.busy < shares.unreachable:
            return Fate("unreachable", delay + rng.uniform(0.0, 8.0))
        return Fate("no_answer", delay)

    def congested(self, number: str, attempt: int, trunk: str) -> bool:
        """Whether the trunk refuses this attempt with 503; another trunk may take it."""
        return random.Random(f"{self.seed}/{number}/{attempt}/{trunk}").random() < self.shares.congestion

    def _person(self, rng: random.Random, delay: float, voice: str) -> Fate:
        if self.ring:
            ring = rng.uniform(*self.ring)
        elif rng.random() < 0.6:  # the telephone at hand
            ring = max(1.0, rng.lognormvariate(1.4, 0.4))
        else:  # in another room
            ring = max(3.0, rng.gauss(13.0, 4.0))
        talk, sold = rng.choice(self.talks)
        if voice:
            talk, sold = rng.uniform(8.0, 30.0), False
        if self.talk:
            talk = rng.uniform(*self.talk)
        return Fate(
            "person", delay, ring, talk, rng.expovariate(1 / 5.0) + 1.0, voice or ("buyer" if sold else "person")
        )


def read_talks(path: Path) -> tuple[tuple[float, bool], ...]:
    """Talk seconds and whether the call sold, without calls of 0 seconds. Raises ValueError when there are none."""
    with path.open(newline="", encoding="utf-8") as file:
        talks = tuple(
            (float(row["seconds"]), row["sold"] == "yes") for row in csv.DictReader(file) if float(row["seconds"]) > 0
        )
    if not talks:
        raise ValueError(f"{path}: no talk times")
    return talks
