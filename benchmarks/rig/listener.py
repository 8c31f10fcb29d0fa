"""Reads the daemon's event stream in a thread of its own, and keeps what a benchmark asks for."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.rig.daemon import Daemon


class Listener:
    """Counts events by name and hands each to `keep`, until the daemon goes away."""

    def __init__(self, daemon: Daemon, keep: Callable[[dict[str, Any]], None] = lambda event: None) -> None:
        self.seen: Counter[str] = Counter()
        self._keep = keep
        request = urllib.request.Request(
            f"{daemon.url}/api/v1/events", headers={"Authorization": f"Bearer {daemon.token}"}
        )
        self._stream = urllib.request.urlopen(request, timeout=60.0)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._stream:
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    self.seen[event["event"]] += 1
                    self._keep(event)
        except OSError:
            return  # the daemon has ended
