"""Webhooks beside calls: `python -m benchmarks.webhooks --calls 20 --seconds 12 --pairs 4`.

A whole dialer on SIPp, every call answered and joined, and a receiver (a process of its own, real HTTP) that fails: of
all requests 5 % get 503, 2 % are taken and never answered, 1 % hang for half a minute. In turns the webhook is taken
out of the config and put in again, by reloads; answer-to-agent is compared. Then everything is delivered, and the
receiver's log is joined with the store's journal: nothing missed, each contact's events in order, all of it signed.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.answer_to_agent import percentile
from benchmarks.rig import phases
from benchmarks.rig.phases import Watch, compared, turns
from benchmarks.rig.process import until
from benchmarks.sales.beside import SETTLE, apart, joined_calls
from benchmarks.thirdparty.parties import ThirdParties
from benchmarks.thirdparty.receiver import broken, log_of

FAULTS = {"error": 0.05, "lost": 0.02, "hang": 0.01, "hang_seconds": 30.0}
SECRET = "the-key-of-the-signature"
KINDS = ("outcome", "disposition", "callback", "sale", "sale_changed", "settled", "do_not_call")
DELIVERED_WITHIN = 300.0
_HOOK = """
[webhooks.crm]
url = "http://127.0.0.1:{port}/hook"
secret_env = "RECEIVER_SECRET"
events = {kinds}
allow_private = true
timeout = 5
pause = "500ms"
pause_most = 10
"""


def journal(store: Path) -> list[tuple[int, int]]:
    """(serial, contact) of all that the webhook is told of, in order, by the store's own rows."""
    marks = ",".join("?" * len(KINDS))
    query = f"SELECT serial, contact_id FROM journal WHERE kind IN ({marks}) ORDER BY serial"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10.0)) as connection:
        return [(int(serial), int(contact)) for serial, contact in connection.execute(query, KINDS)]


def beside_calls(calls: float, seconds: float, pairs: int, folder: Path, *, first: bool = False) -> dict[str, Any]:
    """`pairs` of phases without and with the webhook. `first`: calls before whatever else this machine does."""
    secret = {"RECEIVER_SECRET": SECRET}
    with (
        ThirdParties(folder / "parties", FAULTS, seed=7, niceness=19, kinds=["receiver"], env=secret) as parties,
        joined_calls(folder, calls, 2 * pairs * (seconds + SETTLE) + DELIVERED_WITHIN) as floor,
    ):
        hook = _HOOK.format(port=parties.ports["receiver"], kinds=json.dumps(list(KINDS)))
        daemon = floor.start_daemon(secret)
        daemon.wait_healthy(120.0)
        assert floor.agents is not None
        watch = Watch(daemon, {"carrier": floor.carriers["carrier"].process.pid, "phones": floor.agents.process.pid})
        floor.start_people(think=0.2, talk=1.5, sale=5.0)
        floor.wait_calls(round(calls * 3), 60.0)
        apart(floor, parties, first=first)
        found, loaded_now = [], False
        for loaded in turns(pairs):
            if loaded is not loaded_now:
                floor.change(extra=hook if loaded else "")
                daemon.post("/api/v1/reload")
                loaded_now = loaded
            time.sleep(SETTLE)
            found.append(watch.phase(loaded, lambda: time.sleep(seconds)))
        if not loaded_now:
            floor.change(extra=hook)
            daemon.post("/api/v1/reload")
        daemon.post("/api/v1/campaigns/main/pause")
        log = parties.log("receiver")
        until(lambda: _slowly(lambda: not broken(journal(floor.store.path), log_of(log)).get("missed")),
              DELIVERED_WITHIN, "every event is delivered")  # fmt: skip
        rows, wanted = log_of(log), journal(floor.store.path)
    taken = [row for row in rows if row["event"] == "taken"]
    delays = [row["at"] - row["happened"] for row in taken]
    return {
        "events": len(wanted),
        "per_second": len(wanted) / (pairs * (seconds + SETTLE)),
        "requests": len(rows),
        "repeated": sum(row["event"] == "repeated" for row in rows),
        "faults": sum(row["event"] == "fault" for row in rows),
        "delay_p50": percentile(delays, 0.5),
        "delay_p99": percentile(delays, 0.99),
        "answer_to_agent": compared(found),
        "broken": {name: len(which) for name, which in broken(wanted, rows).items()},
    }


def _slowly(question: Any) -> bool:
    good = bool(question())
    if not good:
        time.sleep(0.5)
    return good


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.webhooks", description="webhooks beside calls, with a receiver that fails"
    )
    parser.add_argument("--calls", type=float, default=20.0, help="calls per second")
    parser.add_argument("--seconds", type=float, default=12.0, help="of a phase")
    parser.add_argument("--pairs", type=int, default=4, help="phases without, and as many with the webhook")
    parser.add_argument("--first", action="store_true", help="calls before whatever else this machine does; root only")
    parser.add_argument("--keep", type=Path, help="folder for the run's files; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        found = beside_calls(options.calls, options.seconds, options.pairs, folder, first=options.first)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"events {found['events']}, {found['per_second']:.0f}/s; the receiver failed {found['faults']} requests")
    print(f"from the event to the receiver: p50 {found['delay_p50']:.2f} s   p99 {found['delay_p99']:.2f} s")
    print(f"came twice (their answer was lost): {found['repeated']}")
    phases.show(found["answer_to_agent"], "webhook")
    print(f"broken promises, by the receiver's own log: {found['broken'] or 'none'}")


if __name__ == "__main__":
    main()
