"""Session descriptions (RFC 4566, RFC 3264), as far as one audio stream of a telephone call needs them.

`parse` reads what real peers write: bare LF, unknown lines, further streams. What it keeps of those streams is only
their `m=` lines,
refused with port 0 when the description is written again, because an answer must have as many as its offer (RFC 3264
6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from dialer.sip.errors import SdpError

__all__ = ["Direction", "Payload", "SessionDescription", "audio", "parse", "readdressed"]

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
_DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
_MAX_BYTES, _MAX_LINES, _MAX_STREAMS, _MAX_PAYLOADS = 65_535, 1024, 16, 64


@dataclass(frozen=True, slots=True)
class Payload:
    """One RTP payload type: its number on this side, its encoding name in upper case but for telephone-event, its
    clock rate in Hz.
    """

    number: int
    name: str
    clock: int = 8000
    parameters: str = ""


_KNOWN = {
    "PCMU": Payload(0, "PCMU"),
    "GSM": Payload(3, "GSM"),
    "PCMA": Payload(8, "PCMA"),
    "G722": Payload(9, "G722"),
    "G729": Payload(18, "G729"),
    "telephone-event": Payload(101, "telephone-event", 8000, "0-15"),
}
_STATIC = {payload.number: payload for payload in _KNOWN.values() if payload.number < 96}


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """One description, reduced to its first audio stream. `port` 0 means that the stream is refused; `ptime` is in
    milliseconds.
    """

    host: str
    port: int
    payloads: tuple[Payload, ...]
    direction: Direction = "sendrecv"
    ptime: int | None = None
    username: str = "-"
    session_id: int = 1
    version: int = 1
    origin_host: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The encoding names in order of preference."""
        return tuple(payload.name for payload in self.payloads)

    @property
    def held(self) -> bool:
        """True if the other side wants no audio from us (RFC 3264 8.4), old style (RFC 2543) included."""
        return self.direction in ("sendonly", "inactive") or self.host == "0.0.0.0"

    def to_bytes(self) -> bytes:
        """The description as it goes into a body. Raises `SdpError` for values that would break it."""
        return _written(self, self.username, self.session_id, self.version, self.origin_host, self.direction)


def _written(
    what: SessionDescription, username: str, session_id: int, version: int, origin_host: str, direction: Direction
) -> bytes:
    """`what` as a body under an o= line and with a direction of its own."""
    host, origin = what.host, origin_host or what.host
    for text in (username, host, origin):
        if not text or not text.isprintable() or " " in text:
            raise SdpError(f"not fit for a session description: {text!r}")
    numbers, lines = _stream_lines(what.payloads, what.ptime, direction)
    before = "".join(f"{line}\r\n" for line in what.before)
    after = "".join(f"{line}\r\n" for line in what.after)
    return (
        f"v=0\r\no={username} {session_id} {version} IN {_kind(origin)} {origin}\r\ns=-\r\n"
        f"c=IN {_kind(host)} {host}\r\nt=0 0\r\n{before}m=audio {what.port} RTP/AVP {numbers}\r\n{lines}{after}"
    ).encode("utf-8", "surrogateescape")


@lru_cache(maxsize=1024)
def _stream_lines(payloads: tuple[Payload, ...], ptime: int | None, direction: Direction) -> tuple[str, str]:
    """The payload numbers of an m= line, and the attribute lines under it: a peer has few sets of them."""
    lines = []
    for payload in payloads:
        if not payload.name.isprintable() or not payload.parameters.isprintable():
            raise SdpError(f"not fit for a session description: {payload!r}")
        if payload.name:
            lines.append(f"a=rtpmap:{payload.number} {payload.name}/{payload.clock}")
        if payload.parameters:
            lines.append(f"a=fmtp:{payload.number} {payload.parameters}")
    if ptime:
        lines.append(f"a=ptime:{ptime}")
    lines.append(f"a={direction}")
    return " ".join(str(payload.number) for payload in payloads), "".join(f"{line}\r\n" for line in lines)


def _kind(host: str) -> str:
    return "IP6" if ":" in host else "IP4"


def audio(
    host: str,
    port: int,
    payloads: Sequence[str] = ("PCMU", "PCMA", "telephone-event"),
    direction: Direction = "sendrecv",
    session_id: int = 1,
    version: int = 1,
    ptime: int | None = None,
) -> bytes:
    """A description of one audio stream at host and port. Raises `SdpError` for an unknown payload name or a bad
    port.
    """
    unknown = [name for name in payloads if name not in _KNOWN]
    if unknown or not payloads:
        raise SdpError(f"unknown payload {', '.join(unknown) or '(none)'}; known: {', '.join(_KNOWN)}")
    if not 0 <= port <= 65_535:
        raise SdpError(f"no port: {port}")
    chosen = tuple(_KNOWN[name] for name in payloads)
    return SessionDescription(host, port, chosen, direction, ptime, session_id=session_id, version=version).to_bytes()


def readdressed(
    answer: bytes | SessionDescription,
    *,
    session_id: int,
    version: int,
    username: str = "-",
    origin_host: str = "",
    direction: Direction | None = None,
) -> bytes:
    """An offer to A out of B's latest description: B's address, payloads and payload numbers, under our own o= line.

    `version` must be higher than the last that A saw from us (RFC 3264 8); `direction` None keeps B's. Raises
    `SdpError`.
    """
    theirs = parse(answer) if isinstance(answer, bytes) else answer
    return _written(
        replace(theirs, before=(), after=()) if theirs.before or theirs.after else theirs,
        username, session_id, version, origin_host, direction or theirs.direction,
    )  # fmt: skip


class _Reader:
    """Collects the lines of one description; attributes are left as they are (see `_stream`)."""

    __slots__ = (
        "after", "attributes", "before", "formats", "media_host", "origin", "port", "session_attributes",
        "session_host", "where",
    )  # fmt: skip

    def __init__(self) -> None:
        self.origin = ("-", 1, 1, "")
        self.session_host = ""
        self.media_host = ""
        self.port: int | None = None
        self.formats: tuple[str, ...] = ()
        self.where: Literal["session", "audio", "other"] = "session"
        self.session_attributes: list[str] = []
        self.attributes: list[str] = []
        self.before: list[str] = []
        self.after: list[str] = []

    def line(self, kind: str, value: str) -> None:
        if kind == "a":
            if self.where == "audio":
                self.attributes.append(value)
            elif self.where == "session":
                self.session_attributes.append(value)
        elif kind == "m":
            self._media(value)
        elif kind == "c":
            host = _connection(value)
            if self.where == "session":
                self.session_host = host
            elif self.where == "audio" and not self.media_host:
                self.media_host = host
        elif kind == "o":
            parts = value.split()
            if len(parts) == 6:
                self.origin = (parts[0], _number(parts[1], 2**64), _number(parts[2], 2**64), parts[5])

    def _media(self, value: str) -> None:
        parts = value.split()
        if len(parts) < 4:
            raise SdpError("m= line too short")
        if parts[0].lower() != "audio" or self.port is not None:
            refused = f"m={parts[0]} 0 {parts[2]} {' '.join(parts[3:])}"
            (self.before if self.port is None else self.after).append(refused)
            if len(self.before) + len(self.after) > _MAX_STREAMS:
                raise SdpError("too many streams")
            self.where = "other"
            return
        self.where = "audio"
        self.port = _number(parts[1].partition("/")[0], 65_536)
        if len(parts) - 3 > _MAX_PAYLOADS:
            raise SdpError("too many payload types")
        self.formats = tuple(parts[3:])


def _stream(
    formats: tuple[str, ...], session: tuple[str, ...], audio: tuple[str, ...]
) -> tuple[tuple[Payload, ...], Direction, int | None]:
    """Payloads, direction and ptime of the audio stream, from the formats of its m= line, and from the attributes
    before that line and under it.
    """
    direction: Direction = "sendrecv"
    ptime: int | None = None
    maps: dict[int, tuple[str, int]] = {}
    parameters: dict[int, str] = {}
    for value in session:
        direction = _DIRECTIONS.get(value.removesuffix(":"), direction)
    for value in audio:
        name, _, rest = value.partition(":")
        if name in _DIRECTIONS and not rest:
            direction = _DIRECTIONS[name]
        elif name == "rtpmap":
            number, _, encoding = rest.strip().partition(" ")
            parts = encoding.strip().split("/")
            if number.isascii() and number.isdigit() and len(parts) >= 2 and parts[1].isascii() and parts[1].isdigit():
                maps[_number(number, 128)] = parts[0], _number(parts[1], 10**7)
        elif name == "fmtp":
            number, _, text = rest.strip().partition(" ")
            if number.isascii() and number.isdigit():
                parameters[_number(number, 128)] = text.strip()
        elif name == "ptime":
            digits = rest.strip().partition(".")[0]
            ptime = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 5 else None
    numbers = [_number(text, 128) for text in formats]
    return tuple(_payload(number, maps, parameters) for number in numbers), direction, ptime


#: A trunk's calls differ in address and port, hardly ever in this; nothing long is kept.
_usual_stream = lru_cache(maxsize=1024)(_stream)
_USUAL_BYTES = 2048


def _payload(number: int, maps: dict[int, tuple[str, int]], parameters: dict[int, str]) -> Payload:
    static = _STATIC.get(number)
    name, clock = maps.get(number, (static.name, static.clock) if static else ("", 8000))
    name = "telephone-event" if name.lower() == "telephone-event" else name.upper()
    return Payload(number, name, clock, parameters.get(number, ""))


def _number(text: str, limit: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) >= limit:
        raise SdpError(f"number out of range: {text[:24]!r}")
    return int(text)


def _connection(value: str) -> str:
    parts = value.split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError("c= line is not IN IP4 or IN IP6")
    return parts[2].partition("/")[0]


def parse(data: bytes) -> SessionDescription:
    """The description in a body. Raises `SdpError` if it is too large, or has no audio stream with an address."""
    if len(data) > _MAX_BYTES:
        raise SdpError("session description too large")
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > _MAX_LINES:
        raise SdpError("session description has too many lines")
    if lines[0].rstrip("\r") != "v=0":
        raise SdpError("session description does not begin with v=0")
    reader = _Reader()
    for line in lines[1:]:
        if line[1:2] == "=":
            reader.line(line[0], line[2:].rstrip("\r"))
    host = reader.media_host or reader.session_host
    if reader.port is None:
        raise SdpError("no audio stream")
    if not host:
        raise SdpError("no c= line for the audio stream")
    username, session_id, version, origin_host = reader.origin
    read = _usual_stream if len(data) <= _USUAL_BYTES else _stream
    payloads, direction, ptime = read(reader.formats, tuple(reader.session_attributes), tuple(reader.attributes))
    return SessionDescription(
        host,
        reader.port,
        payloads,
        direction,
        ptime,
        username,
        session_id,
        version,
        origin_host,
        tuple(reader.before),
        tuple(reader.after),
    )
