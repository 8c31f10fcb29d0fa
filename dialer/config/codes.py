"""The agents' codes of a campaign: those of the shared sets that it names, in their order, and its own on top."""

from __future__ import annotations

from dialer.config.campaign_tables import CampaignTable, NextTable
from dialer.config.model import ConfigFile


def codes_of(campaign: CampaignTable, file: ConfigFile) -> dict[str, NextTable]:
    """Code -> line; a later set, and the campaign's own table, replace a line of the same code. Durations are as
    written: a shared line belongs to no campaign and is not scaled."""
    shared = [file.codes[name] for name in campaign.codes if name in file.codes]
    return {code: line for lines in (*shared, campaign.dispositions) for code, line in lines.items()}
