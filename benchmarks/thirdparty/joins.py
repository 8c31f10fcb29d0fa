"""What the third parties' own logs say of the sales, joined with the store: the witness of every promise."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Trail:
    """What happened for one sale, by the third parties: how often, net of what was undone, and the worst instant."""

    charges: int = 0
    refunds: int = 0
    issued: int = 0
    voided: int = 0
    most_charged: int = 0
    issued_unpaid: bool = False
    mails: list[str] = field(default_factory=list)

    @property
    def paid(self) -> int:
        """Charges that stand."""
        return self.charges - self.refunds

    @property
    def documents(self) -> int:
        """Documents that stand."""
        return self.issued - self.voided


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """All lines of the logs, in the order of time."""
    found = []
    for path in paths:
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # the last line, half written
    return sorted(found, key=lambda row: float(row["at"]))


def sale_of(key: str) -> int:
    """The sale in an idempotency key (`IDENTITY-SALE-RUN/STEP`), or in a Message-ID made of it."""
    return int(key.strip("<>").split("-")[1])


def trails(rows: Iterable[Mapping[str, Any]]) -> dict[int, Trail]:
    """Sale -> what happened for it."""
    found: dict[int, Trail] = defaultdict(Trail)
    for row in rows:
        name = row.get("key") or row.get("message_id")
        if not name:
            continue
        trail, event = found[sale_of(name)], row["event"]
        if event == "charged":
            trail.charges += 1
            trail.most_charged = max(trail.most_charged, trail.paid)
        elif event == "refunded":
            trail.refunds += 1
        elif event == "issued":
            trail.issued += 1
            trail.issued_unpaid |= trail.paid < 1
        elif event == "voided":
            trail.voided += 1
        elif event == "mailed":
            trail.mails.append(row["message_id"])
    return dict(found)


def broken(states: Mapping[int, str], found: Mapping[int, Trail]) -> dict[str, list[int]]:
    """Promise -> the sales for which it was not kept; empty when all is well. `states`: sale -> its state in the store.

    charged_twice, issued_unpaid; done_not_paid, done_not_issued (a done sale has one charge and one document);
    undone_paid, undone_issued (an undone one has neither); unfinished (no end)."""
    none = Trail()
    undone = {"rejected", "compensated", "cancelled"}
    checks: dict[str, Callable[[int, str, Trail], bool]] = {
        "charged_twice": lambda key, state, trail: trail.most_charged > 1,
        "issued_unpaid": lambda key, state, trail: trail.issued_unpaid,
        "done_not_paid": lambda key, state, trail: state == "done" and trail.paid != 1,
        "done_not_issued": lambda key, state, trail: state == "done" and trail.documents != 1,
        "undone_paid": lambda key, state, trail: state in undone and trail.paid != 0,
        "undone_issued": lambda key, state, trail: state in undone and trail.documents != 0,
        "unfinished": lambda key, state, trail: state in ("queued", "started", "undoing"),
        "unknown_sale": lambda key, state, trail: state == "?",
    }
    keys = sorted({*states, *found})
    result = {
        name: [key for key in keys if check(key, states.get(key, "?"), found.get(key, none))]
        for name, check in checks.items()
    }
    return {name: wrong for name, wrong in result.items() if wrong}
