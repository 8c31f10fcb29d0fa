"""Where the agents' phones are that register with us, and who is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from dialer.config.sip_tables import REGISTER
from dialer.events import AgentAlert, AgentPhoneChanged
from dialer.sip import Bound, OptionsAnswered, OptionsFailed, RegisterRefused, Registrar, Unbound
from dialer.sip.flow import Destination

if TYPE_CHECKING:
    from dialer.agent import Agent
    from dialer.clock import Clock
    from dialer.events import EventStream
    from dialer.switchboard import Switchboard

log = structlog.get_logger(__name__)

#: The realm that phones are challenged for: part of what their passwords are hashed with.
REALM = "dialer"


class PhoneBook:
    """The registrar of the agents' phones as the engine sees it. `registrar` answers in the SIP endpoint."""

    def __init__(self, registrar: Registrar, stream: EventStream, clock: Clock) -> None:
        self.registrar = registrar
        self.stream = stream
        self.clock = clock
        self.pings_lost = 0

    async def run(self, switch: Switchboard, interval: float) -> None:
        """Keep the ways to the phones open, until cancelled. `interval`: seconds; 0: they do it themselves."""
        while interval > 0:
            await asyncio.sleep(interval)
            self.beat(switch)

    def beat(self, switch: Switchboard) -> None:
        """OPTIONS to each registered phone: a router between forgets a way that nothing has gone for half a minute."""
        for binding in self.registrar.bindings:
            if switch.ping(binding.uri, binding.destination, self) is None:
                switch.counters["phone_ping_refused"] += 1

    def on_pong(self, event: OptionsAnswered | OptionsFailed) -> None:
        """Any answer will do; the registration alone says whether a phone is there."""
        if isinstance(event, OptionsFailed):
            self.pings_lost += 1

    def find(self, agent: str) -> tuple[str, Destination] | None:
        """(URI, where to send) of the agent's phone; None while it is not registered."""
        found = self.registrar.reach(agent)
        return None if found is None else (found.uri, found.destination)

    def state(self, agent: Agent) -> str:
        """fixed (its address is in the config), registered or unregistered."""
        if agent.table.phone != REGISTER:
            return "fixed"
        return "unregistered" if self.find(agent.name) is None else "registered"

    @property
    def registered(self) -> int:
        """Agents whose phone is registered."""
        return len({binding.user for binding in self.registrar.bindings})

    def take(self, accounts: Mapping[str, str]) -> None:
        """Other agents or passwords, from a new config."""
        for gone in self.registrar.replace(accounts):
            self.on_event(gone)

    def on_event(self, event: Bound | Unbound | RegisterRefused) -> None:
        """What the registrar says."""
        if isinstance(event, RegisterRefused):
            self._refused(event)
        elif isinstance(event, Unbound):
            if self.find(event.user) is None:
                self._tell(event.user, False, event.why, event.uri)
        elif event.fresh:
            self._tell(event.user, True, "registered", event.uri)

    def _tell(self, agent: str, registered: bool, reason: str, contact: str) -> None:
        log.info("agent's phone", agent=agent, registered=registered, reason=reason, contact=contact)
        self.stream.publish(
            AgentPhoneChanged(
                at=self.clock.at(), campaign="", agent=agent, registered=registered, reason=reason, contact=contact
            )
        )

    def _refused(self, event: RegisterRefused) -> None:
        if event.why == "credentials":
            return  # counted by the endpoint; told when they are too many
        known = self.registrar.knows(event.user)
        log.warning("register refused", user=event.user, known=known, source=event.source[0], reason=event.why)
        if known:
            detail = (
                f"{event.source[0]} gave a wrong password again and again, and must wait"
                if event.why == "held"
                else f"{event.source[0]} tried to register somebody else's phone"
            )
            self.stream.publish(
                AgentAlert(at=self.clock.at(), campaign="", agent=event.user, alert="register_refused", detail=detail)
            )
