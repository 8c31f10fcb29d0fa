"""A contact on its way into the store: checked and normalised, but not yet compared with those that are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from dispositions.consent import Consent
from dispositions.contact import MAX_PRIORITY, NewContact
from dispositions.errors import FieldError, NumberError, RulesError
from dispositions.fields import FieldSpec, read_fields
from dispositions.hours import zone_info
from dispositions.number import Number, Validity, normalise
from dispositions.policy import CampaignPolicy


class Candidate(NamedTuple):
    """`fields`: as they are kept, JSON. `numbers`: at least one, each once. `ground`: the lawful basis."""

    external_id: str | None
    fields: str
    priority: int
    ground: Consent | None
    numbers: tuple[Number, ...]


def specs_of(policy: CampaignPolicy, list_name: str) -> Mapping[str, FieldSpec]:
    """The types of a list's fields."""
    listed = policy.lists.get(list_name)
    return {} if listed is None else listed.fields


def of_contact(
    new: NewContact,
    policy: CampaignPolicy,
    specs: Mapping[str, FieldSpec],
    *,
    validity: Validity = "valid",
    default_zone: str | None = None,
) -> Candidate | str:
    """The candidate, or the reason (`AddResult.reason`) why it can be none."""
    if not -MAX_PRIORITY <= new.priority <= MAX_PRIORITY:
        return "bad_priority"
    if new.zone is not None:
        try:
            zone_info(new.zone)
        except RulesError:
            return "bad_zone"
    values: Mapping[str, Any] = new.fields
    if specs:
        try:
            values = read_fields(specs, values)
        except FieldError as error:
            return f"bad_field {error.field}"
    try:
        fields = _text_of(values)
        if new.external_id is not None:
            new.external_id.encode()  # no lone surrogates
    except (TypeError, ValueError):
        return "bad_fields"
    if "\x00" in fields or "\\u0000" in fields or "\x00" in (new.external_id or ""):
        return "bad_fields"  # PostgreSQL takes no NUL in a text
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
        return reason
    return Candidate(new.external_id, fields, new.priority, new.consent, tuple(numbers.values()))


def _text_of(fields: Mapping[str, Any]) -> str:
    """The fields as they are kept. Raises TypeError or ValueError for what is no JSON."""
    plain = dict(fields)
    if all(type(value) is str for value in plain.values()):
        return orjson.dumps(plain).decode()
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode()  # no lone surrogates
    return text
