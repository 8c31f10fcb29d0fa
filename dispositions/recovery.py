"""After a crash, and as time passes: what no call of ours will ever finish is brought to a state that the rules
know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, or_, select, update

from dispositions import claiming, disposing, finishing, schema, settle
from dispositions.attempt import Applied, CallbackCard, Disposition, Finish, Recovery, StandingCall
from dispositions.errors import UnknownCallback
from dispositions.outcome import Outcome
from dispositions.state import ContactState, Move
from dispositions.statement import Statement
from dispositions.table import UNDISPOSED, NextState
from dispositions.work import PERSONAL, RETRY_KIND, SHARED, Attempt, Contact, Place

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_l, _r, _c = schema.lease.c, schema.review.c, schema.callback.c
_LEASES = Statement(select(_l.contact_id, _l.attempt_id).where(_l.campaign_id == bindparam("campaign_id")))
_EXPIRED_LEASES = Statement(
    select(_l.contact_id).where(
        _l.campaign_id == bindparam("campaign_id"), _l.attempt_id.is_(None), _l.until <= bindparam("at")
    )
)
_REVIEWS = Statement(
    select(_r.attempt_id).where(_r.campaign_id == bindparam("campaign_id"), _r.until <= bindparam("at"))
)
_CALLBACKS = Statement(
    select(schema.callback)
    .where(
        _c.campaign_id == bindparam("campaign_id"),
        _c.state == "open",
        _c.due_at <= bindparam("at"),  # all that expire, too: this is what the index knows
        or_(_c.expires_at <= bindparam("at"), and_(_c.personal == 1, _c.due_at <= bindparam("before"))),
    )
    .order_by(_c.due_at)
)
_CALLBACK = Statement(select(schema.callback).where(_c.id == bindparam("key")))
_SHARE = Statement(
    update(schema.callback)
    .where(_c.id == bindparam("key"))
    .values(personal=bindparam("new_personal"), agent=bindparam("new_agent"))
)


def recover(tx: WriteTransaction, at: float, campaigns: Sequence[str] | None = None) -> Recovery:
    """Bring every lease to an end. One without an attempt: nothing was sent, back to the list. With one:

    - it had reached an agent: it ends as `answered`; the agent's code, if it was given during the call, takes effect,
      else the contact waits in review for it (and for the table's `undisposed` rule);
    - the customer had picked up and nobody was there yet: it ends as `abandoned`, which is what the customer
      experienced;
    - else `interrupted`: it counts as an attempt and waits the re-dial delay.

    The calls' saved SIP state is returned: they may still stand at the far end, and want a BYE or CANCEL."""
    released = 0
    standing: list[StandingCall] = []
    names = [policy.name for policy in tx.store.policies()] if campaigns is None else campaigns
    tx.renew()
    for name in names:
        rows = _LEASES.one(tx.connection, {"campaign_id": tx.store.campaign_id(name)}).all()
        tx.work.load_attempts([row.attempt_id for row in rows if row.attempt_id is not None])
        released += claiming.release(tx, [row.contact_id for row in rows if row.attempt_id is None], at)
        for row in rows:
            if row.attempt_id is not None:
                attempt = tx.attempt(row.attempt_id)
                standing.append(_interrupt(tx, attempt, tx.contact(row.contact_id), name, at))
    tx.flush()
    return Recovery(released, tuple(standing))


def _interrupt(tx: WriteTransaction, attempt: Attempt, contact: Contact, campaign: str, at: float) -> StandingCall:
    sip = contact.place.sip
    connected = attempt.connected_at is not None
    answered = connected or attempt.answered_at is not None
    outcome = Outcome.ANSWERED if connected else Outcome.ABANDONED if answered else Outcome.INTERRUPTED
    applied = finishing.finish(tx, Finish(attempt.id, outcome, at, cause="interrupted"), attempt)
    return StandingCall(
        attempt.id, contact.id, campaign, f"+{attempt.number}", attempt.call_id, attempt.trunk, attempt.agent,
        sip, answered, connected, applied,
    )  # fmt: skip


def tend_leases(tx: WriteTransaction, at: float) -> int:
    """See `WriteTransaction.tend_leases`."""
    tx.renew()
    released = 0
    for policy in tx.store.policies():
        given = {"campaign_id": tx.store.campaign_id(policy.name), "at": at}
        rows = _EXPIRED_LEASES.one(tx.connection, given).all()
        released += claiming.release(tx, [row.contact_id for row in rows], at)
    return released


def tend_reviews(tx: WriteTransaction, at: float) -> list[Applied]:
    """See `WriteTransaction.tend_reviews`."""
    tx.renew()
    applied = []
    for policy in tx.store.policies():
        given = {"campaign_id": tx.store.campaign_id(policy.name), "at": at}
        ids = [row.attempt_id for row in _REVIEWS.one(tx.connection, given).all()]
        tx.work.load_attempts(ids)
        for attempt_id in ids:
            late = Disposition(attempt_id, UNDISPOSED, "", at)
            applied.append(disposing.dispose(tx, late, tx.attempt(attempt_id)))
    return applied


def card(tx_or_view: Any, row: Any, **changes: Any) -> CallbackCard:
    """A callback's row as a value."""
    values = {
        "callback_id": row.id,
        "contact_id": row.contact_id,
        "attempt_id": row.attempt_id,
        "campaign": tx_or_view.store.campaign_name(row.campaign_id),
        "agent": row.agent,
        "personal": bool(row.personal),
        "due_at": row.due_at,
        "expires_at": row.expires_at,
        "state": row.state,
        "note": row.note,
        "created_at": row.created_at,
        "closed_at": row.closed_at,
        "tried_at": row.tried_at,
    }
    return CallbackCard(**(values | changes))


def tend_callbacks(tx: WriteTransaction, at: float) -> list[CallbackCard]:
    """See `WriteTransaction.tend_callbacks`."""
    tx.renew()
    changed: list[CallbackCard] = []
    for policy in tx.store.policies():
        given = {"campaign_id": tx.store.campaign_id(policy.name), "at": at, "before": at - policy.callback_grace}
        late = _CALLBACKS.one(tx.connection, given).all()
        tx.work.load_contacts([row.contact_id for row in late])
        for row in late:
            contact = tx.contact(row.contact_id)
            if contact.callback_id != row.id or contact.place.state is ContactState.LEASED:
                continue  # being dialed just now
            if row.expires_at <= at:
                _expire(tx, contact, row.id, at)
                changed.append(card(tx, row, state="expired", closed_at=at))
            elif contact.place.state is ContactState.CALLBACK:
                _share(tx, contact, row.id, row.agent)
                changed.append(card(tx, row, personal=False))
    return changed


def _share(tx: WriteTransaction, contact: Contact, callback_id: int, agent: str) -> None:
    place = contact.place
    rank = contact.rank(SHARED)
    contact.place = Place(place.state, place.when, rank, SHARED, zone_id=contact.zone_id)
    _SHARE.many(tx.connection, [{"key": callback_id, "new_personal": 0, "new_agent": agent}])


def _expire(tx: WriteTransaction, contact: Contact, callback_id: int, at: float) -> None:
    policy = tx.policy_of(contact.campaign_id)
    tx.work.close_callback(callback_id, "expired", at)
    contact.callback_id, contact.dirty = None, True
    rule = policy.table.callback_expired
    if rule.next is NextState.DONE:
        settle.settle(contact, ContactState.DONE, at)
        return
    due = at + (policy.redial_delay if rule.after is None else rule.after)
    due = max(due, contact.progress.held_until)
    due = policy.earliest(tx.store.zones(contact.zone_id, tx.connection), contact.progress.times, due)
    place = Place(ContactState.WAITING, due, contact.rank(RETRY_KIND), RETRY_KIND, zone_id=contact.zone_id)
    contact.move(Move.EXPIRE if contact.place.state is ContactState.CALLBACK else Move.HOLD, place)


def reassign_callback(tx: WriteTransaction, callback_id: int, agent: str | None, at: float) -> CallbackCard:
    """See `WriteTransaction.reassign_callback`."""
    tx.flush()
    row = _CALLBACK.one(tx.connection, {"key": callback_id}).first()
    if row is None or row.state != "open":
        raise UnknownCallback(f"no open callback {callback_id}")
    contact = tx.contact(row.contact_id)
    if contact.place.state is not ContactState.CALLBACK:
        raise UnknownCallback(f"callback {callback_id} is being dialed")
    personal = agent is not None
    kind = PERSONAL if personal else SHARED
    rank = contact.rank(kind)
    contact.place = Place(ContactState.CALLBACK, contact.place.when, rank, kind, zone_id=contact.zone_id)
    new_agent = row.agent if agent is None else agent
    _SHARE.many(tx.connection, [{"key": callback_id, "new_personal": int(personal), "new_agent": new_agent}])
    return card(tx, row, personal=personal, agent=new_agent)
