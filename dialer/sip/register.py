"""Registration with a trunk's registrar (RFC 3261 10.2): sign on, stay signed on, go to the next registrar when one
fails.

A registration lives until `Endpoint.unregister`. It is refreshed when four fifths of its time are over. A registrar
that times out or
answers 5xx or 6xx hands over to the next in the list; when none is left, all are tried again after a pause that
doubles from
30 s to 30 min and is scattered (RFC 5626 4.5), or after Retry-After if that is longer.
"""

from __future__ import annotations

from collections.abc import Sequence

from dialer.sip.core import Core
from dialer.sip.digest import DigestClient
from dialer.sip.errors import MalformedMessage
from dialer.sip.events import Registered, RegistrationFailed, Unregistered
from dialer.sip.flow import Destination
from dialer.sip.grammar import name_addr, split_list
from dialer.sip.machine import Machine
from dialer.sip.message import Response
from dialer.sip.reason import retry_after
from dialer.sip.tables import REGISTRATION
from dialer.sip.timers import Timer
from dialer.sip.transaction import ClientTransaction, PlainClient
from dialer.sip.wire import RequestHead

__all__ = ["Registration"]

_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 1800.0
_SHORTEST, _LONGEST = 1, 2**31
_REFRESH_AT = 0.8


class Registration(Machine):
    """One binding of an address of record to our Contact. All its requests share Call-ID and From tag (RFC 3261
    10.2).
    """

    __slots__ = (
        "_aor",
        "_cseq",
        "_digest",
        "_expires",
        "_failures",
        "_hasty",
        "_leaving",
        "_pause",
        "_refusal",
        "_registrar",
        "_tag",
        "_timer",
        "_transaction",
        "_where",
        "core",
        "destinations",
        "id",
        "registrations",
    )
    table = REGISTRATION

    def __init__(
        self,
        core: Core,
        registrations: dict[str, Registration],
        registrar: str,
        aor: str,
        destinations: Sequence[Destination],
        expires: int,
        digest: DigestClient,
        now: float,
    ) -> None:
        self.core = core
        self.registrations = registrations
        self.destinations = tuple(destinations)
        self.id, self._tag = core.call_and_tag()
        self.enter("trying")
        self._registrar = registrar
        self._aor = aor
        self._expires = expires
        self._digest = digest
        self._cseq = 0
        self._where = 0  # index of the registrar in use
        self._failures = 0  # registrars that failed in a row
        self._pause = _FIRST_PAUSE
        self._hasty = False  # one 423 was answered already
        self._leaving = False
        self._refusal = (408, 0.0)
        self._timer: Timer | None = None
        self._transaction: ClientTransaction | None = None
        registrations[self.id] = self
        digest.begin()
        self.send(now)

    def unregister(self, now: float) -> None:
        """Remove the binding; `Unregistered` follows."""
        self._leaving = True
        self._digest.begin()
        self.fire("unregister", now)

    # Actions

    def send(self, now: float) -> None:
        core = self.core
        core.timers.cancel(self._timer)
        self._cseq += 1
        branch = core.branch(self.id, self._tag, self._cseq, "REGISTER")
        address = f"<{self._aor}>"
        destination = self.destinations[self._where]
        local = core.local(destination)
        head = RequestHead(
            self._registrar, local.via, branch, "", f"{address};tag={self._tag}", address, self.id, self._cseq
        )
        expires = 0 if self._leaving else self._expires
        contact = local.contact_for(self._registrar)
        lines = f"{contact}Expires: {expires}\r\n{self._digest.lines('REGISTER', head.uri)}{core.user_agent}"
        self._transaction = PlainClient(
            core, "REGISTER", head, head.render("REGISTER", lines), destination, self._response, self._timeout
        )
        self._transaction.start(now)

    def send_fresh(self, now: float) -> None:
        self._digest.begin()
        self._hasty = False
        self.send(now)

    def go_to_next(self, now: float) -> None:
        self._where = (self._where + 1) % len(self.destinations)
        self.send_fresh(now)

    def pause(self, now: float) -> None:
        status, asked = self._refusal
        scattered = self._pause * (0.5 + 0.5 * self.core.fraction())
        wait = max(scattered, asked)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        self._failures = 0
        self._where = 0
        self._timer = self.core.timers.start(now + wait, self.fire, "retry")
        self.core.events.append(RegistrationFailed(self.id, status, wait))

    def stop(self, now: float) -> None:
        self.core.timers.cancel(self._timer)

    def gone(self, now: float) -> None:
        self.core.timers.cancel(self._timer)
        self.registrations.pop(self.id, None)
        self.core.events.append(Unregistered(self.id))

    # What the registrar says

    def _response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self._transaction:
            return  # of a request that a later one has overtaken
        status = response.status
        if self._digest.accept(response):
            self.send(now)
        elif self._leaving:
            self.fire("left", now)
        elif 200 <= status < 300:
            granted = self._granted(response)
            self._failures = 0
            self._pause = _FIRST_PAUSE
            self._timer = self.core.timers.start(now + granted * _REFRESH_AT, self.fire, "refresh")
            self.fire("granted", now)
            self.core.events.append(Registered(self.id, granted, self.destinations[self._where]))
        elif status == 423 and not self._hasty and self._take_min_expires(response):
            self._hasty = True
            self.send(now)
        else:
            self._refused(status, retry_after(response) or 0.0, status >= 500, now)

    def _timeout(self, transaction: ClientTransaction, now: float) -> None:
        if transaction is self._transaction:
            if self._leaving:
                self.fire("left", now)
            else:
                self._refused(503 if transaction.broken else 408, 0.0, True, now)

    def _refused(self, status: int, asked: float, elsewhere: bool, now: float) -> None:
        self._refusal = status, asked
        self._failures += 1
        more = elsewhere and self._failures < len(self.destinations)
        self.fire("failed" if more else "refused", now)

    def _take_min_expires(self, response: Response) -> bool:
        """RFC 3261 10.2.8."""
        value = response.first("min-expires") or ""
        if not value.isascii() or not value.isdigit() or len(value) > 9 or int(value) <= self._expires:
            return False
        self._expires = int(value)
        return True

    def _granted(self, response: Response) -> int:
        """Seconds that the registrar granted our Contact (RFC 3261 10.2.4), else Expires, else what we asked for."""
        local = self.core.local(self.destinations[self._where])
        ours = (local.secure_uri if self._registrar[:5].lower() == "sips:" else local.contact_uri).lower()
        texts = [response.first("expires") or ""]
        for value in response.fields.get("contact", ()):
            try:
                for item in split_list(value):
                    contact = name_addr(item)
                    if contact.uri.lower() == ours:
                        texts.insert(0, contact.params.get("expires", ""))
            except MalformedMessage:
                self.core.drops["bad_contact"] += 1
        for text in texts:
            if text.isascii() and text.isdigit() and len(text) <= 10 and _SHORTEST <= int(text) < _LONGEST:
                return int(text)
        return self._expires
