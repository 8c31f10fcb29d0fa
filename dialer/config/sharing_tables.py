"""Agents whom several campaigns share: what the file may say of it."""

from __future__ import annotations

from pydantic import Field

from dialer.config.kinds import Duration, Table


class ShareTable(Table):
    """A campaign's claim to agents whom it shares with others."""

    weight: float = Field(
        default=1.0, gt=0, le=1000, description="how much its talks count beside those of the other campaigns"
    )
    least_agents: int = Field(
        default=0, ge=0, le=10_000, description="agents that it gets in any case, while there are so many to share"
    )
    most_agents: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="no more than so many; default: as many as its lines and list can use",
    )


class SharingTable(Table):
    """How agents are moved between the campaigns that they share."""

    dwell: Duration = Field(
        default=120.0,
        le=86400.0,
        description="an agent stays in a campaign so long at least, unless a customer waits elsewhere or the campaign can use nobody",
    )
    band: float = Field(
        default=1.0,
        ge=0,
        le=1000,
        description="agents that a campaign may have too few or too many before one is moved",
    )
    gain: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="an idle agent is taken for a customer who waits in another campaign when it is worth so much more there, as a share; 1: never",
    )
