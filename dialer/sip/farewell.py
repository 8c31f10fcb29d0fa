"""BYE for a dialog that no leg stands for: a second fork, a call of an earlier process, a dialog that died."""

from __future__ import annotations

from dialer.sip.core import Core
from dialer.sip.dialog import Dialog
from dialer.sip.digest import DigestClient
from dialer.sip.message import Response
from dialer.sip.transaction import ClientTransaction, PlainClient

__all__ = ["Farewell"]


class Farewell:
    """Sends one BYE, answers challenges, tells nobody (RFC 3261 15.1.1)."""

    __slots__ = ("core", "dialog", "digest", "reason")

    def __init__(self, core: Core, dialog: Dialog, digest: DigestClient, now: float, reason: str = "") -> None:
        self.core = core
        self.dialog = dialog
        self.digest = digest
        self.reason = reason
        digest.begin()
        self._send(now)

    def _send(self, now: float) -> None:
        core = self.core
        head = self.dialog.head("BYE")
        lines = f"{self.digest.lines('BYE', head.uri)}{self.reason}{core.user_agent}"
        transaction = PlainClient(
            core, "BYE", head, head.render("BYE", lines), self.dialog.destination, self._response, self._timeout
        )
        transaction.start(now)

    def _response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if self.digest.accept(response):
            self._send(now)

    def _timeout(self, transaction: ClientTransaction, now: float) -> None:
        self.core.drops["farewell_unanswered"] += 1
