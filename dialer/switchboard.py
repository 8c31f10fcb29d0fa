"""Between the SIP endpoint and the engine: every leg's events go to whoever owns the leg.

A refused command (`SipError`) and a trigger that a state table does not have are counted by reason and logged with the
leg's id; neither stops the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from dialer.agent import AgentStateError
from dialer.call import CallStateError
from dialer.sip import (
    Answered,
    Bound,
    Credentials,
    Destination,
    DialogState,
    Ended,
    Event,
    Failed,
    IncomingCall,
    InvitePlan,
    Offered,
    OptionsAnswered,
    OptionsFailed,
    Provisional,
    Registered,
    RegisterRefused,
    RegistrationFailed,
    Reinvited,
    ReinviteFailed,
    SipError,
    Unbound,
    Unregistered,
)
from dialer.sip.core import Tap
from dialer.trunk import SignOn
from dialer.udp import UdpEndpoint

log = structlog.get_logger(__name__)


class LegOwner(Protocol):
    """Who is told what happens on a leg."""

    def on_provisional(self, event: Provisional) -> None: ...
    def on_answered(self, event: Answered) -> None: ...
    def on_failed(self, event: Failed) -> None: ...
    def on_reinvited(self, event: Reinvited) -> None: ...
    def on_reinvite_failed(self, event: ReinviteFailed) -> None: ...
    def on_offered(self, event: Offered) -> None: ...
    def on_ended(self, event: Ended) -> None: ...


class PingOwner(Protocol):
    """Who is told how an OPTIONS ended."""

    def on_pong(self, event: OptionsAnswered | OptionsFailed) -> None: ...


class RegistrationOwner(Protocol):
    """Who is told what becomes of a registration."""

    def on_registered(self, event: Registered) -> None: ...
    def on_registration_failed(self, event: RegistrationFailed) -> None: ...
    def on_unregistered(self) -> None: ...


class Switchboard:
    """Owns the map from legs to their owners; all SIP commands of the engine go through here."""

    def __init__(self, udp: UdpEndpoint, counters: Counter[str]) -> None:
        self.udp = udp
        self.counters = counters
        self._owners: dict[str, LegOwner] = {}
        self._left: set[str] = set()
        """legs that their owner is done with and that are on their way out"""
        self._pings: dict[str, PingOwner] = {}
        self.on_incoming: Callable[[IncomingCall], int | None] = lambda event: 480
        """the status to refuse an incoming call with; None: somebody has taken it"""
        self.on_phone: Callable[[Bound | Unbound | RegisterRefused], None] = lambda event: None
        self._registrations: dict[str, RegistrationOwner] = {}

    # -- events ---------------------------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Called by the adapter for every event of the endpoint."""
        if isinstance(event, OptionsAnswered | OptionsFailed):
            owner = self._pings.pop(event.ping, None)
            if owner is not None:
                owner.on_pong(event)
            return
        if isinstance(event, Registered | RegistrationFailed | Unregistered):
            self._registration(event)
            return
        if isinstance(event, Bound | Unbound | RegisterRefused):
            self.on_phone(event)
            return
        if isinstance(event, IncomingCall):
            refusal = self.on_incoming(event)
            if refusal is not None:
                self._left.add(event.leg)
                self._try(event.leg, "reject", lambda: self.udp.reject(event.leg, refusal))
            return
        leg_owner = self._owners.get(event.leg)
        if leg_owner is None:
            self._ownerless(event.leg, event)
            return
        try:
            _TELL[type(event)](leg_owner, event)
        except (CallStateError, AgentStateError) as error:
            self.counters["state_table"] += 1
            log.warning(
                "event does not fit the state", leg=event.leg, event_type=type(event).__name__, problem=str(error)
            )

    def _registration(self, event: Registered | RegistrationFailed | Unregistered) -> None:
        owner = self._registrations.get(event.registration)
        if owner is None:
            self.counters["sip_event_without_owner"] += 1
        elif isinstance(event, Registered):
            owner.on_registered(event)
        elif isinstance(event, RegistrationFailed):
            owner.on_registration_failed(event)
        else:
            del self._registrations[event.registration]
            owner.on_unregistered()

    def _ownerless(self, leg: str, event: Event) -> None:
        if leg not in self._left:
            self.counters["sip_event_without_owner"] += 1
        elif isinstance(event, Ended | Failed):
            self._left.discard(leg)
        if isinstance(event, Answered):
            # nobody waits for it any more: nobody may be left on an open line
            self.bye(leg)
        elif isinstance(event, Offered):
            self._try(leg, "reject", lambda: self.udp.reject(leg, 488))

    # -- commands -------------------------------------------------------------------------------------------------
    # On a leg that the endpoint has no more, whose end is only on its way to its owner, they do nothing and are False.

    def invite(
        self,
        plan: InvitePlan,
        owner: LegOwner,
        description: bytes,
        credentials: Credentials | None,
        *,
        hold_ack: bool = False,
    ) -> bool:
        """Send the INVITE of a plan that is on disk; its events go to `owner`. `hold_ack`: see `Endpoint.invite`."""
        self._owners[plan.call_id] = owner
        sent = self._try(
            plan.call_id,
            "invite",
            lambda: self.udp.invite(plan, sdp=description, credentials=credentials, hold_ack=hold_ack),
        )
        if not sent:
            self._owners.pop(plan.call_id, None)
        return sent

    def adopt(self, leg: str, owner: LegOwner) -> None:
        """An incoming call has somebody: its further events go there."""
        self._owners[leg] = owner

    def detach(self, leg: str) -> None:
        """The owner is done with the leg; if it still stands, what becomes of it is nobody's business."""
        self._owners.pop(leg, None)
        if self.udp.has(leg):
            self._left.add(leg)

    def acknowledge(self, leg: str) -> bool:
        """Send the ACK that `hold_ack` held."""
        return self.udp.has(leg) and self._try(leg, "acknowledge", lambda: self.udp.acknowledge(leg, None))

    def cancel(self, leg: str) -> bool:
        """Give up a ringing call."""
        return self.udp.has(leg) and self._try(leg, "cancel", lambda: self.udp.cancel(leg))

    def bye(self, leg: str) -> bool:
        """End a confirmed dialog."""
        return self.udp.has(leg) and self._try(leg, "bye", lambda: self.udp.bye(leg))

    def reinvite(self, leg: str, description: bytes) -> bool:
        """Offer a new session on a confirmed dialog. False, too, when an offer of the far end is on its way to the
        owner: the answer to that says what there is to say.
        """
        if not self.udp.has(leg) or self.udp.offered(leg):
            return False
        return self._try(leg, "reinvite", lambda: self.udp.reinvite(leg, description))

    def answer(self, leg: str, description: bytes) -> bool:
        """Answer an offer of the far end."""
        return self.udp.has(leg) and self._try(leg, "answer", lambda: self.udp.answer(leg, description))

    def reject(self, leg: str, status: int) -> bool:
        """Refuse an offer of the far end: the session stays as it was."""
        return self.udp.has(leg) and self._try(leg, "reject", lambda: self.udp.reject(leg, status))

    def ping(self, uri: str, destination: Destination, owner: PingOwner) -> str | None:
        """Send OPTIONS; how it ended goes to `owner`."""
        try:
            ping = self.udp.options(uri, destination)
        except SipError as error:
            self._count(uri, "options", error)
            return None
        self._pings[ping] = owner
        return ping

    def owner(self, leg: str) -> LegOwner | None:
        """Who is told what happens on the leg; None for one that nobody has."""
        return self._owners.get(leg)

    def watch(self, tap: Tap | None) -> None:
        """Show every message that comes and goes to `tap`; None ends it."""
        self.udp.endpoint.watch(tap)

    def register(self, wanted: SignOn, owner: RegistrationOwner) -> str | None:
        """Sign on and stay signed on; what becomes of it goes to `owner`. None when the command was refused."""
        try:
            registration = self.udp.register(
                wanted.registrar,
                wanted.aor,
                wanted.destinations,
                expires=wanted.expires,
                credentials=wanted.credentials,
            )
        except SipError as error:
            self._count(wanted.aor, "register", error)
            return None
        self._registrations[registration] = owner
        return registration

    def unregister(self, registration: str) -> bool:
        """Sign off; `on_unregistered` follows."""
        return self._try(registration, "unregister", lambda: self.udp.unregister(registration))

    def has(self, leg: str) -> bool:
        """Whether the leg is live."""
        return self.udp.has(leg)

    def heard(self, leg: str) -> bool:
        """Whether the INVITE of a live leg has had any response; True for a leg that is not there."""
        return not self.udp.has(leg) or self.udp.heard(leg)

    def early_dialog(self, leg: str) -> DialogState | None:
        """The dialog that a ringing leg would have when it is answered; None while its far end has named no tag."""
        try:
            return self.udp.dialog(leg)
        except SipError:
            return None

    def end_orphan(
        self, saved: Mapping[str, Any], on_end: Callable[[bool], None], credentials: Credentials | None = None
    ) -> bool:
        """End a call that a daemon before us left behind, from its saved SIP state; `on_end` learns whether its far
        end answered. False, and nothing happens, when the state is none that can be ended.
        """
        leg = str(saved.get("call_id"))
        return self._try(leg, "end_orphan", lambda: self.udp.end_orphan(dict(saved), on_end, credentials=credentials))

    @property
    def legs(self) -> int:
        """Live legs of the endpoint."""
        return self.udp.endpoint.legs

    def _try(self, leg: str, command: str, send: Callable[[], object]) -> bool:
        try:
            send()
        except SipError as error:
            self._count(leg, command, error)
            return False
        return True

    def _count(self, leg: str, command: str, error: SipError) -> None:
        self.counters[f"sip_{command}_refused"] += 1
        log.warning("sip command refused", leg=leg, command=command, problem=str(error))


_TELL: dict[type, Callable[[LegOwner, Event], None]] = {
    Provisional: lambda owner, event: owner.on_provisional(event),  # type: ignore[arg-type]
    Answered: lambda owner, event: owner.on_answered(event),  # type: ignore[arg-type]
    Failed: lambda owner, event: owner.on_failed(event),  # type: ignore[arg-type]
    Reinvited: lambda owner, event: owner.on_reinvited(event),  # type: ignore[arg-type]
    ReinviteFailed: lambda owner, event: owner.on_reinvite_failed(event),  # type: ignore[arg-type]
    Offered: lambda owner, event: owner.on_offered(event),  # type: ignore[arg-type]
    Ended: lambda owner, event: owner.on_ended(event),  # type: ignore[arg-type]
}
