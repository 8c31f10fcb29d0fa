"""What is done when an agent moves: reserved, talking, wrap-up, breaks, log-outs, and what the pacer hears of it.

The leg to the agent's phone is in `dialer.agent_phone`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from dialer.agent import Agent, AgentState, AgentTrigger
from dialer.agent_phone import AgentPhone
from dialer.call import Call
from dialer.campaign import Campaign
from dialer.events import AgentAlert, AgentChanged
from dialer.services import Services
from dispositions import Claim

log = structlog.get_logger(__name__)


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
        self.phone = AgentPhone(campaign, services, self)

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
        self._offer(agent)

    def _offer(self, agent: Agent) -> None:
        pacemaker = self.campaign.pacemaker
        if pacemaker is not None:
            pacemaker.available(agent.name, self.services.clock.now())
        if self.calls is not None:
            self.calls.offer_waiting()
        if agent.state is AgentState.AVAILABLE:
            self.campaign.rescue()
        self.campaign.wake()

    def release(self, agent: Agent) -> None:
        """An available agent goes to another campaign: nobody here counts on the agent any more."""
        self.campaign.roster.remove(agent)
        self._tell_unavailable(agent)
        self.campaign.wake()

    def take_in(self, agent: Agent) -> None:
        """An available agent comes from another campaign, with its place in the queue of those who are idle."""
        clock = self.services.clock
        agent.campaign, agent.control, agent.arrived = self.campaign.name, self, clock.now()
        self.campaign.roster.add(agent)
        state = agent.state.value
        self.services.stream.publish(
            AgentChanged(
                at=clock.at(), campaign=self.campaign.name, agent=agent.name, previous=state, state=state, reason=None,
                call=None,
            )
        )  # fmt: skip
        self._offer(agent)

    def unreserve(self, agent: Agent) -> None:
        """The call that the agent was kept for came to nothing."""
        self.phone.rest(agent)
        self.move(agent, AgentTrigger.UNRESERVE)
        agent.call = None
        if not self._apply_pending(agent):
            self._offer(agent)

    def reserve(self, agent: Agent, call: Call | None = None) -> None:
        """Keep an available agent for one call; the pacer no longer counts on the agent."""
        self.move(agent, AgentTrigger.RESERVE, call=call)
        agent.call = call
        self._tell_unavailable(agent)

    def talk_ended(self, agent: Agent, call: Call) -> None:
        """Tell the pacer, if it was this agent whom it knows as talking."""
        if call.pacer_agent == agent.name:
            call.pacer_agent = None
            if self.campaign.pacemaker is not None:
                self.campaign.pacemaker.tell("talk_ended", agent.name, self.services.clock.now())

    def call_over(self, agent: Agent, call: Call, *, owes: bool) -> None:
        """The call is over for this agent: the phone goes back to our port, wrap-up begins. `owes`: a code is due.

        An agent who was still being connected has nothing to wrap up, and is available again.
        """
        self.talk_ended(agent, call)
        if agent.state is AgentState.RESERVED and agent.call is call:
            self.unreserve(agent)
        if agent.state is not AgentState.TALKING:
            return
        self.phone.rest(agent)
        agent.undisposed = call if owes else None
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
        self._tell_unavailable(agent)
        self.campaign.wake()
        return True

    def _apply_pending(self, agent: Agent) -> bool:
        pending, agent.pending = agent.pending, None
        if pending is AgentTrigger.BREAK:
            return self.take_break(agent, agent.pending_reason or "break")
        if pending is AgentTrigger.LOGOUT:
            return self.logout(agent)
        return False

    # -- log-out --------------------------------------------------------------------------------------------------

    def logout(self, agent: Agent) -> bool:
        """Log out; False: noted, it happens after the call and its wrap-up."""
        if agent.state in (AgentState.TALKING, AgentState.RESERVED):
            agent.pending = AgentTrigger.LOGOUT
            return False
        if agent.state is not AgentState.LOGGED_OUT:
            self.phone.hang_up(agent)
            self.gone(agent, AgentTrigger.LOGOUT)
        return True

    def log_out_now(self, agent: Agent) -> None:
        """Log out whatever the agent does; a call is treated as if the phone were lost."""
        if not self.logout(agent):
            self.phone.hang_up(agent)
            self.gone(agent)

    def phone_lost(self, agent: Agent, detail: str) -> None:
        """The agent's leg is gone without having been asked to go: logged out, and the operator sees it."""
        name = self.campaign.name
        at = self.services.clock.at()
        log.warning("agent's leg lost", agent=agent.name, campaign=name, detail=detail)
        self.services.stream.publish(
            AgentAlert(at=at, campaign=name, agent=agent.name, alert="leg_lost", detail=detail)
        )
        self.gone(agent, reason="leg_lost")

    def phone_mute(self, agent: Agent, detail: str) -> None:
        """The phone does not do as told: it is of no use, so that the call must find a colleague."""
        self.services.counters["agent_phone_mute"] += 1
        self.phone.hang_up(agent)
        self.phone_lost(agent, detail)

    def gone(self, agent: Agent, trigger: AgentTrigger = AgentTrigger.LEG_LOST, *, reason: str | None = None) -> None:
        """The agent has no leg any more: logged out, off the pacer's book, and a call finds somebody else."""
        if agent.state is AgentState.LOGGED_OUT:
            return
        call, shown = agent.call, agent.shown
        agent.shown, agent.pending = None, None
        self.services.stop_timers(agent.timers)
        self.phone.drop(agent)
        self.move(agent, trigger, reason=reason)
        self.campaign.roster.remove(agent)
        self._tell_unavailable(agent)
        if isinstance(shown, Claim):
            at = self.services.clock.at()
            self.services.ledger.post(lambda tx: tx.release([shown], at))
        agent.call = None
        if call is not None and self.calls is not None:
            self.calls.agent_lost(agent, call)
        self.campaign.wake()

    def _tell_unavailable(self, agent: Agent) -> None:
        if self.campaign.pacemaker is not None:
            self.campaign.pacemaker.unavailable(agent.name, self.services.clock.now())
