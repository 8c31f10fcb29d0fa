"""BYE for a dialog that no leg stands for: a second fork, a call of an earlier process, a dialog that died."""

from __future__ import annotations

from collections.abc import Callable

from dialer.sip.core import Core
from dialer.sip.dialog import Dialog
from dialer.sip.digest import DigestClient
from dialer.sip.message import Response
from dialer.sip.transaction import ClientTransaction, PlainClient

__all__ = ["Farewell", "nobody"]


def nobody(answered: bool) -> None:
    """Nobody asked how it ended."""


class Farewell:
    """Sends one BYE and answers challenges (RFC 3261 15.1.1).

    `on_end` is told once how it ended: true when the far end gave it a final response, whichever (481 says that there
    is no such call); false when nothing came, or only a challenge that we cannot answer.
    """

    __slots__ = ("core", "dialog", "digest", "on_end", "reason")

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        digest: DigestClient,
        now: float,
        reason: str = "",
        on_end: Callable[[bool], None] = nobody,
    ) -> None:
        self.core = core
        self.dialog = dialog
        self.digest = digest
        self.reason = reason
        self.on_end = on_end
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
        elif response.status in (401, 407):
            self.core.drops["farewell_challenged"] += 1
            self.on_end(False)
        else:
            self.on_end(True)

    def _timeout(self, transaction: ClientTransaction, now: float) -> None:
        self.core.drops["farewell_unanswered"] += 1
        self.on_end(False)
