"""Structured header values (RFC 3261 25.1): lists, parameters, name-addr, Via, host and port.

Two speeds: the strict parsers raise `MalformedMessage` and judge what strangers send; `tag_of`, `branch_of` and
`uri_of`
read the values that peers of live calls repeat all day, and fall back to the strict ones when a value is unusual.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from dialer.sip.errors import MalformedMessage

__all__ = [
    "NameAddr",
    "Via",
    "address_of",
    "branch_of",
    "literal_address",
    "name_addr",
    "parameters",
    "place_of",
    "split_list",
    "tag_of",
    "uri_of",
    "via",
]

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_DISPLAY_TOKENS = re.compile(r"[A-Za-z0-9\-.!%*_+`'~ \t]*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"]+")
_VIA = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+([^;,\s]+)\s*(:\s*[0-9]+\s*)?(;.*)?", re.IGNORECASE | re.DOTALL
)
_NOT_IN_VALUE = re.compile(r'[ \t<>@,"\\]')
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")


class NameAddr(NamedTuple):
    """`"display" <uri>;params` (RFC 3261 25.1)."""

    display: str
    uri: str
    params: dict[str, str]

    @property
    def tag(self) -> str | None:
        """The tag parameter."""
        return self.params.get("tag")


class Via(NamedTuple):
    """One Via value."""

    transport: str
    host: str
    port: int | None
    params: dict[str, str]

    @property
    def sent_by(self) -> str:
        """Host and port in one lower-case text, as transaction matching compares them (RFC 3261 17.2.3)."""
        return f"{self.host.lower()}:{self.port or 5060}"


def _cut(value: str, separator: str) -> list[str]:
    """The parts between separators that stand outside quotes and angle brackets. Raises on an open quote or bracket."""
    if '"' not in value and "<" not in value:
        if ">" in value:
            raise MalformedMessage("unbalanced_bracket")
        return value.split(separator)
    rest = _unnamed(value)
    if separator not in rest and '"' not in rest and rest.count("<") == rest.count(">") == 1:
        if rest.index(">") < rest.index("<"):
            raise MalformedMessage("unbalanced_bracket")
        return [value]
    parts, start, quote, bracket, skip = [], 0, False, False, False
    for at, char in enumerate(value):
        if skip:
            skip = False
        elif quote:
            if char == "\\":
                skip = True
            elif char == '"':
                quote = False
        elif char == '"':
            if bracket:
                raise MalformedMessage("quote_in_uri")
            quote = True
        elif bracket:
            if char == ">":
                bracket = False
            elif char == "<":
                raise MalformedMessage("unbalanced_bracket")
        elif char == "<":
            bracket = True
        elif char == ">":
            raise MalformedMessage("unbalanced_bracket")
        elif char == separator:
            parts.append(value[start:at])
            start = at + 1
    if quote or bracket:
        raise MalformedMessage("unbalanced_quote" if quote else "unbalanced_bracket")
    parts.append(value[start:])
    return parts


def _unnamed(value: str) -> str:
    """What follows a quoted display name without escapes; the value itself when it does not begin with one."""
    if value[:1] != '"':
        return value
    closing = value.find('"', 1)
    return value if closing < 0 or "\\" in value[:closing] else value[closing + 1 :]


def split_list(value: str) -> list[str]:
    """The elements of a comma-separated header. Raises `MalformedMessage` on an empty element or an open quote."""
    parts = [part.strip() for part in _cut(value, ",")]
    if not all(parts):
        raise MalformedMessage("empty_list_element")
    return parts


def parameters(text: str) -> dict[str, str]:
    """`;a=b;c` as a dict with lower-case names; a missing value is ''. Quotes are removed. Raises
    `MalformedMessage`.
    """
    params: dict[str, str] = {}
    if not text.strip():
        return params
    pieces = _cut(text, ";")
    if pieces[0].strip():
        raise MalformedMessage("parameter")
    for piece in pieces[1:]:
        name, equals, value = piece.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if not _TOKEN.fullmatch(name) or (equals and not value):
            raise MalformedMessage("parameter")
        if value[:1] == '"':
            if len(value) < 2 or value[-1] != '"':
                raise MalformedMessage("parameter")
            value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
        elif equals and _NOT_IN_VALUE.search(value):
            raise MalformedMessage("parameter")
        params.setdefault(name.lower(), value)
    return params


def name_addr(value: str) -> NameAddr:
    """One From, To, Contact, Route or Record-Route value. Raises `MalformedMessage` when it is not exactly one."""
    if len(_cut(value, ",")) != 1:
        raise MalformedMessage("more_than_one_value")
    value = value.strip()
    open_at = _bracket(value)
    if open_at >= 0:
        display = value[:open_at].strip()
        uri, _, rest = value[open_at + 1 :].partition(">")
        if display[:1] == '"':
            if len(display) < 2 or display[-1] != '"':
                raise MalformedMessage("display_name")
            display = re.sub(r"\\(.)", r"\1", display[1:-1], flags=re.DOTALL)
        elif not _DISPLAY_TOKENS.fullmatch(display):
            raise MalformedMessage("display_name")
    else:
        display = ""
        uri, semicolon, rest = value.partition(";")
        uri, rest = uri.strip(), semicolon + rest
        if "?" in uri:
            raise MalformedMessage("uri_headers_outside_brackets")  # RFC 3261 20.10, RFC 4475 3.1.2.13
    if not _URI.fullmatch(uri):
        raise MalformedMessage("uri")
    return NameAddr(display, uri, parameters(rest))


def _bracket(value: str) -> int:
    """Where the `<` outside quotes stands, or -1."""
    if '"' not in value:
        return value.find("<")
    quote = skip = False
    for at, char in enumerate(value):
        if skip:
            skip = False
        elif char == "\\" and quote:
            skip = True
        elif char == '"':
            quote = not quote
        elif char == "<" and not quote:
            return at
    return -1


def via(value: str) -> Via:
    """One Via value. Raises `MalformedMessage`."""
    match = _VIA.fullmatch(value.strip())
    if not match:
        raise MalformedMessage("via")
    transport, host, spaced_port, rest = match.groups()
    port: str | None = spaced_port[1:].strip() if spaced_port else None
    if host[0] == "[":
        host, bracket, after = host[1:].partition("]")
        if not bracket or not _IPV6.fullmatch(host) or (after and after[0] != ":"):
            raise MalformedMessage("via")
        port = after[1:] or port
    elif ":" in host:
        host, _, port = host.partition(":")
    if not host or (
        port is not None and (not port.isascii() or not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65_536)
    ):
        raise MalformedMessage("via")
    return Via(transport.upper(), host, int(port) if port else None, parameters(rest or ""))


def tag_of(value: str) -> str | None:
    """The tag of a From or To value, or None. Raises `MalformedMessage` only for values that are unusual and wrong."""
    plain = _unnamed(value) if value[:1] == '"' else value
    if '"' not in plain and (plain is value or (plain.lstrip(" \t")[:1] == "<" and plain.count(">") == 1)):
        _, bracket, rest = plain.rpartition(">")
        if bracket and rest.startswith(";tag="):
            tag = rest[5:]
            if _TOKEN.fullmatch(tag):
                return tag
        elif bracket and not rest:
            return None
    return name_addr(value).tag


def branch_of(value: str) -> str:
    """The branch of one Via value, or ''."""
    _, found, rest = value.partition(";branch=")
    if found:
        return rest.partition(";")[0].rstrip()
    return via(value).params.get("branch", "")


def uri_of(value: str) -> str:
    """The URI of a name-addr. Raises `MalformedMessage`."""
    if value[:1] == "<" and value[-1:] == ">" and value.count("<") == 1:
        uri = value[1:-1]
        if _URI.fullmatch(uri):
            return uri
    return name_addr(value).uri


@lru_cache(maxsize=4096)
def _literal(hostport: str) -> tuple[str, int] | None:
    if hostport[:1] == "[":
        host, _, rest = hostport[1:].partition("]")
        port = rest[1:] if rest[:1] == ":" else rest
        if not _IPV6.fullmatch(host):
            return None
    else:
        host, _, port = hostport.partition(":")
        if not _IPV4.fullmatch(host):
            return None
    if not port:
        return host, 5060
    if not port.isascii() or not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65_536:
        return None
    return host, int(port)


@lru_cache(maxsize=4096)
def _place(rest: str, secure: bool) -> tuple[tuple[str, int], str | None, bool] | None:
    """`place_of` for what stands behind the user part of a URI."""
    hostport, _, params = rest.partition(";")
    address, transport = _literal(hostport), "tls" if secure else None
    with_port = hostport.rpartition("]")[2].count(":") == 1
    for param in params.split(";"):
        name, _, value = param.partition("=")
        name = name.strip().lower()
        if name == "maddr":
            instead = _literal(value)
            address = (instead[0], address[1] if address else 5060) if instead else address
        elif name == "transport" and not secure:
            transport = value.strip().lower()
            if transport not in ("udp", "tcp", "tls"):
                transport = None
    return None if address is None else (address, transport, with_port)


def place_of(uri: str) -> tuple[tuple[str, int], str | None, bool] | None:
    """Where a SIP URI with a literal address leads: address, transport (None: not said), whether it names a port.

    None for a name, which needs RFC 3263, hence a network. `maddr` wins over the host (RFC 3261 19.1.1); the port is
    5060 unless given. `sips` means TLS on this hop, whatever the transport parameter says (RFC 3261 26.2.2).
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "sip" or (scheme := scheme.lower()) in ("sip", "sips"):
        return _place(rest.partition("?")[0].rpartition("@")[2], scheme == "sips")
    return None


def address_of(uri: str) -> tuple[str, int] | None:
    """`place_of` without the transport."""
    place = place_of(uri)
    return None if place is None else place[0]


@lru_cache(maxsize=4096)
def literal_address(host: str) -> bool:
    """True for an IPv4 or IPv6 address without brackets."""
    return bool(_IPV4.fullmatch(host)) or (":" in host and bool(_IPV6.fullmatch(host)))
