"""The session timer of one leg (RFC 4028): refreshes the call, or ends it when the other side refreshes no more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dialer.sip.message import Message, Request, Response
from dialer.sip.reason import retry_after
from dialer.sip.session_timer import Agreement, agreed_as_client, agreed_as_server, min_se, one_sided, wish_line
from dialer.sip.timers import Timer, Timers
from dialer.sip.transaction import ClientTransaction, PlainClient

if TYPE_CHECKING:
    from dialer.sip.leg import Leg

__all__ = ["Refresher"]

_BUSY_WAIT = 1.0
"""Seconds to look again when an offer is open at the time of a refresh; a refused one comes back no sooner."""
_MAX_RETRIES = 10
"""So many refusals within an interval mean a peer that will never take the refresh."""


class Refresher:
    """Refreshes with UPDATE if the peer takes it, else by offering the same description again (RFC 4028 7.4).

    It knows its leg only while a timer runs, so that a leg that is over is gone at once, without the collector.
    No timer runs while an UPDATE of ours is open: one that does shows that another request has refreshed the call.
    """

    __slots__ = (
        "_agreement",
        "_alone",
        "_before",
        "_end",
        "_peer_updates",
        "_promised",
        "_retries",
        "_timers",
        "_wish",
        "lines",
        "timer",
        "wish_lines",
    )

    def __init__(self, timers: Timers, wish: int | None, wish_lines: str) -> None:
        self._timers = timers
        self._wish = wish  # the interval that we ask for, in seconds
        self.wish_lines = wish_lines  # what our INVITE says of it (`wish_line`)
        self._agreement: Agreement | None = None
        self._end = 0.0  # when BYE follows if no refresh has succeeded
        self._retries = 0  # since the call was refreshed last
        self._promised: Agreement | None = None
        self.timer: Timer | None = None
        self._peer_updates = False
        self._alone = False  # the peer has agreed to nothing, and is only asked whether it lives
        self.lines = ""  # what our 2xx to the open request says of the timer
        self._before: tuple[Agreement | None, str] = None, ""  # what was promised before

    def request_lines(self) -> str:
        """What our next re-INVITE or UPDATE says of the timer."""
        if self._agreement is not None and not self._alone:
            return self._agreement.line("uac")
        return self.wish_lines

    def stop(self) -> None:
        """The call is over."""
        if self.timer is not None:
            self._timers.cancel(self.timer)
            self.timer = None

    # What was agreed

    def accepted(self, leg: Leg, response: Response, now: float) -> None:
        """A 2xx to an INVITE or UPDATE of ours."""
        fields = response.fields
        self._note_allow(response)
        agreement, wish = agreed_as_client(response) if "session-expires" in fields else None, self._wish
        self._alone = agreement is None and wish is not None
        if agreement is None and wish is not None:
            # RFC 4028 7.2: no session expires. That the far end has vanished is worth knowing all the same.
            agreement = one_sided(wish)
        if agreement is not None or self._agreement is not None:
            self._agree(leg, agreement, now)

    def too_small(self, response: Response) -> bool:
        """A 422: true if the request should be sent again with the peer's Min-SE (RFC 4028 7.3)."""
        wanted = min_se(response)
        if response.status != 422 or self._retries >= _MAX_RETRIES:
            return False
        self._retries += 1
        if self._agreement is not None and self._agreement.interval < wanted:
            self._agreement = Agreement(wanted, self._agreement.ours)
            return True
        if self._agreement is None and self._wish is not None and self._wish < wanted:
            self._wish = wanted
            self.wish_lines = wish_line(wanted)
            return True
        return False

    def promise(self, request: Request) -> None:
        """Work out what our 2xx to a request will say: `lines`."""
        self._before = self._promised, self.lines
        self._promised, self.lines = agreed_as_server(request, self._wish)
        self._note_allow(request)

    def keep_promise(self, leg: Leg, now: float) -> None:
        """That 2xx was sent."""
        self._alone = False
        self._agree(leg, self._promised, now)
        self._promised, self.lines = self._before  # an UPDATE may be answered while an INVITE is open (RFC 3311 5.1)

    def _note_allow(self, message: Message) -> None:
        allow = message.fields.get("allow")
        if allow is not None:  # RFC 3261 20.5: without it nothing is said
            self._peer_updates = any("UPDATE" in value for value in allow)

    def _agree(self, leg: Leg, agreement: Agreement | None, now: float) -> None:
        if self.timer is not None:
            self.stop()
        self._agreement = agreement
        self._retries = 0
        if agreement is not None:
            self._end = now + agreement.grace
            self._arm(leg, now + agreement.wait)

    # What it does

    def _arm(self, leg: Leg, at: float) -> None:
        self.timer = self._timers.start(at, partial(self._due, leg), "session timer")

    def _arm_end(self, leg: Leg, now: float) -> None:
        self.timer = self._timers.start(max(now, self._end), partial(self._expired, leg), "session end")

    def _due(self, leg: Leg, name: str, now: float) -> None:
        agreement, self.timer = self._agreement, None
        if leg.state != "confirmed" or agreement is None:
            return
        if not agreement.ours:
            self._expired(leg, name, now)
        elif self._peer_updates:
            leg.digest.begin()
            self._send_update(leg, now)
        elif not leg.offer_again(now):
            self._arm(leg, now + _BUSY_WAIT)  # an offer is open, and its 2xx refreshes as well
        elif not self._alone:
            self._arm_end(leg, now)  # an INVITE may stay without its final response for ever

    def failed(self, leg: Leg, now: float, again: float | None = None) -> None:
        """A refresh was refused: try again in `again` seconds, or hang up when the interval runs out (RFC 4028 10)."""
        agreement = self._agreement
        if agreement is None or self.timer is not None:
            return
        if self._alone:
            self._arm(leg, now + agreement.wait)  # it answers, so it lives
        elif again is not None and self._retries < _MAX_RETRIES and now + again < self._end:
            self._retries += 1
            self._arm(leg, now + again)
        else:
            self._arm_end(leg, now)

    def _expired(self, leg: Leg, name: str, now: float) -> None:
        if leg.state == "confirmed":
            leg.core.drops["session_expired"] += 1
            leg.fire("died", now)

    def _send_update(self, leg: Leg, now: float) -> None:
        core, dialog = leg.core, leg.the_dialog()
        head = dialog.head("UPDATE")
        auth = leg.digest.lines("UPDATE", head.uri)
        request = head.render("UPDATE", f"{auth}{leg.contact}{core.allow}{self.request_lines()}{core.user_agent}")
        on_response, on_timeout = partial(self._on_response, leg), partial(self._on_timeout, leg)
        PlainClient(core, "UPDATE", head, request, dialog.destination, on_response, on_timeout).start(now)

    def _on_response(self, leg: Leg, transaction: ClientTransaction, response: Response, now: float) -> None:
        status = response.status
        if leg.state != "confirmed":
            return
        if status < 300:
            leg.the_dialog().refresh(response)
            self.accepted(leg, response, now)
        elif leg.digest.accept(response) or self.too_small(response):
            self._send_update(leg, now)
        elif status in (408, 481):
            leg.lost(status, now)
        else:
            self._peer_updates = self._peer_updates and status not in (405, 501)
            self.failed(leg, now, _pause(leg, response))

    def _on_timeout(self, leg: Leg, transaction: ClientTransaction, now: float) -> None:
        if leg.state != "confirmed":
            return
        if transaction.broken:
            self.failed(leg, now)
        else:
            leg.fire("died", now)


def _pause(leg: Leg, response: Response) -> float | None:
    """Seconds until a refused UPDATE may be tried again; None if its status leaves no hope (RFC 4028 10)."""
    if response.status in (405, 501):
        return 0.0  # by re-INVITE
    if response.status == 491:  # RFC 3311 5.3: as RFC 3261 14.1 has it
        return leg.core.glare_wait(leg.owns_call_id)
    asked = retry_after(response)
    return None if asked is None else max(_BUSY_WAIT, asked)
