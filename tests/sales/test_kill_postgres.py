"""The same promises with PostgreSQL for the store and for the pipeline's records, and when the server itself dies."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks.rig.process import until
from benchmarks.thirdparty.stage import SaleStage
from dispositions import Store

pytestmark = pytest.mark.peer

QUICK = 'timeout = 3\npause = "100ms"\npause_most = 1\nbreaker_rest = "500ms"'
FAULTS = {"error": 0.05, "lost": 0.05, "reset": 0.03, "hang": 0.02, "hang_seconds": 4.0}
FAULTY = str(Path(__file__).with_name("faulty_sales.py"))


@pytest.fixture
def url(postgres: str) -> str:
    store = Store(postgres)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS dbos CASCADE")
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    store.close()
    return postgres


@pytest.fixture
def stage(tmp_path: Path, url: str) -> Iterator[SaleStage]:
    with SaleStage(tmp_path / "stage", url=url, faults=FAULTS, connectors=QUICK, level="info") as made:
        yield made


def killed(stage: SaleStage, times: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(times):
        stage.sell(6)
        process = stage.start()
        until(lambda: "done" in stage.states().values(), 60.0, "a sale is through")
        time.sleep(rng.uniform(0.0, 0.6))
        process.send(signal.SIGKILL)
        process.wait(10.0)
    stage.sell(2)
    stage.start()
    stage.wait_ended(120.0)
    assert stage.broken() == {}


def test_killed_at_random_instants_on_postgresql(stage: SaleStage) -> None:
    killed(stage, 1, seed=5)


@pytest.mark.soak
def test_killed_at_twenty_random_instants_on_postgresql(stage: SaleStage) -> None:
    killed(stage, 20, seed=8)


@pytest.mark.soak
def test_killed_around_its_commits_on_postgresql(stage: SaleStage) -> None:
    for point in ("after:commit-claim", "before:commit-advance", "before:commit-record"):
        stage.sell(3)
        process = stage.start([sys.executable, FAULTY, point, "2" if "advance" in point else "1"])
        assert process.wait(60.0) == -signal.SIGKILL, f"{point} was never passed\n{process.tail()}"
    stage.start()
    stage.wait_ended(120.0)
    assert stage.broken() == {}


def test_a_second_process_on_the_same_records_does_not_start(stage: SaleStage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stage.start()
    first.wait_ready(lambda: "sales running" in first.tail(), 60.0, "it runs")
    code = "import dialer.sales.__main__ as m, sys; m.TAKE_OVER = 0.5; sys.exit(m.main())"
    second = subprocess.run(
        [sys.executable, "-c", code, str(stage.config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert "another sale process works on it" in second.stderr


@pytest.mark.soak
def test_the_server_is_killed_under_load(stage: SaleStage, url: str) -> None:
    """kill -9 of the postmaster, ten times; the sale process lives on and goes on when the server is back."""
    with stage.store.engine.connect() as connection:
        data = Path(str(connection.execute(text("SHOW data_directory")).scalar()))
    rng = random.Random(6)
    process = stage.start()
    process.wait_ready(lambda: "sales running" in process.tail(), 60.0, "it runs")
    for _ in range(10):
        stage.sell(6)
        time.sleep(rng.uniform(0.3, 2.0))
        os.kill(int((data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        time.sleep(rng.uniform(0.2, 1.0))
        command = shlex.split((data / "postmaster.opts").read_text())
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        stage.store.close()
        server = [*user, *command]
        until(partial(_back, server, data, url), 60.0, "the server is back")
    stage.wait_ended(300.0)
    assert process.code is None, process.tail()
    assert stage.broken() == {}


def _back(server: list[str], data: Path, url: str) -> bool:
    """Started, again and again: the backends of the dead one hold its memory for a moment."""
    started = subprocess.Popen(server, cwd=data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while started.poll() is None:
        if _answers(url):
            return True
        time.sleep(0.2)
    return False


def _answers(url: str) -> bool:
    store = Store(url)
    try:
        store.check_schema()
    except Exception:  # noqa: BLE001 - whatever it says, it is not back
        return False
    finally:
        store.close()
    return True
