"""The session timer of one leg (RFC 4028): refreshes the call, or ends it when the other side refreshes no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.sip.message import Message, Request, Response
from dialer.sip.session_timer import Agreement, agreed_as_client, agreed_as_server, min_se
from dialer.sip.timers import Timer
from dialer.sip.transaction import ClientTransaction, PlainClient

if TYPE_CHECKING:
    from dialer.sip.leg import Leg

__all__ = ["Refresher"]

_BUSY_WAIT = 1.0
"""Seconds to look again when an offer is open at the time of a refresh."""


class Refresher:
    """Refreshes with UPDATE if the peer takes it, else by offering the same description again (RFC 4028 7.4)."""

    __slots__ = ("_agreement", "_alone", "_leg", "_peer_updates", "_promised", "_timer", "_wish", "lines")

    def __init__(self, leg: Leg, wish: int | None) -> None:
        self._leg = leg
        self._wish = wish  # the interval that we ask for, in seconds
        self._agreement: Agreement | None = None
        self._promised: Agreement | None = None
        self._timer: Timer | None = None
        self._peer_updates = False
        self._alone = False  # the peer has agreed to nothing, and is only asked whether it lives
        self.lines = ""  # what our 2xx to the open request says of the timer

    def request_lines(self) -> str:
        """What our next INVITE or UPDATE says of the timer."""
        if self._agreement is not None and not self._alone:
            return self._agreement.line("uac")
        return f"Session-Expires: {self._wish}\r\n" if self._wish else ""

    def stop(self) -> None:
        """The call is over."""
        self._leg.core.timers.cancel(self._timer)
        self._timer = None

    # What was agreed

    def accepted(self, response: Response, now: float) -> None:
        """A 2xx to an INVITE or UPDATE of ours."""
        if "allow" in response.fields:
            self._note_allow(response)
        agreement = agreed_as_client(response)
        self._alone = agreement is None and self._wish is not None
        if self._alone:
            # RFC 4028 7.2: no session expires. That the far end has vanished is worth knowing all the same.
            agreement = Agreement(self._wish or 0, True)
        self._agree(agreement, now)

    def too_small(self, response: Response) -> bool:
        """A 422: true if the request should be sent again with the peer's Min-SE (RFC 4028 7.3)."""
        wanted = min_se(response)
        if response.status != 422:
            return False
        if self._agreement is not None and self._agreement.interval < wanted:
            self._agreement = Agreement(wanted, self._agreement.ours)
            return True
        if self._agreement is None and self._wish is not None and self._wish < wanted:
            self._wish = wanted
            return True
        return False

    def promise(self, request: Request) -> None:
        """Work out what our 2xx to a request will say: `lines`."""
        self._promised, self.lines = agreed_as_server(request, self._wish)
        self._note_allow(request)

    def keep_promise(self, now: float) -> None:
        """That 2xx was sent."""
        self._alone = False
        self._agree(self._promised, now)

    def _note_allow(self, message: Message) -> None:
        self._peer_updates = any("UPDATE" in value for value in message.fields.get("allow", ()))

    def _agree(self, agreement: Agreement | None, now: float) -> None:
        self.stop()
        self._agreement = agreement
        if agreement is not None:
            self._arm(now + agreement.wait)

    # What it does

    def _arm(self, at: float) -> None:
        self._timer = self._leg.core.timers.start(at, self._due, "session timer")

    def _due(self, name: str, now: float) -> None:
        leg, agreement = self._leg, self._agreement
        if leg.state != "confirmed" or agreement is None:
            return
        if not agreement.ours:
            self._expired(name, now)
        elif self._peer_updates:
            leg.digest.begin()
            self._send_update(now)
        elif not leg.offer_again(now):
            self._arm(now + _BUSY_WAIT)  # an offer is open, and its 2xx refreshes as well

    def failed(self, now: float) -> None:
        """A refresh was refused: hang up when the interval runs out (RFC 4028 10)."""
        agreement = self._agreement
        if agreement is not None and self._alone:
            self._arm(now + agreement.wait)  # it answers, so it lives
        elif agreement is not None:
            at = now + max(0.0, agreement.grace - agreement.wait)
            self._timer = self._leg.core.timers.start(at, self._expired, "session end")

    def _expired(self, name: str, now: float) -> None:
        leg = self._leg
        if leg.state == "confirmed":
            leg.core.drops["session_expired"] += 1
            leg.fire("died", now)

    def _send_update(self, now: float) -> None:
        leg = self._leg
        core, dialog = leg.core, leg.the_dialog()
        head = dialog.head("UPDATE")
        auth = leg.digest.lines("UPDATE", head.uri)
        request = head.render("UPDATE", f"{auth}{leg.contact}{core.allow}{self.request_lines()}{core.user_agent}")
        PlainClient(core, "UPDATE", head, request, dialog.destination, self._on_response, self._on_timeout).start(now)

    def _on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        leg, status = self._leg, response.status
        if leg.state != "confirmed":
            return
        if status < 300:
            leg.the_dialog().refresh(response)
            self.accepted(response, now)
        elif leg.digest.accept(response) or self.too_small(response):
            self._send_update(now)
        elif status in (408, 481):
            leg.lost(status, now)
        else:
            self._peer_updates = self._peer_updates and status not in (405, 501)
            self.failed(now)

    def _on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        if self._leg.state != "confirmed":
            return
        if transaction.broken:
            self.failed(now)
        else:
            self._leg.fire("died", now)
