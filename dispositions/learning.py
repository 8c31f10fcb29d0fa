"""What calls teach about a contact's numbers: the one at which a person answered goes first, one that is invalid again
and again is retired, one that has changed is replaced, and an agent may bring a new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from dispositions import changes, priority, schema, settle
from dispositions.changes import Change
from dispositions.errors import ArgumentError, FieldError, NumberError
from dispositions.fields import FieldSpec, read_fields
from dispositions.number import Number, normalise, store_zones
from dispositions.outcome import PERSON, Outcome
from dispositions.policy import CampaignPolicy
from dispositions.rows import upsert
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.work import Attempt, Contact

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

MOST_NUMBERS = 20
"""Numbers of one contact."""

_n, _c = schema.number.c, schema.contact.c
_KEY = (_n.campaign_id == bindparam("key_campaign"), _n.digits == bindparam("key_digits"))
_INVALID = Statement(update(schema.number).where(*_KEY).values(invalid=bindparam("new_invalid")))
_ANSWERED = Statement(update(schema.number).where(*_KEY).values(answered_at=bindparam("new_answered_at"), invalid=0))
_PLACE = Statement(update(schema.number).where(*_KEY).values(position=bindparam("new_position")))
_HOLDER = Statement(
    select(_n.contact_id).where(_n.campaign_id == bindparam("campaign_id"), _n.digits == bindparam("digits"))
)
_NEW = Statement(insert(schema.number), columns=[column.name for column in schema.number.columns])
_ZONE = Statement(
    lambda dialect: upsert(schema.campaign_zone, ["campaign_id", "zone_id"], dialect),
    columns=("campaign_id", "zone_id"),
)
_COUNT = Statement(update(schema.contact).where(_c.id == bindparam("key")).values(numbers=bindparam("new_numbers")))
_FIELDS = Statement(update(schema.contact).where(_c.id == bindparam("key")).values(fields=bindparam("new_fields")))


def _rows(tx: WriteTransaction, contact: Contact) -> list[Any]:
    return list(settle.NUMBERS.one(tx.connection, {"contact_id": contact.id}))


def _key(contact: Contact, digits: int) -> dict[str, int]:
    return {"key_campaign": contact.campaign_id, "key_digits": digits}


def learn(tx: WriteTransaction, contact: Contact, attempt: Attempt, outcome: Outcome, at: float) -> None:
    """After an attempt has ended and before the table decides what follows."""
    if outcome is Outcome.INVALID:
        row = next((row for row in _rows(tx, contact) if row.digits == attempt.number), None)
        if row is not None:
            _INVALID.many(tx.connection, [_key(contact, attempt.number) | {"new_invalid": row.invalid + 1}])
        return
    if contact.progress.results.get(Outcome.INVALID):
        _INVALID.many(tx.connection, [_key(contact, attempt.number) | {"new_invalid": 0}])
    # an agent who brought another number during the call knows better
    if outcome in PERSON and contact.numbers > 1 and contact.number == attempt.number:
        _first(tx, contact, attempt.number, at)


def _first(tx: WriteTransaction, contact: Contact, digits: int, at: float) -> None:
    rows = _rows(tx, contact)
    _ANSWERED.many(tx.connection, [_key(contact, digits) | {"new_answered_at": at}])
    if rows and rows[0].digits != digits and any(row.digits == digits for row in rows):
        _PLACE.many(tx.connection, [_key(contact, digits) | {"new_position": rows[0].position - 1}])
        change = Change(contact.id, at, "number_first", "network", f"+{digits}", f"+{rows[0].digits}", f"+{digits}")
        changes.record(tx, contact.campaign_id, [change])


def invalid_in_a_row(tx: WriteTransaction, contact: Contact, digits: int) -> int:
    """How often in a row the network called this number invalid."""
    return next((row.invalid for row in _rows(tx, contact) if row.digits == digits), 0)


def moved(tx: WriteTransaction, contact: Contact, attempt: Attempt, announced: str, at: float) -> bool:
    """The network said that the number has changed: the old one is retired, the new one goes first. False when what
    was announced is no number that we may dial, or is another contact's."""
    policy = tx.policy_of(contact.campaign_id)
    try:
        add_numbers(tx, contact, [announced], policy, "network", at, instead_of=attempt.number)
    except ArgumentError:
        return False
    return True


def add_numbers(
    tx: WriteTransaction,
    contact: Contact,
    texts: Sequence[str],
    policy: CampaignPolicy,
    who: str,
    at: float,
    *,
    instead_of: int | None = None,
) -> None:
    """New numbers, to be dialed first in the order given; one that the contact has already goes first and is usable
    again. `instead_of`: this one is retired for it. Raises `ArgumentError` with nothing changed."""
    found = [_checked(tx, contact, text, policy) for text in texts]
    rows = _rows(tx, contact)
    known = {row.digits: row for row in rows}
    fresh = [number for number in found if number.digits not in known]
    if len(rows) + len(fresh) > MOST_NUMBERS:
        raise ArgumentError(f"contact {contact.id} would have more than {MOST_NUMBERS} numbers")
    told: list[Change] = []
    position = min((row.position for row in rows), default=0)
    for number in reversed(found):
        position -= 1
        _enter(tx, contact, number, position, number.digits in known)
        if number.digits not in known:
            known[number.digits] = None
            told.append(Change(contact.id, at, "number_added", who, number.e164, None, number.kind))
    if fresh:
        contact.numbers = len(known)
        _COUNT.many(tx.connection, [{"key": contact.id, "new_numbers": contact.numbers}])
    if instead_of is not None and instead_of != found[0].digits:
        settle.mark_number(tx, contact, instead_of, "bad")
        told.append(Change(contact.id, at, "number_moved", who, f"+{instead_of}", f"+{instead_of}", found[0].e164))
    changes.record(tx, contact.campaign_id, told)
    contact.number, contact.dirty = found[0].digits, True
    contact.zone_id = tx.store.zone_id(store_zones(found[0].zones), tx.connection)
    state = contact.place.state
    if state is ContactState.BAD_NUMBER:
        settle.wait(contact, policy.earliest(found[0].zones, contact.progress.times, at))
    elif state in (ContactState.READY, ContactState.WAITING, ContactState.CALLBACK):
        settle.restand(contact, at)


def _checked(tx: WriteTransaction, contact: Contact, text: str, policy: CampaignPolicy) -> Number:
    try:
        number = normalise(text, policy.region, validity="possible", default_zone=policy.rules.timezone)
    except NumberError as error:
        raise ArgumentError(f"{text[:40]!r} is no number that may be dialed: {error.reason}") from None
    holder = _HOLDER.one(tx.connection, {"campaign_id": contact.campaign_id, "digits": number.digits}).scalar()
    if holder is not None and holder != contact.id:
        raise ArgumentError(f"{number.e164} is the number of another contact, {holder}")
    if tx.blocked(number.digits, policy):
        raise ArgumentError(f"{number.e164} is on a do-not-call list")
    return number


def _enter(tx: WriteTransaction, contact: Contact, number: Number, position: int, known: bool) -> None:
    if known:
        _PLACE.many(tx.connection, [_key(contact, number.digits) | {"new_position": position}])
        _INVALID.many(tx.connection, [_key(contact, number.digits) | {"new_invalid": 0}])
        settle.mark_number(tx, contact, number.digits, "ok")
        return
    zone_id = tx.store.zone_id(store_zones(number.zones), tx.connection)
    _ZONE.many(tx.connection, [{"campaign_id": contact.campaign_id, "zone_id": zone_id}])
    row = {
        "campaign_id": contact.campaign_id, "digits": number.digits, "contact_id": contact.id, "position": position,
        "zone_id": zone_id, "kind": number.kind, "status": "ok", "invalid": 0, "answered_at": None,
    }  # fmt: skip
    _NEW.many(tx.connection, [row])


def correct(
    tx: WriteTransaction,
    contact: Contact,
    fields: Mapping[str, Any],
    numbers: Sequence[str],
    who: str,
    at: float,
    rank: int | None = None,
) -> int:
    """Write corrections back to the contact; how many fields and numbers, and its priority (`rank`), differ. A field
    set to None is taken out. Raises `ArgumentError` (a value that does not fit its type, too) with nothing changed."""
    if rank is not None:
        priority.check(rank)
    policy = tx.policy_of(contact.campaign_id)
    listed = policy.lists.get(contact.list_name)
    values: Mapping[str, Any] = fields if listed is None else typed(listed.fields, fields)
    before = json.loads(contact.fields)
    differing = {name: value for name, value in values.items() if before.get(name) != value}
    if differing:
        merged = {name: value for name, value in {**before, **differing}.items() if value is not None}
        try:
            text = json.dumps(merged, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"fields are not JSON: {error}") from error
        if "\x00" in text or "\\u0000" in text:
            raise ArgumentError("fields hold a NUL")
    if numbers:
        add_numbers(tx, contact, numbers, policy, who, at)
    if differing:
        contact.fields = text
        _FIELDS.many(tx.connection, [{"key": contact.id, "new_fields": text}])
        told = [
            Change(contact.id, at, "field", who, name, shown(before.get(name)), shown(value))
            for name, value in differing.items()
        ]
        changes.record(tx, contact.campaign_id, told)
    ranked = rank is not None and priority.change(tx, contact, rank, who, at)
    return len(differing) + len(numbers) + ranked


def typed(specs: Mapping[str, FieldSpec], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Some fields of a contact as their types want them. Raises `ArgumentError`."""
    try:
        return read_fields(specs, fields, partly=True)
    except FieldError as error:
        raise ArgumentError(str(error)) from None


def digits_held(tx: WriteTransaction, contact: Contact) -> set[int]:
    """All numbers that the contact has, retired ones too."""
    return {row.digits for row in _rows(tx, contact)}


def shown(value: Any) -> str | None:
    """A field's value in the history."""
    return None if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
