"""kill -9 of the process that sends, again and again, towards a real receiver that fails now and then: every event
arrives, and each contact's in order."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dispositions import delivery

HERE = Path(__file__).parent
SECRET = "the-key-of-the-signature"
KILLS, EVENTS = 4, 160


def started(*command: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_no_event_is_lost_by_kills(office: Any, tmp_path: Path) -> None:
    log = tmp_path / "received"
    log.touch()
    office.now = time.time()  # what is older than three days would be given up
    with office.store.write() as tx:
        delivery.begin(tx, "crm")
    receiver, port = started(str(HERE / "receiver.py"), str(log), SECRET)
    command = (str(HERE / "sending.py"), str(tmp_path / "store.db"), f"http://127.0.0.1:{port}/hook", SECRET)
    wanted: dict[int, list[str]] = {}
    sending: subprocess.Popen[str] | None = None
    try:
        for n in range(EVENTS):
            office.happens(n % 20, str(n))
            wanted.setdefault(office.ids[n % 20], []).append(str(n))
            if n % (EVENTS // KILLS) == 0:
                if sending is not None:
                    before = log.stat().st_size
                    deadline = time.monotonic() + 0.5
                    while log.stat().st_size == before and time.monotonic() < deadline:
                        time.sleep(0.005)  # in the middle of a round
                    sending.kill()
                    sending.wait()
                sending, said = started(*command)
                assert said == "up"
        deadline = time.monotonic() + 30
        while len(seen(log)) < EVENTS and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        for process in (receiver, sending):
            if process is not None:
                process.kill()
                process.wait()
    first: dict[int, list[str]] = {}
    for record in seen(log).values():
        first.setdefault(record["contact"], []).append(record["data"]["changes"][0]["new"])
    assert first == wanted


def seen(log: Path) -> dict[str, Any]:
    """By event id, the first time that each came."""
    found: dict[str, Any] = {}
    for line in log.read_bytes().split(b"\n")[:-1]:
        record = json.loads(line)
        assert set(record) == {"event_id", "serial", "event", "at", "campaign", "id", "contact", "data"}
        found.setdefault(record["event_id"], record)
    return found
