"""What each token may ask, and what of the answer it may see: privacy between projects, held at the one door that all
routes go through.

A project's token never learns whether a campaign, sale or agent of another project exists: what is not its own is
answered as what does not exist. A command that no rule names is the supervisor's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from dialer import commands as c
from dialer.commands import Command, CommandError, CommandHandler
from dialer.doors import DoorError
from dialer.web.tokens import Caller, Project

#: command -> the right that a project's token needs for it.
RIGHTS: Mapping[type, str] = {
    c.StatusShow: "read",
    c.ContactShow: "read",
    c.TaskShow: "read",
    c.ChangeList: "read",
    c.SaleList: "read",
    c.SaleShow: "read",
    c.ContactAdd: "tasks",
    c.TaskUpdate: "tasks",
    c.TaskWithdraw: "tasks",
    c.ContactCorrect: "tasks",
    c.DoNotCallAdd: "tasks",
    c.CampaignPause: "control",
    c.CampaignResume: "control",
    c.SaleRetry: "control",
    c.SaleCancel: "control",
    c.AgentLogin: "agents",
    c.AgentLogout: "agents",
    c.AgentReady: "agents",
    c.AgentBreak: "agents",
    c.AgentDispose: "agents",
    c.AgentHangup: "agents",
    c.AgentHandOver: "agents",
    c.AgentPreview: "agents",
    c.AgentDial: "agents",
    c.AgentSkip: "agents",
}
_SALES = (c.SaleShow, c.SaleRetry, c.SaleCancel)
#: What a project sees of `status`.
_OWN_STATUS = ("at",)


class Access:
    """Between the doors and the handler."""

    def __init__(self, handler: CommandHandler) -> None:
        self._handler = handler

    async def obey(self, who: Caller, command: Command) -> Mapping[str, Any]:
        """Carry out `command` as far as the caller may. Raises DoorError(forbidden), CommandError."""
        if who.supervisor:
            return await self._handler.handle(command)
        if who.project is None:
            agent = getattr(command, "agent", None)
            if agent is None or agent != who.agent or isinstance(command, c.SaleList):
                raise DoorError("forbidden", "an agent's token allows that agent's own commands only")
            return await self._handler.handle(command)
        return await self._for_project(who.project, command)

    async def _for_project(self, project: Project, command: Command) -> Mapping[str, Any]:
        right = RIGHTS.get(type(command))
        if right is None:
            raise DoorError("forbidden", f"{command.command}: the supervisor's token only")
        require(project, right)
        if right == "agents":
            agent = cast("c.AgentLogin", command).agent
            if agent not in project.agents:
                raise CommandError("unknown_agent", f"agent {agent!r} is not this project's alone")
        if hasattr(command, "campaign"):
            command = _within(project, command)
        if isinstance(command, _SALES):
            await self._own_sale(project, command.sale)
        if isinstance(command, c.DoNotCallAdd) and command.project not in (None, *project.marks):
            known = ", ".join(sorted(project.marks)) or "none"
            text = f"no campaign of this token belongs to project {command.project!r}; projects: {known}"
            raise CommandError("unknown_project", text)
        answer = await self._handler.handle(command)
        if isinstance(command, c.StatusShow):
            return own_status(project, answer)
        if isinstance(command, c.ContactShow):
            own = [card for card in answer["contacts"] if card["campaign"] in project.campaigns]
            if not own:
                raise CommandError("unknown_contact", f"{command.number} is in no campaign that runs here")
            return {"contacts": own}
        if isinstance(command, c.DoNotCallAdd):  # how many were new would tell whom others have marked
            return {key: value for key, value in answer.items() if key != "added"}
        return answer

    async def _own_sale(self, project: Project, sale: int) -> None:
        record = await self._handler.handle(c.SaleShow(sale=sale))
        if record.get("campaign") not in project.campaigns:
            raise CommandError("unknown_sale", f"there is no sale {sale}")


def require(project: Project, right: str) -> None:
    """Raises DoorError(forbidden) unless the project has the right."""
    if right not in project.may:
        raise DoorError("forbidden", f"this token may not {right}; it may {', '.join(sorted(project.may))}")


def _within(project: Project, command: Command) -> Command:
    """The command with the campaign that it is about: the project's only one where it names none."""
    campaign = getattr(command, "campaign", None)
    if campaign is None:
        if isinstance(command, c.AgentLogin):
            for name in command.campaigns:
                _own(project, name)
            return command  # the agent works in the project's campaigns only
        if len(project.campaigns) > 1:
            raise CommandError("invalid", f"campaign: name one of {', '.join(sorted(project.campaigns))}")
        return command.model_copy(update={"campaign": next(iter(project.campaigns))})
    _own(project, campaign)
    return command


def _own(project: Project, campaign: str) -> None:
    if campaign not in project.campaigns:
        known = ", ".join(sorted(project.campaigns))
        raise CommandError("unknown_campaign", f"campaign {campaign!r} is not one of this token's: {known}")


def _own_agent(project: Project, agent: Mapping[str, Any]) -> Mapping[str, Any]:
    serves = [name for name in agent.get("serves", ()) if name in project.campaigns]
    return {**agent, "serves": serves} if "serves" in agent else agent


def own_status(project: Project, status: Mapping[str, Any]) -> dict[str, Any]:
    """Campaigns of the project, and agents who are its own or are at work in it; nothing of trunks, store or SIP, which
    tell what others do."""
    return {
        **{key: status[key] for key in _OWN_STATUS if key in status},
        "campaigns": {n: shown for n, shown in status["campaigns"].items() if n in project.campaigns},
        "agents": [
            _own_agent(project, agent)
            for agent in status["agents"]
            if agent["campaign"] in project.campaigns
            or (agent["campaign"] is None and agent["agent"] in project.agents)
        ],
    }
