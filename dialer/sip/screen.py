"""Which requests may pass (RFC 3261 8.2, 16.3, with RFC 4475 as the yardstick), before any state is touched."""

from __future__ import annotations

from dialer.sip.body import sdp_of
from dialer.sip.core import ALLOW
from dialer.sip.errors import MalformedMessage
from dialer.sip.grammar import name_addr, split_list, via
from dialer.sip.message import Request
from dialer.sip.session_timer import MIN_SE, too_short

__all__ = ["Refusal", "screen"]

Refusal = tuple[int, str | None, str]
"""Status, reason phrase (None: the default) and header lines."""

_SINGLE = ("from", "to", "call-id", "cseq")
_KNOWN = frozenset(
    [
        "INVITE",
        "ACK",
        "CANCEL",
        "BYE",
        "OPTIONS",
        "UPDATE",
        "REGISTER",
        "SUBSCRIBE",
        "NOTIFY",
        "PUBLISH",
        "MESSAGE",
        "INFO",
        "REFER",
        "PRACK",
    ]
)
_ALLOWED = frozenset(ALLOW.split(", "))
_ALLOW_LINE = f"Allow: {ALLOW}\r\n"
_SUPPORTED = frozenset(("timer", "100rel"))


def screen(request: Request, registrar: bool = False) -> Refusal | None:
    """None if the request is fit to be served, else how to refuse it. `registrar`: REGISTER is. Never raises."""
    if not request.version_ok:
        return 505, None, ""
    if request.fault is not None:
        return 400, request.fault, ""
    try:
        _check(request)
    except MalformedMessage as error:
        return 400, f"Bad Request: {error.args[0].replace('_', ' ')}", ""
    method = request.method
    if method not in _ALLOWED and not (registrar and method == "REGISTER"):
        return (405 if method in _KNOWN else 501), None, _ALLOW_LINE
    if request.uri.partition(":")[0].lower() not in ("sip", "sips", "tel"):
        return 416, None, ""
    if method not in ("ACK", "CANCEL"):
        wanted = {tag.strip().lower() for value in request.fields.get("require", ()) for tag in value.split(",")} - {""}
        unknown = sorted(wanted - _SUPPORTED)
        if unknown:
            return 420, None, f"Unsupported: {', '.join(unknown)}\r\n"
    if method in ("INVITE", "UPDATE"):
        if too_short(request):
            return 422, None, f"Min-SE: {MIN_SE}\r\n"
        return _content(request)
    return None


def _check(request: Request) -> None:
    fields = request.fields
    for name in _SINGLE:
        values = fields.get(name)
        if not values or not values[0]:
            raise MalformedMessage(f"missing_{name}")
        if len(values) > 1:
            raise MalformedMessage(f"repeated_{name}")
    if request.cseq[1] != request.method:
        raise MalformedMessage("cseq_of_another_method")
    for value in fields["via"]:
        for item in split_list(value):
            if via(item).params.get("branch") == "z9hG4bK":
                raise MalformedMessage("empty_branch")
    name_addr(fields["from"][0])
    name_addr(fields["to"][0])
    for name in ("contact", "route", "record-route"):
        for value in fields.get(name, ()):
            if value == "*" and name == "contact":
                continue
            for item in split_list(value):
                name_addr(item)
    if request.method == "INVITE":  # RFC 3261 8.1.1.8: exactly one URI
        contacts = [item for value in fields.get("contact", ()) for item in split_list(value)]
        if len(contacts) > 1 or contacts == ["*"]:
            raise MalformedMessage("repeated_contact")
    _number(fields.get("max-forwards"), 255)
    _number(fields.get("expires"), 2**32 - 1)
    _uri(request.uri)


def _number(values: list[str] | None, limit: int) -> None:
    if values is None:
        return
    value = values[0]
    if len(values) > 1 or not value.isascii() or not value.isdigit() or len(value) > 10 or int(value) > limit:
        raise MalformedMessage("number_out_of_range")


def _uri(uri: str) -> None:
    scheme, colon, rest = uri.partition(":")
    if not colon or not rest or any(char in uri for char in '<>"') or not scheme[:1].isalpha():
        raise MalformedMessage("request_uri")
    if scheme.lower() in ("sip", "sips"):
        host = rest.rpartition("@")[2]
        if "?" in host:
            raise MalformedMessage("headers_in_request_uri")  # RFC 3261 19.1.1, RFC 4475 3.1.2.11
        if host[:1] != "[" and host.partition(";")[0].count(":") > 1:
            raise MalformedMessage("address_without_brackets")  # RFC 5118 4.2


def _content(request: Request) -> Refusal | None:
    if (request.first("content-encoding") or "identity").strip().lower() != "identity":
        return 415, None, "Accept-Encoding: identity\r\n"
    try:
        sdp_of(request)
    except MalformedMessage:
        return 415, None, "Accept: application/sdp\r\n"
    accept = request.fields.get("accept")
    if accept is not None:
        ranges = {item.partition(";")[0].strip().lower() for value in accept for item in value.split(",")}
        if not ranges & {"application/sdp", "application/*", "*/*"}:
            return 406, None, 'Warning: 399 dialer "this endpoint answers with application/sdp only"\r\n'
    return None
