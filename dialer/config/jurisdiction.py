"""What a place's rules limit, as far as the config is checked against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one jurisdiction; None: it sets none. Seconds, and a fraction for the cap."""

    abandon_cap: float | None = None
    window: str | None = None
    ring_floor: float | None = None
    patience: float | None = None
    abandoned_redial_delay: float | None = None


def limits() -> Mapping[str, Limits]:
    """The limits of every jurisdiction that ships, and of 'none'."""
    return {"none": Limits()}
