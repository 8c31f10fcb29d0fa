"""The measured table as text, JSON and plot."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One policy on one cell. Shares as fractions; `best` is the exact optimum where there is one;
    `told`: the policy knew the parameters or was tuned in hindsight."""

    cell: str
    agents: int
    policy: str
    told: bool
    occupancy: float
    occupancy_error: float
    best: float
    abandoned: float
    abandoned_upper: float
    worst_day: float
    days_over: float
    idle_per_contact: float
    dials_per_contact: float
    seconds: float


HEAD = (
    f"{'policy':<26} {'occupancy':>16} {'of best':>8} {'abandoned':>10} {'<= 95 %':>8} {'worst':>7} {'over':>6}"
    f" {'idle s':>7} {'dials':>6}"
)


def text(rows: list[Row]) -> str:
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
            f"{r.policy + (' *' if r.told else ''):<26} {r.occupancy:>8.4f} ±{r.occupancy_error:.4f} {gap:>8}"
            f" {100 * r.abandoned:>9.2f}% {100 * r.abandoned_upper:>7.2f}% {100 * r.worst_day:>6.2f}%"
            f" {100 * r.days_over:>5.0f}% {r.idle_per_contact:>7.1f} {r.dials_per_contact:>6.2f}"
        )
    out += [
        "",
        "* knows the parameters, or was tuned in hindsight. 'of best' in points against the exact optimum of the",
        "  memoryless model, which assumes exponential patience and that no ringing call is given up.",
        "  idle s: idle agent-seconds per contact; dials: calls placed per contact; over: runs above the cap.",
    ]
    return "\n".join(out)


def write_json(rows: list[Row], path: Path) -> None:
    """All rows as a JSON array; not-a-number becomes null."""
    plain = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(r).items()} for r in rows]
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def write_plot(rows: list[Row], path: Path) -> None:
    """Occupancy against abandonment, one panel per cell, as SVG without any plotting library."""
    cells = list(dict.fromkeys(r.cell for r in rows))
    width, height = 420, 260
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width}" height="{height * math.ceil(len(cells) / 2)}" '
        'font-family="sans-serif" font-size="11">'
    ]
    for i, cell in enumerate(cells):
        here = [r for r in rows if r.cell == cell]
        low = min(r.occupancy for r in here) - 0.02
        top_ab = max(0.04, max(r.abandoned for r in here) * 1.1)
        x0, y0 = (i % 2) * width + 50, (i // 2) * height + 30
        w, h = width - 130, height - 70

        def at(r: Row, x0: float = x0, y0: float = y0, w: float = w, h: float = h, low: float = low,
               top: float = top_ab) -> tuple[float, float]:  # fmt: skip
            return x0 + w * r.abandoned / top, y0 + h * (1.0 - (r.occupancy - low) / (1.0 - low))

        parts.append(f'<text x="{x0}" y="{y0 - 10}" font-weight="bold">{cell}</text>')
        parts.append(f'<rect x="{x0}" y="{y0}" width="{w}" height="{h}" fill="none" stroke="#888"/>')
        parts.append(f'<text x="{x0}" y="{y0 + h + 28}">abandoned, 0 to {100 * top_ab:.1f} %</text>')
        parts.append(f'<text x="{x0 - 45}" y="{y0 + 10}">100 %</text>')
        parts.append(f'<text x="{x0 - 45}" y="{y0 + h}">{100 * low:.0f} %</text>')
        for r in here:
            x, y = at(r)
            colour = "#c22" if r.policy.startswith("ours") else "#36c" if not r.told else "#999"
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            parts.append(f'<text x="{x + 6:.1f}" y="{y + 4:.1f}" fill="{colour}">{r.policy}</text>')
    parts.append("</svg>")
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
