"""Text that leaves: checks against header injection, and requests and responses as bytes.

Nothing that a caller gives reaches the wire without `checked_*`; nothing that a peer gave can hold CR or LF, because
`dialer.sip.message.parse` refuses messages with a bare one.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from dialer.sip.errors import UnsafeHeader

__all__ = [
    "OWN_HEADERS",
    "REASONS",
    "RequestHead",
    "checked_headers",
    "checked_token",
    "checked_uri",
    "checked_value",
    "encode",
    "quoted",
]

_PLAIN_URI = re.compile(r"[A-Za-z0-9]+:[!#-;=?-~]+")
_TOKEN = frozenset(string.ascii_letters + string.digits + "-.!%*_+`'~")

OWN_HEADERS = frozenset((
    "via", "v", "from", "f", "to", "t", "call-id", "i",
    "cseq", "contact", "m", "content-length", "l", "content-type", "c", "max-forwards",
    "route", "record-route", "authorization", "proxy-authorization", "allow", "user-agent", "server", "require",
    "proxy-require", "content-encoding", "e", "rack", "rseq",
))  # fmt: skip
"""Lower-case names that the endpoint writes itself; a caller may not add them."""

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    410: "Gone", 413: "Request Entity Too Large", 414: "Request-URI Too Long", 415: "Unsupported Media Type",
    416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
    422: "Session Interval Too Small", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
    485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
    491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip
"""Default reason phrases (RFC 3261 21)."""


def encode(text: str) -> bytes:
    """UTF-8, with bytes that came in undecodable going out as they came."""
    return text.encode("utf-8", "surrogateescape")


def checked_value(value: str) -> str:
    """The value itself. Raises `UnsafeHeader` if it holds a control character or a lone surrogate (RFC 3261 25.1)."""
    if value.isprintable():
        return value
    for char in value:
        if char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" or "\x80" <= char <= "\x9f":
            raise UnsafeHeader(f"control character {ord(char):#04x} in {value!r}")
    return value


def checked_token(name: str) -> str:
    """The name itself. Raises `UnsafeHeader` unless it is a token (RFC 3261 25.1)."""
    if not name or not _TOKEN.issuperset(name):
        raise UnsafeHeader(f"not a token: {name!r}")
    return name


def checked_uri(uri: str) -> str:
    """The URI itself. Raises `UnsafeHeader` unless it looks like `scheme:rest` without white space, quotes or
    brackets around it.
    """
    if _PLAIN_URI.fullmatch(uri):
        return uri
    scheme, colon, rest = checked_value(uri).partition(":")
    if not colon or not rest or not scheme.isalnum() or any(char in uri for char in ' <>"'):
        raise UnsafeHeader(f"not a URI: {uri!r}")
    return uri


def checked_headers(headers: Sequence[tuple[str, str]]) -> str:
    """The caller's extra headers as lines. Raises `UnsafeHeader` for unsafe text and for names that the endpoint
    owns.
    """
    if not headers:
        return ""
    lines = []
    for name, value in headers:
        if checked_token(name).lower() in OWN_HEADERS:
            raise UnsafeHeader(f"the endpoint itself writes {name}")
        lines.append(f"{name}: {checked_value(value)}\r\n")
    return "".join(lines)


def quoted(text: str) -> str:
    """A quoted-string (RFC 3261 25.1)."""
    return '"' + checked_value(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


class RequestHead:
    """The part of a request that its ACK (non-2xx) and its CANCEL repeat (RFC 3261 17.1.1.3, 9.1)."""

    __slots__ = ("branch", "call_id", "cseq", "from_", "routes", "to", "uri", "via")

    def __init__(
        self, uri: str, via: str, branch: str, routes: str, from_: str, to: str, call_id: str, cseq: int
    ) -> None:
        self.uri = uri
        self.via = via  # the whole line up to and with "branch="
        self.branch = branch
        self.routes = routes  # whole Route lines, or nothing
        self.from_ = from_
        self.to = to
        self.call_id = call_id
        self.cseq = cseq

    def render(self, method: str, lines: str = "", body: bytes = b"", to: str | None = None) -> bytes:
        """The request as bytes; `lines` are further header lines, each with its CRLF."""
        head = (
            f"{method} {self.uri} SIP/2.0\r\n{self.via}{self.branch}\r\nMax-Forwards: 70\r\n{self.routes}"
            f"From: {self.from_}\r\nTo: {to or self.to}\r\nCall-ID: {self.call_id}\r\nCSeq: {self.cseq} {method}\r\n"
            f"{lines}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("utf-8", "surrogateescape") + body
