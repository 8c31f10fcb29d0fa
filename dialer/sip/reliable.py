"""Reliable provisional responses (RFC 3262): PRACK as caller, and a 180 that is repeated until its PRACK as callee."""

from __future__ import annotations

from collections.abc import Callable

from dialer.sip.core import Core
from dialer.sip.dialog import Dialog
from dialer.sip.digest import DigestClient
from dialer.sip.message import Message, Request, Response
from dialer.sip.server_transaction import InviteServer
from dialer.sip.timers import Timer
from dialer.sip.transaction import ClientTransaction, PlainClient

__all__ = ["EarlyDialog", "ReliableRinging", "rseq_of", "wants"]


def wants(message: Message, header: str) -> bool:
    """True if a message names 100rel in `require` or `supported`."""
    return any(tag.strip().lower() == "100rel" for value in message.fields.get(header, ()) for tag in value.split(","))


def rseq_of(response: Response) -> int | None:
    """The RSeq of a provisional response that must be acknowledged, else None (RFC 3262 4)."""
    if "rseq" not in response.fields or not wants(response, "require"):
        return None
    number = response.fields["rseq"][0]
    if not number.isascii() or not number.isdigit() or len(number) > 10 or not 0 < int(number) < 2**31:
        return None
    return int(number)


class EarlyDialog:
    """One early dialog with reliable provisionals: PRACKs go along it, and its SDP may be the only answer."""

    __slots__ = ("_digest", "_last", "_rack", "core", "dialog", "sdp")

    def __init__(self, core: Core, dialog: Dialog, digest: DigestClient) -> None:
        self.core = core
        self.dialog = dialog
        self.sdp: bytes | None = None
        self._digest = digest
        self._last: int | None = None
        self._rack = ""

    def take(self, rseq: int, cseq: int, response: Response, now: float) -> bool:
        """Acknowledge a provisional; false for one that was seen before or came out of order (RFC 3262 4). Only a gap
        is counted: where a PRACK takes longer than T1 its provisional comes twice.
        """
        if self._last is not None and rseq != self._last + 1:
            if rseq > self._last:
                self.core.drops["provisional_out_of_order"] += 1
            return False
        self._last = rseq
        self._rack = f"RAck: {rseq} {cseq} INVITE\r\n"
        self.dialog.refresh(response)
        self._digest.begin()
        self._send(now)
        return True

    def _send(self, now: float) -> None:
        core, dialog = self.core, self.dialog
        head = dialog.head("PRACK")
        request = head.render("PRACK", f"{self._rack}{self._digest.lines('PRACK', head.uri)}{core.user_agent}")
        PlainClient(core, "PRACK", head, request, dialog.destination, self._response, self._timeout).start(now)

    def _response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if self._digest.accept(response):
            self._send(now)

    def _timeout(self, transaction: ClientTransaction, now: float) -> None:
        self.core.drops["prack_unanswered"] += 1  # the INVITE's own fate decides


class ReliableRinging:
    """A 180 that must arrive. `give_up` is called when no PRACK came within 64*T1 (RFC 3262 3)."""

    __slots__ = ("_deadline", "_interval", "_open", "_response", "_server", "_timer", "core", "give_up", "rseq")

    def __init__(
        self, core: Core, server: InviteServer, lines: str, give_up: Callable[[float], None], now: float
    ) -> None:
        self.core = core
        self.rseq = 1 + int(core.fraction() * 2**30)
        self.give_up = give_up
        self._server = server
        server.respond(180, now, f"Require: 100rel\r\nRSeq: {self.rseq}\r\n{lines}")
        self._response = server.response
        self._open = True
        self._interval = core.config.t1
        self._deadline = now + 64 * core.config.t1
        self._timer: Timer | None = core.timers.start(now + self._interval, self._repeat, "100rel")

    def _repeat(self, name: str, now: float) -> None:
        self._timer = None
        if now >= self._deadline:
            self.core.drops["ringing_unacknowledged"] += 1
            self.give_up(now)
            return
        self.core.outbox.append((self._response, self._server.head.destination))
        self._interval *= 2
        self._timer = self.core.timers.start(min(now + self._interval, self._deadline), self._repeat, name)

    def take(self, prack: Request) -> bool:
        """True if this PRACK is for our 180, which is repeated no more then; after our 2xx, too (RFC 3262 3)."""
        parts = (prack.first("rack") or "").split()
        if not self._open or parts != [str(self.rseq), str(self._server.cseq), "INVITE"]:
            return False
        self._open = False
        self.stop()
        return True

    def stop(self) -> None:
        """A final response follows, or the call is over."""
        self.core.timers.cancel(self._timer)
        self._timer = None
