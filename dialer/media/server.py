"""The media process itself: carries out the parent's messages, sends what is due, hears what arrives.

Drop reasons that it counts (as `drop_REASON`): short, too_long, version, truncated, padding, rtcp (see rtp.parse);
idle_port (no leg, or its party is not known yet); wrong_source (not the party's host); unheard (audio that nobody is
bridged to); payload_type (neither G.711 nor our telephone events, on a bridge); no_events (a key press for a party
that takes none); digit_rate; rtcp_port; receive_error; send_*.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from dialer.media.channel import Channel
from dialer.media.g711 import PCMA, PCMU, transcode
from dialer.media.messages import (
    Bridge,
    Counters,
    Digit,
    Finished,
    Hold,
    Message,
    MessageFault,
    Note,
    Open,
    Play,
    PromptPart,
    Ready,
    Release,
    Remote,
    Stop,
)
from dialer.media.ports import Address, Port, PromptStream, SilenceStream, bind_ports, raise_file_limit
from dialer.media.rtp import FRAME, MAX_PACKET, Forwarder, Packet, event_digit, parse
from dialer.media.schedule import Schedule

_BATCH = 32  # packets read of one port before the others get their turn
_DIGIT_GAP = 0.04  # seconds; RFC 4733 section 2.6.1 expects no shorter tones
_STATS_EVERY = 1.0  # seconds
_BIND_AGAIN, _BIND_WITHIN = 0.1, 10.0  # seconds between two tries to bind, and for how long; the parent waits for 20


def check_remote(host: str, port: int, payload: int, events: int | None) -> None:
    """Raises MessageFault for what no packet can be sent to; above all a host name: sending would wait for DNS."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, ValueError) as error:
        raise MessageFault(f"Remote: {host[:80]!r} is no IP address") from error
    if payload not in (PCMU, PCMA) or not 0 < port < 65536 or not 0 <= (events or 0) < 128:
        raise MessageFault(f"Remote: payload types {payload} and {events}, port {port}")


class MediaServer:
    """Everything the child does. `clock` is monotonic, in seconds; `on_end` is called when the parent is gone."""

    def __init__(self, on_end: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._ports: dict[int, Port] = {}
        self._prompts: dict[str, bytes] = {}
        self._partial: dict[str, bytearray] = {}
        self._frames: dict[tuple[str, int], list[bytes]] = {}
        self._counts: Counter[str] = Counter()
        self._schedule = Schedule(clock())
        self._timer: asyncio.TimerHandle | None = None
        self._events = 101
        self._latch = "off"
        self._buffer = bytearray(MAX_PACKET + 1)
        self._view = memoryview(self._buffer)
        self.channel = Channel(self.handle, self._fault, on_end)
        self._reporting = self._loop.call_later(_STATS_EVERY, self._report)

    def close(self) -> None:
        """Let go of every socket and timer."""
        self._reporting.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for port in self._ports.values():
            for sock in (port.rtp, port.rtcp):
                self._loop.remove_reader(sock.fileno())
                sock.close()
        self._ports.clear()

    # --- from the parent

    def handle(self, message: Message) -> None:
        """Carry out one message; one that cannot be is a note to the parent's log."""
        try:
            self._apply(message)
        except MessageFault as fault:
            self._fault(str(fault))

    def _apply(self, message: Message) -> None:
        match message:
            case Open():
                self._open(message)
            case PromptPart():
                self._add_prompt(message)
            case Remote(leg, host, port, payload, events):
                check_remote(host, port, payload, events)
                self._port(leg).set_remote((host, port), payload, events, self._clock())
            case Play():
                self._play(message)
            case Hold(leg):
                held = self._talking(leg)
                held.quiet()
                held.stream = SilenceStream(held)
                self._begin(held)
            case Stop(leg):
                self._port(leg).quiet()
            case Bridge(first, second):
                self._bridge(self._talking(first), self._talking(second))
            case Release(leg):
                idle = self._port(leg)
                idle.quiet()
                idle.clear()
            case _:
                raise MessageFault(f"{type(message).__name__} is not for the media process")

    def _open(self, message: Open) -> None:
        raise_file_limit()
        self._events, self._latch = message.events, message.latch
        if not all(0 < number < 65535 for number in message.ports):
            raise MessageFault("Open: a port out of range")
        self._bind(message, self._clock() + _BIND_WITHIN)

    def _bind(self, message: Open, until: float) -> None:
        """Bind what is not bound yet. When most is in use, the process before us is still on its way out: wait."""
        ports, failed = bind_ports(message.host, (n for n in message.ports if n not in self._ports), self._counts)
        for port in ports:
            self._ports[port.number] = port
            self._loop.add_reader(port.rtp.fileno(), self._readable, port)
            self._loop.add_reader(port.rtcp.fileno(), self._rtcp_readable, port)
        if failed["EADDRINUSE"] * 2 > len(message.ports) and self._clock() < until:
            self._loop.call_later(_BIND_AGAIN, self._bind, message, until)
            return
        self.channel.send(Ready(sorted(self._ports), dict(failed)))

    def _add_prompt(self, message: PromptPart) -> None:
        if message.first:
            self._partial[message.name] = bytearray()
        if message.name not in self._partial:
            raise MessageFault("PromptPart: no first part came before")
        try:
            self._partial[message.name] += base64.b64decode(message.audio, validate=True)
        except binascii.Error as error:
            raise MessageFault("PromptPart: not base64") from error
        if message.last:
            self._prompts[message.name] = bytes(self._partial.pop(message.name))
            for payload in (PCMU, PCMA):
                self._frames.pop((message.name, payload), None)

    def _play(self, message: Play) -> None:
        try:
            port = self._talking(message.leg)
            port.quiet()
            frames = self._frames_of(message.prompt, port.payload)
        except MessageFault:
            self.channel.send(Finished(message.play, ok=False))
            raise
        port.stream = PromptStream(port, frames, partial(self._finished, message.play))
        self._begin(port)

    def _finished(self, play: int) -> None:
        self.channel.send(Finished(play, ok=True))

    def _begin(self, port: Port) -> None:
        now = self._clock()
        assert port.sender is not None
        assert port.stream is not None
        port.sender.resume(now)
        self._schedule.add(port.stream, now)
        self._arm()

    def _bridge(self, first: Port, second: Port) -> None:
        if first is second:
            raise MessageFault("Bridge: a leg with itself")
        now = self._clock()
        first.quiet()
        second.quiet()
        for one, other in ((first, second), (second, first)):
            assert one.sender is not None
            one.sender.resume(now)
            one.peer, one.forwarder = other, Forwarder(one.sender)

    def _frames_of(self, prompt: str, payload: int) -> list[bytes]:
        frames = self._frames.get((prompt, payload))
        if frames is None:
            if prompt not in self._prompts:
                raise MessageFault(f"prompt {prompt[:200]!r} was never sent")
            audio = transcode(self._prompts[prompt], PCMU, payload)
            frames = [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]
            self._frames[prompt, payload] = frames
        return frames

    def _port(self, number: int) -> Port:
        try:
            return self._ports[number]
        except KeyError:
            raise MessageFault(f"port {number} is not bound here") from None

    def _talking(self, number: int) -> Port:
        port = self._port(number)
        if port.remote is None:
            raise MessageFault(f"the party of port {number} is not known")
        return port

    # --- time

    def _arm(self) -> None:
        due = self._schedule.next_at()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._schedule.run(self._clock())
        self._arm()

    def _report(self) -> None:
        self.channel.send(Counters({**self._counts, "late": self._schedule.late}))
        self._reporting = self._loop.call_later(_STATS_EVERY, self._report)

    def _fault(self, text: str) -> None:
        self._counts["faults"] += 1
        self.channel.send(Note(text))

    # --- from the network

    def _readable(self, port: Port) -> None:
        for _ in range(_BATCH):
            try:
                size, source = port.rtp.recvfrom_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                self._counts["drop_receive_error"] += 1
                return
            self._counts["received"] += 1
            reason = self._heard(port, size, source[:2])
            if reason is not None:
                self._counts["drop_" + reason] += 1

    def _heard(self, port: Port, size: int, source: Address) -> str | None:
        """Deal with one datagram; the reason when it is dropped."""
        if port.remote is None:
            return "idle_port"
        packet = parse(self._buffer, size)
        if isinstance(packet, str):
            return packet
        if source != port.remote:
            if source[0] != port.remote[0] and (self._latch != "address" or port.latched):
                return "wrong_source"
            if self._latch != "off" and not port.latched:
                port.remote = source
        port.latched = True
        if packet.payload == self._events:
            self._key(port, packet)
            if port.peer is None:
                return None
        return self._forward(port, packet)

    def _key(self, port: Port, packet: Packet) -> None:
        """Tell the parent of a key, once for all packets of the event: they share a timestamp (RFC 4733 section
        2.5.1.2)."""
        digit = event_digit(self._view[packet.start : packet.end])
        if digit is None or packet.timestamp == port.digit_timestamp:
            return
        now = self._clock()
        if now - port.digit_at < _DIGIT_GAP:
            self._counts["drop_digit_rate"] += 1
            return
        port.digit_timestamp, port.digit_at = packet.timestamp, now
        self.channel.send(Digit(port.number, digit))

    def _forward(self, port: Port, packet: Packet) -> str | None:
        to = port.peer
        if to is None:
            return "unheard"
        audio = bytes(self._view[packet.start : packet.end])
        if packet.payload in (PCMU, PCMA):
            payload = to.payload
            audio = transcode(audio, packet.payload, payload)
        elif packet.payload != self._events:
            return "payload_type"
        elif to.events is None:
            return "no_events"
        else:
            payload = to.events
        assert to.forwarder is not None
        if to.send(to.forwarder.packet(packet, payload, audio)):
            self._counts["forwarded"] += 1
        return None

    def _rtcp_readable(self, port: Port) -> None:
        for _ in range(_BATCH):
            try:
                port.rtcp.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                self._counts["drop_receive_error"] += 1
                return
            self._counts["drop_rtcp_port"] += 1


async def serve(sock: socket.socket) -> None:
    """Serve the parent at the other end of `sock` until it is gone."""
    gone = asyncio.Event()
    server = MediaServer(gone.set)
    await asyncio.get_running_loop().create_unix_connection(lambda: server.channel, sock=sock)
    await gone.wait()
    server.close()
