"""Whether there is a call: the LEG machine of `dialer.sip.tables`, hanging up, and the one event at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dialer.sip.core import Core
from dialer.sip.dialog import Dialog, DialogState
from dialer.sip.digest import DigestClient
from dialer.sip.errors import WrongState
from dialer.sip.events import Ended, Failed
from dialer.sip.farewell import Farewell
from dialer.sip.machine import Machine
from dialer.sip.made import made
from dialer.sip.message import Response
from dialer.sip.reason import reason_line
from dialer.sip.tables import LEG
from dialer.sip.transaction import ClientTransaction, PlainClient

if TYPE_CHECKING:
    from dialer.sip.leg import Leg

__all__ = ["Lifetime"]


class Lifetime(Machine):
    """Base of `Leg`, which sets its fields; `legs` is the endpoint's registry, from which a leg removes itself at its
    end.
    """

    __slots__ = (
        "_bye_reason",
        "_failure",
        "core",
        "dialog",
        "digest",
        "ended_by",
        "ended_cause",
        "id",
        "legs",
    )
    table = LEG
    core: Core
    dialog: Dialog | None
    digest: DigestClient
    ended_by: Literal["remote", "local", "timeout"]
    ended_cause: int | None
    id: str
    legs: dict[str, Leg]
    _bye_reason: str
    _failure: Failed | None

    def require(self, *states: str) -> None:
        """Raises `WrongState` unless the leg is in one of the states."""
        if self.state not in states:
            raise WrongState(f"leg {self.id} is {self.state}, not {' or '.join(states)}")

    def the_dialog(self) -> Dialog:
        """The confirmed dialog. Raises `WrongState` if there is none yet."""
        if self.dialog is None:
            raise WrongState(f"leg {self.id} is {self.state} and has no dialog yet")
        return self.dialog

    def dialog_state(self) -> DialogState:
        """The dialog as a value. Raises `WrongState` if there is none yet."""
        return self.the_dialog().state()

    def _leave(self, now: float) -> None:
        self.legs.pop(self.id, None)

    def end(self, now: float) -> None:
        self._leave(now)
        self.core.events.append(made(Ended, (self.id, self.ended_by, self.ended_cause)))

    def fail(self, now: float) -> None:
        self._leave(now)
        if self._failure is not None:
            self.core.events.append(self._failure)

    def say_farewell(self, now: float) -> None:
        self.ended_by = "timeout"
        Farewell(self.core, self.the_dialog(), self.digest, now)

    # BYE

    def bye(self, now: float, reason: str | None) -> None:
        """Hang up; before the ACK of an incoming call it waits for that (RFC 3261 15)."""
        if self.state != "confirmed":
            self.require("confirmed", "answering")
        if reason:
            self._bye_reason = reason_line(reason)
        if self.digest.credentials:
            self.digest.begin()
        self.fire("bye", now)

    def send_bye(self, now: float) -> None:
        self.settle(now)
        core, dialog, digest = self.core, self.dialog or self.the_dialog(), self.digest
        head = dialog.head("BYE")
        auth = digest.lines("BYE", head.uri) if digest.credentials else ""
        request = head.render("BYE", f"{auth}{self._bye_reason}{core.user_agent}")
        PlainClient(core, "BYE", head, request, dialog.destination, self._on_bye_response, self._on_bye_timeout).start(
            now
        )

    def settle(self, now: float) -> None:
        """What comes before BYE; a mere lifetime has nothing to settle."""

    def _on_bye_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status >= 400 and self.state == "ending" and self.digest.accept(response):
            self.send_bye(now)
        else:
            self.fire("bye_done", now)

    def _on_bye_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self.core.drops["bye_unanswered"] += 1
        self.fire("bye_done", now)
