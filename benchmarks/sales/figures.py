"""What became of sales, in figures: how long they waited to be picked up, how long they took, how they ended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from benchmarks.answer_to_agent import percentile
from dispositions import Store, schema

#: 5 % of all requests fail in one way or another, and 1 % hang.
FAULTS = {"error": 0.02, "lost": 0.01, "reset": 0.01, "slow": 0.01, "slow_seconds": 3.0, "hang": 0.01}
OPEN = {"queued", "started", "undoing"}


def rows(store: Store, since: float = 0.0) -> list[Any]:
    """The sales that were queued since then."""
    c = schema.sale.c
    with store.read() as view:
        query = select(c.id, c.state, c.queued_at, c.started_at, c.ended_at).where(c.queued_at >= since)
        return list(view.connection.execute(query))


def figures(found: list[Any]) -> dict[str, Any]:
    """Pick-up and duration in seconds, states."""
    picked = [row.started_at - row.queued_at for row in found if row.started_at is not None]
    took = [row.ended_at - row.queued_at for row in found if row.ended_at is not None]
    states: dict[str, int] = {}
    for row in found:
        states[row.state] = states.get(row.state, 0) + 1
    return {
        "sales": len(found),
        "pick_up_p50": percentile(picked, 0.5), "pick_up_p99": percentile(picked, 0.99), "pick_up_max": max(picked),
        "took_p50": percentile(took, 0.5), "took_p99": percentile(took, 0.99), "took_max": max(took),
        "states": states,
    }  # fmt: skip
