"""SIP messages as an operator reads them: one line each, in the order in which they came and went.

A message may quote what is secret in its Authorization headers; these are left out before anything is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dialer.config.secret import printable
from dialer.sip.errors import MalformedMessage
from dialer.sip.flow import Destination, transport_of
from dialer.sip.message import Request, parse

_SECRET = re.compile(r"^((?:Proxy-)?Authorization)[ \t]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*", re.IGNORECASE | re.MULTILINE)
_CALL_ID = re.compile(rb"^(?:Call-ID|i)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def call_id_of(data: bytes) -> str:
    """The Call-ID of a message, empty when it has none; cheap, for those who look for one call among many."""
    found = _CALL_ID.search(data)
    return found.group(1).decode("utf-8", "replace") if found else ""


@dataclass(frozen=True, slots=True)
class Rung:
    """One message. `at`: epoch seconds. `sent`: by us. `far`: `host:port` of the far end, with `tcp:` or `tls:`."""

    at: float
    sent: bool
    far: str
    call_id: str
    summary: str
    """start line, CSeq and body in a few words"""
    text: str
    """the whole message, made printable, without its Authorization"""

    def line(self, began: float) -> str:
        """For people: seconds since `began`, direction, far end, what it is."""
        arrow = "-->" if self.sent else "<--"
        return f"{self.at - began:9.3f}  {arrow}  {self.far:<21}  {self.summary}"

    def to_dict(self) -> dict[str, Any]:
        """For programs; `from_dict` reads it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Rung:
        """What `to_dict` gave. Raises TypeError when a field is missing or unknown."""
        return cls(**fields)


def rung(sent: bool, data: bytes, far: Destination, at: float) -> Rung:
    """The rung of a message as it came or went at `at` (epoch seconds). Never raises for its content."""
    host, port, transport = far[0], far[1], transport_of(far)
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if transport != "udp":
        where = f"{transport}:{where}"
    return Rung(at, sent, where, call_id_of(data), printable(_summary(data)), _readable(data))


def _summary(data: bytes) -> str:
    try:
        message = parse(data)
    except MalformedMessage as error:
        return f"no SIP message ({error}), {len(data)} bytes" if data.strip() else "keep-alive"
    start = f"{message.method} {message.uri}" if isinstance(message, Request) else f"{message.status} {message.reason}"
    try:
        number, method = message.cseq
        about = f"{number}" if isinstance(message, Request) else f"{number} {method}"
    except MalformedMessage:
        about = "no CSeq"
    kind = (message.first("content-type") or "body").partition(";")[0].rpartition("/")[2]
    return f"{start}  ({about}{f', {kind} {len(message.body)} B' if message.body else ''})"


def _readable(data: bytes) -> str:
    text = _SECRET.sub(r"\1: (left out)", data.decode("utf-8", "replace"))
    return "\n".join(printable(line) for line in text.replace("\r\n", "\n").split("\n")).rstrip("\n")
