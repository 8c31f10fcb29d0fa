"""Claims a second, and the CPU of a call's whole life in the store, batched as the dialer batches it.

    python -m benchmarks.store [--contacts 200000] [--calls 20000] [--batch 20] [--url postgresql://...] [--json]

One call's life: claim and attempt insert; ringing, answered and connected with SIP state in three later transactions;
finish; the agent's disposition for those that talked; an outbox row for each outcome. `--batch` calls share each
transaction. CPU is process time of this process (SQLite runs inside it; PostgreSQL's own is not in it)."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from dispositions import (
    AttemptUpdate,
    CampaignPolicy,
    Claim,
    Disposition,
    Finish,
    NewAttempt,
    NewContact,
    Number,
    Outcome,
    Store,
)

SIP = json.dumps({"local": "<sip:a@127.0.0.1>;tag=1234567890", "remote": "<sip:b@127.0.0.1>;tag=abc", "cseq": 2} | {
    f"route{n}": "<sip:proxy.example.net:5060;lr>" for n in range(4)
})  # fmt: skip
ZONES = (("America/New_York",), ("America/Chicago",), ("America/Denver",), ("America/Los_Angeles",))


def fill(store: Store, contacts: int, at: float) -> float:
    """Add contacts with normalised numbers; rows a second."""
    started = time.perf_counter()
    for start in range(0, contacts, 10_000):
        rows = [
            NewContact([Number(12_000_000_000 + n, ZONES[n % 4], "fixed", "US")], f"id{n}", {"name": f"Customer {n}"})
            for n in range(start, min(contacts, start + 10_000))
        ]
        with store.write() as tx:
            tx.add_contacts("bench", "list", rows, at)
    return contacts / (time.perf_counter() - started)


def claims(store: Store, batch: int, rounds: int, at: float) -> dict[str, float]:
    """Claim and release in batches: claims a second, milliseconds of one claim."""
    spent: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        with store.write() as tx:
            taken = tx.claim("bench", batch, at, at + 60)
        spent.append(time.perf_counter() - started)
        with store.write() as tx:
            tx.release(taken, at)
    spent.sort()
    return {
        "claims_per_second": round(batch * rounds / sum(spent)),
        "claim_ms_p50": round(1000 * spent[len(spent) // 2], 2),
        "claim_ms_p99": round(1000 * spent[int(len(spent) * 0.99)], 2),
    }


def lives(store: Store, calls: int, batch: int, at: float, seed: int, single: bool) -> dict[str, float]:
    """Whole call lives: CPU microseconds of each, calls a second."""
    rng = random.Random(seed)
    cpu, wall = time.process_time(), time.perf_counter()
    done = 0
    while done < calls:
        with store.write() as tx:
            taken = tx.claim("bench", batch, at, at + 60)
            tx.start_attempts([NewAttempt(_id(done + n), c.contact_id, c.number, "call@host", "trunk", sip=SIP)
                               for n, c in enumerate(taken)], at)  # fmt: skip
        if not taken:
            raise SystemExit("the list ran dry: more --contacts")
        ids = [_id(done + n) for n in range(len(taken))]
        (_one_by_one if single else _one_batch)(store, ids, taken, rng, at)
        done += len(taken)
        at += 0.2
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"calls": done, "cpu_us_per_call": round(1e6 * cpu / done, 1), "calls_per_second": round(done / wall)}


def _one_batch(store: Store, ids: list[str], taken: list[Claim], rng: random.Random, at: float) -> None:
    talked = [i for i in ids if rng.random() < 0.3]
    with store.write() as tx:
        tx.update_attempts([AttemptUpdate(i, ringing_at=at + 3, sip=SIP) for i in ids])
    with store.write() as tx:
        tx.update_attempts([AttemptUpdate(i, answered_at=at + 8, sip=SIP) for i in talked])
    with store.write() as tx:
        tx.update_attempts([AttemptUpdate(i, connected_at=at + 8.1, agent="agent") for i in talked])
    with store.write() as tx:
        ends = [Finish(i, Outcome.ANSWERED if i in talked else Outcome.NO_ANSWER, at + 30) for i in ids]
        for applied in tx.finish_attempts(ends):
            tx.outbox_add("outcome", f'{{"call":"{applied.attempt_id}"}}', at + 30)
    with store.write() as tx:
        tx.dispose_attempts([Disposition(i, _code(rng), "agent", at + 40) for i in talked])


def _one_by_one(store: Store, ids: list[str], taken: list[Claim], rng: random.Random, at: float) -> None:
    """The same with one operation a call, as the dialer's ledger gives them; still one transaction a batch."""
    talked = [i for i in ids if rng.random() < 0.3]
    with store.write() as tx:
        for i in ids:
            tx.update_attempt(i, ringing_at=at + 3, sip=SIP)
    with store.write() as tx:
        for i in talked:
            tx.update_attempt(i, answered_at=at + 8, sip=SIP)
    with store.write() as tx:
        for i in talked:
            tx.update_attempt(i, connected_at=at + 8.1, agent="agent")
    with store.write() as tx:
        for i in ids:
            tx.finish_attempt(i, Outcome.ANSWERED if i in talked else Outcome.NO_ANSWER, at + 30)
            tx.outbox_add("outcome", f'{{"call":"{i}"}}', at + 30)
    with store.write() as tx:
        for i in talked:
            tx.dispose(i, _code(rng), "agent", at + 40)


def _id(n: int) -> str:
    return f"{n:012d}"


def _code(rng: random.Random) -> str:
    return rng.choices(["not_interested", "interested", "sale", "hung_up"], [6, 2, 1, 1])[0]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=20, help="calls in one transaction")
    parser.add_argument("--single", action="store_true", help="one operation a call, not the batched variants")
    parser.add_argument("--url", help="default: SQLite in a temporary directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    at = 1_750_000_000.0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(given.url or Path(folder) / "bench.db")
        store.migrate()
        store.register(CampaignPolicy("bench", region="US"))
        result: dict[str, Any] = {"added_per_second": round(fill(store, given.contacts, at))}
        for batch in (20, 50, 200):
            result[f"claim_{batch}"] = claims(store, batch, 100, at)
        result["life"] = lives(store, given.calls, given.batch, at, given.seed, given.single)
        started = time.perf_counter()
        with store.read() as view:
            result["lost"] = len(view.accounted("bench"))
        result["accounted_seconds"] = round(time.perf_counter() - started, 2)
        store.close()
    print(json.dumps(result, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
