"""Offers and answers of the simulated phones (RFC 3264): one G.711 stream, telephone-event if the peer has it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
_EVENT = re.compile(r"^rtpmap:(\d+)\s+telephone-event/8000", re.IGNORECASE)


class BadSdp(ValueError):
    """No audio stream that this phone could use."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Where the other side wants its audio. `payload` is 0 (PCMU) or 8 (PCMA); `event` is telephone-event's payload."""

    host: str
    port: int
    payload: int
    event: int | None
    direction: str

    @property
    def sends_to(self) -> tuple[str, int] | None:
        """The address to send audio to, or None when the other side wants none."""
        if self.port == 0 or self.host == "0.0.0.0" or self.direction in ("sendonly", "inactive"):
            return None
        return self.host, self.port


def parse(body: bytes) -> Remote:
    """The first audio stream of an offer or answer; raises BadSdp."""
    try:
        lines = body.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise BadSdp("not UTF-8") from error
    host = direction = ""
    port = payload = -1
    event: int | None = None
    in_audio = seen_media = False
    for line in lines:
        kind, _, value = line.partition("=")
        if kind == "m":
            parts = value.split()
            in_audio = port < 0 and len(parts) > 3 and parts[0] == "audio"
            seen_media = True
            if in_audio:
                if not parts[1].isdigit():
                    raise BadSdp("port")
                port = int(parts[1])
                payload = next((int(item) for item in parts[3:] if item in ("0", "8")), -1)
        elif kind == "c" and (in_audio or not seen_media):
            host = value.split()[-1] if value.split() else ""
        elif kind == "a" and (in_audio or not seen_media):
            if value in _MIRROR:
                direction = value
            elif in_audio and (match := _EVENT.match(value)):
                event = int(match.group(1))
    if port < 0 or payload < 0 or not host:
        raise BadSdp("no G.711 audio stream")
    return Remote(host, port, payload, event, direction or "sendrecv")


def offer(user: str, version: int, host: str, port: int) -> bytes:
    """An offer of PCMU and PCMA."""
    return _body(user, version, host, port, (0, 8), 101, "sendrecv")


def answer(user: str, version: int, host: str, port: int, remote: Remote) -> bytes:
    """The answer to `remote`'s offer: its payload, its telephone-event, its direction mirrored."""
    return _body(
        user, version, host, port if remote.port else 0, (remote.payload,), remote.event, _MIRROR[remote.direction]
    )


def _body(
    user: str, version: int, host: str, port: int, payloads: tuple[int, ...], event: int | None, direction: str
) -> bytes:
    names = {0: "PCMU", 8: "PCMA"}
    formats = [str(item) for item in payloads] + ([str(event)] if event is not None else [])
    lines = [
        "v=0",
        f"o={user or '-'} 1 {version} IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(formats)}",
        *(f"a=rtpmap:{item} {names[item]}/8000" for item in payloads),
    ]
    if event is not None:
        lines += [f"a=rtpmap:{event} telephone-event/8000", f"a=fmtp:{event} 0-15"]
    return "\r\n".join([*lines, "a=ptime:20", f"a={direction}", ""]).encode()
