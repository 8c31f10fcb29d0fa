"""Reservation system, antifraud, payment gateway: what each does with a request. No network here.

All of them remember what they answered to a key and answer it again: what a connector may expect of a third party that
takes idempotency keys. A refund for a key that was never charged closes that key: a late charge under it is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

Log = Callable[..., None]
Reply = tuple[int, dict[str, Any]]


class Reservations:
    """Holds reservations, issues travel documents. A reservation whose name begins with X has expired; with S,
    it is sold out by the time its document is wanted."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._documents: dict[str, str] = {}
        self._void: set[str] = set()
        self._numbers = itertools.count(1)

    def answer(self, method: str, path: str, key: str, body: Mapping[str, Any]) -> Reply:
        """`POST /reservations/ID/check`, `POST /reservations/ID/release`, `POST /documents`, `POST /documents/void`."""
        parts = path.strip("/").split("/")
        if parts[0] == "reservations" and len(parts) == 3:
            name, action = parts[1], parts[2]
            if action == "release":
                self._log("released", key=key, reservation=name)
                return 200, {"state": "released"}
            state = "expired" if name.startswith("X") else "held"
            self._log("checked", key=key, reservation=name, state=state)
            return 200, {"state": state, "reservation": name}
        if path == "/documents/void":
            self._void.add(key)
            gone = self._documents.pop(key, None)
            self._log("voided" if gone else "nothing_to_void", key=key, document=gone)
            return 200, {"state": "void"}
        if path == "/documents":
            if key in self._void or str(body.get("reservation", "")).startswith("S"):
                self._log("issue_refused", key=key)
                return 410, {"state": "sold out"}
            if key not in self._documents:
                self._documents[key] = f"TKT{next(self._numbers):06d}"
                self._log("issued", key=key, document=self._documents[key], reservation=body.get("reservation"))
            else:
                self._log("issue_repeated", key=key, document=self._documents[key])
            return 201, {"state": "issued", "document": self._documents[key]}
        return 404, {"error": "no such thing"}


class Antifraud:
    """Declines amounts above 19,000 cents."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def answer(self, method: str, path: str, key: str, body: Mapping[str, Any]) -> Reply:
        """`POST /score`."""
        decision = "decline" if float(body.get("amount", 0)) > 19_000 else "approve"
        self._log("scored", key=key, decision=decision)
        return 200, {"decision": decision, "reason": "amount above the limit" if decision == "decline" else ""}


class Gateway:
    """Charges cards, by key. A card that ends in 0002 is declined."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._charges: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)

    def answer(self, method: str, path: str, key: str, body: Mapping[str, Any]) -> Reply:
        """`POST /charges`, `POST /charges/status`, `POST /refunds`."""
        known = self._charges.get(key)
        if path == "/charges/status":
            return (404, {"status": "unknown"}) if known is None else (200, known)
        if path == "/refunds":
            return 200, self._refund(key, known)
        if path != "/charges":
            return 404, {"error": "no such thing"}
        if known is not None:
            self._log("charge_repeated", key=key, status=known["status"])
        elif str(body.get("card", "")).endswith("0002"):
            known = self._charges[key] = {"status": "declined", "reason": "insufficient funds", "id": ""}
            self._log("declined", key=key)
        else:
            known = self._charges[key] = {"status": "paid", "id": f"ch_{next(self._numbers):06d}", "reason": ""}
            self._log("charged", key=key, charge=known["id"], amount=body.get("amount"))
        return (201 if known["status"] == "paid" else 402 if known["status"] == "declined" else 410), known

    def _refund(self, key: str, known: dict[str, Any] | None) -> dict[str, Any]:
        if known is not None and known["status"] == "paid":
            self._log("refunded", key=key, charge=known["id"])
            known["status"] = "refunded"
        else:
            self._log("nothing_to_refund", key=key)
            known = self._charges.setdefault(key, {"status": "closed", "id": "", "reason": "closed"})
        return known
