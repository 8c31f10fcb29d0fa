"""SIP messages as they come: one pass over the bytes, header values left as text until someone asks.

`parse` tells three things apart. Bytes that are no SIP message at all raise `MalformedMessage` (the caller drops and
counts).
A message that can be read but breaks a rule gets `fault`, a reason fit for a 400. Everything else is left to those
who read a header.
"""

from __future__ import annotations

import re

from dialer.sip.errors import MalformedMessage

__all__ = ["Message", "Request", "Response", "parse"]

_COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition", "e": "content-encoding",
    "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported", "l": "content-length", "m": "contact",
    "o": "event", "r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires",
}  # fmt: skip
_COMMON = (
    "Via", "From", "To", "Call-ID", "CSeq", "Contact",
    "Content-Type", "Content-Length", "Max-Forwards", "Route", "Record-Route", "User-Agent",
    "Server", "Allow", "Supported", "Require", "WWW-Authenticate", "Proxy-Authenticate",
    "Authorization", "Proxy-Authorization", "Reason", "Retry-After", "Expires", "Session-Expires",
    "Min-SE", "RSeq", "RAck", "Date", "Accept", "Subject",
    "P-Asserted-Identity",
)  # fmt: skip
# The spellings that peers really use, so that the common case is one look-up.
_NAMES = {spelling: name.lower() for name in _COMMON for spelling in (name, name.lower(), name.upper())}
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_FOLD = re.compile(r"\r\n[ \t]+")
_METHOD = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+ ")
_DIGITS = re.compile(r"[0-9]{1,10}")
_BLANK = (" ", "\t")
_STATUSES = {f"{status}{end}": status for status in range(100, 700) for end in (" ", "")}
MAX_LINES = 256
"""More header lines than this make a message hostile, not long."""


class Message:
    """What requests and responses share. `fields` maps a lower-case header name to its values in order of
    appearance.
    """

    __slots__ = ("_cseq", "body", "fault", "fields")
    _cseq: tuple[int, str] | None
    body: bytes
    fault: str | None
    fields: dict[str, list[str]]

    def first(self, name: str) -> str | None:
        """The first value of a header by lower-case name."""
        values = self.fields.get(name)
        return values[0] if values else None

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of CSeq. Raises `MalformedMessage` (RFC 3261 8.1.1.5: the number is below 2**31)."""
        if self._cseq is None:
            values = self.fields.get("cseq")
            parts = values[0].split() if values else ()
            if len(parts) != 2 or not _DIGITS.fullmatch(parts[0]) or int(parts[0]) >= 2**31:
                raise MalformedMessage("cseq")
            self._cseq = int(parts[0]), parts[1]
        return self._cseq


class Request(Message):
    """A request. `version_ok` is false for another protocol version than SIP/2.0."""

    __slots__ = ("method", "uri", "version_ok")

    def __init__(
        self, method: str, uri: str, version_ok: bool, fields: dict[str, list[str]], body: bytes, fault: str | None
    ) -> None:
        self.fields = fields
        self.body = body
        self.fault = fault
        self._cseq = None
        self.method = method
        self.uri = uri
        self.version_ok = version_ok


class Response(Message):
    """A response. `to_tag` is there once the endpoint has found the transaction that it belongs to."""

    __slots__ = ("reason", "status", "to_tag")

    def __init__(self, status: int, reason: str, fields: dict[str, list[str]], body: bytes, fault: str | None) -> None:
        self.fields = fields
        self.body = body
        self.fault = fault
        self._cseq = None
        self.status = status
        self.reason = reason
        self.to_tag: str | None = None


def parse(data: bytes) -> Request | Response:
    """One datagram as a message; octets after Content-Length are noise (RFC 3261 18.3).

    Raises `MalformedMessage` when there is no start line to recognise or the header has no end.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        raise MalformedMessage("no_end_of_header")
    head, body = data[:end].decode("utf-8", "surrogateescape"), data[end + 4 :]
    lines = head.split("\r\n")
    breaks = len(lines) - 1
    if breaks > MAX_LINES:
        raise MalformedMessage("too_many_headers")
    if head.count("\n") != breaks or head.count("\r") != breaks:
        raise MalformedMessage("bare_cr_or_lf")
    fields: dict[str, list[str]] = {}
    fault: str | None = None
    names = _NAMES
    start = lines[0]
    del lines[0]
    for line in lines:
        raw, colon, value = line.partition(":")
        try:
            name = names[raw]
        except KeyError:
            if line[:1] in _BLANK:
                return _again(_FOLD.sub(" ", head), body)
            name = raw.rstrip(" \t").lower()
            name = _COMPACT.get(name, name)
            if not colon or not _TOKEN.fullmatch(name):
                fault = "Malformed header line"
                continue
        if name in fields:
            fields[name].append(value.strip(" \t"))
        else:
            fields[name] = [value.strip(" \t")]
    if not start and head:
        return _again(head.lstrip("\r\n"), body)  # RFC 3261 7.5: empty lines before the start line are ignored
    lengths = fields.get("content-length")
    if lengths is not None:
        length = lengths[0]
        if len(lengths) > 1 or not (length.isdecimal() and length.isascii() and len(length) <= 10):
            fault = "Bad Content-Length"
        else:
            size = int(length)
            if size != len(body):
                if size > len(body):
                    fault = "Body shorter than Content-Length"
                body = body[:size]
    if start[:8] == "SIP/2.0 ":
        status = _STATUSES.get(start[8:12])
        if status is None:
            raise MalformedMessage("status_line")
        return Response(status, start[12:], fields, body, fault)
    return _request(start, fields, body, fault)


def _again(head: str, body: bytes) -> Request | Response:
    return parse(head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)


def _request(start: str, fields: dict[str, list[str]], body: bytes, fault: str | None) -> Request:
    if not _METHOD.match(start):
        raise MalformedMessage("request_line")
    parts = start.split(" ")
    version = parts[-1].upper()
    if len(parts) == 3 and version.startswith("SIP/"):
        return Request(parts[0], parts[1], version == "SIP/2.0", fields, body, fault)
    if len(parts) > 2 and "SIP/" in start.upper():
        # RFC 4475 3.1.2.8 to 3.1.2.10: white space where none belongs; readable enough for a 400.
        return Request(parts[0], parts[1], True, fields, body, "Malformed request line")
    raise MalformedMessage("request_line")
