"""Power cuts: the sale process is killed at every named point around each commit and each request, and at random
instants. The third parties' own logs say what it did: nothing charged twice, nothing issued unpaid, every sale ends."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchmarks.rig.process import Process, until
from benchmarks.thirdparty.stage import SaleStage
from dispositions import sale

FAULTY = str(Path(__file__).with_name("faulty_sales.py"))
PASSAGES = {
    "commit-claim": 1, "commit-advance": 2, "commit-record": 4,
    "ask-reservation": 1, "ask-antifraud": 2, "ask-payment": 2, "ask-issue": 2, "ask-notify": 1,
    "undo-payment": 1, "undo-reservation": 1, "tell-sorry": 1,
}  # fmt: skip
POINTS = [(f"{side}:{what}", passage) for what, passage in PASSAGES.items() for side in ("before", "after")]
#: Those at which something could be lost or doubled; the soak goes through all.
WORST = [
    (f"{side}:{what}", PASSAGES[what])
    for what, sides in {
        "commit-claim": "after", "commit-advance": "before", "commit-record": "before",
        "ask-payment": "after", "undo-payment": "after",
    }.items()
    for side in sides.split()
]  # fmt: skip
QUICK = 'timeout = 3\npause = "100ms"\npause_most = 1\nbreaker_rest = "500ms"'

Make = Callable[..., SaleStage]


def die_at_every_point(stage: SaleStage, points: list[tuple[str, int]]) -> None:
    """One process after the other on the same files; each takes up what the one before it left."""
    for point, passage in points:
        stage.sell(3)
        stage.sell(1, reservation="S1")  # sold out when it is to be issued: paid, so it must be undone
        process = stage.start([sys.executable, FAULTY, point, str(passage)])
        assert process.wait(60.0) == -signal.SIGKILL, f"{point} was never passed\n{process.tail()}"
        wrong = stage.broken()
        assert not {"charged_twice", "issued_unpaid", "unknown_sale"} & set(wrong), (point, wrong)
    stage.start()
    stage.wait_ended(60.0)
    assert stage.broken() == {}
    assert set(stage.states().values()) <= {"done", "rejected"}


def says_it_runs(process: Process) -> bool:
    return "sales running" in process.tail()


def die_at_random(stage: SaleStage, times: int, seed: int) -> None:
    """Under load and with faulty third parties."""
    rng = random.Random(seed)
    for _ in range(times):
        stage.sell(8)
        process = stage.start()
        process.wait_ready(partial(says_it_runs, process), 60.0, "the pipeline runs")
        time.sleep(rng.uniform(0.05, 1.5))
        process.send(signal.SIGKILL)
        process.wait(10.0)
        stage.process = None
        process.log.write_text("")
        wrong = stage.broken()
        assert not {"charged_twice", "issued_unpaid", "unknown_sale"} & set(wrong), wrong
    stage.start()
    stage.wait_ended(120.0)
    assert stage.broken() == {}
    assert "done" in stage.states().values()


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Make:
    def build(**settings: object) -> SaleStage:
        stage = SaleStage(tmp_path / "stage", connectors=QUICK, **settings)  # type: ignore[arg-type]
        request.addfinalizer(lambda: stage.__exit__(None, None, None))
        return stage

    return build


def test_killed_at_the_worst_points(make: Make) -> None:
    die_at_every_point(make(), WORST)


@pytest.mark.soak
def test_killed_at_every_point(make: Make) -> None:
    die_at_every_point(make(), POINTS)


def test_killed_at_random_instants_with_faults(make: Make) -> None:
    faults = {"error": 0.05, "lost": 0.05, "reset": 0.03, "hang": 0.03, "hang_seconds": 4.0}
    die_at_random(make(faults=faults, level="info"), 5, seed=3)


@pytest.mark.soak
def test_killed_at_fifty_random_instants(make: Make) -> None:
    faults = {"error": 0.05, "lost": 0.05, "reset": 0.03, "hang": 0.03, "hang_seconds": 4.0}
    die_at_random(make(faults=faults, level="info"), 50, seed=4)


def test_the_pipelines_own_records_lost(make: Make) -> None:
    """Every sale under way begins again, under the same keys: the third parties have done it already."""
    stage = make()
    stage.sell(4, reservation="R1", amount=1, card="1")
    process = stage.start([sys.executable, FAULTY, "after:ask-issue", "2"])
    assert process.wait(60.0) == -signal.SIGKILL
    charges = sum(trail.charges for trail in stage.parties.trails().values())
    assert charges > 0
    for file in stage.folder.glob("sales.db*"):
        file.unlink()
    stage.start()
    stage.wait_ended(60.0)
    assert stage.broken() == {}
    assert set(stage.states().values()) == {"done"}


def test_what_cannot_be_undone_waits_for_a_person_and_goes_on_undoing(make: Make) -> None:
    """Paid, sold out, and the gateway is down while it should refund: failed. It comes back: a retry refunds."""
    stage = make(sales={"undo_patience": '"1s"'})
    (key,) = stage.sell(1, reservation="S1", amount=1, card="1")
    process = stage.start([sys.executable, FAULTY, "before:undo-payment", "1"])
    assert process.wait(60.0) == -signal.SIGKILL
    stage.parties.fault("gateway", error=1.0)
    stage.start()
    stage.wait_ended(60.0)
    assert stage.states() == {key: "failed"}
    assert stage.parties.trails()[key].paid == 1
    stage.parties.fault("gateway", error=0.0)
    with stage.store.write() as tx:
        sale.retry(tx, key, time.time())
    stage.wait_ended(60.0)
    assert stage.states() == {key: "compensated"}
    trail = stage.parties.trails()[key]
    assert (trail.charges, trail.refunds, trail.documents) == (1, 1, 0)
    assert stage.broken() == {}


def test_a_clean_end_leaves_nothing_half_done(make: Make) -> None:
    """At SIGTERM tries under way come to their answers, nothing new begins, and the next process goes on."""
    stage = make()
    stage.sell(6)
    process = stage.start()
    until(lambda: "done" in stage.states().values(), 60.0, "the first sale is through")
    assert process.stop() == 0
    stage.sell(2)
    stage.start()
    stage.wait_ended(60.0)
    assert stage.broken() == {}
