"""A contact on its way into the store: checked and normalised, but not yet compared with those that are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

from dispositions.consent import Consent
from dispositions.contact import MAX_PRIORITY, NewContact
from dispositions.errors import FieldError, NumberError, RulesError
from dispositions.fields import FieldSpec, read_fields
from dispositions.hours import zone_info
from dispositions.number import Number, Validity, normalise
from dispositions.policy import CampaignPolicy

Line: TypeAlias = tuple[int, tuple[str, ...], str]
"""What is kept of a `Number`: its digits, zones and kind."""
Candidate: TypeAlias = tuple[str | None, str, int, Consent | None, tuple[Line, ...]]
"""External id, fields as they are kept (JSON), priority, lawful basis, and at least one line, each number once.

Plain tuples: an import makes millions of them, and takes them from one process to another."""


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
    lines: dict[int, Line] = {}
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
        lines.setdefault(number.digits, number[:3])
    if not lines:
        return reason
    return new.external_id, fields, new.priority, new.consent, tuple(lines.values())


def _text_of(fields: Mapping[str, Any]) -> str:
    """The fields as they are kept. Raises TypeError or ValueError for what is no JSON."""
    plain = dict(fields)
    if all(type(part) is str for pair in plain.items() for part in pair):  # not its subclasses, which are refused
        return orjson.dumps(plain).decode()
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode()  # no lone surrogates
    return text
