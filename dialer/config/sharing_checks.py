"""Campaigns that share agents: skills that somebody has, minima that can be kept, nobody who may work nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dialer.config.membership import may_serve
from dialer.config.positions import KeyPath
from dialer.config.wording import Problem, did_you_mean, flaw, names

if TYPE_CHECKING:
    from dialer.config.checks import Known
    from dialer.config.model import ConfigFile

#: What these checks read: a mistake there may be the reason of what they find.
_MEMBERS: tuple[KeyPath, ...] = (("agents",), ("campaigns",))


def sharing(config: ConfigFile, known: Known) -> Iterator[Problem]:
    """Skills, members, and what each campaign is promised."""
    yield from _skills(config)
    if known.names["agents"] != config.agents.keys() or known.names["campaigns"] != config.campaigns.keys():
        return
    could: dict[str, set[str]] = {
        name: {agent for agent, table in config.agents.items() if may_serve(agent, table, name, campaign)}
        for name, campaign in config.campaigns.items()
    }
    # names that nobody has are told of already
    strays = {name for table in config.agents.values() for name in table.campaigns} - config.campaigns.keys()
    for name, campaign in config.campaigns.items():
        missing = strays if campaign.agents == "all" else strays | (set(campaign.agents) - config.agents.keys())
        if not could[name] and campaign.agents and not missing and set(campaign.skills) <= _had(config):
            text = (
                "nobody may work here: every agent lacks one of its skills, is not in its agents, or names other"
                " campaigns only; allowed: at least one agent for whom all three fit"
            )
            yield flaw(("campaigns", name), text, on_key=True, needs=_MEMBERS)
    for agent, table in config.agents.items():
        strange = set(table.campaigns) - config.campaigns.keys()
        if table.campaigns and not strange and not any(agent in agents for agents in could.values()):
            text = (
                f"{agent} may work in none of these: each has a list of agents without {agent}, or asks for a skill"
                f" that {agent} lacks; allowed: a campaign that takes {agent}"
            )
            yield flaw(("agents", agent, "campaigns"), text, needs=_MEMBERS)
    yield from _minima(config, could)


def _had(config: ConfigFile) -> set[str]:
    return {skill for agent in config.agents.values() for skill in agent.skills}


def _skills(config: ConfigFile) -> Iterator[Problem]:
    had = _had(config)
    for name, campaign in config.campaigns.items():
        for index, skill in enumerate(campaign.skills):
            if skill not in had:
                have = f"allowed: {names(sorted(had))}" if had else "no agent has skills"
                text = f"no agent has the skill '{skill}'{did_you_mean(skill, had)}; {have}"
                yield flaw(("campaigns", name, "skills", index), text, needs=(("agents",),))


def _minima(config: ConfigFile, could: dict[str, set[str]]) -> Iterator[Problem]:
    promised = 0
    for name, campaign in config.campaigns.items():
        share, at = campaign.sharing, ("campaigns", name, "sharing")
        least: KeyPath = (*at, "least_agents")
        if campaign.pacing.mode in ("manual", "preview"):
            if share.model_fields_set:
                text = f"agents are not shared in {campaign.pacing.mode} mode; allowed: with the other modes"
                yield flaw(at, text, on_key=True, needs=(("campaigns", name, "pacing", "mode"),))
            continue
        if share.most_agents is not None and share.least_agents > share.most_agents:
            text = f"{share.least_agents} is more than most_agents ({share.most_agents}); allowed: at most that"
            yield flaw(least, text, needs=((*at, "most_agents"),))
        elif could[name] and share.least_agents > len(could[name]):
            text = f"only {len(could[name])} agents may work here; allowed: at most so many"
            yield flaw(least, text, needs=_MEMBERS)
        promised += share.least_agents
        if promised > len(config.agents) >= promised - share.least_agents:
            text = f"with this the campaigns are promised {promised} agents, of {len(config.agents)}; allowed: no more"
            yield flaw(least, text, needs=_MEMBERS)
