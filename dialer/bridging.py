"""Joining a customer to an agent, handing the call over, and what happens when an agent's leg is lost in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from dialer.agent import Agent, AgentState, AgentTrigger
from dialer.call import Call, CallState, CallTrigger
from dialer.events import CallConnected, CallHandedOver
from dialer.leg import Bridge, Leg
from dialer.outcomes import call_fields

if TYPE_CHECKING:
    from dialer.call_control import CallControl

log = structlog.get_logger(__name__)

#: How long both re-INVITEs of a bridge may take, seconds: a peer that has missed the first and three retransmissions
#: (RFC 3261 17.1.1.2: after 0.5, 1.5 and 3.5 s) is gone. SIP's own time-out takes 32 s of silence.
BRIDGE_TIMEOUT = 4.0
#: An agent found when patience is all but over gets this long to be joined, seconds; then the message starts.
LAST_CHANCE = 0.5


class Bridging:
    """Who talks to whom, in one campaign. Its public methods that take a call alone are actions of `CALL_TABLE`."""

    def __init__(self, calls: CallControl) -> None:
        self.calls = calls
        self.campaign = calls.campaign
        self.services = calls.services
        self.agents = calls.agents
        self._bridges: dict[str, Bridge] = {}

    # -- joining --------------------------------------------------------------------------------------------------

    def give(self, call: Call, agent: Agent) -> None:
        """Hand the waiting `call` to `agent`, who is free or reserved for it."""
        at_once = call.agent_found is None and call not in self.campaign.waiting
        self.calls.stop_waiting(call)
        call.agent = agent
        call.agent_found = call.wait_from if at_once else self.services.clock.now()
        if agent.state is not AgentState.RESERVED:
            if call.told_pacer and call.connected is None:
                self.agents.move(agent, AgentTrigger.RESERVE, call=call)
            else:
                self.agents.reserve(agent, call)
        agent.call = call
        self.calls.fire(call, CallTrigger.AGENT_FOUND)

    def connect(self, call: Call) -> None:
        agent = _agent(call)
        told = call.told_pacer
        if told:
            call.pacer_agent = agent.name
        self._join(call, agent)
        # the re-INVITEs have left: neither of the two waits for the pacer's sums
        if told and call.pacer_agent == agent.name:
            self.calls.tell(call, "call_connected", call.id, agent.name, self.services.clock.now())

    def reconnect(self, call: Call) -> None:
        call.incoming = _agent(call)
        self._join(call, call.incoming)

    def hand_over(self, call: Call) -> None:
        colleague = call.incoming
        if colleague is None:
            raise LookupError(f"call {call.id} is handed over to nobody")
        self._join(call, colleague)

    def _join(self, call: Call, agent: Agent) -> None:
        """Point both legs at each other; BRIDGED when both far ends have agreed."""
        leg = agent.leg
        if leg is None:
            self.calls.fire(call, CallTrigger.AGENT_GONE)
            return
        self.forget(call)
        if self.services.media.bridge(call.leg.media_key, leg.media_key):
            self.calls.fire(call, CallTrigger.BRIDGED)
            return
        bridge = Bridge(call.leg, leg, on_done=lambda: self._joined(call))
        self._bridges[call.id] = bridge
        if (
            call.state is CallState.CONNECTING
            and (left := max(self.calls.patience_left(call), LAST_CHANCE)) < BRIDGE_TIMEOUT
        ):
            self.services.timer(call.timers, "bridge", left, lambda: self._out_of_patience(call, agent, bridge, left))
        else:
            self.services.timer(call.timers, "bridge", BRIDGE_TIMEOUT, lambda: self._overdue(call, agent, bridge))
        bridge.start()

    def _joined(self, call: Call) -> None:
        self.services.stop_timer(call.timers, "bridge")
        self.calls.fire_if_open(call, CallTrigger.BRIDGED)

    def _overdue(self, call: Call, agent: Agent, bridge: Bridge) -> None:
        """One of the two has not answered its re-INVITE: nobody hears anything."""
        if not bridge.agent.synced():
            self.agents.phone_mute(agent, f"the phone did not answer a re-INVITE within {BRIDGE_TIMEOUT:g} s")
        elif call.state in (CallState.CONNECTING, CallState.TALKING):
            self.services.counters["reinvite_unanswered_customer"] += 1
            log.warning("customer's side does not answer a re-INVITE", call=call.id, leg=call.leg.id)
            connecting = call.state is CallState.CONNECTING
            self.calls.fire(call, CallTrigger.NOT_JOINED if connecting else CallTrigger.HANGUP)

    def _out_of_patience(self, call: Call, agent: Agent, bridge: Bridge, taken: float) -> None:
        """The customer has waited long enough: a colleague who is free, else the message. The agent stays kept until it
        is known whether the phone is lost.
        """
        leg = agent.leg
        if leg is None or leg.synced():
            self._overdue(call, agent, bridge)
            return
        self.forget(call)
        self.agents.phone.rest(agent)
        call.agent = call.pacer_agent = agent.call = None
        self.services.timer(agent.timers, "late", BRIDGE_TIMEOUT - taken, lambda: self._late(agent, leg))
        self.calls.fire(call, CallTrigger.AGENT_GONE)

    def _late(self, agent: Agent, leg: Leg) -> None:
        if agent.leg is not leg or agent.state is not AgentState.RESERVED or agent.call is not None:
            return
        if leg.synced():
            self.agents.unreserve(agent)
        else:
            self.agents.phone_mute(agent, f"the phone did not answer a re-INVITE within {BRIDGE_TIMEOUT:g} s")

    def forget(self, call: Call) -> None:
        """Nobody waits for the call's bridge any more; the legs stay as they are."""
        self.services.stop_timer(call.timers, "bridge")
        bridge = self._bridges.pop(call.id, None)
        if bridge is not None:
            bridge.release()

    def note_connected(self, call: Call) -> None:
        clock, agent = self.services.clock, _agent(call)
        call.connected = clock.now()
        self.agents.move(agent, AgentTrigger.CONNECT, call=call)
        agent.calls_taken += 1
        self.campaign.totals["connected"] += 1
        self.calls.outcomes.note_connected(call, agent)
        answered, found = call.answered or call.connected, call.agent_found or call.connected
        self.services.stream.publish(
            CallConnected(
                at=clock.at(), agent=agent.name, answer_to_agent=call.connected - answered, wait=found - answered,
                **call_fields(call),
            )
        )  # fmt: skip

    # -- parting --------------------------------------------------------------------------------------------------

    def part(self, call: Call, *, owes: bool = True) -> None:
        """The customer leaves: every agent who has to do with the call is free of it. `owes`: a code is due, unless it
        was given during the call.
        """
        self.forget(call)
        for agent in dict.fromkeys((call.incoming, call.agent)):
            if agent is not None:
                self.agents.call_over(agent, call, owes=owes and call.coded_by != agent.name)
        call.incoming = None

    # -- handing over ---------------------------------------------------------------------------------------------

    def start_hand_over(self, call: Call, colleague: Agent) -> None:
        """Move the live call to `colleague`, who is available; the agent of now stays on it until it is done."""
        self.agents.reserve(colleague, call)
        call.incoming = colleague
        self.calls.fire(call, CallTrigger.HAND_OVER)

    def note_handed_over(self, call: Call) -> None:
        colleague, before = call.incoming, call.agent
        if colleague is None:
            return  # joined again with the agent who wanted to hand over
        call.incoming = None
        call.agent = colleague
        self.agents.move(colleague, AgentTrigger.CONNECT, call=call)
        colleague.calls_taken += 1
        self.calls.outcomes.note_connected(call, colleague)
        if before is not None and before is not colleague:
            self.agents.call_over(before, call, owes=False)
            self.services.stream.publish(
                CallHandedOver(
                    at=self.services.clock.at(), agent=before.name, to_agent=colleague.name, **call_fields(call)
                )
            )

    # -- an agent is lost -----------------------------------------------------------------------------------------

    def agent_lost(self, agent: Agent, call: Call) -> None:
        """`agent`, logged out already, was talking on `call`, being connected to it, or about to take it over."""
        if call.state not in (CallState.CONNECTING, CallState.TALKING):
            return
        if call.pacer_agent == agent.name:
            call.pacer_agent = None
        was_incoming = agent is call.incoming
        if was_incoming:
            call.incoming = None
        if agent is call.agent:
            call.agent = None
            if call.incoming is None:
                self.calls.fire(call, CallTrigger.AGENT_GONE)
            # else a colleague is on the way already: the hand-over goes on
        elif was_incoming and call.agent is None:
            self.calls.fire(call, CallTrigger.AGENT_GONE)
        elif was_incoming:
            self._join(call, _agent(call))  # back to the agent who wanted to hand over

    def note_unconnected(self, call: Call) -> None:
        """The agent who was being connected is gone, and the call waits again."""
        self.forget(call)
        if call.told_pacer and self.campaign.pacemaker is not None:
            # connected was told too early: the pacer learns the truth at its next decision
            self.campaign.pacemaker.needs_resync = True

    def strand(self, call: Call) -> None:
        self.forget(call)
        call.wait_from = self.services.clock.now()


def _agent(call: Call) -> Agent:
    if call.agent is None:
        raise LookupError(f"call {call.id} in state {call.state} has no agent")
    return call.agent
