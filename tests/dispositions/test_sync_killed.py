"""The process that keeps a list in step with a company database, killed at random instants."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from dispositions import CampaignPolicy, ListSpec, Store, import_do_not_call
from dispositions.sync import DatabaseSpec, SyncReport, sync

PEOPLE = 1_500
ROUNDS = 6
SYNCING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_sync_killed import run_sync
from dispositions import sync

page, sync.CHUNK = sync._page, 100
def telling(*given):
    print("page", flush=True)
    return page(*given)
sync._page = telling
run_sync(Path(sys.argv[2]), float(sys.argv[3]))
print("whole", flush=True)
"""


def opened(folder: Path) -> Store:
    store = Store(folder / "s.db")
    store.migrate()
    store.register(CampaignPolicy("c", region="US"))
    return store


def run_sync(folder: Path, at: float) -> SyncReport:
    spec = ListSpec("people", Path("-"), external_id="key", region="US", validity="possible")
    database = DatabaseSpec(f"sqlite:///{folder / 'crm.db'}", "people", "key", "version", spec)
    store = opened(folder)
    try:
        return sync(store, "c", database, at)
    finally:
        store.close()


def test_killed_at_random_instants_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    chance = random.Random(4)
    crm = sqlite3.connect(tmp_path / "crm.db")
    crm.execute("CREATE TABLE people (key TEXT PRIMARY KEY, number TEXT, city TEXT, version INTEGER)")
    people = [(f"k{n}", f"+1212{2_000_000 + n}", "Old", n // 10) for n in range(PEOPLE)]
    crm.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", people)
    crm.commit()
    opened(tmp_path).close()
    forbidden = tmp_path / "own.txt"
    forbidden.write_text("".join(f"+1212{2_000_000 + n}\n" for n in range(0, PEOPLE, 50)))
    killed = 0
    for number in range(ROUNDS):
        command = [sys.executable, "-c", SYNCING, str(Path(__file__).parent), str(tmp_path), str(1000.0 + 200 * number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(chance.randint(1, 5)):
                child.stdout.readline()
            time.sleep(0.1 * chance.random())  # the instant is what is random here
            os.kill(child.pid, signal.SIGKILL)
            killed += "whole" not in child.stdout.read()
        with crm:  # meanwhile the company goes on
            for n in chance.sample(range(PEOPLE), 150):
                crm.execute(
                    "UPDATE people SET city = ?, version = ? WHERE key = ?", (f"City {number}", 1000 + number, f"k{n}")
                )
    assert killed >= ROUNDS // 2
    report = run_sync(tmp_path, 4000.0)
    assert report.added < PEOPLE  # what was in before the kills is not new
    store = opened(tmp_path)
    import_do_not_call(store, "own", forbidden, 5000.0)
    store.close()
    run_sync(tmp_path, 9000.0)

    wanted = dict(crm.execute("SELECT key, city FROM people"))
    sent = dict(crm.execute("SELECT contact_key, fields FROM dialer_results"))
    crm.close()
    store = opened(tmp_path)
    with store.read() as view:
        assert view.accounted("c") == []
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT id, external_id, fields FROM contact").all()
        digits = connection.exec_driver_sql("SELECT count(*) FROM number").scalar()
        history: dict[int, list[tuple[str, str]]] = {}
        for contact_id, old, new in connection.exec_driver_sql("SELECT contact_id, old, new FROM change ORDER BY id"):
            history.setdefault(contact_id, []).append((old, new))
    store.close()
    assert sorted(key for _, key, _ in rows) == sorted(wanted)  # each once
    assert digits == PEOPLE
    for contact_id, key, fields in rows:
        assert json.loads(fields) == {"city": wanted[key]}
        steps = history.get(contact_id, [])
        assert all(old != new for old, new in steps)
        assert [new for _, new in steps[:-1]] == [old for old, _ in steps[1:]]  # each change is told once
        assert not steps or steps[-1][1] == wanted[key]
        if steps or (contact_id and int(key[1:]) % 50 == 0):
            assert json.loads(sent[key]) == {"city": wanted[key]}
