"""What a place's rules limit, as far as the config is checked against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one jurisdiction; None: it sets none. Seconds, and a fraction for the cap."""

    abandon_cap: float | None = None
    window: str | None = None
    ring_floor: float | None = None
    patience: float | None = None
    abandoned_redial_delay: float | None = None
    after_talk: float | None = None
    consent_bases: frozenset[str] | None = None
    consent_lifetime: float | None = None


@cache
def limits() -> Mapping[str, Limits]:
    """The limits of every jurisdiction that ships, 'none' among them, by name."""
    from dispositions.jurisdiction import jurisdictions, load_jurisdiction

    found = {}
    for name in jurisdictions():
        place = load_jurisdiction(name)
        found[name] = Limits(
            abandon_cap=place.abandon_cap,
            window=place.window,
            ring_floor=place.ring_floor,
            patience=place.message_within,
            abandoned_redial_delay=place.abandoned_redial_delay,
            after_talk=place.after_talk,
            consent_bases=None if place.consent is None else place.consent.bases,
            consent_lifetime=None if place.consent is None else place.consent.lifetime,
        )
    return found
