"""Calls that an earlier process left behind: INVITEs that may still ring, and 2xx to INVITEs that nobody remembers."""

from __future__ import annotations

from dialer.sip.core import Core
from dialer.sip.digest import DigestClient
from dialer.sip.errors import MalformedMessage
from dialer.sip.grammar import branch_of, name_addr
from dialer.sip.message import Response
from dialer.sip.outgoing import end_fork, plan_head
from dialer.sip.plan import InvitePlan
from dialer.sip.transaction import ClientTransaction, InviteClient, PlainClient
from dialer.sip.wire import RequestHead

__all__ = ["adopt", "end_stray"]


class _Orphan:
    """Waits for the final response of one INVITE of the past and ends its call."""

    __slots__ = ("core", "digest", "from_uri", "to_uri")

    def __init__(self, core: Core, from_uri: str, to_uri: str, digest: DigestClient) -> None:
        self.core = core
        self.from_uri = from_uri
        self.to_uri = to_uri
        self.digest = digest

    def invite(self, head: RequestHead, destination: tuple[str, int], now: float) -> InviteClient:
        """The INVITE's transaction, as if it had been sent here."""
        invite = InviteClient(self.core, head, b"", destination, self._response, self._timeout, self._fork)
        invite.adopt(now)
        return invite

    def _response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if 200 <= response.status < 300 and isinstance(transaction, InviteClient):
            self._fork(transaction, response, now)

    def _fork(self, transaction: InviteClient, response: Response, now: float) -> None:
        end_fork(self.core, transaction, self.from_uri, self.to_uri, self.digest, response, now)

    def _timeout(self, transaction: ClientTransaction, now: float) -> None:
        """Nothing rings any more."""

    def cancel_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """481 says that nothing rings there; otherwise the INVITE's final response follows."""

    def cancel_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """The peer is gone."""
        self.core.drops["orphan_cancel_unanswered"] += 1


def adopt(core: Core, plan: InvitePlan, digest: DigestClient, now: float) -> None:
    """CANCEL whatever the plan's INVITE started (RFC 3261 9.1), and be there for its final response."""
    for cseq in (plan.cseq, plan.cseq + 1) if plan.authenticates else (plan.cseq,):
        head = plan_head(core, plan, cseq)
        if (head.branch, "INVITE") in core.clients:
            continue
        orphan = _Orphan(core, plan.from_uri, plan.to_uri, digest)
        orphan.invite(head, plan.destination, now)
        request = head.render("CANCEL", core.user_agent)
        PlainClient(
            core, "CANCEL", head, request, plan.destination, orphan.cancel_response, orphan.cancel_timeout
        ).start(now)


def end_stray(core: Core, response: Response, addr: tuple[str, int], now: float) -> bool:
    """A 2xx to an INVITE without transaction: if its branch proves the INVITE ours, ACK and BYE; else false. Raises
    `MalformedMessage`.
    """
    from_, to = name_addr(response.first("from") or ""), name_addr(response.first("to") or "")
    call_id, cseq = response.first("call-id") or "", response.cseq[0]
    branch = branch_of(response.fields["via"][0])
    if not from_.tag or not to.tag or branch != core.branch(call_id, from_.tag, cseq, "INVITE"):
        return False
    contact = response.first("contact")
    if not contact:
        raise MalformedMessage("no_contact")
    head = RequestHead(to.uri, core.via, branch, "", response.first("from") or "", f"<{to.uri}>", call_id, cseq)
    orphan = _Orphan(core, from_.uri, to.uri, DigestClient(None, core.text))
    orphan.invite(head, addr, now).take(response, now)
    return True
