"""The sale process alone, with its store and third parties."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.sales.figures import FAULTS, OPEN, figures, rows
from benchmarks.thirdparty.stage import SaleStage


def alone(rate: float, seconds: float, folder: Path) -> dict[str, Any]:
    """Sales at `rate` a second for so many seconds, then until all have ended."""
    with SaleStage(folder, faults={**FAULTS, "hang_seconds": 30.0}, seed=7, sales={"at_once": "400"}) as stage:
        process = stage.start()
        process.wait_ready(lambda: (stage.folder / "sales.db-wal").exists(), 60.0, "the pipeline runs")
        time.sleep(1.0)
        idle, begun, sold, backlog = process.cpu_seconds(), time.monotonic(), 0, 0
        while (spent := time.monotonic() - begun) < seconds:
            due = int(spent * rate) + 1 - sold
            if due > 0:
                stage.sell(due)
                sold += due
            backlog = max(backlog, sum(state == "queued" for state in stage.states().values()))
            time.sleep(0.2)
        behind = sum(state in OPEN for state in stage.states().values())
        stage.wait_ended(300.0)
        result = figures(rows(stage.store))
        result["cpu_seconds_a_sale"] = (process.cpu_seconds() - idle) / sold
        result["rate"] = sold / seconds
        result["most_waiting"], result["under_way_at_the_end"] = backlog, behind
        result["broken"] = {name: len(keys) for name, keys in stage.broken().items()}
    return result
