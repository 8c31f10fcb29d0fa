"""The demonstration as a user sees it: real processes, real SIP, a verdict; and its end at any moment."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--agents", "5", "--speed", "25", "--rows", "300")


class Demo:
    """One `dialer demo` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.keep = folder / "kept"
        self.errors = folder / "errors"
        self.process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dialer", "demo", *QUICK, "--keep", str(self.keep), *arguments],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | {"COLUMNS": "100"}, start_new_session=True,
            )  # fmt: skip
        return self.process

    def wait_for(self, pattern: str) -> None:
        """Until a progress line says so."""
        assert self.process is not None
        while not re.search(pattern, self.errors.read_text()):
            assert self.process.poll() is None, self.errors.read_text()
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue

    def finish(self) -> tuple[int, str, str]:
        assert self.process is not None
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out, self.errors.read_text()

    def left(self) -> list[str]:
        """Processes that speak of this run's folder."""
        return [line for _, line in running() if str(self.keep) in line]


def running() -> Iterator[tuple[int, str]]:
    """Process ids and command lines of this machine (Linux; elsewhere none)."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(place.parent.name), place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    run = Demo(tmp_path)
    yield run
    if run.process is not None and run.process.poll() is None:
        run.process.terminate()
        run.process.communicate(timeout=60)


def test_a_short_demonstration_loses_nothing(demo: Demo) -> None:
    demo.start("--seconds", "12", "--json")
    code, out, errors = demo.finish()
    assert code == 0, errors + out
    result: dict[str, Any] = json.loads(out)
    assert out.count("\n") == 1
    assert result["lost"] == result["doubled"] == result["sip_faults"] == result["calls_left_standing"] == 0
    assert result["calls_placed"] >= result["answered"] >= result["connected"] > 0
    assert result["calls_placed"] == sum('"event":"invite"' in line for line in (demo.keep / "carrier.jsonl").open())
    assert 0 < result["occupancy"] <= 1
    assert result["answer_to_agent_ms"]["p50"] > 0
    assert (result["agents"], result["speed"], result["seed"]) == (5, 25.0, 7)
    assert 12 <= result["seconds"] < 25  # its own end takes what the machine takes
    assert "<svg" in (demo.keep / "dialer-demo-report.html").read_text()
    agents = [json.loads(line) for line in (demo.keep / "agents.jsonl").open()]
    coded = [event for event in agents if event["event"] == "coded"]
    assert coded
    assert all(event["packets"] > 0 for event in coded), "every agent heard the customer"
    assert demo.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demonstration_still_reports(demo: Demo, number: signal.Signals) -> None:
    process = demo.start("--seconds", "600")
    demo.wait_for(r"placed [1-9]")
    process.send_signal(number)
    code, out, errors = demo.finish()
    assert code == 0, errors + out
    assert "lost contacts: 0" in out
    assert "Traceback" not in errors + out
    assert (demo.keep / "dialer-demo-report.html").exists()
    assert demo.left() == []


def test_interrupted_while_starting_it_leaves_nothing_behind(demo: Demo) -> None:
    process = demo.start("--seconds", "600")
    while not (demo.keep / "carrier.jsonl").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, _, errors = demo.finish()
    assert code in (0, 130)
    assert "Traceback" not in errors
    assert demo.left() == []


def test_a_dead_daemon_is_told_in_one_line(demo: Demo) -> None:
    demo.start("--seconds", "600")
    demo.wait_for(r"placed [1-9]")
    config = str(demo.keep / "campaign.toml")
    os.kill(next(number for number, line in running() if f"dialer run {config}" in line), signal.SIGKILL)
    code, _, errors = demo.finish()
    assert code == 1
    assert "dialer: the daemon has ended" in errors
    assert "Traceback" not in errors
    ends = time.monotonic() + 30.0  # nobody waits for a dead daemon's children: they end when they notice
    while demo.left() and time.monotonic() < ends:
        time.sleep(0.05)
    assert demo.left() == []


def test_a_folder_in_use_is_refused(demo: Demo) -> None:
    demo.keep.mkdir()
    (demo.keep / "mine").write_text("x")
    demo.start()
    code, _, errors = demo.finish()
    assert code == 2
    assert "is not empty" in errors


def test_a_report_that_cannot_be_written_is_told_before_the_run(demo: Demo) -> None:
    demo.start("--report", "/nowhere/at/all.html")
    code, _, errors = demo.finish()
    assert code == 2
    assert "cannot be written to /nowhere/at/all.html" in errors
    assert not demo.keep.exists()
