"""New contacts: deduplicated against the campaign and among themselves, checked, made ready."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import bindparam

from dispositions import schema, withholding
from dispositions.bulk import Among, Bulk
from dispositions.candidate import Candidate, of_contact, specs_of
from dispositions.consent import Consent
from dispositions.contact import AddResult, NewContact
from dispositions.errors import NumberError
from dispositions.number import Number, Validity, normalise, store_zones
from dispositions.policy import CampaignPolicy
from dispositions.rows import upsert
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.work import rank_of

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_n, _c = schema.number.c, schema.contact.c
_BY_NUMBER = Among(_n.digits, _n.contact_id, _n.campaign_id == bindparam("campaign_id"))
_BY_EXTERNAL = Among(_c.external_id, _c.id, _c.campaign_id == bindparam("campaign_id"))
_CONTACTS = Bulk(schema.contact)
_NUMBERS = Bulk(schema.number)
_READY = Bulk(schema.ready)
_SETTLED = Bulk(schema.settled)
_GROUNDS = Bulk(schema.consent)
_ZONE = Statement(
    lambda dialect: upsert(schema.campaign_zone, ["campaign_id", "zone_id"], dialect),
    columns=("campaign_id", "zone_id"),
)

Entered: TypeAlias = tuple[Literal["added", "duplicate", "do_not_call"], int | None, str]
"""What became of one candidate, in the order of the attributes of `AddResult`."""
_Row: TypeAlias = tuple[Any, ...]


def add_contacts(
    tx: WriteTransaction,
    campaign: str,
    list_name: str,
    contacts: Sequence[NewContact],
    at: float,
    *,
    validity: Validity = "valid",
    default_zone: str | None = None,
) -> list[AddResult]:
    """See `WriteTransaction.add_contacts` and `enter`."""
    policy = tx.store.policy(campaign)
    specs = specs_of(policy, list_name)
    made = [of_contact(new, policy, specs, validity=validity, default_zone=default_zone) for new in contacts]
    entered = iter(enter(tx, campaign, list_name, [one for one in made if not isinstance(one, str)], at))
    return [AddResult("rejected", reason=one) if isinstance(one, str) else AddResult(*next(entered)) for one in made]


def enter(
    tx: WriteTransaction, campaign: str, list_name: str, candidates: Sequence[Candidate], at: float
) -> list[Entered]:
    """Add the candidates that the campaign does not have; one result each, in order.

    A number that another contact of the campaign has is dropped from the new one; a contact left without any is the
    duplicate. So the same file again adds nothing, and two people of one household keep the numbers of their own."""
    policy = tx.store.policy(campaign)
    campaign_id = tx.store.campaign_id(campaign)
    tx.flush()
    tx.store.do_not_call.refresh(tx.connection)
    wanted = {line[0] for one in candidates for line in one[4]}
    in_order = sorted(wanted)  # neighbours lie on the same page
    held: dict[int, int] = _BY_NUMBER.find(tx.connection, in_order, campaign_id=campaign_id)
    externals = {one[0] for one in candidates if one[0] is not None}
    known: dict[str, int] = _BY_EXTERNAL.find(tx.connection, externals, campaign_id=campaign_id)
    forbidden = _forbidden(tx, in_order, policy)
    results: list[Entered] = []
    kept: list[Candidate] = []
    for one in candidates:
        external_id, fields, priority, ground, lines = one
        if external_id is not None and external_id in known:
            results.append(("duplicate", known[external_id], "external_id"))
            continue
        own = [line for line in lines if line[0] not in held]
        if not own:
            results.append(("duplicate", held[lines[0][0]], "number"))
            continue
        if forbidden:
            own = [line for line in own if line[0] not in forbidden]
            if not own:
                results.append(("do_not_call", None, "do_not_call"))
                continue
        kept.append((external_id, fields, priority, ground, tuple(own)))
        mark = -len(kept)  # the id is not known yet: counted from the end, mended below
        results.append(("added", mark, ""))
        for line in own:
            held[line[0]] = mark
        if external_id is not None:
            known[external_id] = mark
    first = _write(tx, policy, list_name, kept, at)
    return [one if one[1] is None or one[1] > 0 else (one[0], first - one[1] - 1, one[2]) for one in results]


def _forbidden(tx: WriteTransaction, wanted: Sequence[int], policy: CampaignPolicy) -> set[int]:
    """Which of these numbers are on do-not-call lists that bind the campaign, this transaction's own marks
    included."""
    lists = tx.store.lists_of(policy)
    found = tx.store.do_not_call.among(wanted, lists)
    for name, marked in tx.forbidden:
        if name in lists:
            found.update(set(marked).intersection(wanted))
    return found


def normalised(contacts: Sequence[NewContact], policy: CampaignPolicy) -> list[NewContact]:
    """The same contacts with their numbers read, so that `add_contacts` has only rows to write in its transaction.
    Texts that are no numbers stay as they are, for it to refuse."""
    return [replace(new, numbers=[_read(text, new, policy) for text in new.numbers]) for new in contacts]


def _read(text: str | Number, new: NewContact, policy: CampaignPolicy) -> str | Number:
    if isinstance(text, Number):
        return text
    try:
        return normalise(text, policy.region, zone=new.zone, default_zone=policy.rules.timezone)
    except NumberError:
        return text


def _write(tx: WriteTransaction, policy: CampaignPolicy, list_name: str, kept: list[Candidate], at: float) -> int:
    """The rows of the new contacts; the id of the first, from which the others count on."""
    if not kept:
        return 0
    store = tx.store
    campaign_id = store.campaign_id(policy.name)
    slot = store.new_slot(tx.connection, campaign_id, list_name)
    first = store.counter("contact", tx.connection, len(kept)) - len(kept) + 1
    contacts: list[_Row] = []
    numbers: list[_Row] = []
    ready: list[_Row] = []
    withheld: list[_Row] = []
    grounds: list[_Row] = []
    zones: dict[tuple[str, ...], int] = {}
    ranks: dict[int, int] = {}
    looks = policy.consent is not None or policy.filter is not None
    for contact_id, one in enumerate(kept, first):
        external_id, fields, priority, ground, own = one
        for position, (digits, names, kind) in enumerate(own):
            zone_id = zones.get(names)
            if zone_id is None:
                zone_id = zones[names] = store.zone_id(store_zones(names), tx.connection)
            numbers.append((campaign_id, digits, contact_id, position, zone_id, kind, "ok", 0, None))
        current, names, _ = own[0]
        zone_id = zones[names]
        contacts.append(
            (
                contact_id, campaign_id, list_name, external_id, current, len(own), zone_id, priority,
                0, "{}", None, fields, at,
            )
        )  # fmt: skip
        if ground is not None:
            grounds.append(_ground(contact_id, campaign_id, ground, at))
        aside = _withheld(policy, one, list_name, at) if looks else None
        if aside is not None:
            withheld.append((contact_id, campaign_id, str(aside), at))
            continue
        rank = ranks.get(priority)
        if rank is None:
            rank = ranks[priority] = rank_of("fresh", priority, slot)
        ready.append((campaign_id, zone_id, rank, contact_id))
    _ZONE.many(tx.connection, [{"campaign_id": campaign_id, "zone_id": zone} for zone in set(zones.values())])
    _CONTACTS.insert(tx.connection, contacts)
    numbers.sort()  # neighbours lie on the same page
    _NUMBERS.insert(tx.connection, numbers)
    _READY.insert(tx.connection, ready)
    _SETTLED.insert(tx.connection, withheld)
    _GROUNDS.insert(tx.connection, grounds)
    return first


def _ground(contact_id: int, campaign_id: int, ground: Consent, at: float) -> _Row:
    return contact_id, campaign_id, ground.basis, ground.given_at, ground.source, ground.expires_at, at


def _withheld(policy: CampaignPolicy, one: Candidate, list_name: str, at: float) -> ContactState | None:
    """Where a new contact that must not be dialed as things are belongs."""
    if policy.consent is not None and not policy.consent.allows(one[3], at):
        return ContactState.NO_CONSENT
    if policy.filter is None:
        return None
    external_id, fields, priority, _, lines = one
    look = withholding.look_at(json.loads(fields), lines[0][0], list_name, external_id, priority, 0)
    return None if policy.filter.holds(look) else ContactState.FILTERED
