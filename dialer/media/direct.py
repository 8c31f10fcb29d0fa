"""The `direct` backend: connected parties send their audio to each other; only prompts and keep-alives come from
us."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import itertools
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from dialer.media.backend import Latch, MediaGone, MediaPort, MediaRefused, MediaStats
from dialer.media.legs import Leg, Party, Playing, check_party
from dialer.media.messages import (
    CHUNK,
    Counters,
    Digit,
    Finished,
    FromProcess,
    Hold,
    Open,
    Play,
    PromptPart,
    Ready,
    Release,
    Remote,
    Stop,
)
from dialer.media.pool import PortPool
from dialer.media.process import MediaProcess
from dialer.media.prompt import DEFAULT_PROMPT, Prompt, load_prompt

log = structlog.get_logger("dialer.media")


def _nothing(*_: object) -> None:
    return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise MediaRefused(f"media address {host[:80]!r} is no IP address") from None


class DirectBackend:
    """A `MediaBackend` over one media process. See `backend.MediaBackend` for what its methods promise.

    host: IP address that the RTP ports are bound to; advertise: the one that `allocate` returns, when it differs
    (NAT, 0.0.0.0). port_min..port_max: RTP on the even ports, RTCP on the odd ones. prompts: WAV files to load at
    `start` (DEFAULT_PROMPT always is). quarantine: seconds a port rests between legs. events: the telephone-event
    payload type of our own SDP. Raises MediaRefused for addresses that are none.
    """

    def __init__(
        self,
        host: str,
        port_min: int,
        port_max: int,
        *,
        advertise: str | None = None,
        prompts: Iterable[str] = (),
        on_finished: Callable[[str, bool], None] = _nothing,
        on_dtmf: Callable[[str, str], None] = _nothing,
        on_lost: Callable[[str], None] = _nothing,
        on_restored: Callable[[], None] = _nothing,
        latch: Latch = Latch.OFF,
        quarantine: float = 2.0,
        events: int = 101,
    ) -> None:
        bound, told = _address(host), _address(advertise or host)
        if told.is_unspecified:
            raise MediaRefused(f"media address {host}: name the address that parties send to (advertise)")
        self._host, self._advertise, self._version = str(bound), str(told), bound.version
        self._range = range(port_min + port_min % 2, port_max, 2)  # the RTCP port above must be inside, too
        self._paths = dict.fromkeys([DEFAULT_PROMPT, *prompts])
        self._on_finished = on_finished
        self._on_dtmf = on_dtmf
        self._on_lost = on_lost
        self._on_restored = on_restored
        self._latch = latch
        self._events = events
        self._pool = PortPool(quarantine)
        self._prompts: dict[str, Prompt] = {}
        self._legs: dict[str, Leg] = {}
        self._by_port: dict[int, Leg] = {}
        self._plays: dict[int, Leg] = {}
        self._numbers = itertools.count(1)
        self._counts: Counter[str] = Counter()  # of processes that are gone
        self._live: dict[str, int] = {}  # of the one that runs
        self._started = self._lost = False
        self._process = MediaProcess(self._opening, self._message, self._up, self._down)

    @property
    def pid(self) -> int | None:
        """The media process's id, None while there is none."""
        return self._process.pid

    async def start(self) -> None:
        """See MediaBackend."""
        loaded = await asyncio.to_thread(lambda: [load_prompt(path) for path in self._paths])
        self._prompts = {prompt.path: prompt for prompt in loaded}
        await self._process.start()
        self._started = True

    async def close(self) -> None:
        """See MediaBackend."""
        self._started = False
        await self._process.close()

    async def load_prompt(self, path: str) -> float:
        """See MediaBackend."""
        prompt = await asyncio.to_thread(load_prompt, path)
        self._prompts[path] = prompt
        self._send_prompt(prompt)
        return prompt.seconds

    def allocate(self, leg: str) -> MediaPort:
        """See MediaBackend."""
        if not self._started:
            raise MediaGone("the media process is not started")
        if self._process.failures:
            raise MediaGone("the media process is lost and could not be started again yet")
        if leg in self._legs:
            raise MediaRefused(f"leg {leg!r} has a port already")
        port = self._pool.take(self._now())
        self._legs[leg] = self._by_port[port] = Leg(leg, port)
        return MediaPort(self._advertise, port)

    def set_remote(self, leg: str, remote: tuple[str, int], payload: int, events: int | None = None) -> None:
        """See MediaBackend."""
        self._set_party(self._leg(leg), check_party(remote, payload, events, self._version))

    def play(self, leg: str, remote: tuple[str, int], payload: int, prompt: str, token: str) -> None:
        """See MediaBackend."""
        known = self._leg(leg)
        party = check_party(remote, payload, self._events_of(known), self._version)
        if prompt not in self._prompts:
            raise MediaRefused(f"prompt {prompt!r} is not loaded")
        self._quiet(known)
        self._set_party(known, party)
        playing = Playing(next(self._numbers), token, prompt)
        known.sent = playing
        self._plays[playing.number] = known
        self._process.send(Play(known.port, prompt, playing.number))

    def hold(self, leg: str, remote: tuple[str, int], payload: int) -> None:
        """See MediaBackend."""
        known = self._leg(leg)
        party = check_party(remote, payload, self._events_of(known), self._version)
        self._quiet(known)
        self._set_party(known, party)
        known.sent = Leg.HELD
        self._process.send(Hold(known.port))

    def stop(self, leg: str) -> None:
        """See MediaBackend."""
        known = self._legs.get(leg)
        if known is not None and known.sent is not None:
            self._quiet(known)
            self._process.send(Stop(known.port))

    def bridge(self, first: str, second: str) -> bool:
        """False: the engine re-INVITEs both parties to each other. Nothing is sent to either from now on."""
        one, other = self._leg(first), self._leg(second)
        self.stop(one.name)
        self.stop(other.name)
        return False

    def release(self, leg: str) -> None:
        """See MediaBackend."""
        known = self._legs.pop(leg, None)
        if known is None:
            return
        self._quiet(known)
        del self._by_port[known.port]
        self._pool.give_back(known.port, self._now())
        if known.party is not None:  # else the process never heard of it
            self._process.send(Release(known.port))

    @property
    def alive(self) -> bool:
        """See MediaBackend."""
        return self._process.up

    def stats(self) -> MediaStats:
        """See MediaBackend."""
        free, taken, resting = self._pool.counts(self._now())
        counts = self._counts + Counter(self._live)
        return MediaStats(
            alive=self._process.up,
            ports=free + taken + resting,
            allocated=taken,
            quarantined=resting,
            playing=len(self._plays),
            restarts=self._process.restarts,
            sent=counts["sent"],
            received=counts["received"],
            forwarded=counts["forwarded"],
            late=counts["late"],
            faults=counts["faults"],
            dropped={key.removeprefix("drop_"): n for key, n in counts.items() if key.startswith("drop_")},
        )

    # --- books

    def _leg(self, name: str) -> Leg:
        try:
            return self._legs[name]
        except KeyError:
            raise MediaRefused(f"leg {name!r} has no port") from None

    @staticmethod
    def _events_of(leg: Leg) -> int | None:
        return leg.party.events if leg.party is not None else None

    def _set_party(self, leg: Leg, party: Party) -> None:
        if party != leg.party:
            leg.party = party
            self._process.send(Remote(leg.port, party.host, party.port, party.payload, party.events))

    def _quiet(self, leg: Leg) -> None:
        """What the leg was sent ends, in the books."""
        if isinstance(leg.sent, Playing):
            del self._plays[leg.sent.number]
        elif isinstance(leg.sent, Leg):
            leg.sent.sent = None
        leg.sent = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    # --- the process

    def _opening(self) -> Open:
        return Open(self._host, list(self._range), self._events, str(self._latch))

    def _up(self, ready: Ready) -> None:
        self._pool.set_bound(ready.bound)
        if ready.failed:
            log.warning("RTP ports not bound", count=sum(ready.failed.values()), reasons=ready.failed)
        for prompt in self._prompts.values():
            self._send_prompt(prompt)
        for leg in self._legs.values():
            for message in leg.replay():
                self._process.send(message)
        for leg in self._legs.values():
            for message in leg.replay_bridge():
                self._process.send(message)
        if self._lost:
            self._lost = False
            self._soon(self._on_restored)

    def _down(self, reason: str) -> None:
        self._counts += Counter(self._live)
        self._live = {}
        for number in self._plays:
            self._soon(self._finish, number, False)
        if not self._lost:
            self._lost = True
            self._soon(self._on_lost, reason)

    def _soon(self, call: Callable[..., None], *values: object) -> None:
        """Callbacks run in a loop callback of their own: an error in one is the loop's to report, and takes no
        process with it.
        """
        asyncio.get_running_loop().call_soon(self._call, call, values)

    def _call(self, call: Callable[..., None], values: tuple[object, ...]) -> None:
        if self._started:
            call(*values)

    def _finish(self, number: int, ok: bool) -> None:
        """A play has ended by itself."""
        leg = self._plays.pop(number, None)
        if leg is not None and isinstance(leg.sent, Playing):  # else the engine has stopped it meanwhile
            token, leg.sent = leg.sent.token, None
            self._on_finished(token, ok)

    def _send_prompt(self, prompt: Prompt) -> None:
        for at in range(0, len(prompt.ulaw), CHUNK):
            audio = base64.b64encode(prompt.ulaw[at : at + CHUNK]).decode()
            self._process.send(PromptPart(prompt.path, audio, first=at == 0, last=at + CHUNK >= len(prompt.ulaw)))

    def _message(self, message: FromProcess) -> None:
        match message:
            case Finished(number, ok):
                self._soon(self._finish, number, ok)
            case Digit(port, digit):
                heard = self._by_port.get(port)
                if heard is not None:
                    self._soon(self._on_dtmf, heard.name, digit)
            case Counters(counts):
                self._live = counts
            case _:
                log.warning("media process: unexpected message", kind=type(message).__name__)
