"""The measured table as text, Markdown and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One policy on one cell. Shares as fractions; `best` is the exact optimum where there is one;
    kind: ours, shipped, tuned (in hindsight), told (knows the parameters)."""

    cell: str
    agents: int
    policy: str
    kind: str
    occupancy: float
    occupancy_error: float
    best: float
    abandoned: float
    abandoned_upper: float
    worst_day: float
    days_over: float
    idle_per_contact: float
    dials_per_contact: float


HEAD = (
    f"{'policy':<30} {'occupancy':>16} {'of best':>8} {'abandoned':>10} {'<= 95 %':>8} {'worst':>7} {'over':>6}"
    f" {'idle s':>7} {'dials':>6}"
)
NOTES = """\
* set in hindsight to our share abandoned; ** knows the parameters. 'of best' in points against the exact optimum of the
  memoryless model, which assumes exponential patience and that no ringing call is given up.
  idle s: idle agent-seconds per contact; dials: calls placed per contact; over: runs above the cap."""
MARK = {"tuned": " *", "told": " **"}


def text(rows: Sequence[Row]) -> str:
    """The table, one block per cell."""
    out: list[str] = []
    cell = ""
    for r in rows:
        if r.cell != cell:
            cell = r.cell
            best = "" if math.isnan(r.best) else f"   exact optimum {r.best:.4f}"
            out += ["", f"{cell}{best}", HEAD]
        gap = "" if math.isnan(r.best) else f"{100 * (r.occupancy - r.best):+.2f}"
        out.append(
            f"{r.policy + MARK.get(r.kind, ''):<30} {r.occupancy:>8.4f} ±{r.occupancy_error:.4f} {gap:>8}"
            f" {100 * r.abandoned:>9.2f}% {100 * r.abandoned_upper:>7.2f}% {100 * r.worst_day:>6.2f}%"
            f" {100 * r.days_over:>5.0f}% {r.idle_per_contact:>7.1f} {r.dials_per_contact:>6.2f}"
        )
    return "\n".join(out)


def markdown(rows: Sequence[Row]) -> str:
    """One line per cell and policy, as a Markdown table."""
    out = [
        "| cell | policy | occupancy | of optimum | abandoned (95 % bound) | worst run | idle s | dials |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cell = ""
    for r in rows:
        gap = "" if math.isnan(r.best) else f"{100 * (r.occupancy - r.best):+.2f}"
        shown = "" if r.cell == cell else r.cell
        cell = r.cell
        error = "" if math.isnan(r.occupancy_error) else f" ± {r.occupancy_error:.3f}"
        policy = r.policy + MARK.get(r.kind, "").replace("*", "\\*")
        out.append(
            f"| {shown} | {policy} | {r.occupancy:.4f}{error} | {gap} | {100 * r.abandoned:.2f} %"
            f" ({100 * r.abandoned_upper:.2f}) | {100 * r.worst_day:.2f} % | {r.idle_per_contact:.1f} |"
            f" {r.dials_per_contact:.2f} |"
        )
    return "\n".join(out)


def plain(value: Any) -> Any:
    """The value as JSON bears it: not-a-number becomes null."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write_json(rows: Sequence[Row], path: Path) -> None:
    """All rows as a JSON array."""
    path.write_text(json.dumps(plain([asdict(r) for r in rows]), indent=1) + "\n", encoding="utf-8")
