"""Attempts that are on disk and whose INVITE never left: taken back, as if the contact had not been claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dispositions import blocking, claiming
from dispositions.errors import AlreadyFinished, NotLeased
from dispositions.outcome import Outcome
from dispositions.state import ContactState

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

UNSENT = "not sent: "
"""How the cause of a withdrawn attempt begins: no INVITE of it has left, and it counts as no attempt."""


def take_back(tx: WriteTransaction, attempt_id: str, at: float, reason: str) -> None:
    """See `WriteTransaction.withdraw_attempt`. A number that was marked since the claim is no longer dialed."""
    attempt = tx.attempt(attempt_id)
    if attempt.outcome is Outcome.CANCELLED:
        return
    if attempt.outcome is not None:
        raise AlreadyFinished(f"attempt {attempt.id!r} ended as {attempt.outcome}")
    contact = tx.contact(attempt.contact_id)
    if contact.place.state is not ContactState.LEASED or contact.place.attempt_id != attempt.id:
        raise NotLeased(f"attempt {attempt.id!r} runs, but its contact is not leased to it")
    policy = tx.policy_of(attempt.campaign_id)
    attempt.outcome, attempt.ended_at = Outcome.CANCELLED, at
    tx.work.update(attempt.id, outcome=str(Outcome.CANCELLED), ended_at=at, cause=f"{UNSENT}{reason}")
    claiming.give_back(contact, at)
    if tx.blocked(contact.number, policy):
        blocking.withdraw_contact(tx, contact, contact.number, policy, at)
