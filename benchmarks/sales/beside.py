"""A whole dialer at work, and sales beside it in turns: does anybody on the telephone notice?"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks.daemon import BRIDGED
from benchmarks.rig.cores import children, pin
from benchmarks.rig.cores import cpu as cpu_of
from benchmarks.rig.floor import Floor
from benchmarks.rig.phases import Watch, compared, turns
from benchmarks.rig.process import until
from benchmarks.sales.figures import FAULTS, OPEN, figures, rows
from benchmarks.thirdparty import joins
from benchmarks.thirdparty.parties import ThirdParties
from benchmarks.thirdparty.stage import SaleStage
from dispositions import Store, schema

#: Ids of the sales that this adds beside the dialer's own.
FIRST = 1_000_000_000
#: Seconds between two phases, in which the sales of the one come to their ends, but for the few whose third party
#: hangs: those wait, which costs nothing.
SETTLE = 4.0
LONGEST_END = 400.0
#: Niceness of the group that comes first.
AHEAD = -15


def beside_calls(
    rate: float, seconds: float, calls: float, pairs: int, folder: Path, *, first: bool = False
) -> dict[str, Any]:
    """A dialer at `calls` a second, every one answered and joined; `pairs` of phases without and with the sales.
    `first`: see `apart`."""
    with (
        ThirdParties(folder / "parties", {**FAULTS, "hang_seconds": 30.0}, seed=7, niceness=19) as parties,
        joined_calls(
            folder, calls, 2 * pairs * (seconds + SETTLE) + LONGEST_END, extra=parties.table(at_once="400")
        ) as floor,
    ):
        daemon = floor.start_daemon()
        daemon.wait_healthy(120.0)
        assert floor.agents is not None
        peers = {"carrier": floor.carriers["carrier"].process.pid, "phones": floor.agents.process.pid}
        watch = Watch(daemon, peers)
        floor.start_people(think=0.2, talk=1.5, sale=0.0)
        floor.wait_calls(round(calls * 3), 60.0)
        until(lambda: any(folder.rglob("sales.db")), 30.0, "the pipeline runs")
        sale_process = _sale_process(daemon.process.pid)
        apart(floor, parties, first=first)
        time.sleep(SETTLE)
        store = Store(next(f"sqlite:///{file}" for file in folder.glob("*.db") if file.name != "sales.db"))
        queue = _Queue(store, rate)
        os.nice(5)  # this process stands for nobody: it must not be what disturbs
        phases, cpu = [], 0.0
        for loaded in turns(pairs):
            time.sleep(SETTLE)
            before = _cpu(sale_process)
            phases.append(watch.phase(loaded, (lambda: queue.work(seconds)) if loaded else lambda: time.sleep(seconds)))
            cpu += _cpu(sale_process) - before if loaded else 0.0
        queue.wait_ended()
        mine = queue.mine()
        wrong = joins.broken({row.id: row.state for row in mine}, _of(parties.trails()))
        store.close()
    return {
        **figures(mine),
        "rate": queue.sold / (pairs * seconds),
        "cpu_seconds_a_sale": cpu / queue.sold,
        "answer_to_agent": compared(phases),
        "broken": {name: len(keys) for name, keys in wrong.items()},
    }


def joined_calls(folder: Path, calls: float, seconds: float, *, extra: str = "") -> Floor:
    """A floor with contacts for `seconds` of `calls` a second, every one answered and joined. `extra`: more config."""
    return Floor(
        folder,
        contacts=round(calls * seconds),
        agents=round(calls * 6),
        behaviour=BRIDGED,
        calls_per_second=calls,
        lines=1000,
        mode="power",
        calls_per_agent=2.0,
        log_level="warning",
        media_port_count=4000,
        extra=extra,
    )


def apart(floor: Floor, parties: ThirdParties, *, first: bool) -> None:
    """The dialer with all its processes on one core; the carrier, the phones, the people and the third parties, which
    are other machines, on the others. `first`: calls before whatever else this machine does."""
    assert floor.daemon is not None
    assert floor.agents is not None
    assert floor.people is not None
    peers = [floor.carriers["carrier"].process, floor.agents.process]
    if first:
        for process in (floor.daemon.process, *peers):
            process.set_group(AHEAD)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        pid = floor.daemon.process.pid
        pin([pid, *children(pid)], {cores[0]})
        pin([*(p.pid for p in (*peers, floor.people)), *parties.pids, os.getpid()], set(cores[1:]))


class _Queue:
    """Sales as agents' codes leave them in the queue, beside the dialer that works on the same store."""

    def __init__(self, store: Store, rate: float) -> None:
        self._store, self._rate, self._begun = store, rate, time.time()
        self.sold = 0

    def work(self, seconds: float) -> None:
        """Sell at the rate."""
        begun, first = time.monotonic(), self.sold
        while (spent := time.monotonic() - begun) < seconds:
            self._sell(first + int(spent * self._rate) + 1 - self.sold)
            time.sleep(0.2)

    def _sell(self, count: int) -> None:
        now = time.time()
        given = [
            {
                "id": FIRST + n, "attempt_id": f"bench-{n}", "campaign_id": 1, "contact_id": 1, "agent": "agent",
                "fields": json.dumps(SaleStage.fields_of(n)), "state": "queued", "queued_at": now, "changed_at": now,
            }
            for n in range(self.sold, self.sold + count)
        ]  # fmt: skip
        if given:
            with self._store.write() as tx:
                tx.connection.execute(insert(schema.sale), given)
            self.sold += count

    def mine(self) -> list[Any]:
        """Their rows."""
        return [row for row in rows(self._store, self._begun) if row.id >= FIRST]

    def wait_ended(self) -> None:
        """Until every one has come to its end."""
        until(lambda: _slowly(lambda: not OPEN & {row.state for row in self.mine()}), LONGEST_END, "all sales end")


def _slowly(question: Any) -> bool:
    found = bool(question())
    if not found:
        time.sleep(0.5)  # the asking must not be the load
    return found


def _sale_process(daemon: int) -> int:
    for child in children(daemon):
        if b"dialer.sales" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
            return child
    raise SystemExit("the daemon has no sale process: see its log in the folder of --keep")


def _cpu(pid: int) -> float:
    return cpu_of(Path(f"/proc/{pid}/stat"))


def _of(trails: dict[int, joins.Trail]) -> dict[int, joins.Trail]:
    return {sale: trail for sale, trail in trails.items() if sale >= FIRST}
