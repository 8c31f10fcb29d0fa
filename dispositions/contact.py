"""Contacts as the outside gives and sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dispositions.changes import Change
from dispositions.consent import Consent
from dispositions.number import Number
from dispositions.outcome import Outcome
from dispositions.state import ContactState

MAX_PRIORITY = 1_000_000


@dataclass(frozen=True, slots=True)
class NewContact:
    """A contact to be added. `numbers`: in the order to dial them, as text (read in the campaign's region) or already
    normalised. `external_id`: the company's own key; with it, adding is idempotent. `priority`: higher is dialed
    first, within +-1,000,000. `zone`: the contact's own IANA time zone, which wins over what its numbers suggest.
    `consent`: on what ground it may be called."""

    numbers: Sequence[str | Number]
    external_id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    zone: str | None = None
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class AddResult:
    """What became of one `NewContact`. `contact_id` is the new one, or for `duplicate` the one that was there.
    `reason`: for `rejected` one of `number.REASONS`, `bad_zone`, `bad_priority`, `bad_fields`, `bad_field NAME`; for
    `duplicate` `external_id` or `number`."""

    status: Literal["added", "duplicate", "do_not_call", "rejected"]
    contact_id: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A contact taken from the list to dial it. `number` is E.164 with the plus. `origin`: `fresh`, `retry`, `shared`
    or `personal` (callbacks). `attempts`: how many were made before. Times: epoch seconds."""

    campaign: str
    contact_id: int
    number: str
    list_name: str
    external_id: str | None
    fields: Mapping[str, Any]
    zones: tuple[str, ...]
    priority: int
    attempts: int
    origin: Literal["fresh", "retry", "shared", "personal"]
    callback_id: int | None
    lease_until: float


@dataclass(frozen=True, slots=True)
class AttemptCard:
    """One attempt in a contact's history. Times: epoch seconds."""

    attempt_id: str
    number: str
    call_id: str
    trunk: str | None
    agent: str | None
    started_at: float
    ringing_at: float | None
    answered_at: float | None
    connected_at: float | None
    ended_at: float | None
    talk_seconds: float | None
    outcome: Outcome | None
    cause: str | None
    disposition: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class NumberCard:
    """One number of a contact. `status`: `ok`, `bad` (retired) or `do_not_call`. `invalid`: so often in a row the
    network called it so; `answered_at`: when a person answered last (epoch seconds; kept where there are several
    numbers)."""

    number: str
    kind: str
    zones: tuple[str, ...]
    status: str
    invalid: int = 0
    answered_at: float | None = None


@dataclass(frozen=True, slots=True)
class ContactCard:
    """Everything the store knows of one contact. `due_at`: when it is due, where that has a meaning."""

    contact_id: int
    campaign: str
    list_name: str
    external_id: str | None
    state: ContactState
    due_at: float | None
    number: str
    numbers: tuple[NumberCard, ...]
    zones: tuple[str, ...]
    priority: int
    attempts: int
    fields: Mapping[str, Any]
    added_at: float
    history: tuple[AttemptCard, ...]
    changes: tuple[Change, ...] = ()
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a contact may or may not be dialed at an instant. `reasons`: sentences for people; `codes`: the same as
    fixed words for counting. `next_at`: when it may next be dialed as far as is known (epoch seconds); None: never,
    or not known."""

    contact_id: int
    dialable: bool
    codes: tuple[str, ...]
    reasons: tuple[str, ...]
    next_at: float | None
