"""An agent's disposition: now, while the call still stands, or again as a correction."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from dispositions import blocking, learning, schema, settle
from dispositions.attempt import Applied, Disposition
from dispositions.errors import ArgumentError, NotTalked, OtherAgent, UnknownCode
from dispositions.outcome import Outcome
from dispositions.policy import CampaignPolicy
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.table import UNDISPOSED, NextState, Rule
from dispositions.work import Attempt, Contact

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_a = schema.attempt.c
_LATEST = Statement(
    select(_a.id).where(_a.contact_id == bindparam("contact_id")).order_by(_a.started_at.desc(), _a.id.desc()).limit(1)
)
_c = schema.callback.c
_OPEN_OF = Statement(select(_c.id).where(_c.id == bindparam("key"), _c.attempt_id == bindparam("attempt_id")))
_SALE_OF = Statement(select(schema.sale.c.id).where(schema.sale.c.attempt_id == bindparam("attempt_id")))


def rule_of(policy: CampaignPolicy, code: str) -> Rule:
    """The table's rule for a code, `undisposed` included. Raises `UnknownCode`."""
    if code == UNDISPOSED:
        return policy.table.undisposed
    try:
        return policy.table.codes[code]
    except KeyError:
        known = ", ".join(policy.table.codes)
        raise UnknownCode(f"campaign {policy.name!r} has no disposition {code[:60]!r}, only: {known}") from None


def check(tx: WriteTransaction, given: Disposition) -> Attempt:
    """The attempt, if it may be disposed so. Raises `UnknownAttempt`, `NotTalked`, `OtherAgent`, `UnknownCode`,
    `ArgumentError`."""
    attempt = tx.attempt(given.attempt_id)
    talked = attempt.connected_at is not None or attempt.outcome is Outcome.ANSWERED
    if not talked and (attempt.outcome is None or attempt.disposition is None):
        raise NotTalked(f"attempt {attempt.id!r} has reached no agent: {attempt.outcome or 'it is under way'}")
    if attempt.agent is not None and attempt.agent != given.agent:
        raise OtherAgent(f"attempt {attempt.id!r} is {attempt.agent}'s, who talked on it last, not {given.agent!r}'s")
    rule_of(tx.policy_of(attempt.campaign_id), given.code)
    _fields(given)
    if given.callback_at is not None and not 0 <= given.callback_at - given.at + 60 <= 2 * 366 * 86400:
        raise ArgumentError("callback_at must lie between now and two years ahead")
    return attempt


def _fields(given: Disposition) -> str:
    try:
        return json.dumps(dict(given.fields or {}), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"fields are not JSON: {error}") from error


def dispose(tx: WriteTransaction, given: Disposition, attempt: Attempt) -> Applied:
    """Apply a checked disposition."""
    contact = tx.contact(attempt.contact_id)
    _correct(tx, given, attempt, contact)
    correction = attempt.disposition is not None
    tx.work.update(attempt.id, disposition=given.code, disposed_at=given.at, note=given.note, agent=given.agent or None)
    if attempt.outcome is None:
        return _pend(tx, given, attempt, contact, correction)
    if correction:
        undo(tx, attempt, contact, given)
    attempt.disposition = given.code
    return replace(_apply(tx, given, attempt, contact), correction=correction)


def _correct(tx: WriteTransaction, given: Disposition, attempt: Attempt, contact: Contact) -> None:
    """The agent's corrections of the contact are written at once, whatever becomes of the code."""
    fields = dict(given.fields or {})
    if rule_of(tx.policy_of(attempt.campaign_id), given.code).next is NextState.SALE:
        own = json.loads(contact.fields) if fields else {}
        fields = {name: value for name, value in fields.items() if name in own}
    if fields or given.numbers:
        learning.correct(tx, contact, fields, given.numbers, given.agent or "agent", given.at)


def _pend(tx: WriteTransaction, given: Disposition, attempt: Attempt, contact: Contact, correction: bool) -> Applied:
    # The lease keeps the SIP state of a call that still stands: the contact stays leased, and the disposition waits
    # in it.
    attempt.disposition = given.code
    pending = {
        "code": given.code,
        "agent": given.agent,
        "callback_at": given.callback_at,
        "callback_personal": given.callback_personal,
        "note": given.note,
        "fields": dict(given.fields or {}),
    }
    contact.place = replace(contact.place, pending=json.dumps(pending, separators=(",", ":"), ensure_ascii=False))
    return Applied(
        attempt.id, contact.id, tx.store.campaign_name(contact.campaign_id), contact.place.state,
        pending=True, correction=correction,
    )  # fmt: skip


def apply_pending(tx: WriteTransaction, attempt: Attempt, pending: str, at: float) -> Applied:
    """The call has ended; what the agent said during it takes effect."""
    given = Disposition(attempt_id=attempt.id, at=at, **json.loads(pending))
    attempt.disposition = given.code
    return replace(_apply(tx, given, attempt, tx.contact(attempt.contact_id)), given=given)


def _apply(tx: WriteTransaction, given: Disposition, attempt: Attempt, contact: Contact) -> Applied:
    policy = tx.policy_of(attempt.campaign_id)
    rule = rule_of(policy, given.code)
    _relabel(tx, attempt, rule)
    if _superseded(tx, attempt, contact):
        return _late(tx, given, attempt, contact, rule, policy)
    results = contact.progress.results
    results[given.code] = results.get(given.code, 0) + 1
    contact.dirty = True
    return settle.apply(
        tx, contact, attempt, given.code, rule, given.at,
        agent=given.agent, callback_at=given.callback_at, callback_personal=given.callback_personal,
        note=given.note, fields=_fields(given),
    )  # fmt: skip


def _relabel(tx: WriteTransaction, attempt: Attempt, rule: Rule) -> None:
    """The agent knows better than the network who picked up; without a relabel, a connected call was answered."""
    if attempt.outcome is None or attempt.ended_at is None:
        return
    usual = Outcome.ANSWERED if attempt.connected_at is not None else attempt.outcome
    right = rule.relabel or usual
    if right is not attempt.outcome:
        tx.work.count(attempt.campaign_id, attempt.ended_at, attempt.outcome, -1)
        tx.work.count(attempt.campaign_id, attempt.ended_at, right)
        tx.work.update(attempt.id, outcome=str(right))
        attempt.outcome = right


def _superseded(tx: WriteTransaction, attempt: Attempt, contact: Contact) -> bool:
    place = contact.place
    if place.state is ContactState.REVIEW and place.attempt_id == attempt.id:
        return False
    if place.state is ContactState.LEASED:
        return True
    tx.flush()
    latest = _LATEST.one(tx.connection, {"contact_id": contact.id}).scalar()
    return latest != attempt.id


def _late(
    tx: WriteTransaction,
    given: Disposition,
    attempt: Attempt,
    contact: Contact,
    rule: Rule,
    policy: CampaignPolicy,
) -> Applied:
    """A newer attempt decides where the contact stands, but a sale is a sale and a refusal is a refusal."""
    sale_id = None
    if rule.next is NextState.SALE:
        sale_id = sell(tx, contact, attempt, given.agent, _fields(given), given.at)
    if rule.next is NextState.DO_NOT_CALL:
        tx.forbid(contact, attempt.id, policy, given.at, rule.project)
        if contact.place.state is not ContactState.LEASED:
            settle.settle(contact, ContactState.DO_NOT_CALL, given.at)
    return Applied(attempt.id, contact.id, policy.name, contact.place.state, sale_id=sale_id, superseded=True)


def undo(tx: WriteTransaction, attempt: Attempt, contact: Contact, given: Disposition) -> None:
    """Take back what the attempt's former disposition did beyond moving the contact, where the new one does not want
    it."""
    policy = tx.policy_of(attempt.campaign_id)
    former = policy.table.codes.get(attempt.disposition or "")
    if attempt.disposition == UNDISPOSED:
        former = policy.table.undisposed
    results = contact.progress.results
    if attempt.disposition in results:
        results[attempt.disposition] -= 1
        contact.dirty = True
    if contact.callback_id is not None:
        tx.flush()
        key = {"key": contact.callback_id, "attempt_id": attempt.id}
        if _OPEN_OF.one(tx.connection, key).first() is not None:
            tx.work.close_callback(contact.callback_id, "withdrawn", given.at)
            contact.callback_id, contact.dirty = None, True
    if rule_of(policy, given.code).next is not NextState.SALE:
        tx.work.sales.pop(attempt.id, None)
        tx.work.withdrawn[attempt.id] = {"key": attempt.id, "new_changed_at": given.at}
    if former is None:
        return
    if former.next is NextState.DO_NOT_CALL:
        blocking.allow(tx, contact, attempt.id, policy)
    if former.next is NextState.BAD_NUMBER:
        settle.mark_number(tx, contact, attempt.number, "ok")


def sell(tx: WriteTransaction, contact: Contact, attempt: Attempt, agent: str, fields: str, at: float) -> int:
    """Put the sale into its queue; a second one of the same attempt replaces the fields of the first. Its id."""
    known = tx.work.sales.get(attempt.id)
    if known is None:
        found = _SALE_OF.rows(tx.connection, {"attempt_id": attempt.id})
        key = int(found[0][0]) if found else tx.store.next_id("sale", tx.connection)
    else:
        key = known["id"]
    tx.work.withdrawn.pop(attempt.id, None)
    tx.work.sales[attempt.id] = {
        "id": key,
        "attempt_id": attempt.id,
        "campaign_id": contact.campaign_id,
        "contact_id": contact.id,
        "agent": agent,
        "fields": fields,
        "state": "queued",
        "queued_at": at,
        "changed_at": at,
    }
    return key
