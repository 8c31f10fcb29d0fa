"""A company's receiver of webhooks, simulated: checks each signature by itself, and writes down what it took.

The check is the one that docs/api.md gives to receivers, and shares nothing with the dialer's code.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.thirdparty.faults import Faults
from benchmarks.thirdparty.server import HttpParty, Journal

#: Seconds around its timestamp for which a request is taken.
WINDOW = 300


class ReceiverParty(HttpParty):
    """Logs `taken` (first time) and `repeated` with the event, `unsigned` for what is not signed with its secret."""

    def __init__(self, secret: str, log: Journal, faults: Faults, seed: int) -> None:
        super().__init__(self, log, faults, seed)
        self._secret = secret.encode()
        self._seen: set[str] = set()

    def answer(self, method: str, path: str, key: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """It is asked for nothing without a signature."""
        return 404, {}

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], data: bytes, body: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        if not self._genuine(headers.get("dialer-signature", ""), data):
            self._log("unsigned", path=path)
            return 401, {}
        name = str(body["event_id"])
        if name != headers.get("dialer-event-id"):
            self._log("unsigned", path=path)
            return 400, {}
        self._log(
            "repeated" if name in self._seen else "taken", serial=body["serial"], contact=body["contact"],
            kind=body["event"], happened=body["at"],
        )  # fmt: skip
        self._seen.add(name)
        return 200, {}

    def _genuine(self, header: str, data: bytes) -> bool:
        parts = dict(part.partition("=")[::2] for part in header.split(","))
        stamp = parts.get("t", "")
        wanted = hmac.new(self._secret, stamp.encode() + b"." + data, hashlib.sha256).hexdigest()
        good = hmac.compare_digest(wanted.encode(), parts.get("v1", "").encode())
        return good and stamp.isdigit() and abs(time.time() - int(stamp)) <= WINDOW


def log_of(path: Path) -> list[dict[str, Any]]:
    """What it wrote, but for a line that is half written."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def broken(journal: Iterable[tuple[int, int]], log: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Promise -> the serials for which it was not kept; empty when all is well. `journal`: (serial, contact) of what
    happened, in order; what happened before the first that the receiver was told of is no concern of it: a webhook that
    comes with a reload is told of what happens from its start on. missed: never taken; out_of_order: taken before an
    earlier one of the same contact; unsigned."""
    rows = list(log)
    place = {int(row["serial"]): n for n, row in enumerate(rows) if row["event"] == "taken"}
    since = min(place, default=0)
    missed, late = [], []
    last: dict[int, int] = {}
    for serial, contact in journal:
        if serial < since:
            continue
        if serial not in place:
            missed.append(serial)
            continue
        if place[serial] < last.get(contact, -1):
            late.append(serial)
        last[contact] = place[serial]
    found = {
        "missed": missed,
        "out_of_order": late,
        "unsigned": [n for n, r in enumerate(rows) if r["event"] == "unsigned"],
    }
    return {name: wrong for name, wrong in found.items() if wrong}
