"""Which campaigns an agent logs in for: one that is named, a few, or all that the agent may serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.agent import Agent, AgentState
from dialer.commands import AgentLogin, CommandError
from dialer.config.membership import may_serve

if TYPE_CHECKING:
    from dialer.engine import Engine, Unit


class LoginDesk:
    """What the desk's log-in asks first. All raise CommandError."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def choose(self, agent: Agent, command: AgentLogin) -> tuple[Unit, tuple[str, ...] | None]:
        """The campaign that the agent begins in, and those that the log-in is for (None: all that the agent may serve,
        also when a reload makes them more).
        """
        if command.campaign is not None and command.campaigns:
            raise CommandError("invalid", "campaign: name one, or several in campaigns, not both")
        wanted = [command.campaign] if command.campaign is not None else list(dict.fromkeys(command.campaigns))
        allowed = [unit for unit in self.engine.units.values() if self._may(agent, unit)]
        if wanted:
            chosen = [self._named(agent, name, allowed) for name in wanted]
            return self._begin(agent, chosen), tuple(wanted)
        if not allowed:
            raise CommandError("forbidden", f"agent {agent.name} belongs to no campaign that runs here")
        # a campaign that winds down is a choice only where there is no other
        live = [unit for unit in allowed if not unit.campaign.draining] or allowed
        paced = [unit for unit in live if unit.campaign.pacemaker is not None]
        if len(live) > 1 and not paced:
            known = ", ".join(unit.campaign.name for unit in live)
            raise CommandError("invalid", f"campaign: name one of {known}: there agents start the calls themselves")
        return self._begin(agent, paced or live), None

    @staticmethod
    def already(agent: Agent, choice: tuple[str, ...] | None) -> bool:
        """Whether the agent is logged in just so, or serves the one campaign that is named; False: logged out."""
        if agent.state is AgentState.LOGGED_OUT:
            return False
        here = choice is not None and choice == (agent.campaign,)
        if agent.state is not AgentState.LOGGING_IN and (choice == agent.choice or here):
            return True
        raise CommandError("wrong_state", f"agent {agent.name} is logged in to {agent.campaign}: log out first")

    def _begin(self, agent: Agent, units: list[Unit]) -> Unit:
        if len(units) == 1:
            return units[0]
        manual = [unit.campaign.name for unit in units if unit.campaign.pacemaker is None]
        if manual:
            raise CommandError("invalid", f"campaigns: agents of {manual[0]} start the calls themselves: not shared")
        return self.engine.sharing.first(agent, units)

    def _named(self, agent: Agent, name: str, allowed: list[Unit]) -> Unit:
        unit = self.engine.units.get(name)
        if unit is None:
            known = ", ".join(self.engine.units)
            raise CommandError("unknown_campaign", f"campaign {name!r} does not run here; these do: {known}")
        if unit not in allowed:
            raise CommandError("forbidden", f"agent {agent.name} may not log in to {name}")
        return unit

    @staticmethod
    def _may(agent: Agent, unit: Unit) -> bool:
        return may_serve(agent.name, agent.table, unit.campaign.name, unit.campaign.table)
