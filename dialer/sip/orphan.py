"""Calls that an earlier process left behind: INVITEs that may still ring, and 2xx to INVITEs that nobody remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dialer.sip.core import Core
from dialer.sip.destination import check_plan, checked_destination
from dialer.sip.dialog import Dialog, DialogState
from dialer.sip.digest import DigestClient
from dialer.sip.errors import BadSavedState, MalformedMessage
from dialer.sip.farewell import Farewell, nobody
from dialer.sip.flow import Destination
from dialer.sip.grammar import branch_of, name_addr
from dialer.sip.message import Response
from dialer.sip.outgoing import end_fork, plan_head
from dialer.sip.plan import InvitePlan
from dialer.sip.timers import Timer
from dialer.sip.transaction import ClientTransaction, InviteClient, PlainClient
from dialer.sip.wire import RequestHead, checked_uri, checked_value

__all__ = ["end_saved", "end_stray"]


def end_saved(
    core: Core, saved: Mapping[str, Any], digest: DigestClient, now: float, on_end: Callable[[bool], None]
) -> None:
    """What `Endpoint.end_orphan` does. Raises `BadSavedState`."""
    try:
        state = DialogState.from_dict(saved) if "remote_tag" in saved else InvitePlan.from_dict(saved)
    except (KeyError, TypeError, ValueError) as error:
        raise BadSavedState(f"neither a plan nor a dialog: {error!r}") from None
    checked_destination(core, state.destination, "")
    if isinstance(state, InvitePlan):
        check_plan(core, state)
        _adopt(core, state, digest, now, on_end)
        return
    for text in (state.local_uri, state.remote_uri, state.remote_target):
        checked_uri(text)
    for text in (state.call_id, state.local_tag, state.remote_tag, *state.route_set):
        checked_value(text)
    try:
        dialog = Dialog(core, state)
    except MalformedMessage as error:
        raise BadSavedState(f"a route set that leads nowhere: {error}") from None
    dialog.skip_ahead()
    Farewell(core, dialog, digest, now, on_end=on_end)


class _Ending:
    """Several ends that make up one: `on_end` is told once, when all are there, true if all were answered."""

    __slots__ = ("good", "on_end", "open")

    def __init__(self, on_end: Callable[[bool], None]) -> None:
        self.on_end = on_end
        self.open = 0
        self.good = True

    def begin(self) -> None:
        self.open += 1

    def done(self, good: bool) -> None:
        self.open -= 1
        self.good = self.good and good
        if self.open == 0:
            on_end, self.on_end = self.on_end, nobody  # a 2xx may still come, and begins another end
            on_end(self.good)


class _Orphan:
    """Waits for the final response of one INVITE of the past and ends its call."""

    __slots__ = ("cancelled", "core", "digest", "ending", "from_uri", "guard", "over", "to_uri")

    def __init__(self, core: Core, from_uri: str, to_uri: str, digest: DigestClient, ending: _Ending) -> None:
        self.core = core
        self.from_uri = from_uri
        self.to_uri = to_uri
        self.digest = digest
        self.ending = ending
        self.cancelled = False
        self.over = False
        self.guard: Timer | None = None

    def invite(self, kind: type[InviteClient], head: RequestHead, destination: Destination, now: float) -> InviteClient:
        """The INVITE's transaction, as if it had been sent here."""
        invite = kind(self.core, head, b"", destination, self._response, self._timeout, self._fork)
        invite.adopt(now)
        self.ending.begin()
        self.guard = self.core.timers.start(now + 64 * self.core.config.t1, self._no_final, "no_final")
        return invite

    def _finish(self, good: bool) -> None:
        if not self.over:
            self.over = True
            self.core.timers.cancel(self.guard)
            self.guard = None
            self.ending.done(good)

    def _response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            return
        assert isinstance(transaction, InviteClient)
        if response.status < 300:
            self._fork(transaction, response, now)
        else:
            transaction.on_fork = self._fork  # a 2xx may follow the refusal, too
        self._finish(True)

    def _fork(self, transaction: InviteClient, response: Response, now: float) -> None:
        self.ending.begin()
        try:
            end_fork(self.core, transaction, self.from_uri, self.to_uri, self.digest, response, now, self.ending.done)
        except MalformedMessage:
            self.ending.done(False)
            raise

    def _timeout(self, transaction: ClientTransaction, now: float) -> None:
        """Nothing rings any more."""

    def _no_final(self, name: str, now: float) -> None:
        """RFC 3261 9.1: 64*T1 after the CANCEL the INVITE counts as cancelled, if only somebody heard the CANCEL."""
        self.guard = None
        self._finish(self.cancelled)

    def cancel_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """481 says that nothing rings there; otherwise the INVITE's final response follows."""
        self.cancelled = True
        if response.status >= 300:
            self._finish(True)

    def cancel_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """The peer is gone."""
        self.core.drops["orphan_cancel_unanswered"] += 1
        self._finish(False)


class _StrayInvite(InviteClient):
    """Made by a 2xx that came from nowhere: there are at most `max_strays`."""

    __slots__ = ()

    def adopt(self, now: float) -> None:
        self.core.strays.add(self.key)
        super().adopt(now)

    def forget(self, now: float) -> None:
        self.core.strays.discard(self.key)
        super().forget(now)


def _adopt(core: Core, plan: InvitePlan, digest: DigestClient, now: float, on_end: Callable[[bool], None]) -> None:
    """CANCEL whatever the plan's INVITE started (RFC 3261 9.1), and be there for its final response. `on_end`: true
    when the far end has answered everything that was sent.
    """
    ending = _Ending(on_end)
    ending.begin()
    for cseq in (plan.cseq, plan.cseq + 1) if plan.authenticates else (plan.cseq,):
        head = plan_head(core, plan, cseq)
        if (head.branch, "INVITE") in core.clients:
            ending.good = False  # being ended already, and somebody else is told how
            continue
        orphan = _Orphan(core, plan.from_uri, plan.to_uri, digest, ending)
        orphan.invite(InviteClient, head, plan.destination, now)
        request = head.render("CANCEL", core.user_agent)
        PlainClient(
            core, "CANCEL", head, request, plan.destination, orphan.cancel_response, orphan.cancel_timeout
        ).start(now)
    ending.done(True)


def end_stray(core: Core, response: Response, addr: Destination, now: float) -> bool:
    """A 2xx to an INVITE without transaction: if its branch proves the INVITE ours, ACK and BYE; else false. Raises
    `MalformedMessage`.

    One too many waits its turn: the far end repeats its 2xx until it is acknowledged.
    """
    from_, to = name_addr(response.first("from") or ""), name_addr(response.first("to") or "")
    call_id, cseq = response.first("call-id") or "", response.cseq[0]
    branch = branch_of(response.fields["via"][0])
    if not from_.tag or not to.tag or branch != core.branch(call_id, from_.tag, cseq, "INVITE"):
        return False
    contact = response.first("contact")
    if not contact:
        raise MalformedMessage("no_contact")
    if len(core.strays) >= core.config.max_strays:
        raise MalformedMessage("too_many_strays")
    via = core.local(addr).via
    head = RequestHead(to.uri, via, branch, "", response.first("from") or "", f"<{to.uri}>", call_id, cseq)
    orphan = _Orphan(core, from_.uri, to.uri, core.anonymous, _Ending(nobody))
    orphan.invite(_StrayInvite, head, addr, now).take(response, now)
    return True
