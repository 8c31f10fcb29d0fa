"""The legs to the agents' phones: called once at log-in, kept up, pointed at customers, hung up at log-out."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import TYPE_CHECKING, Any

import structlog

from dialer.agent import Agent, AgentState, AgentTrigger
from dialer.campaign import Campaign
from dialer.config.sip_tables import REGISTER
from dialer.leg import Leg, g711_payload
from dialer.locate import Place
from dialer.media import MediaError
from dialer.resolve import ResolveError
from dialer.services import Services
from dialer.sip import (
    Answered,
    Destination,
    DialogState,
    Ended,
    Failed,
    InvitePlan,
    Offered,
    Provisional,
    Reinvited,
    ReinviteFailed,
    SipError,
)
from dispositions import DispositionsError

if TYPE_CHECKING:
    from dialer.agent_control import AgentControl

log = structlog.get_logger(__name__)

#: How long an agent's phone may ring at log-in, seconds.
PHONE_TIMEOUT = 30.0

#: Key of the saved SIP state of an agent's leg, so that a restart can end it.
LEG_KEY = "agent_leg/"


def phone_name(agent: Agent) -> str:
    """The agent's phone in words."""
    return f"of {agent.name}" if agent.table.phone == REGISTER else agent.table.phone


class LoginFailed(Exception):
    """The agent's phone could not be reached; the text says why."""


class AgentPhone:
    """The phones of one campaign's agents."""

    def __init__(self, campaign: Campaign, services: Services, control: AgentControl) -> None:
        self.campaign = campaign
        self.services = services
        self.control = control
        self._logins: dict[str, asyncio.Future[None]] = {}

    # -- log-in ---------------------------------------------------------------------------------------------------

    async def login(self, agent: Agent) -> None:
        """Call the agent's phone; returns when it has answered, raises LoginFailed when it did not."""
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.control.move(agent, AgentTrigger.LOGIN)
        agent.campaign, agent.control = self.campaign.name, self.control
        agent.arrived = self.services.clock.now()
        self.campaign.roster.add(agent)
        self._logins[agent.name] = answered
        phone = phone_name(agent)
        try:
            async with asyncio.timeout(PHONE_TIMEOUT):
                await self._call(agent, answered)
                await answered
        except TimeoutError:
            self._give_up(agent, answered)
            raise LoginFailed(f"the phone {phone} did not answer within {PHONE_TIMEOUT:g} s") from None
        except (SipError, MediaError, ResolveError, DispositionsError, ValueError) as error:
            self._give_up(agent, answered)
            raise LoginFailed(str(error)) from None
        except LoginFailed:
            self._give_up(agent, answered)
            raise

    def _give_up(self, agent: Agent, answered: asyncio.Future[None]) -> None:
        """Unless the agent has been logged out meanwhile (and perhaps logs in again)."""
        if self._logins.get(agent.name) is answered:
            self.hang_up(agent)
            self.control.gone(agent)

    async def _call(self, agent: Agent, answered: asyncio.Future[None]) -> None:
        services = self.services
        uri, destination = await self._reach(agent)
        plan = services.switch.udp.plan_invite(
            uri,
            from_uri=f"sip:dialer@{services.from_host}",
            destination=destination,
            from_display="dialer",
        )
        if answered.done():
            return  # logged out while the name was looked up
        # a new name each time: the port of the last leg may still be on its way back
        media_key = f"agent/{agent.name}/{plan.call_id}"
        port = services.media.allocate(media_key)
        session = zlib.crc32(plan.call_id.encode()) & 0x7FFFFFFF
        leg = Leg(id=plan.call_id, media_key=media_key, port=port, line=services.switch, session=session)
        agent.leg = leg
        key, saved = f"{LEG_KEY}{agent.name}", plan.to_dict()
        await services.ledger.write(lambda tx: tx.save_state(key, saved))
        if agent.leg is not leg:
            return  # logged out while that was written
        if not services.switch.invite(plan, AgentLegOwner(agent, self, plan), leg.own_offer(), None):
            raise LoginFailed(f"the phone {phone_name(agent)} cannot be called")

    async def _reach(self, agent: Agent) -> tuple[str, Destination]:
        """(URI, where to send) of the agent's phone."""
        if agent.table.phone != REGISTER:
            located = await self.services.locator.locate(Place.of_uri(agent.table.phone))
            return agent.table.phone, located.first
        found = self.services.phones.find(agent.name) if self.services.phones is not None else None
        if found is None:
            raise LoginFailed(
                f"the phone of {agent.name} is not registered: it must register as {agent.name} at"
                f" {self.services.from_host} with its password"
            )
        return found

    def ringing(self, agent: Agent, plan: InvitePlan) -> bool:
        """The early dialog goes to disk beside the INVITE's plan: should we die between the phone's answer and the
        commit of that, the plan's CANCEL would come too late, and only a BYE ends the leg. False if there is none yet.
        """
        early = self.services.switch.early_dialog(plan.call_id)
        if early is None or agent.leg is None or agent.leg.id != plan.call_id:
            return False
        self.services.ledger.save(f"{LEG_KEY}{agent.name}", {**plan.to_dict(), "early": early.to_dict()})
        return True

    def answered(self, agent: Agent, event: Answered) -> None:
        """The phone answered."""
        leg, waiting = agent.leg, self._logins.pop(agent.name, None)
        if leg is None or waiting is None or agent.state is not AgentState.LOGGING_IN:
            self.services.switch.bye(event.leg)
            return
        usable = leg.note_far(event.sdp)
        leg.settle_initial()
        if not usable:
            self._fail(waiting, "the phone's answer has no usable audio")
            self.hang_up(agent)
            self.control.gone(agent)
            return
        self.services.ledger.save(f"{LEG_KEY}{agent.name}", event.dialog.to_dict())
        agent.undisposed = None
        self._hold(leg)
        if not waiting.done():
            waiting.set_result(None)
        self.control.make_available(agent, AgentTrigger.LEG_UP)

    def failed(self, agent: Agent, event: Failed) -> None:
        """The phone refused or could not be reached."""
        what = "no answer from it" if event.kind == "timeout" else f"{event.status} {event.reason}"
        self._fail(self._logins.pop(agent.name, None), f"the phone {phone_name(agent)}: {what}")
        self.control.gone(agent)

    @staticmethod
    def _fail(waiting: asyncio.Future[None] | None, what: str) -> None:
        if waiting is not None and not waiting.done():
            waiting.set_exception(LoginFailed(what))

    # -- in between -----------------------------------------------------------------------------------------------

    def rest(self, agent: Agent) -> None:
        """Nobody talks on the leg: it goes back to our media port."""
        if agent.leg is not None:
            agent.leg.aim(None)
            self._hold(agent.leg)

    def _hold(self, leg: Leg) -> None:
        """A frame of silence now and then keeps phones and NATs content."""
        if leg.far is None:
            return
        try:
            self.services.media.hold(leg.media_key, (leg.far.host, leg.far.port), g711_payload(leg.far))
        except MediaError as error:
            self.services.counters["hold_refused"] += 1
            log.warning("an agent's leg cannot be kept alive", leg=leg.id, problem=str(error))

    def ended(self, agent: Agent, event: Ended) -> None:
        """The phone hung up, or its dialog died."""
        detail = "hung up" if event.by == "remote" else "the dialog died"
        self.control.phone_lost(agent, f"the leg to {phone_name(agent)} is gone: {detail}")

    def reinvite_refused(self, agent: Agent, event: ReinviteFailed) -> None:
        """A phone that cannot be pointed at a customer is of no use."""
        self.services.counters["reinvite_refused_agent"] += 1
        self.hang_up(agent)
        self.control.phone_lost(agent, f"the phone refused a re-INVITE with {event.status}")

    # -- the end --------------------------------------------------------------------------------------------------

    def hang_up(self, agent: Agent) -> None:
        """BYE or CANCEL, whichever ends the leg as it is; nothing when no INVITE has left."""
        leg, switch = agent.leg, self.services.switch
        if leg is None or not switch.has(leg.id):
            return
        if leg.up:
            switch.bye(leg.id)
        else:
            switch.cancel(leg.id)

    def drop(self, agent: Agent) -> None:
        """Forget the leg and give back its port; who waits for a log-in learns that it failed."""
        self._fail(self._logins.pop(agent.name, None), "logged out meanwhile")
        leg, agent.leg = agent.leg, None
        if leg is None:
            return
        self.services.switch.detach(leg.id)
        self.services.media.release(leg.media_key)
        leg.up = False
        self.services.ledger.save(f"{LEG_KEY}{agent.name}", None)


class AgentLegOwner:
    """The owner of one agent's leg, which stays up when the agent is moved to another campaign."""

    __slots__ = ("_first", "agent", "plan", "rings")

    def __init__(self, agent: Agent, phone: AgentPhone, plan: InvitePlan) -> None:
        self.agent, self.plan = agent, plan
        self.rings = False
        self._first = phone

    @property
    def phone(self) -> AgentPhone:
        """That of the campaign which the agent serves now."""
        return self._first if self.agent.control is None else self.agent.control.phone

    def on_provisional(self, event: Provisional) -> None:
        """A phone may ring as long as `PHONE_TIMEOUT`."""
        self.rings = self.rings or self.phone.ringing(self.agent, self.plan)

    def on_answered(self, event: Answered) -> None:
        self.phone.answered(self.agent, event)

    def on_failed(self, event: Failed) -> None:
        self.phone.failed(self.agent, event)

    def on_reinvited(self, event: Reinvited) -> None:
        if self.agent.leg is not None:
            self.agent.leg.accepted(event.sdp)

    def on_reinvite_failed(self, event: ReinviteFailed) -> None:
        self.phone.reinvite_refused(self.agent, event)

    def on_offered(self, event: Offered) -> None:
        leg = self.agent.leg
        if leg is not None:
            self.phone.services.switch.answer(leg.id, leg.answer_to_offer(event.sdp))
            leg.tell_partner()

    def on_ended(self, event: Ended) -> None:
        self.phone.ended(self.agent, event)


def saved_leg(saved: object) -> dict[str, Any] | None:
    """SIP state of a leg from the store, as `Endpoint.end_orphan` takes it; None for what is not one."""
    try:
        value = json.loads(saved) if isinstance(saved, str) else saved
        if not isinstance(value, dict):
            return None
        InvitePlan.from_dict(value) if value.get("kind") == "plan" else DialogState.from_dict(value)
    except (ValueError, KeyError, TypeError):
        return None
    return value
