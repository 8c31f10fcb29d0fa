"""The same promises with PostgreSQL for the store and for the pipeline's records, and when the server itself dies."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from benchmarks.rig.postgres import Postgres
from benchmarks.rig.process import Process, until
from benchmarks.thirdparty.stage import SaleStage

pytestmark = [pytest.mark.peer, pytest.mark.parallel]

QUICK = 'timeout = 3\npause = "100ms"\npause_most = 1\nbreaker_rest = "500ms"'
FAULTS = {"error": 0.05, "lost": 0.05, "reset": 0.03, "hang": 0.02, "hang_seconds": 4.0}
FAULTY = str(Path(__file__).with_name("faulty_sales.py"))
COMMITS = {"commit-claim": 1, "commit-advance": 2, "commit-record": 2}
#: The pipeline's records are written to at the start, too: this is beyond it.
RUNNING = 30
REQUESTS = {"ask-reservation": 1, "ask-payment": 2, "ask-issue": 2, "undo-payment": 1}
POINTS = [(f"{side}:{what}", n) for what, n in {**COMMITS, **REQUESTS}.items() for side in ("before", "after")]
#: Between what a third party has done and what is on record of it.
WORST = [("after:commit-claim", 1), ("before:commit-advance", 2), ("before:commit-record", 2)]


@pytest.fixture
def stage(tmp_path: Path, server: Postgres) -> Iterator[SaleStage]:
    made = SaleStage(tmp_path / "stage", url=server.empty(), faults=FAULTS, connectors=QUICK, level="info")
    with made:
        yield made


def says_it_runs(process: Process) -> bool:
    return "sales running" in process.log.read_text(errors="replace")


def settled(process: Process) -> bool:
    return process.code is not None or says_it_runs(process)


def sell(stage: SaleStage) -> None:
    """Three that may come about, and one that is sold out when it is to be issued: paid, so it must be undone."""
    stage.sell(3)
    stage.sell(1, reservation="S1", amount=1, card="1")


def check_end(stage: SaleStage, seconds: float = 180.0) -> None:
    stage.wait_ended(seconds)
    assert stage.broken() == {}
    assert "done" in stage.states().values()


# --- the sale process dies -------------------------------------------------------------------------------------------


def kill_at_random(stage: SaleStage, times: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(times):
        stage.sell(6)
        process = stage.start()
        process.wait_ready(partial(says_it_runs, process), 60.0, "the pipeline runs")
        time.sleep(rng.uniform(0.05, 1.2))
        process.send(signal.SIGKILL)
        process.wait(10.0)
        process.log.write_text("")
    stage.start()
    check_end(stage)


def test_killed_at_random_instants(stage: SaleStage) -> None:
    kill_at_random(stage, 5, seed=5)


@pytest.mark.soak
def test_killed_at_fifty_random_instants(stage: SaleStage) -> None:
    kill_at_random(stage, 50, seed=8)


def kill_at_points(stage: SaleStage, points: list[tuple[str, int]]) -> None:
    for point, passage in points:
        sell(stage)
        process = stage.start([sys.executable, FAULTY, point, str(passage)])
        assert process.wait(60.0) == -signal.SIGKILL, f"{point} was never passed\n{process.tail()}"
    stage.start()
    check_end(stage)


def test_killed_around_its_commits(stage: SaleStage) -> None:
    kill_at_points(stage, WORST)


@pytest.mark.soak
def test_killed_at_every_point(stage: SaleStage) -> None:
    kill_at_points(stage, POINTS)


# --- the server dies -------------------------------------------------------------------------------------------------


def kill_the_server_at(stage: SaleStage, server: Postgres, points: list[tuple[str, int]]) -> None:
    """The process that passes the point lives on, and goes on when the server is back. (One that was still starting,
    whose first commits make the tables of its records, ends, and is started again, as the dialer does.)"""
    for point, passage in points:
        sell(stage)
        victim = {"FAULT_VICTIM": str(server.pid)}
        process = stage.start([sys.executable, FAULTY, point, str(passage)], victim)
        process.wait_ready(lambda: not server.alive, 60.0, f"{point} is passed")
        was_up = says_it_runs(process)
        stage.store.close()
        time.sleep(0.2)
        server.back()
        if not was_up:
            until(partial(settled, process), 60.0, "it has ended, or runs")
            process = process if process.code is None else stage.start()
        check_end(stage)
        assert process.code is None, process.tail()
        process.stop()
        process.log.write_text("")


def test_the_server_is_killed_around_commits(stage: SaleStage, server: Postgres) -> None:
    kill_the_server_at(stage, server, [("before:commit-advance", 2), ("after:commit-record", RUNNING)])


@pytest.mark.soak
def test_the_server_is_killed_at_every_point(stage: SaleStage, server: Postgres) -> None:
    points = [(point, RUNNING if "record" in point else passage) for point, passage in POINTS]
    kill_the_server_at(stage, server, [*points, ("before:commit-record", 2)])


def kill_the_server(stage: SaleStage, server: Postgres, times: int, seed: int) -> None:
    rng = random.Random(seed)
    process = stage.start()
    process.wait_ready(partial(says_it_runs, process), 60.0, "the pipeline runs")
    for _ in range(times):
        stage.sell(6)
        time.sleep(rng.uniform(0.1, 1.5))
        server.kill()
        stage.store.close()
        time.sleep(rng.uniform(0.0, 1.0))
        server.back()
    check_end(stage, 300.0)
    assert process.code is None, process.tail()


def test_the_server_is_killed_at_random_instants(stage: SaleStage, server: Postgres) -> None:
    kill_the_server(stage, server, 5, seed=6)


@pytest.mark.soak
def test_the_server_is_killed_at_fifty_random_instants(stage: SaleStage, server: Postgres) -> None:
    kill_the_server(stage, server, 50, seed=7)


# --- one at a time ---------------------------------------------------------------------------------------------------


def test_a_second_process_on_the_same_records_does_not_start(stage: SaleStage) -> None:
    first = stage.start()
    first.wait_ready(partial(says_it_runs, first), 60.0, "it runs")
    code = "import dialer.sales.__main__ as m, sys; m.TAKE_OVER = 0.5; sys.exit(m.main())"
    second = subprocess.run(
        [sys.executable, "-c", code, str(stage.config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert "another sale process works on it" in second.stderr
