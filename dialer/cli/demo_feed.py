"""What a running dialer says, read in the background: its event stream and, once a second, its status."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx2

from dialer.report.timeline import Timeline

T = TypeVar("T")
RETRY: Final = 0.1
STATUS_EVERY: Final = 1.0


class Feed:
    """Reads until closed. Every event is added to `timeline` and, as a JSON line, to the file `record`."""

    def __init__(self, base: str, token: str, record: Path) -> None:
        self._base = base
        self._headers = {"Authorization": f"Bearer {token}"}
        self._record = record
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._timeline = Timeline()
        self._status: dict[str, Any] = {}
        self.connected = threading.Event()
        self.refused = 0
        self._threads = [
            threading.Thread(target=self._events, name="demo-events", daemon=True),
            threading.Thread(target=self._poll, name="demo-status", daemon=True),
        ]

    def start(self) -> None:
        """Begin; a dialer that is not there yet is tried again and again."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop reading; what was read stays. The stream ends with the daemon."""
        self._closing.set()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def look(self, reader: Callable[[Timeline, dict[str, Any]], T]) -> T:
        """`reader`'s result on the timeline and the last status, while neither changes."""
        with self._lock:
            return reader(self._timeline, self._status)

    def _client(self) -> httpx2.Client:
        # trust_env off: a proxy from the environment must not see the token
        return httpx2.Client(headers=self._headers, timeout=httpx2.Timeout(5.0, read=None), trust_env=False)

    def _events(self) -> None:
        with self._record.open("a", encoding="utf-8", buffering=1) as file, self._client() as client:
            while not self._closing.is_set():
                try:
                    with client.stream("GET", f"{self._base}/api/v1/events") as answer:
                        if answer.status_code != 200:
                            self.refused = answer.status_code
                        else:
                            self.connected.set()
                            for line in answer.iter_lines():
                                if line.startswith("data:"):
                                    self._take(line[5:].strip(), file.write)
                except httpx2.TransportError:
                    pass  # not up yet, or gone: the stage says when it is gone for good
                time.sleep(RETRY)

    def _take(self, text: str, write: Callable[[str], object]) -> None:
        event = json.loads(text)
        write(text + "\n")
        with self._lock:
            self._timeline.apply(event)

    def _poll(self) -> None:
        with self._client() as client:
            while not self._closing.wait(STATUS_EVERY if self.connected.is_set() else RETRY):
                try:
                    answer = client.get(f"{self._base}/api/v1/status", timeout=5.0)
                except httpx2.TransportError:
                    continue
                if answer.status_code == 200:
                    body = answer.json()
                    with self._lock:
                        self._status = body.get("result", body)
