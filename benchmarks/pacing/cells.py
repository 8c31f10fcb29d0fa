"""The cells of the benchmark: laws, agents, cap; and the real talk times."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from pacing import PacingConfig
from pacing.laws import Draw, Laws, empirical, memoryless, realistic

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting. memory: (p, handle, ring) of the memoryless model, if it is one."""

    name: str
    agents: int
    cap: float
    laws: Laws
    config: PacingConfig
    memory: tuple[float, float, float] | None = None
    hours: float = 8.0


def exact_cell(n: int, p: float, handle: float = 150.0, cap: float = 0.03, ring: float = 12.0) -> Cell:
    """A cell of the memoryless model: no ring timeout, nothing given up."""
    config = PacingConfig(abandon_cap=cap, cancel=False, ring_timeout=8 * ring)
    name = f"memoryless n={n} p={p:g} handle={handle:g} cap={100 * cap:g}%"
    return Cell(name, n, cap, memoryless(p, ring, handle), config, (p, handle, ring))


def real_cell(n: int, p: float = 0.2, cap: float = 0.03, cancel: bool = False, talk: Draw | None = None) -> Cell:
    """Realistic laws; `cancel`: calls may be given up after 15 s; `talk`: talk times, else lognormal."""
    name = f"realistic n={n} p={p:g}" + (" giving up" if cancel else "") + (" real talk" if talk else "")
    return Cell(name, n, cap, realistic(p, talk), PacingConfig(abandon_cap=cap, cancel=cancel))


def real_talk(path: Path) -> Draw:
    """Talk times (s) from a CSV with a column `duration`, drawn with replacement."""
    with path.open(newline="", encoding="utf-8") as file:
        return empirical([float(row["duration"]) for row in csv.DictReader(file) if float(row["duration"]) > 0])
