"""The sale process under the daemon: started and watched by it, told of by it, ended with it, and both killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from benchmarks.rig.process import Process, until
from benchmarks.thirdparty.stage import SaleStage

ROOT = Path(__file__).parents[2]
QUICK = 'timeout = 3\npause = "100ms"\npause_most = 1\nbreaker_rest = "500ms"'
# A port of the system's choice for SIP and HTTP; a handful for RTP.
DOORS = """
[sip]
listen = "127.0.0.1:0"
[http]
listen = "127.0.0.1:0"
[media]
port_min = {first}
port_max = {last}
"""


class Dialer:
    """The daemon over a stage's files, and its command line."""

    def __init__(self, stage: SaleStage) -> None:
        self.stage = stage
        (stage.folder / "api-address").unlink(missing_ok=True)
        self.process = Process(
            [sys.executable, str(ROOT / "daemon.py"), str(stage.config)], stage.folder / "daemon.out"
        )
        self.process.wait_ready((stage.folder / "api-address").exists, 60.0, "the API listens")

    def get(self, path: str, *, token: bool = True) -> Any:
        address = (self.stage.folder / "api-address").read_text().strip()
        headers = {"Authorization": f"Bearer {(self.stage.folder / 'api-token').read_text().strip()}"} if token else {}
        return httpx2.get(f"http://{address}{path}", headers=headers, trust_env=False)

    def command(self, *arguments: str) -> dict[str, Any]:
        run = subprocess.run(
            [sys.executable, "-m", "dialer", "sales", *arguments, "--json"],
            capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(run.stdout)
        return found

    def sale_process(self) -> int | None:
        """The child that carries sales, by /proc."""
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"dialer.sales" in words and str(self.stage.config).encode() in words:
                return int(folder.name)
        return None


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SaleStage]:
    first = 22_000 + (os.getpid() % 400) * 20
    doors = DOORS.format(first=first, last=first + 19)
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "people.csv").write_text("number\n")
    with SaleStage(tmp_path / "stage", connectors=QUICK, level="info", extra=doors, faults={"lost": 0.05}) as made:
        yield made


def test_started_watched_told_of_and_ended_with_the_daemon(stage: SaleStage) -> None:
    stage.sell(3)
    (unsold,) = stage.sell(1, reservation="S1")
    dialer = Dialer(stage)
    try:
        stage.wait_ended(60.0)
        listed = dialer.command("list", str(stage.config), "--state", "rejected")["sales"]
        assert unsold in {card["sale"] for card in listed}
        card = dialer.command("show", str(stage.config), str(unsold))
        assert card == dialer.get(f"/api/v1/sales/{unsold}").json()
        steps = [(step["phase"], step["step"], step["result"]) for step in card["steps"]]
        assert steps == [
            ("do", "reservation", "done"), ("do", "antifraud", "done"), ("do", "payment", "done"),
            ("do", "issue", "rejected"), ("undo", "payment", "done"), ("undo", "reservation", "done"),
            ("tell", "sorry", "done"),
        ]  # fmt: skip
        assert dialer.command("show", str(stage.config), "999")["error"]["code"] == "unknown_sale"
        assert dialer.command("cancel", str(stage.config), str(unsold))["error"]["code"] == "wrong_state"
        again = dialer.command("retry", str(stage.config), str(unsold))
        assert again["state"] in ("queued", "started", "undoing", "rejected")
        stage.wait_ended(60.0)
        assert dialer.get(f"/api/v1/sales/{unsold}").json()["run"] == 2
        assert dialer.get("/api/v1/sales", token=False).status_code == 401
        metrics = dialer.get("/metrics").text
        assert 'dialer_sale_pickup_seconds_count{campaign="tickets"}' in metrics
        assert 'dialer_sale_steps_total{phase="undo",result="done",step="payment"} 2.0' in metrics

        child = dialer.sale_process()
        assert child is not None
        ours = os.getpriority(os.PRIO_PROCESS, dialer.process.pid)
        assert os.getpriority(os.PRIO_PROCESS, child) == min(19, ours + 5), "calls come first, whatever our priority"
        os.kill(child, signal.SIGKILL)
        stage.sell(2)
        stage.wait_ended(60.0)
        assert dialer.sale_process() not in (None, child), "it was started again"
        assert dialer.process.stop(seconds=30.0) == 0
        assert dialer.sale_process() is None
        # no dialer runs any more: the command line reads the store
        assert len(dialer.command("list", str(stage.config))["sales"]) == 6
    finally:
        dialer.process.stop(signal.SIGKILL)
    log = dialer.process.log.read_text()
    assert "alert=sales_lost" in log
    assert "state=done" in log
    for secret in ("4000000000000001", "@example.com", "/charges"):
        assert secret not in log, "no customer's data and no URL of a third party in the log"
    assert stage.broken() == {}


def test_the_daemon_killed_takes_its_sale_process_along(stage: SaleStage) -> None:
    stage.sell(5)
    dialer = Dialer(stage)
    until(lambda: bool({"started", "done"} & set(stage.states().values())), 60.0, "sales are under way")
    time.sleep(0.2)
    dialer.process.send(signal.SIGKILL)
    dialer.process.wait(10.0)
    until(lambda: dialer.sale_process() is None, 20.0, "the sale process has ended, too")
    stage.start()
    stage.wait_ended(60.0)
    assert stage.broken() == {}
