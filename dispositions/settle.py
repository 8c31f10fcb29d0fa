"""What an outcome or a disposition does to a contact: the table's rule, the caps, its other numbers, and the rows that
callbacks, sales and do-not-call marks need.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from dispositions import changes, learning, schema
from dispositions.attempt import Applied
from dispositions.changes import Change
from dispositions.outcome import Outcome
from dispositions.policy import CampaignPolicy
from dispositions.state import ContactState, Move
from dispositions.statement import Statement
from dispositions.table import NextState, Rule
from dispositions.work import PERSONAL, RETRY_KIND, SHARED, Attempt, Contact, Place

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_n = schema.number.c
NUMBERS = Statement(
    select(_n.digits, _n.position, _n.zone_id, _n.kind, _n.status, _n.invalid, _n.answered_at)
    .where(_n.contact_id == bindparam("contact_id"))
    .order_by(_n.position)
)
NUMBER_STATUS = Statement(
    update(schema.number)
    .where(_n.campaign_id == bindparam("key_campaign"), _n.digits == bindparam("key_digits"))
    .values(status=bindparam("new_status"))
)

_ENDS = {
    ContactState.DONE: Move.DONE,
    ContactState.SOLD: Move.SALE,
    ContactState.DO_NOT_CALL: Move.DO_NOT_CALL,
    ContactState.BAD_NUMBER: Move.BAD_NUMBER,
    ContactState.EXHAUSTED: Move.EXHAUST,
}


def settle(contact: Contact, state: ContactState, at: float) -> None:
    """Move the contact to a settled state."""
    contact.move(_ENDS[state], Place(state, at))


def wait(contact: Contact, due: float) -> None:
    """Dialable again from `due`, as a retry."""
    rank = contact.rank(RETRY_KIND)
    contact.move(Move.RETRY, Place(ContactState.WAITING, due, rank, RETRY_KIND, zone_id=contact.zone_id))


def mark_number(tx: WriteTransaction, contact: Contact, digits: int, status: str) -> None:
    """Set the status of one of the contact's numbers."""
    row = {"key_campaign": contact.campaign_id, "key_digits": digits, "new_status": status}
    NUMBER_STATUS.many(tx.connection, [row])


def switch_number(tx: WriteTransaction, contact: Contact, policy: CampaignPolicy) -> bool:
    """Take the contact's next usable number, going round from the present one; False when there is none but it.
    Numbers on a do-not-call list are passed over (and marked)."""
    if contact.numbers < 2:
        return False
    rows = list(NUMBERS.one(tx.connection, {"contact_id": contact.id}))
    here = next((n for n, row in enumerate(rows) if row.digits == contact.number), 0)
    for row in rows[here + 1 :] + rows[:here]:
        if row.status != "ok":
            continue
        if tx.blocked(row.digits, policy):
            mark_number(tx, contact, row.digits, "do_not_call")
            continue
        contact.number, contact.zone_id, contact.dirty = row.digits, row.zone_id, True
        return True
    return False


def restand(contact: Contact, at: float) -> None:
    """A contact that is not under way got another number, perhaps in another zone: its row says so."""
    place = contact.place
    if place.state is ContactState.READY:
        hold(contact, at)
    else:
        contact.place = replace(place, zone_id=contact.zone_id)


def hold(contact: Contact, until: float) -> None:
    """From ready back to waiting, as what it was."""
    if contact.callback_id is not None:
        rank = contact.rank(SHARED)
        place = Place(ContactState.CALLBACK, until, rank, SHARED, zone_id=contact.zone_id)
        contact.move(Move.CALLBACK, place)
    else:
        rank = contact.rank(RETRY_KIND)
        place = Place(ContactState.WAITING, until, rank, RETRY_KIND, zone_id=contact.zone_id)
        contact.move(Move.HOLD, place)


def apply(
    tx: WriteTransaction,
    contact: Contact,
    attempt: Attempt,
    key: str,
    rule: Rule,
    at: float,
    *,
    agent: str = "",
    callback_at: float | None = None,
    callback_personal: bool | None = None,
    note: str | None = None,
    fields: str = "{}",
) -> Applied:
    """Put the contact where the rule says after `attempt` ended with `key` (an outcome or a code); counts nothing."""
    policy = tx.policy_of(contact.campaign_id)
    tries = contact.progress.results.get(key, 0)
    if key == Outcome.INVALID and rule.exhausted is ContactState.BAD_NUMBER:
        tries = learning.invalid_in_a_row(tx, contact, attempt.number)
    match rule.next:
        case NextState.DONE:
            settle(contact, ContactState.DONE, at)
        case NextState.DO_NOT_CALL:
            tx.forbid(contact, attempt.id, policy, at, rule.project)
            settle(contact, ContactState.DO_NOT_CALL, at)
        case NextState.BAD_NUMBER:
            _retire(tx, contact, attempt, policy, key, at)
        case NextState.SALE:
            settle(contact, ContactState.SOLD, at)
            return _applied(tx, contact, attempt, sale_id=tx.sell(contact, attempt, agent, fields, at))
        case NextState.CALLBACK:
            if not _reachable(tx, contact, policy, at):
                return _applied(tx, contact, attempt)
            assert rule.after is not None  # OutcomeTable holds callbacks to it
            due = callback_at if callback_at is not None else at + rule.after
            personal = rule.personal if callback_personal is None else callback_personal
            contact.callback_id = tx.promise(contact, attempt, agent, personal, due, at, policy, note)
            contact.dirty = True
            kind = PERSONAL if personal else SHARED
            rank = contact.rank(kind)
            place = Place(ContactState.CALLBACK, due, rank, kind, zone_id=contact.zone_id)
            contact.move(Move.CALLBACK, place)
        case NextState.RETRY:
            if rule.attempts is not None and tries >= rule.attempts:
                if rule.exhausted is ContactState.BAD_NUMBER:
                    _retire(tx, contact, attempt, policy, key, at)
                else:
                    settle(contact, rule.exhausted, at)
            elif policy.max_attempts is not None and contact.attempts >= policy.max_attempts:
                settle(contact, ContactState.EXHAUSTED, at)
            elif (not _stays(attempt, rule) and switch_number(tx, contact, policy)) or _reachable(
                tx, contact, policy, at
            ):
                wait(contact, _due(tx, contact, policy, attempt, rule, at))
    return _applied(tx, contact, attempt)


def _stays(attempt: Attempt, rule: Rule) -> bool:
    """A person answers at this number: it is the one to try again."""
    return attempt.outcome is Outcome.ANSWERED and rule.relabel is None


def _reachable(tx: WriteTransaction, contact: Contact, policy: CampaignPolicy, at: float) -> bool:
    # The mark may have come while the call stood; a contact under way is not withdrawn then, but here.
    if not tx.blocked(contact.number, policy):
        return True
    mark_number(tx, contact, contact.number, "do_not_call")
    if switch_number(tx, contact, policy):
        return True
    settle(contact, ContactState.DO_NOT_CALL, at)
    return False


def _due(
    tx: WriteTransaction, contact: Contact, policy: CampaignPolicy, attempt: Attempt, rule: Rule, at: float
) -> float:
    due = at + (policy.redial_delay if rule.after is None else rule.after)
    if attempt.outcome is Outcome.ABANDONED:
        contact.progress.held_until = at + policy.abandoned_redial_delay
        contact.dirty = True
    due = max(due, contact.progress.held_until)
    zones = tx.store.zones(contact.zone_id, tx.connection)
    return policy.earliest(zones, contact.progress.times, due)


def _retire(
    tx: WriteTransaction, contact: Contact, attempt: Attempt, policy: CampaignPolicy, key: str, at: float
) -> None:
    """The number is bad; the contact lives on with its next one, if it has one."""
    mark_number(tx, contact, attempt.number, "bad")
    who = "network" if attempt.outcome is not Outcome.ANSWERED else attempt.agent or "agent"
    change = Change(contact.id, at, "number_retired", who, f"+{attempt.number}", None, key)
    changes.record(tx, contact.campaign_id, [change])
    if contact.number == attempt.number and not switch_number(tx, contact, policy):
        settle(contact, ContactState.BAD_NUMBER, at)
        return
    contact.progress.results.pop(key, None)
    contact.dirty = True
    zones = tx.store.zones(contact.zone_id, tx.connection)
    wait(contact, policy.earliest(zones, contact.progress.times, at + policy.redial_delay))


def _applied(tx: WriteTransaction, contact: Contact, attempt: Attempt, sale_id: int | None = None) -> Applied:
    return Applied(
        attempt.id,
        contact.id,
        tx.store.campaign_name(contact.campaign_id),
        contact.place.state,
        due_at=due_of(contact.place),
        callback_id=contact.callback_id if contact.place.state is ContactState.CALLBACK else None,
        sale_id=sale_id,
    )


def due_of(place: Place) -> float | None:
    """When a contact at this place comes due, where that has a meaning."""
    return place.when if place.state in (ContactState.WAITING, ContactState.CALLBACK, ContactState.REVIEW) else None
