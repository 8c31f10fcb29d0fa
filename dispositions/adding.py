"""New contacts: normalised, deduplicated against the campaign and among themselves, checked, made ready."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import bindparam, insert, select

from dispositions import consent, schema, withholding
from dispositions.contact import MAX_PRIORITY, AddResult, NewContact
from dispositions.errors import FieldError, NumberError, RulesError
from dispositions.fields import FieldSpec, read_fields
from dispositions.hours import zone_info
from dispositions.number import Number, Validity, digits_of, normalise, store_zones
from dispositions.policy import CampaignPolicy
from dispositions.rows import upsert
from dispositions.state import ContactState
from dispositions.statement import ByKeys, Statement
from dispositions.work import rank_of

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_n, _c = schema.number.c, schema.contact.c
_BY_NUMBER = ByKeys(
    _n.digits,
    lambda condition, dialect: select(_n.digits, _n.contact_id).where(
        condition, _n.campaign_id == bindparam("campaign_id")
    ),
)
_BY_EXTERNAL = ByKeys(
    _c.external_id,
    lambda condition, dialect: select(_c.external_id, _c.id).where(
        condition, _c.campaign_id == bindparam("campaign_id")
    ),
)
_CONTACT = Statement(insert(schema.contact), columns=[c.name for c in schema.contact.columns])
_NUMBER = Statement(insert(schema.number), columns=[c.name for c in schema.number.columns])
_READY = Statement(insert(schema.ready), columns=[c.name for c in schema.ready.columns])
_SETTLED = Statement(insert(schema.settled), columns=[c.name for c in schema.settled.columns])
_ZONE = Statement(
    lambda dialect: upsert(schema.campaign_zone, ["campaign_id", "zone_id"], dialect),
    columns=("campaign_id", "zone_id"),
)

digits = digits_of


@dataclass(slots=True)
class _Candidate:
    position: int
    new: NewContact
    numbers: list[Number]
    fields: str


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
    """See `WriteTransaction.add_contacts`.

    A number that another contact of the campaign has is dropped from the new one; a contact left without any is the
    duplicate. So the same file again adds nothing, and two people of one household keep the numbers of their own."""
    policy = tx.store.policy(campaign)
    campaign_id = tx.store.campaign_id(campaign)
    listed = policy.lists.get(list_name)
    specs = listed.fields if listed is not None else {}
    results: list[AddResult | None] = [None] * len(contacts)
    candidates = []
    for position, new in enumerate(contacts):
        found = _candidate(position, new, policy, validity, default_zone, specs)
        if isinstance(found, AddResult):
            results[position] = found
        else:
            candidates.append(found)
    tx.flush()
    tx.store.do_not_call.refresh(tx.connection)
    given = {"campaign_id": campaign_id}
    all_digits = list({number.digits for one in candidates for number in one.numbers})
    held = {row[0]: row[1] for row in _BY_NUMBER.all(tx.connection, all_digits, given)}
    externals = list({one.new.external_id for one in candidates if one.new.external_id is not None})
    known = {row[0]: row[1] for row in _BY_EXTERNAL.all(tx.connection, externals, given)}
    kept: list[_Candidate] = []
    for one in candidates:
        verdict = _verdict(tx, one, policy, held, known)
        if verdict is not None:
            results[one.position] = verdict
            continue
        kept.append(one)
        # the id is not known yet: count from the end, mended below
        for number in one.numbers:
            held[number.digits] = -len(kept)
        if one.new.external_id is not None:
            known[one.new.external_id] = -len(kept)
    first = _write(tx, policy, list_name, kept, at)
    for n, one in enumerate(kept):
        results[one.position] = AddResult("added", first + n)
    return [_mended(result, first) for result in results]


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


def _mended(result: AddResult | None, first: int) -> AddResult:
    assert result is not None
    if result.contact_id is not None and result.contact_id < 0:
        return AddResult(result.status, first - result.contact_id - 1, result.reason)
    return result


def _candidate(
    position: int,
    new: NewContact,
    policy: CampaignPolicy,
    validity: Validity,
    default_zone: str | None,
    specs: Mapping[str, FieldSpec],
) -> _Candidate | AddResult:
    if not -MAX_PRIORITY <= new.priority <= MAX_PRIORITY:
        return AddResult("rejected", reason="bad_priority")
    if new.zone is not None:
        try:
            zone_info(new.zone)
        except RulesError:
            return AddResult("rejected", reason="bad_zone")
    values: Mapping[str, Any] = new.fields
    if specs:
        try:
            values = read_fields(specs, values)
        except FieldError as error:
            return AddResult("rejected", reason=f"bad_field {error.field}")
    try:
        fields = json.dumps(dict(values), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return AddResult("rejected", reason="bad_fields")
    if "\x00" in fields or "\\u0000" in fields or "\x00" in (new.external_id or ""):
        return AddResult("rejected", reason="bad_fields")  # PostgreSQL takes no NUL in a text
    numbers: dict[int, Number] = {}
    reason = "empty"
    fallback = default_zone or policy.rules.timezone
    for text in new.numbers:
        if isinstance(text, Number):
            number = text
        else:
            try:
                number = normalise(text, policy.region, validity=validity, zone=new.zone, default_zone=fallback)
            except NumberError as error:
                reason = error.reason if reason == "empty" else reason
                continue
        numbers.setdefault(number.digits, number)
    if not numbers:
        return AddResult("rejected", reason=reason)
    return _Candidate(position, new, list(numbers.values()), fields)


def _text_of(fields: Mapping[str, Any]) -> str:
    """The fields as they are kept. Raises TypeError or ValueError for what is no JSON."""
    plain = dict(fields)
    if all(type(value) is str for value in plain.values()):  # a list's columns: a quarter of the time of an import
        return orjson.dumps(plain).decode()
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _verdict(
    tx: WriteTransaction,
    one: _Candidate,
    policy: CampaignPolicy,
    held: dict[int, int],
    known: dict[str, int],
) -> AddResult | None:
    """None when the contact is to be added, with `one.numbers` cut to those that it may have."""
    if one.new.external_id is not None and one.new.external_id in known:
        return AddResult("duplicate", known[one.new.external_id], "external_id")
    own = [number for number in one.numbers if number.digits not in held]
    if not own:
        return AddResult("duplicate", held[one.numbers[0].digits], "number")
    one.numbers = [number for number in own if not tx.blocked(number.digits, policy)]
    return None if one.numbers else AddResult("do_not_call", reason="do_not_call")


def _write(tx: WriteTransaction, policy: CampaignPolicy, list_name: str, kept: list[_Candidate], at: float) -> int:
    if not kept:
        return 0
    store = tx.store
    campaign_id = store.campaign_id(policy.name)
    slot = store.new_slot(tx.connection, campaign_id, list_name)
    withheld: list[dict[str, Any]] = []
    grounds: list[dict[str, Any]] = []
    first = store.counter("contact", tx.connection, len(kept)) - len(kept) + 1
    contacts: list[dict[str, Any]] = []
    numbers: list[dict[str, Any]] = []
    ready: list[dict[str, Any]] = []
    zones: dict[tuple[str, ...], int] = {}
    for contact_id, one in enumerate(kept, first):
        for position, number in enumerate(one.numbers):
            zone_id = zones.get(number.zones)
            if zone_id is None:
                zone_id = zones[number.zones] = store.zone_id(store_zones(number.zones), tx.connection)
            numbers.append(
                {
                    "campaign_id": campaign_id,
                    "digits": number.digits,
                    "contact_id": contact_id,
                    "position": position,
                    "zone_id": zone_id,
                    "kind": number.kind,
                    "status": "ok",
                    "invalid": 0,
                    "answered_at": None,
                }
            )
        current = one.numbers[0]
        zone_id = zones[current.zones]
        contacts.append(
            {
                "id": contact_id,
                "campaign_id": campaign_id,
                "list": list_name,
                "external_id": one.new.external_id,
                "number": current.digits,
                "numbers": len(one.numbers),
                "zone_id": zone_id,
                "priority": one.new.priority,
                "attempts": 0,
                "progress": "{}",
                "callback_id": None,
                "fields": one.fields,
                "added_at": at,
            }
        )
        if one.new.consent is not None:
            grounds.append(consent.row_of(contact_id, campaign_id, one.new.consent, at))
        aside = _withheld(policy, one, list_name, at)
        if aside is not None:
            withheld.append({"contact_id": contact_id, "campaign_id": campaign_id, "state": str(aside), "at": at})
            continue
        rank = rank_of("fresh", one.new.priority, slot)
        ready.append({"campaign_id": campaign_id, "zone_id": zone_id, "rank": rank, "contact_id": contact_id})
    _ZONE.many(tx.connection, [{"campaign_id": campaign_id, "zone_id": zone} for zone in set(zones.values())])
    _CONTACT.many(tx.connection, contacts)
    _NUMBER.many(tx.connection, numbers)
    _READY.many(tx.connection, ready)
    _SETTLED.many(tx.connection, withheld)
    consent.save(tx.connection, grounds)
    return first


def _withheld(policy: CampaignPolicy, one: _Candidate, list_name: str, at: float) -> ContactState | None:
    """Where a new contact that must not be dialed as things are belongs."""
    if policy.consent is not None and not policy.consent.allows(one.new.consent, at):
        return ContactState.NO_CONSENT
    if policy.filter is None:
        return None
    new = one.new
    look = withholding.look_at(
        json.loads(one.fields), one.numbers[0].digits, list_name, new.external_id, new.priority, 0
    )
    return None if policy.filter.holds(look) else ContactState.FILTERED
