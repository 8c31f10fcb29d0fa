"""What an import leaves in SQLite's log while it is alone, and what is left of it when it is killed there."""

from __future__ import annotations

import gc
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dispositions import CampaignPolicy, ListSpec, Store, import_csv
from dispositions.collector import uncollected
from dispositions.pace import LONG_LOG, MOST, QUIET, Pace
from dispositions.store import LOG_PAGES

ROWS = 20_000


def write_list(path: Path) -> None:
    with path.open("w") as file:
        file.write("number,name\n")
        file.writelines(f"+1212{2_000_000 + n * 7919 % 7_000_000},Name {n}\n" for n in range(ROWS))


def opened(path: Path) -> Store:
    store = Store(path)
    store.migrate()
    store.register(CampaignPolicy("c", region="US"))
    return store


def log_pages(store: Store) -> int:
    with store.write() as tx:  # as every transaction but an import's
        return int(tx.connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one())


def contacts(store: Store) -> int:
    with store.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM contact").scalar_one())


def test_the_log_may_be_long_while_nobody_else_writes() -> None:
    pace = Pace(rows=MOST)
    assert pace.log_pages == LONG_LOG
    pace.wrote(1_000, 0.0, 0.1, others=True)
    assert pace.log_pages == LOG_PAGES
    pace.wrote(1_000, 0.1 + QUIET, 0.2 + QUIET, others=False)
    assert pace.log_pages == LONG_LOG


def test_a_long_log_is_brought_home_and_bothers_nobody_afterwards(tmp_path: Path) -> None:
    write_list(tmp_path / "list.csv")
    store = opened(tmp_path / "s.db")
    import_csv(store, "c", ListSpec("l", tmp_path / "list.csv"), 5.0)
    assert log_pages(store) == LOG_PAGES
    shutil.copy(tmp_path / "s.db", tmp_path / "alone.db")  # without the log
    alone = opened(tmp_path / "alone.db")
    assert contacts(alone) == contacts(store) == ROWS
    with alone.read() as view:
        assert view.accounted("c") == []
    alone.close()
    store.close()


DYING = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_pace import opened
from dispositions import ListSpec, import_csv, importer, pace
pace.MOST = 500
folder, write, left = Path(sys.argv[2]), importer._Writer._write, [int(sys.argv[3])]

def dying(self, count):
    write(self, count)
    left[0] -= 1
    if not left[0]:
        pages = (folder / "s.db-wal").stat().st_size // 4096
        print(self.counts["added"], pages, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

importer._Writer._write = dying
import_csv(opened(folder / "s.db"), "c", ListSpec("l", folder / "list.csv"), 5.0)
"""


@pytest.mark.parametrize("transactions", [1, 30])
def test_what_was_committed_outlives_a_kill_before_its_log_was_brought_home(tmp_path: Path, transactions: int) -> None:
    write_list(tmp_path / "list.csv")
    command = [sys.executable, "-c", DYING, str(Path(__file__).parent), str(tmp_path), str(transactions)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
    assert child.returncode == -signal.SIGKILL
    committed, pages = map(int, child.stdout.split())
    assert (tmp_path / "s.db").stat().st_size < (tmp_path / "s.db-wal").stat().st_size
    assert transactions == 1 or LOG_PAGES < pages < LONG_LOG
    store = opened(tmp_path / "s.db")
    assert contacts(store) == committed > 0
    again = import_csv(store, "c", ListSpec("l", tmp_path / "list.csv"), 6.0)
    assert (again.added, again.duplicates) == (ROWS - committed, committed)
    with store.read() as view:
        assert view.accounted("c") == []
    store.close()


def test_the_collector_is_as_it_was_found() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"), uncollected():
        raise ValueError("x")
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
