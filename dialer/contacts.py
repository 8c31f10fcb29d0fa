"""Contacts as companies send them through the API: a JSON object -> `NewContact`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dialer.commands import CommandError
from dispositions import AddResult, Consent, FieldError, NewContact
from dispositions.consent import BASES
from dispositions.ground import instant

#: Keys with a meaning of their own; all others are kept as fields.
KNOWN = ("number", "numbers", "id", "priority", "timezone", "fields", "consent")


def read_contacts(records: Sequence[Any]) -> tuple[dict[int, NewContact], dict[int, AddResult]]:
    """By their places in the request: the contacts that can be read, and why the others cannot."""
    good: dict[int, NewContact] = {}
    refused: dict[int, AddResult] = {}
    for index, record in enumerate(records):
        try:
            good[index] = new_contact(index, record)
        except CommandError as error:
            refused[index] = AddResult("rejected", reason=error.message)
    return good, refused


def told(results: Mapping[int, AddResult]) -> dict[str, Any]:
    """The answer to the request: how many became what, and each in its place."""
    counts = Counter(result.status for result in results.values())
    return {
        **{status: counts[status] for status in ("added", "duplicate", "do_not_call", "rejected")},
        "results": [
            {"status": r.status, "contact": r.contact_id, **({"reason": r.reason} if r.reason else {})}
            for _, r in sorted(results.items())
        ],
    }


def new_contact(index: int, record: Mapping[str, Any]) -> NewContact:
    """The contact in `record`; `number` or `numbers`, and optionally `id`, `priority`, `timezone`, `consent`, `fields`
    and any further keys.

    Raises CommandError that names the contact's place in the request.
    """
    numbers = record.get("numbers", record.get("number"))
    if isinstance(numbers, str):
        numbers = [numbers]
    if (
        not isinstance(numbers, list)
        or not numbers
        or not all(isinstance(n, str) and 0 < len(n) <= 40 for n in numbers)
    ):
        raise _wrong(index, "number", "a phone number as text, or `numbers` as a list of them")
    if len(numbers) > 10:
        raise _wrong(index, "numbers", "at most 10 numbers")
    external = record.get("id")
    if isinstance(external, int) and not isinstance(external, bool):
        external = str(external)
    if external is not None and (not isinstance(external, str) or not 0 < len(external) <= 200):
        raise _wrong(index, "id", "text of 1 to 200 characters")
    priority = record.get("priority", 0)
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise _wrong(index, "priority", "a whole number")
    zone = record.get("timezone")
    if zone is not None and not isinstance(zone, str):
        raise _wrong(index, "timezone", "a zone such as Europe/Madrid")
    extra = record.get("fields", {})
    if not isinstance(extra, Mapping):
        raise _wrong(index, "fields", "an object")
    fields = {**{key: value for key, value in record.items() if key not in KNOWN}, **extra}
    return NewContact(
        numbers=tuple(numbers), external_id=external, fields=fields, priority=priority, zone=zone,
        consent=_consent(index, record.get("consent")),
    )  # fmt: skip


def _consent(index: int, given: Any) -> Consent | None:
    """`{"basis": ..., "at": day, "source": text, "until": day}`; the basis is consent when it is left out."""
    if given is None:
        return None
    if not isinstance(given, Mapping) or not set(given) <= {"basis", "at", "source", "until"}:
        raise _wrong(index, "consent", "an object with basis, at, source, until")
    basis, source = given.get("basis", "consent"), given.get("source")
    if basis not in BASES:
        raise _wrong(index, "consent.basis", f"one of {', '.join(BASES)}")
    if source is not None and (not isinstance(source, str) or len(source) > 500):
        raise _wrong(index, "consent.source", "a text")
    days: dict[str, float | None] = {}
    for key in ("at", "until"):
        try:
            days[key] = instant(key, given.get(key) or "")
        except FieldError:
            raise _wrong(index, f"consent.{key}", "a day such as 2026-03-31") from None
    return Consent(basis, days["at"], source, days["until"])


def _wrong(index: int, field: str, wanted: str) -> CommandError:
    return CommandError("invalid", f"contacts.{index}.{field}: must be {wanted}")
