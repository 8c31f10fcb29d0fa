"""What is done when an agent moves: the leg to the phone, wrap-up, breaks, log-outs, and what the pacer hears of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from dialer.agent import Agent, AgentState, AgentTrigger
from dialer.call import Call
from dialer.campaign import Campaign
from dialer.events import AgentAlert, AgentChanged
from dialer.leg import Leg, g711_payload
from dialer.media import MediaError
from dialer.resolve import ResolveError, resolve
from dialer.services import Services
from dialer.sip import (
    Answered,
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
from dialer.trunk import parse_address

log = structlog.get_logger(__name__)

#: How long an agent's phone may ring at log-in, seconds.
PHONE_TIMEOUT = 30.0

#: Key of the saved SIP state of an agent's leg, so that a restart can end it.
LEG_KEY = "agent_leg/"


class LoginFailed(Exception):
    """The agent's phone could not be reached; the text says why."""


class CallSide(Protocol):
    """What an agent's side asks of the calls' side."""

    def agent_lost(self, agent: Agent, call: Call) -> None: ...
    def offer_waiting(self) -> None: ...


class AgentControl:
    """Moves the agents of one campaign."""

    def __init__(self, campaign: Campaign, services: Services) -> None:
        self.campaign = campaign
        self.services = services
        self.calls: CallSide | None = None
        self.on_wrap_up_over: Callable[[Agent], None] = lambda agent: None
        self._logins: dict[str, asyncio.Future[None]] = {}

    # -- moves ----------------------------------------------------------------------------------------------------

    def move(self, agent: Agent, trigger: AgentTrigger, *, call: Call | None = None, reason: str | None = None) -> None:
        """Make the move and tell everybody; AgentStateError when the table has none."""
        before = agent.move(trigger, self.services.clock.now())
        if agent.state is AgentState.BREAK:
            agent.reason = reason
        if agent.state is not AgentState.WRAP_UP:
            self.services.stop_timer(agent.timers, "wrap_up")
        outward = {AgentState.LOGGING_IN: AgentState.LOGGED_OUT}
        shown_before, shown = outward.get(before, before), outward.get(agent.state, agent.state)
        if shown is shown_before and reason is None:
            return
        about = call or agent.call
        self.services.stream.publish(
            AgentChanged(
                at=self.services.clock.at(), campaign=self.campaign.name, agent=agent.name, previous=shown_before.value,
                state=shown.value, reason=agent.reason or reason, call=about.id if about is not None else None,
            )
        )  # fmt: skip

    def make_available(self, agent: Agent, trigger: AgentTrigger) -> None:
        """Available again: the longest waiting customer first, else the pacer hears of it."""
        self.move(agent, trigger)
        agent.call = None
        self._tell("agent_available", agent)
        if self.calls is not None:
            self.calls.offer_waiting()
        self.campaign.wake()

    def unreserve(self, agent: Agent) -> None:
        """The call that the agent was kept for came to nothing."""
        if agent.leg is not None:
            agent.leg.aim(None)
            self._hold(agent.leg)
        self.make_available(agent, AgentTrigger.UNRESERVE)
        self._apply_pending(agent)

    def reserve(self, agent: Agent, call: Call | None = None) -> None:
        """Keep an available agent for one call; the pacer no longer counts on the agent."""
        self.move(agent, AgentTrigger.RESERVE, call=call)
        agent.call = call
        self._tell("agent_unavailable", agent)

    def talk_ended(self, agent: Agent, call: Call) -> None:
        """Tell the pacer, if it was this agent whom it knows as talking."""
        if call.pacer_agent == agent.name:
            call.pacer_agent = None
            self._tell("talk_ended", agent)

    def call_over(self, agent: Agent, call: Call, *, owes: bool) -> None:
        """The talk is over: the phone goes back to our media port, wrap-up begins. `owes`: a code is due."""
        if agent.state is not AgentState.TALKING:
            return
        if agent.leg is not None:
            agent.leg.aim(None)
            self._hold(agent.leg)
        agent.undisposed = call if owes else None
        self.talk_ended(agent, call)
        self.move(agent, AgentTrigger.CALL_OVER, call=call)
        longest = self.campaign.table.wrap_up_max
        if longest > 0:
            self.services.timer(agent.timers, "wrap_up", longest, lambda: self.on_wrap_up_over(agent))

    def ready(self, agent: Agent) -> None:
        """End wrap-up or a break; a break or log-out asked for during the call happens now."""
        if agent.state is AgentState.WRAP_UP and self._apply_pending(agent):
            return
        self.make_available(agent, AgentTrigger.READY)

    def take_break(self, agent: Agent, reason: str) -> bool:
        """Go on a break; False: noted, it begins after the call and its wrap-up."""
        if agent.state in (AgentState.TALKING, AgentState.RESERVED):
            agent.pending, agent.pending_reason = AgentTrigger.BREAK, reason
            return False
        self.move(agent, AgentTrigger.BREAK, reason=reason)
        agent.call = None
        self._tell("agent_unavailable", agent)
        self.campaign.wake()
        return True

    def _apply_pending(self, agent: Agent) -> bool:
        pending, agent.pending = agent.pending, None
        if pending is AgentTrigger.BREAK:
            return self.take_break(agent, agent.pending_reason or "break")
        if pending is AgentTrigger.LOGOUT:
            return self.logout(agent)
        return False

    # -- log-in and log-out ---------------------------------------------------------------------------------------

    async def login(self, agent: Agent) -> None:
        """Call the agent's phone; returns when it has answered, raises LoginFailed when it did not."""
        services = self.services
        self.move(agent, AgentTrigger.LOGIN)
        agent.campaign = self.campaign.name
        self.campaign.roster.add(agent)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._logins[agent.name] = answered
        try:
            destination = await resolve(parse_address(agent.table.phone))
            await self._call_phone(agent, destination)
            async with asyncio.timeout(PHONE_TIMEOUT):
                await answered
        except TimeoutError:
            if agent.leg is not None:
                services.switch.cancel(agent.leg.id)
            self._gone(agent, alert=None, detail="")
            raise LoginFailed(f"the phone {agent.table.phone} did not answer within {PHONE_TIMEOUT:g} s") from None
        except (SipError, MediaError, ResolveError, ValueError) as error:
            self._gone(agent, alert=None, detail="")
            raise LoginFailed(str(error)) from None
        finally:
            self._logins.pop(agent.name, None)

    async def _call_phone(self, agent: Agent, destination: tuple[str, int]) -> None:
        services = self.services
        key = f"{LEG_KEY}{agent.name}"
        # a new name each time: the port of the last leg may still be on its way back
        media_key = f"agent/{agent.name}/{services.clock.now():.6f}"
        port = services.media.allocate(media_key)
        plan = services.switch.udp.plan_invite(
            agent.table.phone,
            from_uri=f"sip:dialer@{services.from_host}",
            destination=destination,
            from_display="dialer",
        )
        leg = Leg(
            id=plan.call_id,
            media_key=media_key,
            port=port,
            line=services.switch,
            session=hash(plan.call_id) & 0x7FFFFFFF,
        )
        agent.leg = leg
        saved = plan.to_dict()
        await services.ledger.write(lambda tx: tx.save_state(key, saved))
        if agent.leg is not leg:
            raise LoginFailed("logged out meanwhile")
        if not services.switch.invite(plan, AgentLegOwner(agent, self), leg.own_offer(), None):
            raise LoginFailed(f"the phone {agent.table.phone} cannot be called")

    def logout(self, agent: Agent) -> bool:
        """Log out; False: noted, it happens after the call and its wrap-up."""
        if agent.state in (AgentState.TALKING, AgentState.RESERVED):
            agent.pending = AgentTrigger.LOGOUT
            return False
        if agent.state is AgentState.LOGGED_OUT:
            return True
        leg = agent.leg
        if leg is not None:
            if leg.up:
                self.services.switch.bye(leg.id)
            else:
                self.services.switch.cancel(leg.id)
        self._gone(agent, alert=None, detail="", trigger=AgentTrigger.LOGOUT)
        return True

    def _gone(
        self, agent: Agent, *, alert: str | None, detail: str, trigger: AgentTrigger = AgentTrigger.LEG_LOST
    ) -> None:
        if agent.state is AgentState.LOGGED_OUT:
            return
        services = self.services
        leg, call, state = agent.leg, agent.call, agent.state
        agent.leg, agent.shown, agent.pending = None, None, None
        services.stop_timers(agent.timers)
        self.move(agent, trigger, reason=alert)
        self.campaign.roster.remove(agent)
        if leg is not None:
            services.switch.detach(leg.id)
            services.media.release(leg.media_key)
            leg.up = False
            key = f"{LEG_KEY}{agent.name}"
            services.ledger.save(key, None)
        if state is not AgentState.LOGGING_IN:
            self._tell("agent_unavailable", agent)
        if alert is not None:
            services.stream.publish(
                AgentAlert(
                    at=services.clock.at(), campaign=self.campaign.name, agent=agent.name, alert=alert, detail=detail
                )
            )
            log.warning("agent's leg lost", agent=agent.name, campaign=self.campaign.name, detail=detail)
        if call is not None and self.calls is not None:
            if call.pacer_agent == agent.name:
                call.pacer_agent = None
            self.calls.agent_lost(agent, call)
        agent.call = None
        self.campaign.wake()

    # -- the leg --------------------------------------------------------------------------------------------------

    def leg_answered(self, agent: Agent, event: Answered) -> None:
        """The phone answered."""
        leg = agent.leg
        waiting = self._logins.get(agent.name)
        if leg is None or leg.id != event.leg or waiting is None or waiting.done():
            self.services.switch.bye(event.leg)
            return
        if not leg.note_far(event.sdp):
            self.services.switch.bye(event.leg)
            waiting.set_exception(LoginFailed("the phone's answer has no usable audio"))
            self._gone(agent, alert=None, detail="")
            return
        leg.settle_initial()
        key, dialog = f"{LEG_KEY}{agent.name}", event.dialog.to_dict()
        self.services.ledger.save(key, dialog)
        agent.undisposed = None
        self._hold(leg)
        self.make_available(agent, AgentTrigger.LEG_UP)
        waiting.set_result(None)

    def _hold(self, leg: Leg) -> None:
        """Nobody talks on it: a frame of silence now and then keeps phones and NATs content."""
        if leg.far is None:
            return
        try:
            self.services.media.hold(leg.media_key, (leg.far.host, leg.far.port), g711_payload(leg.far))
        except MediaError as error:
            self.services.counters["hold_refused"] += 1
            log.warning("an agent's leg cannot be kept alive", leg=leg.id, problem=str(error))

    def leg_failed(self, agent: Agent, event: Failed) -> None:
        """The phone refused or could not be reached."""
        waiting = self._logins.get(agent.name)
        if waiting is not None and not waiting.done():
            what = "no answer from it" if event.kind == "timeout" else f"{event.status} {event.reason}"
            waiting.set_exception(LoginFailed(f"the phone {agent.table.phone}: {what}"))
        self._gone(agent, alert=None, detail="")

    def leg_ended(self, agent: Agent, event: Ended) -> None:
        """The phone hung up, or its dialog died."""
        detail = "hung up" if event.by == "remote" else "the dialog died"
        self._gone(agent, alert="leg_lost", detail=f"the leg to {agent.table.phone} is gone: {detail}")

    def leg_refused_reinvite(self, agent: Agent, event: ReinviteFailed) -> None:
        """A phone that cannot be pointed at a customer is of no use: end its leg, so that the call finds a colleague.
        """
        self.services.counters["reinvite_refused_agent"] += 1
        leg = agent.leg
        if leg is None:
            return
        leg.refused()
        self.services.switch.bye(leg.id)
        self._gone(agent, alert="leg_lost", detail=f"the phone refused a re-INVITE with {event.status}")

    def _tell(self, what: str, agent: Agent) -> None:
        if self.campaign.pacemaker is not None:
            self.campaign.pacemaker.tell(what, agent.name, self.services.clock.now())


class AgentLegOwner:
    """The owner of one agent's leg."""

    __slots__ = ("agent", "control")

    def __init__(self, agent: Agent, control: AgentControl) -> None:
        self.agent, self.control = agent, control

    def on_provisional(self, event: Provisional) -> None:
        """A phone may ring as long as `PHONE_TIMEOUT`."""

    def on_answered(self, event: Answered) -> None:
        self.control.leg_answered(self.agent, event)

    def on_failed(self, event: Failed) -> None:
        self.control.leg_failed(self.agent, event)

    def on_reinvited(self, event: Reinvited) -> None:
        if self.agent.leg is not None:
            self.agent.leg.accepted(event.sdp)

    def on_reinvite_failed(self, event: ReinviteFailed) -> None:
        self.control.leg_refused_reinvite(self.agent, event)

    def on_offered(self, event: Offered) -> None:
        leg = self.agent.leg
        if leg is None:
            return
        self.control.services.switch.answer(leg.id, leg.answer_to_offer(event.sdp))
        other = leg.aimed_at
        if other is not None and other.aimed_at is leg:
            other.sync()

    def on_ended(self, event: Ended) -> None:
        self.control.leg_ended(self.agent, event)


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
