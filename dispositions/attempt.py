"""Attempts: what the dialer gives before the INVITE leaves, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dispositions.outcome import Outcome
from dispositions.state import ContactState


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """An attempt about to be made. `attempt_id` is the dialer's own, unique for ever, best rising with time (rows
    then append); it makes a replay harmless. `sip`: JSON of whatever an in-dialog request or a CANCEL needs after a
    crash."""

    attempt_id: str
    contact_id: int
    number: str
    call_id: str
    trunk: str | None = None
    agent: str | None = None
    sip: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptUpdate:
    """What became known of a running attempt; None leaves a column as it is. Times: epoch seconds."""

    attempt_id: str
    sip: str | None = None
    trunk: str | None = None
    call_id: str | None = None
    ringing_at: float | None = None
    answered_at: float | None = None
    connected_at: float | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an attempt. `cause`: SIP status or a word. `talk_seconds`: connected time. `moved_to`: the number that
    the network announced instead of one that has changed."""

    attempt_id: str
    outcome: Outcome
    at: float
    cause: str | None = None
    talk_seconds: float | None = None
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Disposition:
    """An agent's code for an attempt. `callback_at`: epoch seconds. `fields`: what goes with a sale; with any other
    code they are corrections of the contact's own fields, and with a sale those of them that the contact has already.
    `numbers`: new numbers of the contact, best first."""

    attempt_id: str
    code: str
    agent: str
    at: float
    callback_at: float | None = None
    callback_personal: bool | None = None
    note: str | None = None
    fields: Mapping[str, Any] | None = None
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What an outcome or a disposition led to. `state`: where the contact stands now; `due_at`: when it is due again.
    `pending`: the call still stands, the disposition takes effect when it ends (and is durable already).
    `correction`: the attempt had one before. `superseded`: a newer attempt exists, the contact was left where it is.
    `given`: what the agent had said during a call that ended now."""

    attempt_id: str
    contact_id: int
    campaign: str
    state: ContactState
    due_at: float | None = None
    callback_id: int | None = None
    sale_id: int | None = None
    pending: bool = False
    correction: bool = False
    superseded: bool = False
    given: Disposition | None = None


@dataclass(frozen=True, slots=True)
class StandingCall:
    """A call that was under way at the crash and may still stand at the far end. `connected`: it had reached an
    agent; its contact waits in review for the disposition. `answered`: the customer had picked up. `applied`: what its
    end led to."""

    attempt_id: str
    contact_id: int
    campaign: str
    number: str
    call_id: str
    trunk: str | None
    agent: str | None
    sip: str | None
    answered: bool
    connected: bool
    applied: Applied


@dataclass(frozen=True, slots=True)
class Recovery:
    """What `recover` did: contacts put back as nothing had been sent, and the calls that may still stand."""

    released: int
    interrupted: tuple[StandingCall, ...]


@dataclass(frozen=True, slots=True)
class CallbackCard:
    """A promised callback. `state`: `open`, `kept` (the customer was reached), `tried`, `expired`, `withdrawn`.
    `tried_at`: when its call left. Epoch seconds."""

    callback_id: int
    contact_id: int
    campaign: str
    agent: str
    personal: bool
    due_at: float
    expires_at: float
    state: str
    note: str | None
    created_at: float
    closed_at: float | None
    number: str = ""
    attempt_id: str = ""
    tried_at: float | None = None


@dataclass(frozen=True, slots=True)
class SaleCard:
    """A sale in its queue. `state`: `queued` or `withdrawn` here; the pipeline adds its own words. Epoch seconds."""

    sale_id: int
    attempt_id: str
    contact_id: int
    campaign: str
    agent: str
    fields: Mapping[str, Any]
    state: str
    queued_at: float
    changed_at: float


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message not yet known to be delivered."""

    message_id: int
    topic: str
    payload: str
    at: float
