"""Who may work where: the one place that reads it from an agent's table and a campaign's."""

from __future__ import annotations

from dialer.config.campaign_tables import CampaignTable
from dialer.config.sip_tables import AgentTable


def may_serve(agent: str, agent_table: AgentTable, campaign: str, campaign_table: CampaignTable) -> bool:
    """Whether `agent` may log in to `campaign`: both must name, or not exclude, the other, and the agent have all the
    skills that the campaign asks for.
    """
    named = campaign_table.agents == "all" or agent in campaign_table.agents
    wanted = not agent_table.campaigns or campaign in agent_table.campaigns
    return named and wanted and set(campaign_table.skills) <= set(agent_table.skills)
