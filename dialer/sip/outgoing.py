"""A call that we place (RFC 3261 13.2, 9.1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dialer.sip.core import Core
from dialer.sip.dialog import Dialog, DialogState, state_of
from dialer.sip.digest import DigestClient
from dialer.sip.errors import MalformedMessage, WrongState
from dialer.sip.events import Answered, Failed, Provisional
from dialer.sip.farewell import Farewell, nobody
from dialer.sip.flow import Destination, Flow, transport_of
from dialer.sip.grammar import tag_of
from dialer.sip.leg import LARGEST_DATAGRAM, SDP_TYPE, Leg, body_of
from dialer.sip.made import made
from dialer.sip.message import Request, Response
from dialer.sip.plan import InvitePlan
from dialer.sip.reason import moved_to, q850_cause, reason_line, retry_after
from dialer.sip.reliable import EarlyDialog, rseq_of
from dialer.sip.server_transaction import ServerTransaction
from dialer.sip.timers import Timer
from dialer.sip.transaction import ClientTransaction, InviteClient, PlainClient
from dialer.sip.wire import RequestHead, checked_headers, quoted

__all__ = ["OutgoingLeg", "end_fork", "plan_head"]


_EARLY = ("UPDATE", "OPTIONS")
_MAX_FORKS = 16
"""Early dialogs that one INVITE may open with reliable provisionals."""


def plan_head(core: Core, plan: InvitePlan, cseq: int, destination: Destination | None = None) -> RequestHead:
    """The INVITE of a plan, from which its CANCEL and its ACKs are made; the same now and after a restart.
    `destination`: where it goes instead.
    """
    display = f"{quoted(plan.from_display)} " if plan.from_display else ""
    if destination is not None:
        via = core.local(destination).via
    else:
        local = core.local(plan.destination) if isinstance(plan.destination, Flow) else core.udp
        same = plan.sent_by == local.sent_by
        via = local.via if same else core.via_line(plan.sent_by, transport_of(plan.destination))
    first = plan.branch and cseq == plan.cseq
    branch = plan.branch if first else core.branch(plan.call_id, plan.from_tag, cseq, "INVITE")
    from_ = f"{display}<{plan.from_uri}>;tag={plan.from_tag}"
    return RequestHead(plan.request_uri, via, branch, "", from_, f"<{plan.to_uri}>", plan.call_id, cseq)


def end_fork(
    core: Core,
    transaction: InviteClient,
    from_uri: str,
    to_uri: str,
    digest: DigestClient,
    response: Response,
    now: float,
    on_end: Callable[[bool], None] = nobody,
) -> None:
    """A 2xx whose call nobody wants: ACK, then BYE (RFC 3261 13.2.2.4). `on_end`: see `Farewell`."""
    dialog = Dialog.from_response(core, transaction.head, from_uri, to_uri, response, transaction.destination)
    head = dialog.head("ACK", transaction.head.cseq)
    ack = head.render("ACK"), dialog.destination
    transaction.acks[dialog.remote_tag] = ack
    core.outbox.append(ack)
    # Past the PRACKs of the early dialog, and past the BYE that `end_saved`, which skips once, may have sent in it: the
    # far end says 500 to a number that it has seen (RFC 3261 12.2.2), and its call stays up.
    dialog.skip_ahead()
    dialog.skip_ahead()
    Farewell(core, dialog, digest, now, on_end=on_end)


class OutgoingLeg(Leg):
    """The caller's side."""

    __slots__ = (
        "_cancel_guard",
        "_cancel_reason",
        "_crossed",
        "_early",
        "_early_dialogs",
        "_headers",
        "_sdp",
        "_unusable",
        "invite",
        "plan",
    )

    def __init__(
        self,
        core: Core,
        legs: dict[str, Leg],
        plan: InvitePlan,
        sdp: bytes | None,
        digest: DigestClient,
        now: float,
        hold_ack: bool = False,
    ) -> None:
        self._headers = checked_headers(plan.headers) if plan.headers else ""
        Leg.__init__(self, core, legs, plan.call_id, digest, "calling")
        self.plan = plan
        self._sdp = sdp
        self.hold_ack = hold_ack
        self._early: Response | None = None
        self._early_dialogs: dict[str, EarlyDialog] = {}  # by To tag; only those with reliable provisionals
        self._cancel_reason = ""
        self._cancel_guard: Timer | None = None
        self._crossed = False
        self._unusable = False  # a 2xx came whose Contact or Record-Route nobody can follow
        self.datagrams_only = not plan.large_over_tcp or "tcp" not in core.locals or isinstance(plan.destination, Flow)
        if isinstance(plan.destination, Flow) or plan.request_uri[:4] != "sip:":
            self.contact = core.local(plan.destination).contact_for(plan.request_uri)
        self.invite = self._send_invite(plan.cseq, now)

    def _send_invite(self, cseq: int, now: float) -> InviteClient:
        core, sdp = self.core, self._sdp
        destination = self.plan.destination
        head = plan_head(core, self.plan, cseq)
        auth = self.digest.lines("INVITE", head.uri, sdp or b"") if self.digest.credentials else ""
        # Without an offer of ours a reliable provisional would bring one, for its PRACK to answer: not supported.
        allow = core.allow if sdp is None else core.allow_reliable
        own = f"{self.contact}{auth}{allow}{self.refresher.wish_lines}{core.user_agent}"
        lines = f"{own}{self._headers}{SDP_TYPE if sdp else ''}"
        request = head.render("INVITE", lines, sdp or b"")
        if len(request) > LARGEST_DATAGRAM and not self.datagrams_only:
            destination = Flow(destination[0], destination[1], "tcp")
            head = plan_head(core, self.plan, cseq, destination)
            request = head.render("INVITE", lines, sdp or b"")
        invite = InviteClient(
            core,
            head,
            request,
            destination,
            self._on_response,
            self._on_timeout,
            self._on_fork,
        )
        invite.start(now)
        return invite

    def _on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self.invite:
            return  # of an INVITE that a challenge has replaced
        status = response.status
        if status < 200:
            self.fire("provisional", now)
            if status > 100 and ("rseq" not in response.fields or self._in_order(response, now)):
                self._early = response
                sdp = body_of(self.core, response) if response.body else None
                self.core.events.append(made(Provisional, (self.id, status, response.reason, sdp)))
        elif status < 300:
            self._on_answer(response, now)
        elif self.state in ("calling", "early") and self._again(response):
            self.fire("challenged", now)
            assert isinstance(transaction, InviteClient)
            # Another fork may have answered the INVITE that was challenged.
            transaction.on_fork = partial(_end_late_fork, self.plan.from_uri, self.plan.to_uri, self.digest)
            self.invite = self._send_invite(transaction.head.cseq + 1, now)
        else:
            # A challenge to an INVITE that nobody wants any more is not answered: that, too, is a cancelled call.
            cancelled = self.state in ("held", "cancelling") and status in (401, 407, 487)
            self._failure = Failed(
                self.id,
                status,
                response.reason,
                retry_after(response),
                q850_cause(response),
                "cancelled" if cancelled else "response",
                moved_to(response),
            )
            self.fire("refused", now)

    def _in_order(self, response: Response, now: float) -> bool:
        """False for a reliable provisional that came before, or too early; the others get their PRACK (RFC 3262 4)."""
        rseq = rseq_of(response)
        tag = tag_of(response.first("to") or "") if rseq is not None else None
        if rseq is None or not tag:
            return True
        early = self._early_dialogs.get(tag)
        if early is None:
            if len(self._early_dialogs) >= _MAX_FORKS:
                self.core.drops["too_many_forks"] += 1
                return False
            plan, invite = self.plan, self.invite
            dialog = Dialog.from_response(
                self.core, invite.head, plan.from_uri, plan.to_uri, response, invite.destination
            )
            early = self._early_dialogs[tag] = EarlyDialog(self.core, dialog, self.digest)
        if not early.take(rseq, self.invite.head.cseq, response, now):
            return False
        early.sdp = body_of(self.core, response) or early.sdp
        return True

    def on_early_request(self, request: Request, transaction: ServerTransaction, now: float) -> bool:
        """UPDATE (RFC 3311 5.1) and OPTIONS of a callee that still rings: 481 would tell it that the call is over."""
        to, from_ = tag_of(request.fields["to"][0]), tag_of(request.fields["from"][0]) or ""
        early, latest = self._early_dialogs.get(from_), self._early
        known = early is not None or (latest is not None and tag_of(latest.first("to") or "") == from_)
        if to != self.plan.from_tag or not known or self.dialog is not None or request.method not in _EARLY:
            return False
        core = self.core
        if request.method == "UPDATE" and body_of(core, request) is not None:
            # RFC 3311 5.2: one offer after the other. Ours is answered by a reliable provisional, or is still open.
            answered = early is not None and early.sdp is not None
            lines = f"Retry-After: {1 + int(core.fraction() * 10)}\r\n" if answered else ""
            transaction.respond(500 if answered else 491, now, f"{lines}{core.server}")
            return True
        if request.method == "UPDATE" and early is not None:
            early.dialog.refresh(request)
        transaction.respond(200, now, f"{self.contact}{core.allow}{core.server}")
        return True

    def _again(self, response: Response) -> bool:
        """True if the INVITE should be sent once more: a challenge, or too short a session timer (RFC 4028 7.3)."""
        return self.refresher.too_small(response) or self.digest.accept(response)

    def _on_answer(self, response: Response, now: float) -> None:
        plan, core, invite = self.plan, self.core, self.invite
        try:
            state = state_of(invite.head, plan.from_uri, plan.to_uri, response, invite.destination)
            self.dialog = dialog = Dialog(core, state, invite.head.from_, invite.head.via, invite.head.branch)
        except MalformedMessage:  # another 2xx may be better
            if not self._unusable:
                self._unusable = True
                core.timers.start(now + 64 * core.config.t1, self._on_no_usable_answer, "lost")
            raise
        self._early = None
        early = self._early_dialogs.get(dialog.remote_tag)
        answer = body_of(core, response)
        if early is not None:  # its numbers are used up, and its description may be the answer (RFC 3262 5)
            dialog.local_cseq = early.dialog.local_cseq
            early.dialog = dialog  # a PRACK that is challenged only now counts with the call
            state = dialog.state()
            answer = answer or early.sdp
        self._early_dialogs.clear()
        invite.acks[dialog.remote_tag] = None
        if self._sdp is not None and not self.hold_ack:
            self.send_ack(invite, dialog.remote_tag, now)
        if self._cancel_guard is not None:
            core.timers.cancel(self._cancel_guard)
        self.fire("answered", now)
        self.local_sdp = self._sdp or b""
        self.refresher.accepted(self, response, now)
        core.events.append(made(Answered, (self.id, answer, state, self._crossed)))

    def _on_no_usable_answer(self, name: str, now: float) -> None:
        if self.dialog is None and self.state != "ended":
            self._failure = Failed(self.id, 502, "Unusable answer")
            self.fire(name, now)

    def crossed(self, now: float) -> None:
        self._crossed = True

    def acknowledge(self, sdp: bytes | None, now: float) -> None:
        """Answer an offer that came in the 2xx, or (None) send the ACK that was held. Raises `WrongState` if there is
        none."""
        dialog = self.the_dialog()
        if (self._sdp is None) is (sdp is None) or self.invite.acks.get(dialog.remote_tag) is not None:
            raise WrongState(f"leg {self.id} has no 2xx to acknowledge so")
        if sdp is not None:
            self.local_sdp = sdp
        self.send_ack(self.invite, dialog.remote_tag, now, sdp or b"")

    def send_held_ack(self, now: float) -> None:
        """Before any other request in the dialog: its far end takes none without the ACK (RFC 3261 13.3.1.4, 15)."""
        dialog = self.dialog
        if dialog is not None and self.invite.acks.get(dialog.remote_tag) is None:
            self.send_ack(self.invite, dialog.remote_tag, now)

    def _on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        if transaction is not self.invite:
            return
        if not transaction.broken:
            self._failure = Failed(self.id, 408, "No response", kind="timeout")
            self.fire("timeout", now)
        elif self.state == "calling" and not isinstance(self.plan.destination, Flow):
            self.datagrams_only = True  # RFC 3261 18.1.1: no TCP there, so it goes as a datagram after all
            self.invite = self._send_invite(transaction.head.cseq + 1, now)
        else:
            cancelled = self.state in ("held", "cancelling")
            self._failure = Failed(self.id, 503, "No connection", kind="cancelled" if cancelled else "transport")
            self.fire("lost", now)

    def _on_fork(self, transaction: InviteClient, response: Response, now: float) -> None:
        if self.dialog is None and transaction is self.invite:
            self._on_answer(response, now)  # the 2xx before it had a Contact or Record-Route that nobody could follow
            return
        end_fork(self.core, transaction, self.plan.from_uri, self.plan.to_uri, self.digest, response, now)

    def dialog_state(self) -> DialogState:
        """The confirmed dialog, or the early one of the latest provisional response with a tag."""
        early = self._early
        if self.dialog is None and early is not None and tag_of(early.first("to") or ""):
            plan, invite = self.plan, self.invite
            try:
                return state_of(invite.head, plan.from_uri, plan.to_uri, early, invite.destination)
            except MalformedMessage as error:  # a Contact or Record-Route that nobody can follow
                self.core.drops["bad_early_dialog"] += 1
                raise WrongState(f"leg {self.id}: its early dialog is unusable ({error})") from None
        return super().dialog_state()

    # CANCEL

    def cancel(self, now: float, reason: str | None) -> None:
        """Give the call up; held until a provisional response (RFC 3261 9.1)."""
        self.require("calling", "early")
        self._cancel_reason = reason_line(reason)
        self.fire("cancel", now)

    def send_cancel(self, now: float) -> None:
        core, head = self.core, self.invite.head
        request = head.render("CANCEL", f"{self._cancel_reason}{core.user_agent}")
        PlainClient(
            core, "CANCEL", head, request, self.invite.destination, self._on_cancel_response, self._on_cancel_timeout
        ).start(now)
        self._cancel_guard = core.timers.start(now + 64 * core.config.t1, self._on_no_final, "gave_up")

    def _on_cancel_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Whatever it says, the INVITE's own final response decides (RFC 3261 9.1)."""

    def _on_cancel_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self.core.drops["cancel_unanswered"] += 1

    def _on_no_final(self, name: str, now: float) -> None:
        if self.state == "cancelling":
            self._failure = Failed(self.id, 487, "Request Terminated", kind="cancelled")
            self.fire(name, now)

    def abandon(self, now: float) -> None:
        self.invite.give_up("abandon", now)

    def _leave(self, now: float) -> None:
        if self._cancel_guard is not None:
            self.core.timers.cancel(self._cancel_guard)
        # A 2xx may come until timer M, or D: ending its call takes three values, not the whole leg.
        self.invite.on_fork = partial(_end_late_fork, self.plan.from_uri, self.plan.to_uri, self.digest)
        Leg._leave(self, now)


def _end_late_fork(
    from_uri: str, to_uri: str, digest: DigestClient, transaction: InviteClient, response: Response, now: float
) -> None:
    end_fork(transaction.core, transaction, from_uri, to_uri, digest, response, now)
