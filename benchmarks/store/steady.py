"""Claims from a large list while outcomes are written: `python -m benchmarks.store.steady --contacts 10000000`.

One writer, as in the dialer: `--rate` times a second a call begins (claims of 50) and as many outcomes end, in group
commits. What a claim of 50 takes (p50, p99 in milliseconds, the commit with it) is shown for each tenth of the run, so
that it can be seen to be steady. `--keep FILE` keeps the store, which takes long to fill, for another run.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.store.__main__ import fill
from dispositions import CampaignPolicy, Claim, Finish, NewAttempt, Outcome, Store

BATCH = 50
COMMIT_EVERY = 0.02
TENTHS = 10


def measure(store: Store, rate: float, seconds: float, at: float) -> dict[str, Any]:
    """The run. Epoch time moves with the wall clock."""
    under_way: list[tuple[float, str]] = []
    claims: list[tuple[float, float]] = []
    outcomes = number = 0
    commits = 0
    run, chance = f"{time.time_ns():x}", random.Random(1)
    began = time.perf_counter()
    placed = 0
    while (passed := time.perf_counter() - began) < seconds:
        now = at + passed
        if placed < passed * rate:
            start = time.perf_counter()
            with store.write() as tx:
                taken: list[Claim] = tx.claim("bench", BATCH, now, now + 60)
                ids = [f"{run}{number + n:08d}" for n in range(len(taken))]
                tx.start_attempts(
                    [
                        NewAttempt(i, c.contact_id, c.number, "call@host", "trunk")
                        for i, c in zip(ids, taken, strict=True)
                    ],
                    now,
                )
            claims.append((passed, time.perf_counter() - start))
            if not taken:
                raise SystemExit("the list ran dry: more --contacts")
            number += len(taken)
            placed += len(taken)
            under_way += [(now + chance.uniform(1.0, 5.0), i) for i in ids]
        due = [i for when, i in under_way if when <= now]
        if due:
            with store.write() as tx:
                for applied in tx.finish_attempts([Finish(i, Outcome.NO_ANSWER, now) for i in due]):
                    tx.outbox_add("outcome", f'{{"call":"{applied.attempt_id}"}}', now)
            under_way = [pair for pair in under_way if pair[0] > now]
            outcomes += len(due)
            commits += 1
        time.sleep(max(0.0, COMMIT_EVERY - (time.perf_counter() - began - passed)))
    span = time.perf_counter() - began
    spent = sorted(took for _, took in claims)
    tenths = [sorted(took for when, took in claims if n <= when / seconds * TENTHS < n + 1) for n in range(TENTHS)]
    return {
        "claims": len(claims),
        "calls_per_second": number / span,
        "outcomes_per_second": outcomes / span,
        "commits_per_second": commits / span,
        "claim_ms_p50": 1000 * spent[len(spent) // 2],
        "claim_ms_p99": 1000 * spent[int(len(spent) * 0.99)],
        "claim_ms_p99_by_tenth": [round(1000 * part[int(len(part) * 0.99)], 1) for part in tenths if part],
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=300.0, help="calls and outcomes a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--url", help="default: SQLite in a temporary directory")
    parser.add_argument("--keep", type=Path, help="SQLite file, filled if it is not there")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    at = 1_750_000_000.0
    with tempfile.TemporaryDirectory() as folder:
        path = given.keep or Path(folder) / "bench.db"
        filled = given.url is None and path.exists()
        store = Store(given.url or path)
        store.migrate()
        store.register(CampaignPolicy("bench", region="US"))
        result: dict[str, Any] = {"contacts": given.contacts}
        if not filled:
            result["added_per_second"] = round(fill(store, given.contacts, at))
        result |= measure(store, given.rate, given.seconds, at)
        store.close()
    if given.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result.items():
        print(f"{name:<24} {value:,.1f}" if isinstance(value, float) else f"{name:<24} {value}")


if __name__ == "__main__":
    main()
