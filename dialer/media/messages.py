"""What the dialer and its media process say to each other: one JSON object a line, each a frozen value here.

Ports stand for legs: a port belongs to one leg at a time. A play has a number, so that a late end is never taken for
a newer one.
"""

from __future__ import annotations

import json
import types
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

MAX_LINE = 2**20  # octets: every port of a host in one list; a prompt comes in chunks
CHUNK = 24000  # octets of audio in a PromptPart (before base64)


class MessageFault(Exception):
    """A line that is no message; one line of text."""


@dataclass(frozen=True, slots=True)
class Open:
    """Bind these RTP ports (and the RTCP port above each) on `host`. `events`: our telephone-event payload type."""

    host: str
    ports: list[int]
    events: int
    latch: str


@dataclass(frozen=True, slots=True)
class PromptPart:
    """A piece of a prompt: u-law in base64. `first` begins the prompt anew, `last` puts it into use."""

    name: str
    audio: str
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Remote:
    """The port's party listens at `host:port`, with this payload type, and this one for telephone events."""

    leg: int
    host: str
    port: int
    payload: int
    events: int | None


@dataclass(frozen=True, slots=True)
class Play:
    """Send the prompt to the leg's party, once."""

    leg: int
    prompt: str
    play: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Send the leg's party a frame of silence each second."""

    leg: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Send the leg's party nothing; undo its bridge."""

    leg: int


@dataclass(frozen=True, slots=True)
class Bridge:
    """Send each leg's party what the other one sends."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Release:
    """The leg's call is over: forget its party."""

    leg: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The answer to Open: the ports that are bound, and for the others how many failed for which reason."""

    bound: list[int]
    failed: dict[str, int]


@dataclass(frozen=True, slots=True)
class Finished:
    """That play has been sent to its end."""

    play: int
    ok: bool


@dataclass(frozen=True, slots=True)
class Digit:
    """The leg's party pressed a key."""

    leg: int
    digit: str


@dataclass(frozen=True, slots=True)
class Counters:
    """Sent each second, and a sign of life: what the process has counted since it began."""

    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the log: a fault in what the process was told."""

    text: str


ToProcess: TypeAlias = Open | PromptPart | Remote | Play | Hold | Stop | Bridge | Release
FromProcess: TypeAlias = Ready | Finished | Digit | Counters | Note
Message: TypeAlias = ToProcess | FromProcess

_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in get_args(Message)}
_FIELDS: dict[type[Message], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind)) for kind in _KINDS.values()
}
_write = json.JSONEncoder(separators=(",", ":")).encode
_HINTS: dict[str, dict[str, Any]] = {name: get_type_hints(kind) for name, kind in _KINDS.items()}


def encode(message: Message) -> bytes:
    """The message as a line, newline included."""
    kind = type(message)
    record: dict[str, Any] = {"do": kind.__name__}
    for name in _FIELDS[kind]:
        record[name] = getattr(message, name)
    return _write(record).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line. Raises MessageFault for anything but a known message with every field of the right
    type."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MessageFault(f"not JSON: {line[:80]!r}") from error
    if not isinstance(record, dict):
        raise MessageFault(f"not an object: {line[:80]!r}")
    name = record.pop("do", None)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise MessageFault(f"unknown message {name!r}")
    names = {field.name for field in fields(kind)}
    if names != set(record):
        raise MessageFault(f"{name}: fields {sorted(map(str, record))}, expected {sorted(names)}")
    for field, hint in _HINTS[kind.__name__].items():
        if not _fits(record[field], hint):
            raise MessageFault(f"{name}.{field}: {str(record[field])[:80]!r} is of the wrong type")
    return kind(**record)


def _fits(value: object, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if origin is list:
        return isinstance(value, list) and all(_fits(item, get_args(hint)[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, get_args(hint)[1]) for item in value.values())
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
