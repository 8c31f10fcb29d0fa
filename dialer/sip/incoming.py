"""A call that comes to us (RFC 3261 13.3)."""

from __future__ import annotations

from dialer.sip.core import Core
from dialer.sip.dialog import Dialog, DialogState, record_route
from dialer.sip.events import Failed, IncomingCall, Reinvited
from dialer.sip.flow import Destination
from dialer.sip.grammar import name_addr, uri_of
from dialer.sip.leg import SDP_TYPE, Leg, body_of
from dialer.sip.message import Request
from dialer.sip.reliable import ReliableRinging, wants
from dialer.sip.server_transaction import InviteServer, ServerTransaction
from dialer.sip.wire import REASONS

__all__ = ["IncomingLeg"]


class IncomingLeg(Leg):
    """The callee's side. Raises `MalformedMessage` for a Contact or Record-Route that nobody could follow."""

    __slots__ = ("_must_be_reliable", "_ringing", "_sdp", "_status", "server")

    def __init__(
        self,
        core: Core,
        legs: dict[str, Leg],
        request: Request,
        server: InviteServer,
        addr: Destination,
        now: float,
    ) -> None:
        # First what may raise: a leg that is known is whole.
        from_, to = name_addr(request.fields["from"][0]), name_addr(request.fields["to"][0])
        contact = request.first("contact")
        state = DialogState(
            call_id=request.fields["call-id"][0],
            local_uri=to.uri,
            local_tag=server.head.tag,
            remote_uri=from_.uri,
            remote_tag=from_.tag or "",
            remote_target=uri_of(contact) if contact else from_.uri,
            route_set=record_route(request),
            local_cseq=0,
            destination=addr,
        )
        dialog = Dialog(core, state)
        dialog.remote_cseq = server.cseq
        sdp = body_of(core, request)
        super().__init__(core, legs, state.call_id, core.anonymous, "incoming")
        self.dialog = dialog
        self.contact = core.local(addr).contact_for(request.uri)
        self.server = server
        self.owns_call_id = False
        self._status = 480
        self._sdp = b""
        server.on_ack = self._on_invite_ack
        server.respond(100, now)
        self.refresher.promise(request)
        self._ringing: ReliableRinging | None = None
        self._must_be_reliable = wants(request, "require")
        headers = tuple((name, value) for name, values in request.fields.items() for value in values)
        self._reoffer = sdp is None
        core.events.append(IncomingCall(self.id, from_.uri, to.uri, sdp, headers, addr))

    def ring(self, now: float) -> None:
        """180 Ringing."""
        self.require("incoming")
        self.fire("ring", now)

    def send_ringing(self, now: float) -> None:
        lines = f"{self.server.head.routes}{self.contact}{self.core.allow}{self.core.server}"
        if not self._must_be_reliable:
            self.server.respond(180, now, lines)
        elif self._ringing is None:  # RFC 3262 3: asked for by Require; one is enough
            self._ringing = ReliableRinging(self.core, self.server, lines, self._ringing_unheard, now)

    def _ringing_unheard(self, now: float) -> None:
        if self.state == "incoming":
            self.refuse(504, now)

    def _hush(self) -> None:
        if self._ringing is not None:
            self._ringing.stop()

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """PRACK of our 180, or what every leg takes."""
        if request.method == "PRACK" and self._ringing is not None and self._ringing.take(request):
            transaction.respond(200, now, self.core.server)
        elif request.method == "BYE" and self.state == "incoming":
            transaction.respond(200, now, self.core.server)  # RFC 3261 15.1.2: on the early dialog; the INVITE gets 487
            self.on_cancel(self.server, now)
        else:
            super().on_request(request, transaction, now)

    def answer(self, sdp: bytes, now: float) -> None:
        """200 OK; later in the call, the answer to a remote offer."""
        if self.state != "incoming":
            super().answer(sdp, now)
            return
        self._sdp = sdp
        self.fire("answer", now)

    def send_answer(self, now: float) -> None:
        core, server = self.core, self.server
        self._hush()
        self._offer_at = now
        self.invite_server = server
        lines = f"{server.head.routes}{self.contact}{core.allow}{self.refresher.lines}{core.server}{SDP_TYPE}"
        server.respond(200, now, lines, self._sdp)
        self.local_sdp, self._sdp = self._sdp, b""
        self.refresher.keep_promise(self, now)

    def _on_invite_ack(self, transaction: InviteServer, request: Request | None, now: float) -> None:
        self.invite_server = None
        self.fire("no_ack" if request is None else "ack", now)
        if request is not None and self._reoffer and self.state == "confirmed":
            self._reoffer = False
            self.core.events.append(Reinvited(self.id, body_of(self.core, request), now - self._offer_at))

    def acknowledged(self, now: float) -> None:
        """The ACK of the first 2xx has come too, or may be taken as come."""
        if self.state in ("answering", "closing"):
            self.fire("ack", now)
        super().acknowledged(now)

    def refuse(self, status: int, now: float) -> None:
        """A final status of 300 or more; later in the call, to a remote offer."""
        if self.state != "incoming":
            super().refuse(status, now)
            return
        self._status = status
        self._failure = Failed(self.id, status, REASONS.get(status, "Unknown"))
        self.fire("reject", now)

    def on_cancel(self, transaction: InviteServer, now: float) -> None:
        """The caller gives up (RFC 3261 9.2)."""
        if self.state == "incoming" and transaction is self.server:
            self._status = 487
            self._failure = Failed(self.id, 487, REASONS[487], kind="cancelled")
            self.fire("cancelled", now)
        else:
            super().on_cancel(transaction, now)

    def send_reject(self, now: float) -> None:
        self._hush()
        self.server.respond(self._status, now, self.core.server)
