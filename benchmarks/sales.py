"""Sales under load: `python -m benchmarks.sales --rate 5 --seconds 60`.

Sales come at a steady rate while third parties (processes of their own, real HTTP and SMTP) fail: 5 % of all requests,
and 1 % hang for half a minute. Printed: pick-up (queue to start) and duration (queue to end), p50 and p99, CPU of the
sale process for a sale, backlog; and what the third parties' logs say: charged twice, issued unpaid, never ended.

With `--calls 20` a whole dialer runs beside it and answer-to-agent is measured twice in the run, first without sales,
then with them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from benchmarks.answer_to_agent import BEHAVIOUR, percentile, spread
from benchmarks.rig.floor import Floor
from benchmarks.rig.listener import Listener
from benchmarks.rig.process import until
from benchmarks.thirdparty import joins
from benchmarks.thirdparty.parties import ThirdParties
from benchmarks.thirdparty.stage import SaleStage
from dispositions import Store, schema

FAULTS = {"error": 0.02, "lost": 0.01, "reset": 0.01, "slow": 0.01, "slow_seconds": 3.0, "hang": 0.01}
#: Ids of the sales that this adds beside a dialer's own.
FIRST = 1_000_000_000
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


def alone(rate: float, seconds: float, folder: Path) -> dict[str, Any]:
    """The sale process with its store and third parties."""
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


def beside_calls(rate: float, seconds: float, calls: float, folder: Path) -> dict[str, Any]:
    """A dialer at `calls` a second; answer-to-agent without and with the sales, in one run."""
    to_agent: list[float] = []

    def keep(event: dict[str, Any]) -> None:
        if event["event"] == "call_connected" and event["wait"] < 0.0005:
            to_agent.append(event["answer_to_agent"])

    with (
        ThirdParties(folder / "parties", {**FAULTS, "hang_seconds": 30.0}, seed=7) as parties,
        Floor(
            folder,
            contacts=round(calls * (2 * seconds + 60)),
            agents=round(calls * BEHAVIOUR.answer / 100 * 6),
            behaviour=BEHAVIOUR,
            calls_per_second=calls,
            lines=1000,
            mode="power",
            calls_per_agent=2.0,
            log_level="warning",
            media_port_count=4000,
            extra=parties.table(at_once="400"),
        ) as floor,
    ):
        daemon = floor.start_daemon()
        daemon.wait_healthy()
        Listener(daemon, keep)
        floor.start_people(think=0.2, talk=1.5)
        floor.wait_calls(round(calls * 3), 60.0)
        until(lambda: any(folder.rglob("sales.db")), 30.0, "the pipeline runs")
        time.sleep(3.0)
        to_agent.clear()
        time.sleep(seconds)
        without = list(to_agent)
        store = Store(next(f"sqlite:///{file}" for file in folder.glob("*.db") if file.name != "sales.db"))
        to_agent.clear()
        begun, sold = time.time(), 0
        while (spent := time.time() - begun) < seconds:
            due = int(spent * rate) + 1 - sold
            queue_sales(store, sold, due)
            sold += max(0, due)
            time.sleep(0.2)
        loaded = list(to_agent)
        mine = [row for row in rows(store, begun) if row.id >= FIRST]
        until(lambda: not OPEN & {r.state for r in rows(store, begun) if r.id >= FIRST}, 300.0, "all sales end")
        mine = [row for row in rows(store, begun) if row.id >= FIRST]
        wrong = joins.broken({row.id: row.state for row in mine}, _of(parties.trails()))
        store.close()
    return {
        **figures(mine),
        "rate": sold / seconds,
        "answer_to_agent_without": spread(without),
        "answer_to_agent_with": spread(loaded),
        "broken": {name: len(keys) for name, keys in wrong.items()},
    }


def _of(trails: dict[int, joins.Trail]) -> dict[int, joins.Trail]:
    return {sale: trail for sale, trail in trails.items() if sale >= FIRST}


def queue_sales(store: Store, first: int, count: int) -> None:
    """Sales as agents' codes leave them in the queue, beside the dialer that works on the same store."""
    now = time.time()
    given = [
        {
            "id": FIRST + n, "attempt_id": f"bench-{n}", "campaign_id": 1, "contact_id": 1, "agent": "agent",
            "fields": json.dumps(SaleStage.fields_of(n)), "state": "queued", "queued_at": now, "changed_at": now,
        }
        for n in range(first, first + count)
    ]  # fmt: skip
    if given:
        with store.write() as tx:
            tx.connection.execute(insert(schema.sale), given)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="sales under load, with faulty third parties")
    parser.add_argument("--rate", type=float, default=5.0, help="sales per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--calls", type=float, default=0.0, help="calls per second of a dialer beside it")
    parser.add_argument("--keep", type=Path, help="folder for the run's files; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if options.calls > 0:
            found = beside_calls(options.rate, options.seconds, options.calls, folder)
        else:
            found = alone(options.rate, options.seconds, folder)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"sales {found['sales']}, {found['rate']:.1f}/s; ends {found['states']}")
    for words, name in (("pick-up", "pick_up"), ("duration", "took")):
        p50, p99, most = (found[f"{name}_{key}"] for key in ("p50", "p99", "max"))
        print(f"{words:<9} p50 {p50:6.2f} s   p99 {p99:6.2f} s   max {most:.2f} s")
    if "cpu_seconds_a_sale" in found:
        print(f"CPU {1000 * found['cpu_seconds_a_sale']:.0f} ms a sale; most waiting {found['most_waiting']}")
        print(f"under way when the last one came: {found['under_way_at_the_end']}")
    for name in ("without", "with"):
        row = found.get(f"answer_to_agent_{name}")
        if row:
            times = f"p50 {row['p50_ms']:7.2f} ms   p99 {row['p99_ms']:7.2f} ms  n {row['count']}"
            print(f"answer to agent {name:<8} sales  {times}")
    print(f"broken promises, by the third parties' own logs: {found['broken'] or 'none'}")


if __name__ == "__main__":
    main()
