"""Consent and lawful basis: on what ground a contact may be called, since when, by whose word, until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from sqlalchemy import bindparam, delete, select

from dispositions import schema
from dispositions.rows import upsert
from dispositions.statement import ByKeys, Statement

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Basis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interest", "request"
]
BASES: tuple[str, ...] = get_args(Basis)
"""The grounds of GDPR art. 6(1) (a) to (f), and `request`: the person asked for this call."""

_c = schema.consent.c
_OF = ByKeys(
    _c.contact_id,
    lambda condition, dialect: select(_c.contact_id, _c.basis, _c.given_at, _c.source, _c.expires_at).where(condition),
)
_SAVE = Statement(
    lambda dialect: upsert(
        schema.consent,
        ["contact_id"],
        dialect,
        **{
            name: (lambda new, name=name: new[name])
            for name in ("basis", "given_at", "source", "expires_at", "recorded_at")
        },
    ),
    columns=[column.name for column in schema.consent.columns],
)
_FORGET = Statement(delete(schema.consent).where(_c.contact_id == bindparam("contact_id")))


@dataclass(frozen=True, slots=True)
class Consent:
    """The ground. Times: epoch seconds; `expires_at` None: as long as the rule says. `source`: where it comes from,
    for whoever must prove it."""

    basis: Basis
    given_at: float | None = None
    source: str | None = None
    expires_at: float | None = None

    def __post_init__(self) -> None:
        if self.basis not in BASES:
            raise ValueError(f"a lawful basis is one of {', '.join(BASES)}")


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """Who may be called at all: a contact with one of `bases`; one of `consent` must have a date, and is good for
    `lifetime` seconds (None: until it is taken back). A callback that the customer was promised needs no other
    ground."""

    bases: frozenset[str] = frozenset(BASES)
    lifetime: float | None = None

    def allows(self, consent: Consent | None, at: float) -> bool:
        """Whether this ground lets us call at `at`."""
        return self.problem(consent, at) is None

    def problem(self, consent: Consent | None, at: float) -> str | None:
        """Why it does not, in words; None when it does."""
        if consent is None:
            return "no consent or other lawful basis is on record"
        if consent.basis not in self.bases:
            return f"the basis on record, {consent.basis}, is not enough here"
        if consent.expires_at is not None and at >= consent.expires_at:
            return "the consent on record has expired"
        if consent.basis != "consent":
            return None
        if consent.given_at is None or at < consent.given_at:
            return "the consent on record has no date, or one to come"
        if self.lifetime is not None and at >= consent.given_at + self.lifetime:
            return f"the consent on record is older than {self.lifetime / 86400:g} days and must be renewed"
        return None


def of_contacts(connection: Connection, contact_ids: Sequence[int]) -> dict[int, Consent]:
    """What is on record, by contact."""
    rows = _OF.all(connection, list(dict.fromkeys(contact_ids))) if contact_ids else []
    return {row[0]: Consent(*row[1:]) for row in rows}


def row_of(contact_id: int, campaign_id: int, consent: Consent, at: float) -> dict[str, object]:
    """The row of the table."""
    return {
        "contact_id": contact_id,
        "campaign_id": campaign_id,
        "basis": consent.basis,
        "given_at": consent.given_at,
        "source": consent.source,
        "expires_at": consent.expires_at,
        "recorded_at": at,
    }


def save(connection: Connection, rows: Sequence[dict[str, object]]) -> None:
    """Write, replacing what was on record."""
    _SAVE.many(connection, rows)


def forget(connection: Connection, contact_ids: Sequence[int]) -> None:
    """Nothing is on record any more."""
    _FORGET.many(connection, [{"contact_id": contact_id} for contact_id in contact_ids])
