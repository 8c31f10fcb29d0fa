"""Contacts that must not be dialed as things are: no lawful basis on record, or not what the campaign's filter wants.

They stand apart in a settled state, so that no claim ever looks at them, and come back when consent is recorded or the
campaign's settings change. A callback that was promised to the customer is exempt from both: the customer asked for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from dispositions import changes, consent, schema
from dispositions.changes import Change
from dispositions.consent import Consent, ConsentRule
from dispositions.expression import Filter, Look
from dispositions.policy import CampaignPolicy
from dispositions.state import WITHHELD, ContactState, Move
from dispositions.statement import Statement
from dispositions.work import RETRY_KIND, Contact, Place

if TYPE_CHECKING:
    from dispositions.store import Store
    from dispositions.transaction import WriteTransaction

CHUNK = 2000
"""Contacts looked at in one transaction of a review."""
REVIEWED_KEY = "reviewed/"

_s, _r = schema.settled.c, schema.ready.c
_HELD = Statement(
    select(_s.contact_id)
    .where(
        _s.campaign_id == bindparam("campaign_id"),
        _s.state == bindparam("state"),
        _s.contact_id > bindparam("after"),
    )
    .order_by(_s.contact_id)
    .limit(CHUNK)
)
_ALL = Statement(
    select(schema.contact.c.id)
    .where(schema.contact.c.campaign_id == bindparam("campaign_id"), schema.contact.c.id > bindparam("after"))
    .order_by(schema.contact.c.id)
    .limit(CHUNK)
)


def reason(policy: CampaignPolicy, contact: Contact, ground: Consent | None, at: float) -> ContactState | None:
    """The state that it belongs in as things are; None when it may be dialed. A promised callback always may."""
    if contact.callback_id is not None:
        return None
    if policy.consent is not None and not policy.consent.allows(ground, at):
        return ContactState.NO_CONSENT
    if policy.filter is not None and not policy.filter.holds(looker(contact)):
        return ContactState.FILTERED
    return None


def looker(contact: Contact) -> Look:
    """How a filter sees a stored contact."""
    return look_at(
        json.loads(contact.fields), contact.number, contact.list_name, contact.external_id, contact.priority,
        contact.attempts,
    )  # fmt: skip


def look_at(
    fields: Mapping[str, Any], number: int, list_name: str, external_id: str | None, priority: int, attempts: int
) -> Look:
    """How a filter sees a contact with these values; the names are `expression.NAMES`."""

    def look(name: str) -> Any:
        if name.startswith("fields."):
            return fields.get(name[7:])
        match name:
            case "number":
                return f"+{number}"
            case "country" | "kind":
                return plan_of(number)[name == "kind"]
            case "region":
                return fields["region"] if "region" in fields else plan_of(number)[0]
            case "language":
                return fields.get("language")
            case "list":
                return list_name
            case "id":
                return external_id
            case "priority":
                return priority
            case _:
                return attempts

    return look


def plan_of(number: int) -> tuple[str, str]:
    """(country, kind) of a number by its digits; empty and `other` where the numbering plan does not say."""
    from dispositions.errors import NumberError
    from dispositions.number import normalise

    try:
        found = normalise(f"+{number}", validity="possible", default_zone="UTC")
    except NumberError:
        return "", "other"
    return found.region, found.kind


def withhold(contact: Contact, state: ContactState, at: float) -> None:
    """Put a ready or waiting contact aside."""
    contact.move(Move.NO_CONSENT if state is ContactState.NO_CONSENT else Move.FILTER, Place(state, at))


def admit(contact: Contact, at: float) -> None:
    """Back to the list, by way of the waiting table: the next claim looks at caps and hours."""
    origin = RETRY_KIND if contact.attempts else "fresh"
    place = Place(ContactState.WAITING, at, contact.rank(origin), RETRY_KIND, zone_id=contact.zone_id)
    contact.move(Move.ADMIT, place)


def record_consent(tx: WriteTransaction, contact_id: int, ground: Consent | None, who: str, at: float) -> None:
    """See `WriteTransaction.record_consent`."""
    contact = tx.contact(contact_id)
    before = consent.of_contacts(tx.connection, [contact_id]).get(contact_id)
    if ground is None:
        consent.forget(tx.connection, [contact_id])
        change = Change(contact_id, at, "consent_withdrawn", who, old=None if before is None else before.basis)
    else:
        consent.save(tx.connection, [consent.row_of(contact_id, contact.campaign_id, ground, at)])
        change = Change(
            contact_id, at, "consent", who, ground.source, None if before is None else before.basis, ground.basis
        )
    changes.record(tx, contact.campaign_id, [change])
    review(tx, contact, tx.policy_of(contact.campaign_id), ground, at)


def review(tx: WriteTransaction, contact: Contact, policy: CampaignPolicy, ground: Consent | None, at: float) -> bool:
    """Whether the contact moved to where it belongs as things are now."""
    wanted = reason(policy, contact, ground, at)
    state = contact.place.state
    if state in WITHHELD:
        if wanted is None:
            admit(contact, at)
        elif wanted is not state:
            contact.place = Place(wanted, at)
        return wanted is not state
    if wanted is None or state not in (ContactState.READY, ContactState.WAITING):
        return False
    if state is ContactState.WAITING and wanted is ContactState.FILTERED:
        return False  # the claim that finds it due looks again
    withhold(contact, wanted, at)
    return True


def settings_of(policy: CampaignPolicy) -> dict[str, Any]:
    """What decides about withholding, as JSON, to see whether it has changed."""
    rule: ConsentRule | None = policy.consent
    wanted: Filter | None = policy.filter
    return {
        "filter": None if wanted is None else wanted.text,
        "consent": None if rule is None else [sorted(rule.bases), rule.lifetime],
    }


def review_campaign(store: Store, campaign: str, at: float, *, force: bool = False) -> int:
    """After a change of a campaign's filter or consent rule: every contact goes where it belongs now; how many moved.
    Does nothing when they are as at the last time (unless `force`). In transactions of some thousand contacts, so
    that a campaign that is being dialed goes on; an end in between leaves the rest for the next time. Until it is
    through, each claim still looks for itself. Raises `UnknownCampaign`, `StoreUnavailable`."""
    policy = store.policy(campaign)
    campaign_id = store.campaign_id(campaign)
    key = f"{REVIEWED_KEY}{campaign}"
    wanted = settings_of(policy)
    with store.read() as view:
        known = view.load_state(key)
    nothing = {"filter": None, "consent": None}
    if not force and (known if known is not None else nothing) == wanted:
        return 0
    moved = 0
    for statement, states in ((_HELD, tuple(WITHHELD)), (_ALL, (None,))):
        if statement is _ALL and wanted == nothing:
            continue
        for state in states:
            after = 0
            while True:
                given = {"campaign_id": campaign_id, "after": after, "state": str(state)}
                with store.write() as tx:
                    found = [row[0] for row in statement.rows(tx.connection, given)]
                    moved += _review_some(tx, policy, found, at)
                if len(found) < CHUNK:
                    break
                after = found[-1]
    with store.write() as tx:
        tx.save_state(key, wanted)
    return moved


def _review_some(tx: WriteTransaction, policy: CampaignPolicy, contact_ids: Sequence[int], at: float) -> int:
    tx.work.load_contacts(contact_ids)
    grounds = consent.of_contacts(tx.connection, contact_ids) if policy.consent is not None else {}
    return sum(review(tx, tx.work.contacts[key], policy, grounds.get(key), at) for key in contact_ids)
