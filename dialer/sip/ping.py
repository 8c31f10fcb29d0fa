"""OPTIONS as a sign of life (RFC 3261 11)."""

from __future__ import annotations

from dialer.sip.core import Core
from dialer.sip.events import OptionsAnswered, OptionsFailed
from dialer.sip.flow import Destination
from dialer.sip.message import Response
from dialer.sip.transaction import ClientTransaction, PlainClient
from dialer.sip.wire import RequestHead

__all__ = ["Ping"]


class Ping:
    """One OPTIONS outside of any dialog. Any final response is a sign of life, a challenge too, so none is answered."""

    __slots__ = ("core", "id")

    def __init__(self, core: Core, uri: str, destination: Destination, now: float) -> None:
        self.core = core
        self.id, tag = core.call_and_tag()
        branch = core.branch(self.id, tag, 1, "OPTIONS")
        local = core.local(destination)
        head = RequestHead(uri, local.via, branch, "", f"<{local.contact_uri}>;tag={tag}", f"<{uri}>", self.id, 1)
        request = head.render("OPTIONS", f"{local.contact_for(uri)}Accept: application/sdp\r\n{core.user_agent}")
        PlainClient(core, "OPTIONS", head, request, destination, self._response, self._timeout).start(now)

    def _response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self.core.events.append(OptionsAnswered(self.id, response.status, now - transaction.sent_at))

    def _timeout(self, transaction: ClientTransaction, now: float) -> None:
        self.core.events.append(OptionsFailed(self.id))
