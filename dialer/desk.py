"""Where commands take effect, whichever door they came through: `Desk.handle`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from dialer import commands as c
from dialer import sale_desk, task_desk
from dialer.agent import Agent, AgentState, AgentStateError, AgentTrigger
from dialer.agent_phone import LoginFailed
from dialer.call import Call, CallState, CallTrigger
from dialer.campaign import IN_THE_AIR
from dialer.commands import Command, CommandError
from dialer.config.build import project_list
from dialer.contact_desk import ContactDesk
from dialer.contacts import read_contacts, told
from dialer.engine import Engine, Unit
from dialer.events import ContactsAdded
from dialer.local_time import at_contact
from dialer.login_desk import LoginDesk
from dialer.outcomes import call_fields
from dialer.screen import Screen
from dialer.snapshot import contact_card, status
from dialer.suppression import read_numbers
from dispositions import DispositionsError, NextState, NotTalked, OtherAgent, ReadView, StoreUnavailable

#: Calls whose codes may still be corrected without looking them up on disk.
REMEMBERED = 10_000

#: Steps that may wait for a locked store before commands that would add to them are refused.
MOST_WAITING = 10_000
_WRITING = (
    c.AgentDispose, c.AgentPreview, c.AgentDial, c.AgentSkip, c.ContactAdd, c.DoNotCallAdd, c.ContactCorrect,
    c.SaleRetry, c.TaskUpdate, c.TaskWithdraw,
)  # fmt: skip

Reload = Callable[[], Awaitable[dict[str, Any]]]


class Desk:
    """The `CommandHandler` of the daemon. `reload` reads the config file again."""

    def __init__(self, engine: Engine, reload: Reload) -> None:
        self.engine = engine
        self.services = engine.services
        self.reload = reload
        self.screen = Screen(self.services)
        self.logins = LoginDesk(engine)
        self.contacts = ContactDesk(self.services, lambda: list(engine.units), lambda: engine.agents)
        self._recent: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._at_work_on: set[asyncio.Task[dict[str, Any]]] = set()
        for unit in engine.units.values():
            self._serve(unit)
        engine.on_unit = self._serve

    def _serve(self, unit: Unit) -> None:
        unit.agents.on_wrap_up_over = self._wrap_up_over

    async def handle(self, command: Command) -> dict[str, Any]:
        """Carry out one command. Raises CommandError.

        A command that has begun is carried out, even when its door loses interest half-way (a client that hangs up):
        else an agent would stay reserved for nothing, or a contact leased.
        """
        task = asyncio.create_task(self._carry_out(command), name=f"command {command.command}")
        self._at_work_on.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[dict[str, Any]]) -> None:
        self._at_work_on.discard(task)
        if not task.cancelled():
            task.exception()  # seen by whoever waited, if anybody still did

    async def _carry_out(self, command: Command) -> dict[str, Any]:
        ledger = self.services.ledger
        if isinstance(command, _WRITING) and ledger.locked and ledger.waiting > MOST_WAITING:
            raise CommandError("unavailable", f"the store is locked and {ledger.waiting} steps wait for it already")
        try:
            return await _HANDLERS[type(command)](self, command)
        except AgentStateError as error:
            raise CommandError("wrong_state", str(error)) from None
        except StoreUnavailable as error:
            raise CommandError("unavailable", f"the store is away: {error}") from None
        except OtherAgent as error:
            raise CommandError("forbidden", str(error)) from None
        except NotTalked as error:
            raise CommandError("wrong_state", str(error)) from None
        except DispositionsError as error:
            raise CommandError("invalid", str(error)) from None

    # -- agents -----------------------------------------------------------------------------------------------------

    async def login(self, command: c.AgentLogin) -> dict[str, Any]:
        agent = self._agent(command.agent)
        if agent.withdrawn:
            raise CommandError("unknown_agent", f"agent {agent.name!r} is not in the config file any more")
        unit, choice = self.logins.choose(agent, command)
        if not self.logins.already(agent, choice):
            if unit.campaign.draining:
                raise CommandError("unavailable", "the dialer is shutting down")
            agent.choice = choice
            try:
                await unit.agents.phone.login(agent)
            except LoginFailed as error:
                raise CommandError("unavailable", f"agent {agent.name} cannot log in: {error}") from None
        return {**self._shown(agent), "serves": self.engine.sharing.serves(agent)}

    async def logout(self, command: c.AgentLogout) -> dict[str, Any]:
        agent, unit = self._at_work(command.agent)
        await self.screen.put_back(agent, unit)
        done = unit.agents.logout(agent)
        return {**self._shown(agent), "pending": not done}

    async def ready(self, command: c.AgentReady) -> dict[str, Any]:
        agent, unit = self._at_work(command.agent)
        if agent.state is AgentState.AVAILABLE:
            return self._shown(agent)
        if agent.undisposed is not None:
            raise CommandError("wrong_state", f"agent {agent.name} owes a disposition for call {agent.undisposed.id}")
        unit.agents.ready(agent)
        return self._shown(agent)

    async def take_break(self, command: c.AgentBreak) -> dict[str, Any]:
        agent, unit = self._at_work(command.agent)
        allowed = unit.campaign.table.break_reasons
        if allowed and command.reason not in allowed:
            raise CommandError("invalid", f"reason: {command.reason!r} is not one of {', '.join(allowed)}")
        await self.screen.put_back(agent, unit)
        done = unit.agents.take_break(agent, command.reason)
        return {**self._shown(agent), "pending": not done}

    async def hangup(self, command: c.AgentHangup) -> dict[str, Any]:
        agent, unit = self._at_work(command.agent)
        ringing = agent.call
        if agent.state is AgentState.RESERVED and ringing is not None and ringing.state in IN_THE_AIR:
            unit.calls.fire(ringing, CallTrigger.GIVE_UP)  # dialed for this agent, who thinks better of it
        else:
            unit.calls.fire(self._talking(agent), CallTrigger.HANGUP)
        return self._shown(agent)

    async def hand_over(self, command: c.AgentHandOver) -> dict[str, Any]:
        agent, unit = self._at_work(command.agent)
        call = self._talking(agent)
        colleague = unit.campaign.roster.agents.get(command.to) or unit.campaign.borrow(command.to)
        if colleague is None:
            raise CommandError("unknown_agent", f"agent {command.to} is not logged in to {unit.campaign.name}")
        if colleague.state is not AgentState.AVAILABLE or colleague is agent:
            raise CommandError("busy", f"agent {command.to} is not available: {colleague.state.value}")
        if call.incoming is not None:
            raise CommandError("busy", f"call {call.id} is being handed over already")
        unit.calls.bridging.start_hand_over(call, colleague)
        return {**self._shown(agent), "call": call.id, "to": colleague.name}

    async def dispose(self, command: c.AgentDispose) -> dict[str, Any]:
        agent = self._agent(command.agent)
        owed = agent.undisposed
        if command.call is None and owed is None:
            raise CommandError("wrong_state", f"agent {agent.name} owes no disposition; name the call to correct one")
        fields = await self._call_fields(command.call or (owed.id if owed is not None else ""))
        unit = self.engine.units.get(fields["campaign"])
        if unit is None:
            raise CommandError("unknown_campaign", f"campaign {fields['campaign']} does not run here")
        rule = unit.campaign.policy.table.codes.get(command.code)
        if rule is None:
            known = ", ".join(unit.campaign.policy.table.codes)
            raise CommandError("unknown_code", f"code {command.code!r} is not one of this campaign's: {known}")
        if rule.next is NextState.SALE:
            missing = [f for f in unit.campaign.table.queues.sale_fields if command.fields.get(f) in (None, "")]
            if missing:
                raise CommandError("invalid", f"a sale needs the fields {', '.join(missing)}")
        due = command.callback_at
        if due is not None and due.tzinfo is None:
            due = await self.services.ledger.read(partial(at_contact, due, fields["contact"], fields["number"]))
        applied = await self.engine.outcomes.dispose(
            fields,
            agent.name,
            command.code,
            callback_at=due,
            bound=rule.personal if command.personal is None else command.personal,
            note=command.note,
            fields=command.fields,
            numbers=command.numbers,
        )
        live = unit.campaign.calls.get(fields["call"])
        if applied.pending and live is not None:
            live.coded_by = agent.name
        owed = agent.undisposed  # the call may have ended meanwhile
        if owed is not None and fields["call"] == owed.id:
            agent.undisposed = None
            if command.ready and agent.state is AgentState.WRAP_UP:
                unit.agents.ready(agent)
        return {
            **self._shown(agent), "call": fields["call"], "code": command.code, "contact_state": applied.state.value,
            "next_at": applied.due_at, "sale": applied.sale_id, "callback": applied.callback_id,
        }  # fmt: skip

    def _wrap_up_over(self, agent: Agent) -> None:
        """The longest wrap-up is over: the code is left to the store's `undisposed` rule, the agent is available."""
        unit = self.engine.unit_of(agent)
        if unit is None or agent.state is not AgentState.WRAP_UP:
            return
        if agent.undisposed is not None:
            self.services.counters["undisposed"] += 1
            agent.undisposed = None
        unit.agents.ready(agent)

    # -- preview and manual: see dialer/screen.py --------------------------------------------------------------------

    async def preview(self, command: c.AgentPreview) -> dict[str, Any]:
        agent, unit = self._at_work(command.agent)
        contact = await self.screen.show(agent, unit)
        return {**self._shown(agent), "contact": contact}

    async def dial(self, command: c.AgentDial) -> dict[str, Any]:
        agent, unit = self._at_work(command.agent)
        await self.screen.dial(agent, unit, command.number)
        return self._shown(agent)

    async def skip(self, command: c.AgentSkip) -> dict[str, Any]:
        agent, unit = self._at_work(command.agent)
        if agent.shown is None:
            raise CommandError("wrong_state", "no contact is shown")
        await self.screen.put_back(agent, unit, skipped=True)
        return self._shown(agent)

    # -- contacts and campaigns -------------------------------------------------------------------------------------

    async def add_contacts(self, command: c.ContactAdd) -> dict[str, Any]:
        unit = self._unit(command.campaign)
        good, results = read_contacts(command.contacts)
        store = self.services.ledger.store
        contacts = await asyncio.to_thread(store.normalised, unit.campaign.name, list(good.values()))
        at, name = self.services.clock.at(), command.list_name
        taken = await self.services.ledger.write(lambda tx: tx.add_contacts(unit.campaign.name, name, contacts, at))
        results |= dict(zip(good, taken, strict=True))
        added = sum(1 for result in results.values() if result.status == "added")
        if added:
            unit.dialing.contacts_arrived()
        self.services.stream.publish(
            ContactsAdded(at=at, campaign=unit.campaign.name, list_name=name, added=added, refused=len(results) - added)
        )
        return told(results)

    async def do_not_call(self, command: c.DoNotCallAdd) -> dict[str, Any]:
        units = list(self.engine.units.values())
        # The store binds a campaign by the name of the list: a mark under the caller's own word would bind nobody.
        lists = sorted({unit.campaign.policy.own_list for unit in units})
        if command.project is not None:
            known = sorted({p for unit in units if (p := unit.campaign.table.project) is not None})
            units = [unit for unit in units if unit.campaign.table.project == command.project]
            lists = [project_list(command.project)]
            if not units:
                text = (
                    f"no campaign here belongs to project {command.project!r}; projects: {', '.join(known) or 'none'}"
                )
                raise CommandError("unknown_project", text)
        regions = {unit.campaign.policy.region for unit in units}
        numbers, refused = await asyncio.to_thread(read_numbers, command.numbers, regions)
        at = self.services.clock.at()
        added = await self.services.ledger.write(lambda tx: [tx.add_do_not_call(numbers, name, at) for name in lists])
        shown = [{"index": index, "number": text, "reason": why} for index, text, why in refused]
        return {"added": max(added), "marked": len(numbers), "refused": shown}

    async def pause(self, command: c.CampaignPause) -> dict[str, Any]:
        return await self._set_paused(command.campaign, True)

    async def resume(self, command: c.CampaignResume) -> dict[str, Any]:
        return await self._set_paused(command.campaign, False)

    async def _set_paused(self, name: str, paused: bool) -> dict[str, Any]:
        await self.engine.set_paused(self._unit(name), paused)
        return {"campaign": name, "paused": paused}

    async def reload_config(self, command: c.ConfigReload) -> dict[str, Any]:
        return await self.reload()

    async def status(self, command: c.StatusShow) -> dict[str, Any]:
        return status(self.engine)

    async def contact(self, command: c.ContactShow) -> dict[str, Any]:
        at = self.services.clock.at()
        found = []
        for name, unit in list(self.engine.units.items()):
            prefixes = [prefix for trunk in unit.campaign.trunks for prefix in trunk.table.prefixes]
            card = await self.services.ledger.read(partial(_card, name, command.number, at, prefixes))
            if card is not None:
                found.append(card)
        if not found:
            raise CommandError("unknown_contact", f"{command.number} is in no campaign that runs here")
        return {"contacts": found}

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _agent(self, name: str) -> Agent:
        agent = self.engine.agents.get(name)
        if agent is None:
            raise CommandError("unknown_agent", f"agent {name!r} is not in the config file")
        return agent

    def _at_work(self, name: str) -> tuple[Agent, Unit]:
        agent = self._agent(name)
        unit = self.engine.unit_of(agent)
        if unit is None:
            raise CommandError("wrong_state", f"agent {name} is not logged in")
        return agent, unit

    def _unit(self, name: str) -> Unit:
        unit = self.engine.units.get(name)
        if unit is None:
            known = ", ".join(self.engine.units)
            raise CommandError("unknown_campaign", f"campaign {name!r} does not run here; these do: {known}")
        return unit

    @staticmethod
    def _talking(agent: Agent) -> Call:
        if agent.state is not AgentState.TALKING or agent.call is None or agent.call.state is not CallState.TALKING:
            raise AgentStateError(agent.name, agent.state, AgentTrigger.CALL_OVER)
        return agent.call

    async def _call_fields(self, attempt: str) -> dict[str, Any]:
        for unit in self.engine.units.values():
            call = unit.campaign.calls.get(attempt)
            if call is not None and call.connected is not None:
                return self._remember(call_fields(call))
        for agent in self.engine.agents.values():
            if agent.undisposed is not None and agent.undisposed.id == attempt:
                return self._remember(call_fields(agent.undisposed))
        known = self._recent.get(attempt)
        if known is not None:
            return known
        found = await self.services.ledger.read(lambda view: view.attempt(attempt))
        if found is None:
            raise CommandError("unknown_call", f"call {attempt!r} is not known")
        campaign, contact, card = found
        return self._remember(
            {
                "campaign": campaign, "call": attempt, "sip_call_id": card.call_id, "contact": contact,
                "number": card.number, "trunk": card.trunk or "",
            }
        )  # fmt: skip

    def _remember(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._recent[fields["call"]] = fields
        self._recent.move_to_end(fields["call"])
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return fields

    @staticmethod
    def _shown(agent: Agent) -> dict[str, Any]:
        state = "logged_out" if agent.state is AgentState.LOGGING_IN else agent.state.value
        owed = agent.undisposed.id if agent.undisposed is not None else None
        return {"agent": agent.name, "state": state, "campaign": agent.campaign, "owes": owed}


def _card(name: str, number: str, at: float, prefixes: list[str], view: ReadView) -> dict[str, Any] | None:
    return contact_card(view, name, number, at, prefixes)


_HANDLERS: dict[type, Callable[[Desk, Any], Awaitable[dict[str, Any]]]] = {
    c.AgentLogin: Desk.login,
    c.AgentLogout: Desk.logout,
    c.AgentReady: Desk.ready,
    c.AgentBreak: Desk.take_break,
    c.AgentHangup: Desk.hangup,
    c.AgentHandOver: Desk.hand_over,
    c.AgentDispose: Desk.dispose,
    c.AgentPreview: Desk.preview,
    c.AgentDial: Desk.dial,
    c.AgentSkip: Desk.skip,
    c.ContactAdd: Desk.add_contacts,
    c.ContactCorrect: lambda desk, command: desk.contacts.correct(command),
    c.ContactConsent: lambda desk, command: desk.contacts.consent(command),
    c.ContactErase: lambda desk, command: desk.contacts.erase(command),
    c.CallbackReassign: lambda desk, command: desk.contacts.reassign(command),
    c.DoNotCallAdd: Desk.do_not_call,
    c.CampaignPause: Desk.pause,
    c.CampaignResume: Desk.resume,
    c.ConfigReload: Desk.reload_config,
    c.StatusShow: Desk.status,
    c.ContactShow: Desk.contact,
    **sale_desk.HANDLERS,
    **task_desk.HANDLERS,
}
