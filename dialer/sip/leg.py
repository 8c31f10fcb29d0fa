"""One leg of a call: what outgoing and incoming ones share, which is everything inside the confirmed dialog.

A leg runs two machines of `dialer.sip.tables`: LEG (is there a call? see `dialer.sip.lifetime`) and SESSION (whose
offer is open?).
"""

from __future__ import annotations

from dialer.sip.body import sdp_of
from dialer.sip.core import Core
from dialer.sip.digest import DigestClient
from dialer.sip.errors import MalformedMessage, WrongState
from dialer.sip.events import Offered, Reinvited, ReinviteFailed
from dialer.sip.flow import Flow
from dialer.sip.lifetime import Lifetime
from dialer.sip.message import Message, Request, Response
from dialer.sip.reason import q850_cause, retry_after
from dialer.sip.refresher import Refresher
from dialer.sip.server_transaction import InviteServer, ServerTransaction
from dialer.sip.tables import SESSION, step
from dialer.sip.timers import Timer
from dialer.sip.transaction import ClientTransaction, InviteClient

__all__ = ["LARGEST_DATAGRAM", "SDP_TYPE", "Leg", "body_of"]

SDP_TYPE = "Content-Type: application/sdp\r\n"
LARGEST_DATAGRAM = 1300
"""Bytes of a request that may go over UDP where the path MTU is not known (RFC 3261 18.1.1)."""
_PLAIN_SDP = ["application/sdp"]
_LONGEST_WAIT = 10.0
"""Seconds of Retry-After that an offer may wait for another INVITE to be done (RFC 3261 14.2)."""
_MAX_GLARES = 10
"""So many 491 in a row mean a peer that will never take the offer."""


def body_of(core: Core, message: Message) -> bytes | None:
    """The SDP in a message of a live call; other bodies are counted and overlooked."""
    if not message.body:
        return None
    if message.fields.get("content-type") == _PLAIN_SDP:
        return message.body
    try:
        return sdp_of(message)
    except MalformedMessage as error:
        core.drops[error.args[0]] += 1
        return None


class Leg(Lifetime):
    """Base of `OutgoingLeg` and `IncomingLeg`: the offers of both sides, and the requests of the other."""

    __slots__ = (
        "_asked_wait",
        "_back_off",
        "_glares",
        "_offer",
        "_offer_at",
        "_offer_client",
        "_queued",
        "_refreshing",
        "_reoffer",
        "contact",
        "datagrams_only",
        "hold_ack",
        "invite_server",
        "local_sdp",
        "offered",
        "owns_call_id",
        "refresher",
        "session",
    )

    def __init__(self, core: Core, legs: dict[str, Leg], leg: str, digest: DigestClient, state: str) -> None:
        self.core = core
        self.legs = legs
        self.id = leg
        self.digest = digest
        self.enter(state)
        self.dialog = None
        self.ended_by = "local"
        self.ended_cause = None
        self._failure = None
        self._bye_reason = ""
        self.session = "idle"
        self.contact = core.contact  # our Contact line in this call
        self.owns_call_id = True
        self.hold_ack = False  # the ACK of the first 2xx goes when somebody says so, or before our next request
        self.datagrams_only = True  # what is too long for one goes as one all the same (see `InvitePlan`)
        self.offered: ServerTransaction | None = None  # the remote offer that waits for our answer
        self.invite_server: InviteServer | None = None  # the INVITE whose 2xx waits for its ACK
        self._offer = b""
        self._offer_at = 0.0
        self._offer_client: InviteClient | None = None
        self._reoffer = False  # our 2xx carried an offer, its answer comes in the ACK
        self._glares = 0
        self._back_off: Timer | None = None
        self._asked_wait: float | None = None
        self.refresher = Refresher(core.timers, core.config.session_expires, core.wish_lines)
        self._refreshing = False  # the open offer of ours is only a refresh; nobody is told how it ends
        self._queued: bytes | None = None  # an offer that came while we were refreshing
        self.local_sdp = b""  # what we described last; a refresh by re-INVITE says it again (RFC 4028 7.4)
        legs[leg] = self

    # The machine

    def fire_session(self, event: str, now: float) -> None:
        """One event through SESSION."""
        self.session, actions = step(SESSION, self.session, event)
        for action in actions:
            getattr(self, action)(now)

    def _leave(self, now: float) -> None:
        self.legs.pop(self.id, None)
        if self._back_off is not None or self.refresher.timer is not None:
            self._stop_offering()
        if self.offered is not None:
            self.offered.respond(487, now)
            self.offered = None
        if self._offer_client is not None:
            self._offer_client.release(now)
            self._offer_client = None
        if self.invite_server is not None:
            self.invite_server.hush(now)
            self.invite_server = None

    def _stop_offering(self) -> None:
        if self._back_off is not None:
            self.core.timers.cancel(self._back_off)
        self.refresher.stop()

    def settle(self, now: float) -> None:
        """Before BYE leaves: the ACK that is held, and no offer after it."""
        if self.hold_ack:
            self.send_held_ack(now)
        if self._back_off is not None:
            self._stop_offering()
        elif self.refresher.timer is not None:
            self.refresher.stop()

    def send_held_ack(self, now: float) -> None:
        """Only the caller's side holds one."""

    # Our offers

    def reinvite(self, sdp: bytes, now: float) -> None:
        """Offer in the dialog; waits for the ACK of a remote re-INVITE that we just answered (RFC 3261 14.1)."""
        self.require("confirmed")
        if self.hold_ack:
            self.send_held_ack(now)
        if self._refreshing and self._queued is None:
            self._queued = sdp  # our own refresh is on its way; the real offer follows it
            return
        if self.session not in ("idle", "acknowledging"):
            raise WrongState(f"leg {self.id}: another offer is open ({self.session})")
        self._offer = sdp
        self._glares = 0
        self.digest.begin()
        self.fire_session("offer", now)

    def send_queued(self, now: float) -> None:
        self._refreshing = False
        queued, self._queued = self._queued, None
        if queued is not None and self.state == "confirmed":
            self.reinvite(queued, now)

    def send_offer(self, now: float) -> None:
        if self.state != "confirmed":
            return
        core, dialog = self.core, self.the_dialog()
        head, destination = dialog.head("INVITE"), dialog.destination
        auth = self.digest.lines("INVITE", head.uri, self._offer)
        lines = f"{auth}{self.contact}{core.allow}{self.refresher.request_lines()}{core.user_agent}{SDP_TYPE}"
        request = head.render("INVITE", lines, self._offer)
        if len(request) > LARGEST_DATAGRAM and not self.datagrams_only and not isinstance(destination, Flow):
            destination = Flow(destination[0], destination[1], "tcp")
            head.via = core.local(destination).via
            request = head.render("INVITE", lines, self._offer)
        self._offer_client = InviteClient(
            core,
            head,
            request,
            destination,
            self._on_offer_response,
            self._on_offer_timeout,
            self._on_offer_fork,
        )
        self._offer_client.start(now)

    def send_ack(self, transaction: InviteClient, tag: str, now: float, body: bytes = b"") -> None:
        """The ACK of a 2xx: in the dialog, with the number of its INVITE (RFC 3261 13.2.2.4)."""
        dialog = self.dialog or self.the_dialog()
        head = dialog.head("ACK", transaction.head.cseq)
        lines = self.digest.lines("ACK", head.uri) if self.digest.credentials else ""
        ack = head.render("ACK", lines + SDP_TYPE if body else lines, body), dialog.destination
        transaction.acks[tag] = ack
        self.hold_ack = False
        self.core.outbox.append(ack)

    def acknowledge_again(self, number: int) -> None:
        """A 2xx came once more when its INVITE was forgotten: what ends the dialog is silence, not BYE."""
        if not self.hold_ack:
            dialog = self.the_dialog()
            head = dialog.head("ACK", number)
            self.core.outbox.append((head.render("ACK", self.digest.lines("ACK", head.uri)), dialog.destination))

    def _on_offer_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        core, status = self.core, response.status
        if status < 200:
            return
        if status < 300:
            dialog = self.the_dialog()
            dialog.refresh(response)
            assert isinstance(transaction, InviteClient)
            self.send_ack(transaction, dialog.remote_tag, now)
            if self.state == "confirmed":
                refreshed = self._refreshing
                self.local_sdp = self._offer
                self.refresher.accepted(self, response, now)
                if not refreshed:
                    rtt = now - transaction.sent_at
                    core.events.append(Reinvited(self.id, body_of(core, response), rtt))
                self.fire_session("done", now)
            return
        if self.state != "confirmed":
            return  # hung up meanwhile
        if self.digest.accept(response):
            self.send_offer(now)
        elif self._may_come_back(response):
            self._glares += 1
            self.fire_session("glare", now)
        elif self.refresher.too_small(response):
            self.send_offer(now)
        elif status in (408, 481):
            self.lost(status, now)
        else:
            self._offer_failed(status, now)

    def _offer_failed(self, status: int, now: float) -> None:
        if self._refreshing:
            self.refresher.failed(self, now)
        else:
            self.core.events.append(ReinviteFailed(self.id, status))
        self.fire_session("done", now)

    def _may_come_back(self, response: Response) -> bool:
        """491 is glare (RFC 3261 14.1); a 500 with Retry-After says that another INVITE is not done yet (14.2)."""
        self._asked_wait = retry_after(response) if response.status == 500 else None
        comes_back = response.status == 491 or (self._asked_wait is not None and self._asked_wait <= _LONGEST_WAIT)
        return comes_back and self._glares < _MAX_GLARES

    def _on_offer_timeout(self, transaction: ClientTransaction, now: float) -> None:
        if self.state != "confirmed":
            return
        if transaction.broken and not isinstance(self.the_dialog().destination, Flow):
            self.datagrams_only = True  # RFC 3261 18.1.1: no TCP there, so it goes as a datagram after all
            self.send_offer(now)
        elif transaction.broken:
            self._offer_failed(503, now)  # the call lives on: only silence ends it (RFC 3261 12.2.1.2)
        else:
            self.fire("died", now)

    def _on_offer_fork(self, transaction: InviteClient, response: Response, now: float) -> None:
        self.core.drops["fork_inside_dialog"] += 1  # a 2xx from nowhere in our dialog: RFC 3261 knows no such thing

    def start_back_off(self, now: float) -> None:
        asked = self._asked_wait
        wait = self.core.glare_wait(self.owns_call_id) if asked is None else max(0.1, asked)
        self._back_off = self.core.timers.start(now + wait, self._on_back_off, "back_off_over")

    def _on_back_off(self, name: str, now: float) -> None:
        if self.state == "confirmed":
            self.fire_session(name, now)

    def offer_again(self, now: float) -> bool:
        """Offer what we described last, only to refresh; false if an offer is open, or there is nothing to repeat."""
        if self.session != "idle" or not self.local_sdp:
            return False
        self._refreshing = True
        self._offer = self.local_sdp
        self._glares = 0
        self.digest.begin()
        self.fire_session("offer", now)
        return True

    def lost(self, status: int, now: float) -> None:
        """The peer said 408 or 481 to a request in the dialog: it is over (RFC 3261 12.2.1.2). 481 may well be the BYE
        that is still on its way (RFC 5407 3.2.2).
        """
        self.ended_by = "remote" if status == 481 else "timeout"
        self.fire("gone" if status == 481 else "died", now)

    # Their requests

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """A request in the dialog, already checked for tags and CSeq."""
        core = self.core
        if request.method == "BYE":
            transaction.respond(200, now, core.server)
            if self.state != "ending":
                self.ended_by = "remote"
                self.ended_cause = q850_cause(request)
            self.fire("remote_bye", now)
        elif request.method in ("INVITE", "UPDATE"):
            self._on_offer(request, transaction, now)
        elif request.method == "PRACK":
            transaction.respond(481, now, core.server)  # RFC 3262 3: of no provisional that waits for it
        else:
            transaction.respond(200, now, f"{core.allow}Accept: application/sdp\r\n{core.server}")

    def on_early_request(self, request: Request, transaction: ServerTransaction, now: float) -> bool:
        """Answer a request of a callee that has not answered yet; false if it is of no early dialog of ours."""
        return False

    def _take_as_ack(self, now: float) -> None:
        """A new INVITE shows that our 2xx arrived, though its ACK was lost or is late (RFC 5407 3.1.4).

        Not if that ACK would bring the answer to an offer of ours.
        """
        server = self.invite_server
        if server is not None and not self._reoffer:
            server.hush(now)
            self.invite_server = None
            self.acknowledged(now)

    def _on_offer(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        core, dialog = self.core, self.the_dialog()
        sdp = body_of(core, request)
        if request.method == "INVITE":
            self._take_as_ack(now)
        if request.method == "UPDATE" and sdp is None:
            dialog.refresh(request)  # RFC 3311 5.2: a mere target refresh
            self.refresher.promise(request)
            transaction.respond(200, now, f"{self.contact}{core.allow}{self.refresher.lines}{core.server}")
            self.refresher.keep_promise(self, now)
        elif self.state in ("ending", "ended"):
            transaction.respond(481, now, core.server)
        elif self.session == "offering":
            transaction.respond(491, now, core.server)  # RFC 3261 14.2, RFC 3311 5.2
        elif self.state != "confirmed" or self.session not in ("idle", "backing_off"):
            transaction.respond(500, now, f"Retry-After: {int(core.fraction() * 10)}\r\n{core.server}")
        else:
            dialog.refresh(request)
            self.fire_session("remote_offer", now)
            self.offered = transaction
            self.refresher.promise(request)
            self._reoffer = sdp is None
            if request.method == "INVITE":
                transaction.respond(100, now)
            core.events.append(Offered(self.id, sdp))

    def answer(self, sdp: bytes, now: float) -> None:
        """Answer the open remote offer. Raises `WrongState` if there is none."""
        transaction = self.offered
        if transaction is None:
            raise WrongState(f"leg {self.id} has no open offer")
        self.offered = None
        core = self.core
        if isinstance(transaction, InviteServer):
            transaction.on_ack = self._on_reinvite_ack
            self.invite_server = transaction
            self._offer_at = now
            self.fire_session("await_ack", now)
        else:
            self.fire_session("remote_done", now)
        self.local_sdp = sdp
        lines = f"{self.contact}{core.allow}{self.refresher.lines}{core.server}{SDP_TYPE}"
        transaction.respond(200, now, lines, sdp)
        self.refresher.keep_promise(self, now)

    def refuse(self, status: int, now: float) -> None:
        """Refuse the open remote offer; the session goes on as before. Raises `WrongState` if there is none."""
        transaction = self.offered
        if transaction is None:
            raise WrongState(f"leg {self.id} has no open offer")
        self.offered = None
        self.fire_session("remote_done", now)
        transaction.respond(status, now, self.core.server)

    def on_cancel(self, transaction: InviteServer, now: float) -> None:
        """The peer cancels an INVITE of its own that we have not answered (RFC 3261 9.2)."""
        if self.offered is transaction:
            self.refuse(487, now)

    def _on_reinvite_ack(self, transaction: InviteServer, request: Request | None, now: float) -> None:
        self.invite_server = None
        if request is None:
            self.fire("no_ack", now)
            return
        if self._reoffer and self.state == "confirmed":
            self._reoffer = False
            self.core.events.append(Reinvited(self.id, body_of(self.core, request), now - self._offer_at))
        self.acknowledged(now)

    def acknowledged(self, now: float) -> None:
        """Our 2xx to a re-INVITE has its ACK."""
        if self.session in ("acknowledging", "queued", "yielding"):
            self.fire_session("remote_done", now)
