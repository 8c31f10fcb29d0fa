"""Responses: what they repeat of the request, and where they go (RFC 3261 8.2.6, 18.2.2, RFC 3581)."""

from __future__ import annotations

import re

from dialer.sip.flow import DEFAULT_PORTS, Destination, Flow
from dialer.sip.grammar import Via, split_list
from dialer.sip.message import Request
from dialer.sip.wire import REASONS

__all__ = ["ReplyHead"]

_RPORT = re.compile(r";\s*rport\s*(?=;|$)", re.IGNORECASE)


class ReplyHead:
    """The part that all responses to one request share. `routes` are the Record-Route lines, for dialog-forming
    responses.
    """

    __slots__ = ("common", "destination", "lost", "routes", "spare", "tag")

    def __init__(self, request: Request, via: Via | None, addr: Destination, tag: str) -> None:
        vias = request.fields.get("via", [])
        self.destination = addr
        self.lost = False  # there is no way back to who asked
        self.spare: Flow | None = None  # RFC 3261 18.2.2: where to go when the connection is lost
        if via is not None:
            vias = [_stamped(vias[0], via, addr), *vias[1:]]
            if isinstance(addr, Flow):
                self.spare = addr._replace(port=via.port or DEFAULT_PORTS[addr.transport])
            elif "rport" not in via.params:
                self.destination = (addr[0], via.port or 5060)
        fields = request.fields
        to = fields["to"][0] if "to" in fields else ""
        self.tag = tag
        if tag:
            to = f"{to};tag={tag}"
        lines = [f"Via: {value}\r\n" for value in vias]
        lines.append(f"From: {fields['from'][0] if 'from' in fields else ''}\r\nTo: {to}\r\n")
        for name, key in (("Call-ID", "call-id"), ("CSeq", "cseq")):
            if key in fields:
                lines.append(f"{name}: {fields[key][0]}\r\n")
        self.common = "".join(lines)
        self.routes = "".join(f"Record-Route: {value}\r\n" for value in fields.get("record-route", ()))

    def fall_back(self) -> Flow | None:
        """The connection is lost: the next destination, or None when there is none."""
        spare, self.spare = self.spare, None
        if spare is None:
            self.lost = True
        else:
            self.destination = spare
        return spare

    def render(self, status: int, lines: str = "", body: bytes = b"", reason: str | None = None) -> bytes:
        """The response as bytes."""
        phrase = reason if reason is not None else REASONS.get(status, "Unknown")
        head = f"SIP/2.0 {status} {phrase}\r\n{self.common}{lines}Content-Length: {len(body)}\r\n\r\n"
        return head.encode("utf-8", "surrogateescape") + body


def _stamped(value: str, via: Via, addr: Destination) -> str:
    """The top Via with `received` and `rport` as RFC 3261 18.2.1 and RFC 3581 4 want them."""
    asks = via.params.get("rport") == ""
    if not asks and via.host == addr[0]:
        return value
    first, *others = split_list(value)
    if asks:
        first = _RPORT.sub(f";rport={addr[1]}", first, count=1)
    if "received" not in via.params:
        first += f";received={addr[0]}"
    return ", ".join((first, *others))
