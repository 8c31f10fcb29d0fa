"""The contact on an agent's screen: shown before the call (preview), dialed or put back; numbers dialed by hand."""

from __future__ import annotations

from typing import Any

from dialer.agent import Agent, AgentState
from dialer.commands import CommandError
from dialer.engine import Unit
from dialer.services import Services
from dispositions import Claim, DispositionsError, UnknownContact

#: How long a contact may stay on a screen, seconds; then it goes back to the list by itself (`tend_leases`).
PREVIEW_LEASE = 3600.0


class Screen:
    """What the desk's preview, dial and skip commands do. All raise CommandError."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def show(self, agent: Agent, unit: Unit) -> dict[str, Any]:
        """The contact that is shown already, or the next one of the list: the agent is reserved for it."""
        if unit.campaign.table.pacing.mode != "preview":
            raise CommandError("wrong_state", f"campaign {unit.campaign.name} does not dial in preview mode")
        if isinstance(agent.shown, Claim):
            return _card(agent.shown)
        if unit.campaign.draining:
            raise CommandError("unavailable", "the dialer is shutting down")
        unit.agents.reserve(agent)
        name, clock = unit.campaign.name, self.services.clock
        try:
            claims = await self.services.ledger.write(
                lambda tx: tx.claim(name, 1, at := clock.at(), at + PREVIEW_LEASE)
            )
        except DispositionsError:
            _let_go(agent, unit)
            raise
        if not claims:
            _let_go(agent, unit)
            raise CommandError("unknown_contact", "no contact may be dialed now")
        kept = agent.state is AgentState.RESERVED and agent.call is None and agent.shown is None
        if not kept or agent.pending is not None:  # lost, or a log-out or break was asked for meanwhile
            unit.dialing.placing.release(claims)
            _let_go(agent, unit)
            raise CommandError("wrong_state", f"agent {agent.name} is {agent.state.value} by now")
        agent.shown = claims[0]
        return _card(claims[0])

    async def dial(self, agent: Agent, unit: Unit, number: str | None) -> None:
        """Dial the contact shown, or (manual and preview modes) a contact by its number."""
        shown, agent.shown = agent.shown, None
        if isinstance(shown, Claim):
            problem = unit.dialing.dial_claimed(agent, shown)
        else:
            problem = await unit.dialing.dial_for(agent, await self._contact(unit, number))
        if problem is not None:
            raise CommandError("unavailable", problem)

    async def _contact(self, unit: Unit, number: str | None) -> int:
        name = unit.campaign.name
        if number is None:
            raise CommandError("wrong_state", "no contact is shown: ask for one with preview, or name a number")
        if unit.campaign.table.pacing.mode not in ("manual", "preview"):
            raise CommandError("wrong_state", f"campaign {name} dials by itself")
        try:
            return (await self.services.ledger.read(lambda view: view.contact(number, name))).contact_id
        except UnknownContact:
            raise CommandError("unknown_contact", f"{number} is no contact of {name}") from None

    async def put_back(self, agent: Agent, unit: Unit, *, skipped: bool = False) -> None:
        """The contact on the screen, if any, goes back to the list, and the agent is free of it. `skipped`: it is not
        shown again before the campaign's re-dial delay has passed, so that the agent sees the next one.
        """
        shown, agent.shown = agent.shown, None
        if isinstance(shown, Claim):
            at = self.services.clock.at()
            until = at + unit.campaign.table.redial_delay if skipped else None
            await self.services.ledger.write(lambda tx: tx.release([shown], at, until=until))
            _let_go(agent, unit)


def _let_go(agent: Agent, unit: Unit) -> None:
    """The agent was kept for a contact that did not come, or went."""
    if agent.state is AgentState.RESERVED and agent.call is None and agent.shown is None:
        unit.agents.unreserve(agent)


def _card(claim: Claim) -> dict[str, Any]:
    return {
        "contact": claim.contact_id, "number": claim.number, "id": claim.external_id, "attempts": claim.attempts,
        "fields": dict(claim.fields),
    }  # fmt: skip
