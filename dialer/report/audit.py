"""What really happened, by a carrier's own log: nothing lost, nobody called twice, nobody called who must not be.

*Lost*: a contact of the list that is in no state (or in several); a call that the carrier saw and the store forgot; an
attempt that the store believes was answered, busy, ... and that never reached the carrier.
*Doubled*: a number whose calls at the carrier are closer together than its re-dial delay. INVITEs are grouped by
Call-ID, so that digest retries and the fail-over of one attempt to another trunk count once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from dialer.report.records import ReportError, StoreRecord

#: Outcomes that an attempt can have although its INVITE never left, or never arrived.
UNSENT = frozenset({"interrupted", "cancelled", "congestion", "unknown", "rejected", None})


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """One call as the carrier saw it, all INVITEs of a Call-ID together. Times are epoch seconds."""

    call_id: str
    number: str
    invited_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: str | None = None
    cancelled: bool = False
    status: int | None = None
    heard: int = 0
    impatient: bool = False


@dataclass(frozen=True, slots=True)
class CarrierRecord:
    """A carrier's log: its calls, and what it held against the dialer."""

    calls: tuple[CarrierCall, ...]
    faults: tuple[Mapping[str, Any], ...] = ()

    @property
    def answered(self) -> int:
        """Calls for which a 200 OK left."""
        return sum(call.answered_at is not None for call in self.calls)

    @property
    def standing(self) -> int:
        """Answered calls that nobody has ended."""
        return sum(call.answered_at is not None and call.ended_at is None for call in self.calls)

    @property
    def silent(self) -> int:
        """Answered calls that ended without one packet of audio from the dialer's side."""
        return sum(call.answered_at is not None and call.ended_at is not None and not call.heard for call in self.calls)


@dataclass(frozen=True, slots=True)
class Audit:
    """The verdict: numbers, each with what is wrong with it."""

    lost: Mapping[str, str]
    doubled: Mapping[str, str]
    forbidden: tuple[str, ...]
    strays: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing at all is wrong."""
        return not (self.lost or self.doubled or self.forbidden or self.strays)


def read_carrier(path: Path) -> CarrierRecord:
    """The log of a simulated carrier (JSON lines). A last line cut off by a kill is left out. Raises ReportError."""
    calls: dict[str, dict[str, Any]] = {}
    faults = []
    for event in read_lines(path):
        kind = event.get("event")
        if kind == "fault":
            faults.append(event)
        if kind == "invite" and event["call_id"] not in calls:
            calls[event["call_id"]] = {"call_id": event["call_id"], "number": event["number"], "invited_at": event["t"]}
        call = calls.get(event.get("call_id", ""))
        if call is None:
            continue
        if kind == "answered":
            call["answered_at"] = event["t"]
        elif kind == "bye":
            call.update(ended_at=event["t"], ended_by=event["by"], heard=event.get("heard", 0))
        elif kind == "cancel":
            call["cancelled"] = True
        elif kind == "rejected":
            call["status"] = event["status"]
        elif kind == "impatient":
            call["impatient"] = True
    return CarrierRecord(tuple(CarrierCall(**call) for call in calls.values()), tuple(faults))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines. A last line cut off by a kill is left out. Raises ReportError."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise ReportError(f"{path}:{number}: not JSON") from error
        yield record


def audit(
    listed: Collection[str],
    forbidden: Collection[str],
    carrier: CarrierRecord,
    store: StoreRecord,
    redial_delay: float,
) -> Audit:
    """Join the list, the carrier's log and the store.

    `listed`: the usable numbers of the list, E.164; `forbidden`: numbers never to call; `redial_delay` in real seconds.
    """
    lost: dict[str, str] = {}
    for number in listed:
        if number not in store.states and number not in forbidden:
            lost[number] = "in no state"
    lost.update({number: f"in several states: {states}" for number, states in store.torn.items()})
    kept = {attempt.call_id for attempt in store.attempts}
    for call in carrier.calls:
        if call.call_id not in kept:
            lost[call.number] = f"call {call.call_id} is not in the store"
    seen = {call.call_id for call in carrier.calls}
    for attempt in store.attempts:
        if attempt.outcome not in UNSENT and attempt.call_id not in seen:
            lost[attempt.number] = f"attempt {attempt.id} ({attempt.outcome}) never reached the carrier"
    called = {call.number for call in carrier.calls}
    return Audit(
        lost,
        doubled_calls(carrier.calls, redial_delay),
        tuple(sorted(called & set(forbidden))),
        tuple(sorted(called - set(listed))),
    )


def doubled_calls(calls: Iterable[CarrierCall], redial_delay: float) -> dict[str, str]:
    """number -> the two calls that are closer together than `redial_delay` seconds."""
    times: dict[str, list[CarrierCall]] = {}
    for call in calls:
        times.setdefault(call.number, []).append(call)
    doubled = {}
    for number, group in times.items():
        for first, second in pairwise(sorted(group, key=lambda call: call.invited_at)):
            gap = second.invited_at - first.invited_at
            if gap < redial_delay:
                doubled[number] = (
                    f"{first.call_id} and {second.call_id} are {gap:.2f} s apart, {redial_delay:.2f} s are due"
                )
    return doubled
