"""A trunk that wants to be registered with: signed on while the engine runs, signed off at its end, up only in
between.

`dialer.sip.register` does the work: refresh, the next registrar when one fails, pauses that double, Retry-After. Here
is what it means for the trunk. A refresh that finds no registrar leaves the binding as it is, and the trunk up, until
the binding's time is over; a refusal ends it at once.
"""

from __future__ import annotations

from asyncio import TimerHandle
from typing import TYPE_CHECKING

import structlog

from dialer.sip import Registered, RegistrationFailed
from dialer.trunk_guard import tell_trunk

if TYPE_CHECKING:
    from dialer.services import Services
    from dialer.trunk import SignOn, Trunk

log = structlog.get_logger(__name__)


class TrunkRegistration:
    """Keeps one trunk signed on. `id`: the registration of the endpoint, None while there is none."""

    def __init__(self, trunk: Trunk, services: Services) -> None:
        self.trunk = trunk
        self.services = services
        self.id: str | None = None
        self._done: SignOn | None = None
        """what the present registration was begun with"""
        self._leaving = False
        self._until = 0.0
        self._lapse: TimerHandle | None = None

    def follow(self) -> None:
        """Do as the trunk's settings say now: sign on, off, or anew with other credentials or registrars."""
        wanted = self.trunk.sign_on
        if wanted == self._done:
            return
        if self.id is not None:
            self._sign_off()  # and on again when that is over: two registrations of one Contact would end each other
        elif wanted is not None:
            self._begin(wanted)
        else:
            self._done, self.trunk.signed_on = None, None

    def leave(self) -> None:
        """Sign off, for good."""
        self.trunk.sign_on = None
        self.follow()

    def _begin(self, wanted: SignOn) -> None:
        self._done = wanted
        self.trunk.signed_on, self.trunk.sign_on_problem = False, "is not registered yet"
        self.id = self.services.switch.register(wanted, self)
        if self.id is None:
            self.trunk.sign_on_problem = "cannot be registered with: see the log"

    def _sign_off(self) -> None:
        if self.id is not None and not self._leaving:
            self._leaving = True
            self._down("is being signed off", "unregistered")
            self.services.switch.unregister(self.id)

    # -- what the endpoint says -------------------------------------------------------------------------------------

    def on_registered(self, event: Registered) -> None:
        """Signed on, or refreshed."""
        now, loop = self.services.clock.now(), self.services.loop
        self._until = now + event.expires
        self._stop()
        self._lapse = loop.call_later(event.expires, self._lapsed)
        if not self.trunk.signed_on and not self._leaving:
            self.trunk.signed_on, self.trunk.sign_on_problem = True, ""
            log.info("trunk registered", trunk=self.trunk.name, expires=event.expires, registrar=event.destination)
            tell_trunk(self.trunk, self.services, "registered")

    def on_registration_failed(self, event: RegistrationFailed) -> None:
        """No registrar took us; they are asked again."""
        self.services.counters["trunk_registration_failed"] += 1
        said = "no answer" if event.status == 408 else str(event.status)
        log.warning("trunk not registered", trunk=self.trunk.name, said=said, again_in=round(event.retry_in, 1))
        unreachable = event.status == 408 or event.status >= 500
        if not (unreachable and self.services.clock.now() < self._until):
            self._down(f"is not registered: {said}", "registration_failed")

    def on_unregistered(self) -> None:
        """The old registration is over; begin the new one, if one is wanted."""
        self.id, self._done, self._leaving = None, None, False
        self._stop()
        self.trunk.signed_on, self.trunk.sign_on_problem = None, ""
        self.follow()

    def _lapsed(self) -> None:
        self._lapse = None
        self._down("its registration has lapsed", "registration_lapsed")

    def _down(self, why: str, reason: str) -> None:
        self._until = 0.0
        was_on, self.trunk.signed_on, self.trunk.sign_on_problem = self.trunk.signed_on, False, why
        if was_on or reason == "registration_failed":
            tell_trunk(self.trunk, self.services, reason)

    def _stop(self) -> None:
        if self._lapse is not None:
            self._lapse.cancel()
            self._lapse = None
