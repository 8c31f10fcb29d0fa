"""Which part of a body is the session description. Trunks with ISUP send it inside multipart/mixed (RFC 5621)."""

from __future__ import annotations

from dialer.sip.errors import MalformedMessage
from dialer.sip.grammar import parameters
from dialer.sip.message import Message

__all__ = ["sdp_of"]

_MAX_PARTS = 16


def sdp_of(message: Message) -> bytes | None:
    """The SDP of a message, None if it has no body. Raises `MalformedMessage` if there is a body but no SDP in it."""
    body = message.body
    if not body:
        return None
    kind = message.first("content-type") or ""
    if kind == "application/sdp":
        return body
    media, semicolon, rest = kind.partition(";")
    media = media.strip().lower()
    if media == "application/sdp" or (not media and body.startswith(b"v=")):
        return body
    if media.startswith("multipart/"):
        boundary = parameters(semicolon + rest).get("boundary", "")
        if boundary:
            return _part(body, b"--" + boundary.encode("utf-8", "surrogateescape"))
    raise MalformedMessage("no_sdp_in_body")


def _part(body: bytes, mark: bytes) -> bytes:
    for part in (b"\r\n" + body).split(b"\r\n" + mark, _MAX_PARTS)[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and b"application/sdp" in head.lower():
            return content
    raise MalformedMessage("no_sdp_in_body")
