"""Outcomes that no live call makes: what a crash cut off, what time decides, what no trunk may dial.

Each function is called in the transaction that makes the outcome true, and returns the events to tell of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dialer.events import CallbackReminder, CallbackScheduled, CallEnded, CallEvent, DispositionRecorded
from dialer.outcomes import consequences
from dispositions import Applied, Disposition, NewAttempt, Outcome, Recovery, WriteTransaction

#: The words for codes that no agent has given.
UNDISPOSED, EXPIRED = "undisposed", "callback_expired"


def recovered(tx: WriteTransaction, recovery: Recovery, at: float) -> list[CallEvent]:
    """The ends of the calls that a crash has cut off, and what was said in them."""
    events: list[CallEvent] = []
    for call in recovery.interrupted:
        fields = _fields(tx, call.attempt_id)
        attempt = tx.attempt(call.attempt_id)
        rang = attempt.answered_at - attempt.started_at if attempt.answered_at is not None else None
        events.append(
            CallEnded(
                at=at, outcome=str(attempt.outcome), status=0, agent=call.agent if call.connected else None,
                ring_seconds=rang, talk_seconds=None, next_state=call.applied.state.value, next_at=call.applied.due_at,
                **fields,
            )
        )  # fmt: skip
        events += consequences(call.applied, call.applied.given, at, fields)
    return events


def tend(tx: WriteTransaction, at: float) -> list[CallEvent]:
    """Bring to an end what time decides: callbacks nobody made, codes nobody gave, leases nobody used."""
    events: list[CallEvent] = []
    for card in tx.tend_callbacks(at):
        fields = _fields(tx, card.attempt_id)
        if card.state == "open":
            events.append(CallbackScheduled(at=at, due_at=card.due_at, agent=None, **fields))
        else:
            place = tx.contact(card.contact_id).place
            # here a settled contact's time is when it settled, not when it is due
            due = place.when if place.state.value == "waiting" else None
            events.append(_recorded(at, card.agent, EXPIRED, place.state.value, due, fields))
    for applied in tx.tend_reviews(at):
        agent, fields = tx.attempt(applied.attempt_id).agent or "", _fields(tx, applied.attempt_id)
        events.append(_recorded(at, agent, UNDISPOSED, applied.state.value, applied.due_at, fields))
        events += consequences(applied, Disposition(applied.attempt_id, UNDISPOSED, agent, at), at, fields)
    for card in tx.remind_callbacks(at):
        owner = card.agent if card.personal else None
        fields = _fields(tx, card.attempt_id)
        events.append(CallbackReminder(at=at, due_at=card.due_at, agent=owner, **fields))
    tx.tend_leases(at)
    return events


def bar(tx: WriteTransaction, attempts: Sequence[NewAttempt], at: float) -> list[CallEvent]:
    """Attempts that end before they begin: no trunk may be given their numbers."""
    tx.start_attempts(attempts, at)
    events: list[CallEvent] = []
    for new in attempts:
        applied = tx.finish_attempt(new.attempt_id, Outcome.REJECTED, at, cause="no route: prefix not allowed")
        events.append(_barred(applied, at, _fields(tx, new.attempt_id)))
    return events


def _barred(applied: Applied, at: float, fields: dict[str, Any]) -> CallEnded:
    return CallEnded(
        at=at, outcome=Outcome.REJECTED.value, status=0, agent=None, ring_seconds=None, talk_seconds=None,
        next_state=applied.state.value, next_at=applied.due_at, **fields,
    )  # fmt: skip


def _recorded(
    at: float, agent: str, code: str, state: str, due: float | None, fields: dict[str, Any]
) -> DispositionRecorded:
    return DispositionRecorded(at=at, agent=agent, code=code, next_state=state, next_at=due, **fields)


def _fields(tx: WriteTransaction, attempt_id: str) -> dict[str, Any]:
    """As `outcomes.call_fields`, from the store."""
    attempt = tx.attempt(attempt_id)
    return {
        "campaign": tx.store.campaign_name(attempt.campaign_id), "call": attempt.id, "sip_call_id": attempt.call_id,
        "contact": attempt.contact_id, "number": f"+{attempt.number}", "trunk": attempt.trunk or "",
    }  # fmt: skip
