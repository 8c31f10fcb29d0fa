"""The unit of work of one write transaction: what was read, what changes, written in few statements at the end.

The dialer puts many operations of many calls into one transaction. Each reads the rows that it concerns once, changes
them here in memory, and `flush` writes each table with one `executemany`. An operation checks all its arguments
before it changes anything here, so one that raises an `ArgumentError` leaves no trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from dispositions.errors import StoreConflict
from dispositions.outcome import Outcome
from dispositions.progress import Progress
from dispositions.rows import (
    ATTEMPT_UPDATE,
    ATTEMPTS,
    CALLBACK_CLOSE,
    CALLBACK_INSERT,
    CONTACT_UPDATE,
    CONTACTS,
    ENTER,
    LEASE_UPDATE,
    LEAVE,
    LOCKED_CONTACTS,
    NO_UPDATE,
    OUTBOX,
    READY_AT,
    SALE_CANCEL,
    SALE_UPSERT,
    SALE_WITHDRAW,
    TABLE_OF,
    TALLY,
)
from dispositions.state import ContactState, Move, after

RETRY_KIND, SHARED, PERSONAL = "retry", "shared", "personal"
_PRIORITIES = 10_000_000
SLOT = 100_000_000
"""Ranks of one list of a campaign: each has its own range, so that a claim may take from them in turn."""
_CLASSES = {SHARED: 0, PERSONAL: 0, RETRY_KIND: 1, "fresh": 2}
_ORIGINS = (SHARED, RETRY_KIND, "fresh")


def rank_of(origin: str, priority: int, slot: int = 0) -> int:
    """The sort key of the ready table, lowest first: in the range of the list's slot callbacks, then retries, then
    fresh; inside, higher priority first."""
    return slot * SLOT + _CLASSES[origin] * _PRIORITIES + (_PRIORITIES // 2 - priority)


def origin_of(rank: int) -> str:
    """Which of the three classes a rank belongs to."""
    return _ORIGINS[min(rank % SLOT // _PRIORITIES, 2)]


def class_ranks(slot: int, first: str, last: str) -> tuple[int, int]:
    """The ranks [from, to) of a list's classes `first` to `last`."""
    return slot * SLOT + _CLASSES[first] * _PRIORITIES, slot * SLOT + (_CLASSES[last] + 1) * _PRIORITIES


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contact stands: the row in `ready`, `lease`, `waiting`, `review` or `settled`. `when`: lease until, due
    at, review until, settled at. `kind`: origin of a lease, kind of a wait."""

    state: ContactState
    when: float = 0.0
    rank: int = 0
    kind: str = ""
    attempt_id: str | None = None
    sip: str | None = None
    pending: str | None = None
    zone_id: int = 0


@dataclass(slots=True)
class Contact:
    """A contact as this transaction sees it. `stored` is its place in the database."""

    id: int
    campaign_id: int
    list_name: str
    external_id: str | None
    number: int
    numbers: int
    zone_id: int
    priority: int
    attempts: int
    progress: Progress
    callback_id: int | None
    fields: str
    place: Place
    stored: Place
    slot: int = 0
    dirty: bool = False

    def rank(self, origin: str) -> int:
        """Its sort key as one of `origin`."""
        return rank_of(origin, self.priority, self.slot)

    def move(self, move: Move, place: Place) -> None:
        """Stand elsewhere; the table of moves must allow it."""
        if after(self.place.state, move) is not place.state:
            raise StoreConflict(f"{move} leads to {after(self.place.state, move)}, not {place.state}")
        self.place = place


@dataclass(slots=True)
class Attempt:
    """An attempt as this transaction sees it."""

    id: str
    campaign_id: int
    contact_id: int
    number: int
    call_id: str
    trunk: str | None
    agent: str | None
    started_at: float
    answered_at: float | None
    connected_at: float | None
    ended_at: float | None
    outcome: Outcome | None
    disposition: str | None


class Work:
    """What one transaction has read and changed."""

    def __init__(self, connection: Connection, slot_of: Callable[[int, str], int], *, locking: bool = True) -> None:
        self.connection = connection
        self._slot_of = slot_of
        self._select = LOCKED_CONTACTS if locking else CONTACTS
        self.contacts: dict[int, Contact] = {}
        self.attempts: dict[str, Attempt] = {}
        self.unknown: set[str] = set()
        """attempts that were looked for in vain"""
        self.updates: dict[str, dict[str, Any]] = {}
        self.callbacks: dict[int, dict[str, Any]] = {}
        self.closed: dict[int, dict[str, Any]] = {}
        self.sales: dict[str, dict[str, Any]] = {}
        self.withdrawn: dict[str, dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        """for the journal; they get their serials at the end"""
        self.settled: list[Contact] = []
        """contacts that came to an end since the last flush"""
        self.tally: Counter[tuple[int, int, str]] = Counter()

    # --- reading ---------------------------------------------------------------------------------------------------

    def load_attempts(self, ids: Sequence[str]) -> None:
        """Read attempts and their contacts that are not here yet; unknown ids are passed over."""
        missing = [key for key in dict.fromkeys(ids) if key not in self.attempts and key not in self.unknown]
        if not missing:
            return
        contacts = []
        self.unknown.update(missing)
        for row in ATTEMPTS.all(self.connection, missing):
            values = list(row)
            values[11] = Outcome(values[11]) if values[11] else None
            self.attempts[row[0]] = Attempt(*values)
            self.unknown.discard(row[0])
            contacts.append(row[2])
        self.load_contacts(contacts)

    def load_contacts(self, ids: Sequence[int], ready: Mapping[int, Place] | None = None) -> None:
        """Read contacts and where they stand, those that are not here yet; unknown ids are passed over. `ready`: the
        places of those that were just found in the ready table, which are then not looked up again.
        """
        missing = [key for key in dict.fromkeys(ids) if key not in self.contacts]
        for row in self._select.all(self.connection, missing) if missing else ():
            self.contacts[row[0]] = self._contact(row, ready or {})

    def _contact(self, row: Any, ready: Mapping[int, Place]) -> Contact:
        (key, campaign_id, list_name, external_id, number, numbers, zone_id, priority, attempts, progress, callback_id,
         fields, until, rank, origin, attempt_id, sip, pending, kind, due_at, waiting_rank, review_attempt,
         review_until, settled, settled_at) = row  # fmt: skip
        if until is not None:
            place = Place(ContactState.LEASED, until, rank, origin, attempt_id, sip, pending)
        elif kind is not None:
            state = ContactState.WAITING if kind == RETRY_KIND else ContactState.CALLBACK
            place = Place(state, due_at, waiting_rank, kind, zone_id=zone_id)
        elif review_until is not None:
            place = Place(ContactState.REVIEW, review_until, attempt_id=review_attempt)
        elif settled is not None:
            place = Place(ContactState(settled), settled_at)
        else:
            place = ready.get(key) or self._ready_place(key, campaign_id, zone_id, priority, list_name)
        return Contact(
            key, campaign_id, list_name, external_id, number, numbers, zone_id, priority, attempts,
            Progress.load(progress), callback_id, fields, place, place, self._slot_of(campaign_id, list_name),
        )  # fmt: skip

    def _ready_place(self, key: int, campaign_id: int, zone_id: int, priority: int, list_name: str) -> Place:
        slot = self._slot_of(campaign_id, list_name)
        ranks = {f"rank{n}": rank_of(origin, priority, slot) for n, origin in enumerate(_ORIGINS)}
        rows = READY_AT.rows(
            self.connection, {"campaign_id": campaign_id, "zone_id": zone_id, "contact_id": key, **ranks}
        )
        if len(rows) != 1:
            raise StoreConflict(f"contact {key} is in {len(rows) or 'no'} places")
        return Place(ContactState.READY, rank=rows[0][1], zone_id=rows[0][0])

    # --- changing --------------------------------------------------------------------------------------------------

    def update(self, attempt_id: str, **values: Any) -> None:
        """Set columns of an attempt; None leaves one as it is. Later values win."""
        row = self.updates.get(attempt_id)
        if row is None:
            row = self.updates[attempt_id] = {"key": attempt_id, **NO_UPDATE}
        for name, value in values.items():
            if value is not None:
                row[f"new_{name}"] = value

    def count(self, campaign_id: int, at: float, outcome: Outcome, calls: int = 1) -> None:
        """Into the hourly tally."""
        self.tally[campaign_id, int(at // 3600), str(outcome)] += calls

    def close_callback(self, callback_id: int, state: str, at: float, tried_at: float | None = None) -> None:
        """The callback is over. `tried_at`: when the call that was promised left."""
        self.closed[callback_id] = {
            "key": callback_id,
            "new_state": state,
            "new_closed_at": at,
            "new_tried_at": tried_at,
        }

    def flush(self) -> None:
        """Write everything; afterwards the database and this agree."""
        run = self.connection
        ATTEMPT_UPDATE.many(run, list(self.updates.values()))
        self.updates.clear()
        self._flush_places()
        CALLBACK_INSERT.many(run, list(self.callbacks.values()))
        self.callbacks.clear()
        CALLBACK_CLOSE.many(run, list(self.closed.values()))
        self.closed.clear()
        SALE_WITHDRAW.many(run, list(self.withdrawn.values()))
        SALE_CANCEL.many(run, list(self.withdrawn.values()))  # under way already: undone at its next step
        self.withdrawn.clear()
        SALE_UPSERT.many(run, list(self.sales.values()))
        self.sales.clear()
        tallies = [
            {"campaign_id": campaign_id, "hour": hour, "outcome": outcome, "calls": calls}
            for (campaign_id, hour, outcome), calls in sorted(self.tally.items())
            if calls
        ]
        TALLY.many(run, tallies)
        self.tally.clear()
        OUTBOX.many(run, self.messages)
        self.messages = []

    def _flush_places(self) -> None:
        leaves: dict[str, list[dict[str, Any]]] = {}
        enters: dict[str, list[dict[str, Any]]] = {}
        leases: list[dict[str, Any]] = []
        dirty: list[dict[str, Any]] = []
        for contact in self.contacts.values():
            if contact.dirty:
                contact.dirty = False
                dirty.append(
                    {
                        "key": contact.id,
                        "new_number": contact.number,
                        "new_zone_id": contact.zone_id,
                        "new_attempts": contact.attempts,
                        "new_progress": contact.progress.dump(),
                        "new_callback_id": contact.callback_id,
                    }
                )
            old, new = contact.stored, contact.place
            if old is new:
                continue
            contact.stored = new
            if TABLE_OF[new.state] == "settled" and new.state is not old.state:
                self.settled.append(contact)
            if old.state is ContactState.LEASED and new.state is ContactState.LEASED and old.kind == new.kind:
                leases.append(
                    {
                        "key": contact.id,
                        "new_attempt_id": new.attempt_id,
                        "new_sip": new.sip,
                        "new_pending": new.pending,
                        "new_until": new.when,
                    }
                )
                continue
            leave = {"contact_id": contact.id}
            if old.state is ContactState.READY:
                leave |= {"campaign_id": contact.campaign_id, "zone_id": old.zone_id, "rank": old.rank}
            leaves.setdefault(TABLE_OF[old.state], []).append(leave)
            enters.setdefault(TABLE_OF[new.state], []).append(_row(contact, new))
        _expect(CONTACT_UPDATE.many(self.connection, dirty), len(dirty), "contact")
        _expect(LEASE_UPDATE.many(self.connection, leases), len(leases), "lease")
        for name, rows in leaves.items():
            _expect(LEAVE[name].many(self.connection, rows), len(rows), name)
        for name, rows in enters.items():
            ENTER[name].many(self.connection, rows)


def _row(contact: Contact, place: Place) -> dict[str, Any]:
    row: dict[str, Any] = {"contact_id": contact.id, "campaign_id": contact.campaign_id}
    match place.state:
        case ContactState.READY:
            row |= {"zone_id": place.zone_id, "rank": place.rank}
        case ContactState.LEASED:
            row |= {
                "rank": place.rank,
                "origin": place.kind,
                "until": place.when,
                "attempt_id": place.attempt_id,
                "sip": place.sip,
                "pending": place.pending,
            }
        case ContactState.WAITING | ContactState.CALLBACK:
            row |= {
                "kind": place.kind,
                "due_at": place.when,
                "rank": place.rank,
                "zone_id": place.zone_id,
            }
        case ContactState.REVIEW:
            row |= {"attempt_id": place.attempt_id, "until": place.when}
        case _:
            row |= {"state": str(place.state), "at": place.when}
    return row


def _expect(touched: int, wanted: int, table: str) -> None:
    if touched != wanted:
        raise StoreConflict(f"{wanted} rows of {table} were to change, {touched} did: is there a second owner?")
