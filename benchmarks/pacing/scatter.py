"""Occupancy against the share abandoned, a panel per cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pacing.figure import Panel, figure, label
from benchmarks.pacing.report import Row

WIDE, HIGH, COLUMNS = 330, 230, 3
#: Shares above this are drawn at the edge.
WIDEST = 0.08
SHORT = {"ours, predictive": "ours", "exact table": "exact"}


def write_scatter(rows: Sequence[Row], path: Path) -> None:
    """One dot per policy: to the right more people are abandoned, to the top agents are busier."""
    cells = list(dict.fromkeys(row.cell for row in rows))
    parts = [_panel(cell, [row for row in rows if row.cell == cell], place) for place, cell in enumerate(cells)]
    height = HIGH * math.ceil(len(cells) / COLUMNS) + 40
    key = "green: ours · dashed: exact optimum · blue: as shipped · yellow: tuned in hindsight · grey: parameters known"
    parts.append(label(20, height - 14, key))
    path.write_text(figure(WIDE * COLUMNS, height, "Occupancy against the share abandoned", parts), encoding="utf-8")


def _panel(cell: str, rows: Sequence[Row], place: int) -> str:
    low = math.floor(20 * min(row.occupancy for row in rows)) / 20
    panel = Panel(
        (place % COLUMNS) * WIDE + 48, (place // COLUMNS) * HIGH + 30, WIDE - 66, HIGH - 70, 0.0, WIDEST, low, 1.0
    )
    step = 0.1 if low < 0.75 else 0.05
    count = round((1.0 - low) / step)
    out = [label(panel.left, panel.top - 10, cell, "title")]
    out += [panel.across(1.0 - step * k, f"{100 * (1.0 - step * k):.0f} %") for k in range(count + 1)]
    out += [panel.below(x, f"{100 * x:.0f} %") for x in (0.0, 0.02, 0.04, 0.06, 0.08)]
    best = rows[0].best
    if not math.isnan(best):
        y = panel.y(best)
        right = panel.left + panel.width
        ends = f'x1="{panel.left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        out.append(f'<line class="optimum" stroke-dasharray="6 4" {ends}/>')
    # ours last, so that it lies on top
    for row in sorted(rows, key=lambda row: row.kind == "ours"):
        out.append(
            f"<g><title>{row.policy}</title>{panel.dot(min(WIDEST, row.abandoned), row.occupancy, row.kind)}</g>"
        )
        if row.policy in SHORT or row.policy == "progressive" or row.policy.startswith("power"):
            x, y = panel.x(min(WIDEST, row.abandoned)) + 7, panel.y(row.occupancy) + 4
            out.append(label(x, y, SHORT.get(row.policy, row.policy.partition(",")[0]), row.kind))
    return "".join(out)
