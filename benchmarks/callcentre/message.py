"""SIP messages for the simulated phones: just enough of RFC 3261 to be a fair peer.

Written apart from `dialer/sip` on purpose: a peer that shares the parser of what it tests shares its mistakes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: RFC 3261 7.3.3 and 20
COMPACT = {
    "i": "call-id",
    "m": "contact",
    "e": "content-encoding",
    "l": "content-length",
    "c": "content-type",
    "f": "from",
    "s": "subject",
    "k": "supported",
    "t": "to",
    "v": "via",
}
_TAG = re.compile(r";\s*tag\s*=\s*([^;\s>,]+)", re.IGNORECASE)
_BRANCH = re.compile(r";\s*branch\s*=\s*([^;\s,]+)", re.IGNORECASE)
_URI = re.compile(r"<([^>]*)>|^\s*([^\s;<]+)")
_HOST = re.compile(r"^sips?:(?:[^@]*@)?(\[[^\]]+\]|[^:;?>]+)(?::(\d+))?", re.IGNORECASE)


class MalformedMessage(ValueError):
    """The datagram is not a SIP message that this peer can answer."""


@dataclass(slots=True)
class Message:
    """A request (`method` set) or a response (`status` set). Header names are lower case and long."""

    method: str
    uri: str
    status: int
    headers: dict[str, list[str]]
    body: bytes = b""
    source: tuple[str, int] = field(default=("", 0))

    def one(self, name: str) -> str:
        """The first value of the header `name`; raises MalformedMessage when it is missing."""
        values = self.headers.get(name)
        if not values:
            raise MalformedMessage(f"no {name}")
        return values[0]

    def get(self, name: str, default: str = "") -> str:
        """The first value of the header `name`, or `default`."""
        values = self.headers.get(name)
        return values[0] if values else default

    def listed(self, name: str) -> list[str]:
        """All values of a header whose values may also be joined by commas (Via, Route, Record-Route)."""
        return [item for value in self.headers.get(name, []) for item in split_commas(value)]

    @property
    def cseq(self) -> tuple[int, str]:
        """CSeq number and method; raises MalformedMessage."""
        parts = self.one("cseq").split()
        if len(parts) != 2 or not parts[0].isdigit():
            raise MalformedMessage("CSeq")
        return int(parts[0]), parts[1]

    @property
    def branch(self) -> str:
        """The topmost Via's branch; raises MalformedMessage without one."""
        match = _BRANCH.search(split_commas(self.one("via"))[0])
        if match is None:
            raise MalformedMessage("Via without branch")
        return match.group(1)


def split_commas(value: str) -> list[str]:
    """Split at commas outside <...> and quotes."""
    if "," not in value:
        return [value.strip()]
    parts, depth, quoted, start = [], 0, False, 0
    for index, char in enumerate(value):
        if char == '"' and value[index - 1 : index] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif char == "<":
            depth += 1
        elif char == ">":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(value[start:index].strip())
            start = index + 1
    return [*parts, value[start:].strip()]


def parse(data: bytes, source: tuple[str, int] = ("", 0)) -> Message:
    """Read one datagram; raises MalformedMessage."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        raise MalformedMessage("no end of headers")
    try:
        lines = head.decode("utf-8").split("\r\n")
    except UnicodeDecodeError as error:
        raise MalformedMessage("not UTF-8") from error
    first = lines[0].split(" ", 2)
    if len(first) < 3:
        raise MalformedMessage("first line")
    headers: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in lines[1:]:
        if line[:1] in (" ", "\t") and last:
            last[-1] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedMessage(f"header line {line[:40]!r}")
        name = name.strip().lower()
        last = headers.setdefault(COMPACT.get(name, name), [])
        last.append(value.strip())
    length = headers.get("content-length", [str(len(body))])[0]
    if not length.isdigit() or int(length) > len(body):
        raise MalformedMessage("Content-Length")
    body = body[: int(length)]
    if first[0] == "SIP/2.0":
        if not first[1].isdigit():
            raise MalformedMessage("status")
        return Message("", "", int(first[1]), headers, body, source)
    if first[2] != "SIP/2.0":
        raise MalformedMessage("version")
    return Message(first[0], first[1], 0, headers, body, source)


def build(first_line: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """A datagram; Content-Length is added."""
    lines = [first_line, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def tag_of(value: str) -> str:
    """The tag parameter of a From or To value, or ''."""
    match = _TAG.search(value.rpartition(">")[2] if ">" in value else value)
    return match.group(1) if match else ""


def uri_of(value: str) -> str:
    """The URI of a name-addr or addr-spec."""
    match = _URI.search(value)
    return (match.group(1) or match.group(2)) if match else ""


def user_of(uri: str) -> str:
    """The user part of a SIP URI without its parameters, or ''."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() not in ("sip", "sips") or "@" not in rest:
        return ""
    return rest.split("@", 1)[0].split(";", 1)[0].split(":", 1)[0]


def address_of(uri: str) -> tuple[str, int] | None:
    """Host and port of a SIP URI whose host is an IPv4 address; None for names (this peer asks no DNS)."""
    match = _HOST.match(uri)
    if match is None or not re.fullmatch(r"[\d.]+", match.group(1)):
        return None
    return match.group(1), int(match.group(2) or 5060)
