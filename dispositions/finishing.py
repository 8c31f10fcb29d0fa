"""The end of an attempt, and what is learned on its way there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dispositions import disposing, learning, settle
from dispositions.attempt import Applied, AttemptUpdate, Finish
from dispositions.errors import AlreadyFinished, NotLeased
from dispositions.outcome import Outcome
from dispositions.state import ContactState, Move
from dispositions.work import Attempt, Contact, Place

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction


def lease_with(contact: Contact, **changes: Any) -> None:
    """Change the lease of a leased contact."""
    contact.place = replace(contact.place, **changes)


def _holds(contact: Contact, attempt: Attempt) -> bool:
    return contact.place.state is ContactState.LEASED and contact.place.attempt_id == attempt.id


def update(tx: WriteTransaction, news: AttemptUpdate, attempt: Attempt) -> None:
    """Write what became known. The SIP state goes into the lease: it is of no use once the attempt is over."""
    tx.work.update(
        attempt.id,
        trunk=news.trunk,
        call_id=news.call_id,
        agent=news.agent,
        ringing_at=news.ringing_at,
        answered_at=news.answered_at,
        connected_at=news.connected_at,
    )
    attempt.trunk = news.trunk or attempt.trunk
    attempt.call_id = news.call_id or attempt.call_id
    attempt.agent = news.agent or attempt.agent
    attempt.answered_at = attempt.answered_at if news.answered_at is None else news.answered_at
    attempt.connected_at = attempt.connected_at if news.connected_at is None else news.connected_at
    contact = tx.contact(attempt.contact_id)
    if news.sip is not None and _holds(contact, attempt):
        lease_with(contact, sip=news.sip)


def check(tx: WriteTransaction, end: Finish) -> Attempt:
    """The attempt, if it may end so. Raises `UnknownAttempt`, `AlreadyFinished`, `NotLeased`, `UnknownCampaign`."""
    attempt = tx.attempt(end.attempt_id)
    tx.policy_of(attempt.campaign_id)
    if attempt.outcome is None:
        if not _holds(tx.contact(attempt.contact_id), attempt):
            raise NotLeased(f"attempt {attempt.id!r} runs, but its contact is not leased to it")
    elif attempt.outcome is not Outcome(end.outcome) and attempt.disposition is None:
        raise AlreadyFinished(f"attempt {attempt.id!r} ended as {attempt.outcome}")
    return attempt


def finish(tx: WriteTransaction, end: Finish, attempt: Attempt) -> Applied:
    """End a checked attempt."""
    contact = tx.contact(attempt.contact_id)
    if attempt.outcome is not None:
        return _again(tx, contact, attempt)
    policy = tx.policy_of(attempt.campaign_id)
    outcome = attempt.outcome = Outcome(end.outcome)
    attempt.ended_at = end.at
    tx.work.update(attempt.id, outcome=str(outcome), ended_at=end.at, cause=end.cause, talk_seconds=end.talk_seconds)
    tx.work.count(attempt.campaign_id, end.at, outcome)
    contact.attempts += 1
    contact.progress.attempted(attempt.started_at, policy.remembered)
    contact.dirty = True
    if contact.callback_id is not None:
        kept = outcome is Outcome.ANSWERED
        tx.work.close_callback(contact.callback_id, "kept" if kept else "tried", end.at, attempt.started_at)
        contact.callback_id = None
    learning.learn(tx, contact, attempt, outcome, end.at)
    if outcome is not Outcome.ANSWERED:
        results = contact.progress.results
        results[outcome] = results.get(outcome, 0) + 1
        applied = settle.apply(tx, contact, attempt, str(outcome), policy.table.outcomes[outcome], end.at)
        if end.moved_to is not None and learning.moved(tx, contact, attempt, end.moved_to, end.at):
            return _again(tx, contact, attempt)
        return applied
    pending = contact.place.pending
    until = end.at + policy.table.undisposed_after
    contact.move(Move.TALKED, Place(ContactState.REVIEW, until, attempt_id=attempt.id))
    if pending is not None:
        return disposing.apply_pending(tx, attempt, pending, end.at)
    return _again(tx, contact, attempt)


def _again(tx: WriteTransaction, contact: Contact, attempt: Attempt) -> Applied:
    return Applied(
        attempt.id,
        contact.id,
        tx.store.campaign_name(contact.campaign_id),
        contact.place.state,
        due_at=settle.due_of(contact.place),
        callback_id=contact.callback_id,
    )
