"""A whole engine on real sockets, with far ends that do as each test says.

Real: store (SQLite in a file), ledger, SIP over UDP on loopback, engine, desk, config. Ours: the carriers and phones at
the other end, and (unless a test asks for the real one) the media backend. `stage(play, ...)` runs a scenario and then
checks what must hold after every one of them: nothing stuck, nothing leaked, every contact accounted for. Time is fair
(see `benchmarks.rig.fair_loop`): a machine that is busy with other work makes nobody impatient.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import textwrap
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.rig.fair_loop import run_fairly
from benchmarks.rig.ports import free_port, free_ports
from dialer.agent import AgentState
from dialer.assembly import make_agents, make_campaign, make_trunks
from dialer.clock import Clock
from dialer.commands import COMMAND, CommandError
from dialer.config.build import build
from dialer.config.load import load
from dialer.desk import Desk
from dialer.engine import Engine
from dialer.events import EventStream, ServiceAlert
from dialer.ledger import Ledger
from dialer.media import MediaPort
from dialer.media.backend import MediaExhausted, MediaGone
from dialer.phone_book import REALM, PhoneBook
from dialer.reload import Reloader
from dialer.services import Services
from dialer.sip import (
    Answered,
    Bound,
    Ended,
    Failed,
    IncomingCall,
    Offered,
    Registered,
    Registrar,
    RegistrationFailed,
    Reinvited,
    Unbound,
    Unregistered,
    sdp,
)
from dialer.switchboard import Switchboard
from dialer.udp import UdpEndpoint
from dispositions import NewContact, Store

#: SIP's T1 in the tests, seconds: a peer that never answers is given up after 64 of them.
T1 = 0.02
#: What `time_scale` divides by: durations in the config are written ten times as long as they come out.
SCALE = 10.0


@dataclass(frozen=True)
class Party:
    """What a far end does with a call. Seconds; None: never. `refuse_after`: re-INVITEs it accepts until then."""

    ring: float | None = 0.0
    answer: float | None = None
    status: int | None = None
    retry_after: int | None = None
    hang_up: float | None = None
    crosses: bool = False
    refuse_after: int | None = None
    mute_after: int | None = None
    no_audio: bool = False
    deaf: bool = False


ANSWERS = Party(answer=0.0)
RINGS = Party()
NEVER = Party(ring=None, deaf=True)


def status(code: int, **more: Any) -> Party:
    return Party(ring=None, status=code, **more)


@dataclass
class Line:
    """One call at a far end."""

    leg: str
    number: str
    party: Party
    port: int
    headers: dict[str, str]
    at: float
    offers: list[sdp.SessionDescription] = field(default_factory=list)
    answers: list[sdp.SessionDescription] = field(default_factory=list)
    answered_us: list[sdp.SessionDescription] = field(default_factory=list)
    """the answers to this far end's own re-INVITEs"""
    up: bool = False
    over: str = ""
    reinvites: int = 0

    @property
    def target(self) -> tuple[str, int]:
        """Where this party was last told to send its audio."""
        return self.offers[-1].host, self.offers[-1].port


class Spy:
    """An endpoint that notes every datagram, and loses those that the far end is deaf to."""

    def __init__(self, endpoint: Any, far: FarEnd) -> None:
        self._endpoint, self._far = endpoint, far

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoint, name)

    def receive(self, data: bytes, addr: tuple[str, int], now: float) -> None:
        if self._far.hears(data, addr):
            self._endpoint.receive(data, addr, now)

    def datagrams_to_send(self) -> list[tuple[bytes, tuple[str, int]]]:
        return [(self._far.dressed(data), addr) for data, addr in self._endpoint.datagrams_to_send()]


class FarEnd:
    """A carrier, or the agents' phones: one socket, a party for every number."""

    ports: Iterator[int] = iter(range(40000, 60000, 2))

    def __init__(self, port: int = 0, user: str = "dialer") -> None:
        self.parties: dict[str, Party] = {}
        self.default = ANSWERS
        self.lines: list[Line] = []
        self.requests: list[tuple[float, str, str, str, int]] = []
        """(seconds, method, user of the Request-URI, Call-ID, CSeq) of every request, retransmissions too"""
        self.dead = False
        self.answers_options = True
        self._by_leg: dict[str, Line] = {}
        self._deaf: set[str] = set()
        self.registrar = Registrar("carrier.test", {}, min_expires=1)
        """serves as soon as it is given accounts"""
        self.registrations: list[Any] = []
        """what came of those here, and of ours elsewhere"""
        self.udp = UdpEndpoint.open(
            "127.0.0.1", port, self._on_event, clock=now, t1=T1, t2=8 * T1, registrar=self.registrar,
            contact_user=user,
        )  # fmt: skip
        self.udp.endpoint = Spy(self.udp.endpoint, self)  # type: ignore[assignment]
        self.port = self.udp.address[1]

    # -- datagrams

    def hears(self, data: bytes, addr: tuple[str, int]) -> bool:
        if self.dead:
            return False
        first, _, rest = data.partition(b"\r\n")
        head = {
            k.strip().lower(): v.strip()
            for k, _, v in (h.partition(":") for h in rest.decode().split("\r\n") if ":" in h)
        }
        words = first.decode().split()
        call = head.get("call-id", "")
        if words[0] == "SIP/2.0":
            return call not in self._deaf
        method, uri = words[0], words[1]
        user = uri.split(":", 1)[1].partition("@")[0]
        self.requests.append((now(), method, user, call, int(head["cseq"].split()[0])))
        if method == "OPTIONS":
            return self.answers_options
        line = self._by_leg.get(call)
        if method == "INVITE" and line is None and self._party(user).deaf:
            return False
        if call in self._deaf:
            return False
        if method == "CANCEL" and line is not None and line.party.crosses and not line.up and not line.over:
            self._answer(line)
        if method == "INVITE" and line is not None and line.up and line.party.mute_after is not None:
            return line.reinvites < line.party.mute_after
        return True

    def dressed(self, data: bytes) -> bytes:
        if not data.startswith(b"SIP/2.0 503"):
            return data
        call = next(
            h.partition(b":")[2].strip().decode() for h in data.split(b"\r\n") if h.lower().startswith(b"call-id")
        )
        line = self._by_leg.get(call)
        if line is None or line.party.retry_after is None:
            return data
        return data.replace(b"\r\nContent-Length", b"\r\nRetry-After: %d\r\nContent-Length" % line.party.retry_after)

    # -- events

    def _party(self, user: str) -> Party:
        return self.parties.get(user, self.default)

    def _on_event(self, event: object) -> None:
        match event:
            case IncomingCall():
                self._incoming(event)
            case Offered(leg, body):
                self._offered(self._by_leg[leg], body)
            case Failed(leg) if leg not in self._by_leg:
                self.registrations.append(event)
            case Failed(leg):
                self._by_leg[leg].over = f"failed {event.status}"
            case Ended(leg, by):
                self._by_leg[leg].up, self._by_leg[leg].over = False, by
            case Reinvited(leg, body):
                self._by_leg[leg].answered_us.append(sdp.parse(body or b""))
            case Bound() | Unbound() | Registered() | RegistrationFailed() | Unregistered():
                self.registrations.append(event)
            case Answered():
                raise AssertionError("a far end never calls")

    def _incoming(self, event: IncomingCall) -> None:
        user = event.to_uri.split(":", 1)[1].partition("@")[0]
        line = Line(event.leg, user, self._party(user), next(self.ports), dict(event.headers), now())
        self.lines.append(line)
        self._by_leg[event.leg] = line
        if event.sdp is not None:
            line.offers.append(sdp.parse(event.sdp))
        party = line.party
        self._after(party.ring, lambda: self._if_open(line, lambda: self.udp.ring(line.leg)))
        if party.status is not None:
            refused = party.status
            self._after(party.ring or 0.0, lambda: self._if_open(line, lambda: self.udp.reject(line.leg, refused)))
        self._after(party.answer, lambda: self._if_open(line, lambda: self._answer(line)))

    @staticmethod
    def _after(seconds: float | None, call: Callable[[], None]) -> None:
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, call)

    @staticmethod
    def _if_open(line: Line, call: Callable[[], None]) -> None:
        if not line.up and not line.over:
            call()

    def _answer(self, line: Line) -> None:
        line.up = True
        body = sdp.audio("127.0.0.1", 0 if line.party.no_audio else line.port, session_id=line.port)
        line.answers.append(sdp.parse(body))
        self.udp.answer(line.leg, body)
        self._after(line.party.hang_up, lambda: self.hang_up(line))

    def answer(self, line: Line) -> None:
        self._answer(line)

    def _offered(self, line: Line, body: bytes | None) -> None:
        if not self.udp.has(line.leg):
            return  # the BYE came with the same look at the socket
        line.reinvites += 1
        if line.party.refuse_after is not None and line.reinvites > line.party.refuse_after:
            self.udp.reject(line.leg, 488)
            return
        offer = sdp.parse(body or b"")
        line.offers.append(offer)
        back = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}.get(offer.direction, "sendrecv")
        answer = sdp.audio("127.0.0.1", line.port, session_id=line.port, version=1 + line.reinvites, direction=back)  # type: ignore[arg-type]
        line.answers.append(sdp.parse(answer))
        self.udp.answer(line.leg, answer)

    # -- what a test does with it

    def hang_up(self, line: Line) -> None:
        if line.up and self.udp.has(line.leg):
            line.up, line.over = False, "hung up"
            self.udp.bye(line.leg)

    def vanish(self, line: Line) -> None:
        """From now on nothing that is sent to this call is heard, and nothing comes from it."""
        self._deaf.add(line.leg)
        line.up, line.over = False, "vanished"

    def reoffer(self, line: Line, direction: str) -> None:
        line.reinvites += 1
        self.udp.reinvite(
            line.leg,
            sdp.audio("127.0.0.1", line.port, session_id=line.port, version=100 + line.reinvites, direction=direction),  # type: ignore[arg-type]
        )

    def up(self) -> list[Line]:
        return [line for line in self.lines if line.up]

    def of(self, number: str) -> list[Line]:
        return [line for line in self.lines if line.number == number]

    def invites(self, number: str | None = None) -> dict[tuple[str, int], float]:
        """(Call-ID, CSeq) of INVITEs that open a call -> when the first copy came."""
        found: dict[tuple[str, int], float] = {}
        for at, method, user, call, cseq in self.requests:
            if method == "INVITE" and user.lstrip("+").isdigit() and (number is None or user == number):
                found.setdefault((call, cseq), at)
        return found


class Media:
    """A media backend that remembers what it was asked and ends a message when the test says so."""

    def __init__(self, on_finished: Callable[[str, bool], None]) -> None:
        self.on_finished = on_finished
        self.ports: dict[str, int] = {}
        self.plays: list[tuple[str, tuple[str, int], str]] = []
        self.held: dict[str, tuple[str, int]] = {}
        self.playing: dict[str, str] = {}
        self.at_once = True
        self.room = 500
        self.gone = False
        self._next = 10000

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def load_prompt(self, path: str) -> float:
        return 1.0

    def allocate(self, leg: str) -> MediaPort:
        assert leg not in self.ports
        if self.gone:
            raise MediaGone("gone")
        if len(self.ports) >= self.room:
            raise MediaExhausted("no port")
        self._next += 2
        self.ports[leg] = self._next
        return MediaPort("127.0.0.1", self._next)

    def set_remote(self, leg: str, remote: tuple[str, int], payload: int, events: int | None = None) -> None: ...

    def play(self, leg: str, remote: tuple[str, int], payload: int, prompt: str, token: str) -> None:
        assert leg in self.ports
        self.held.pop(leg, None)
        self.plays.append((leg, remote, token))
        self.playing[leg] = token
        if self.at_once:
            asyncio.get_running_loop().call_soon(self.finish, leg)

    def finish(self, leg: str, good: bool = True) -> None:
        token = self.playing.pop(leg, None)
        if token is not None:
            self.on_finished(token, good)

    def hold(self, leg: str, remote: tuple[str, int], payload: int) -> None:
        assert leg in self.ports
        self.held[leg] = remote

    def stop(self, leg: str) -> None:
        self.playing.pop(leg, None)
        self.held.pop(leg, None)

    def bridge(self, first: str, second: str) -> bool:
        assert first in self.ports
        assert second in self.ports
        self.stop(first)
        self.stop(second)
        return False

    def release(self, leg: str) -> None:
        self.stop(leg)
        self.ports.pop(leg, None)

    @property
    def alive(self) -> bool:
        return not self.gone

    def stats(self) -> Any:
        return SimpleNamespace(alive=self.alive)


CONFIG = """
    time_scale = {scale}
    [store]
    url = "sqlite:///{folder}/dialer.db"
    commit_interval = 0.02
    {trunks}
    {agents}
    [lists.spring]
    region = "ES"
    {campaigns}
"""
CAMPAIGN = """
    [campaigns.{name}]
    lists = ["{list}"]
    trunks = [{trunks}]
    caller_id = "+34910000000"
    jurisdiction = "none"
    redial_delay = "1h"
    abandoned_redial_delay = "3d"
    wrap_up_max = {wrap_up_max}
    agent_choice = "{agent_choice}"
    {extra}
    [campaigns.{name}.pacing]
    mode = "{mode}"
    patience = {patience}
    ring_floor = {ring_floor}
    ring_timeout = {ring_timeout}
    {pacing}
    [campaigns.{name}.dispositions]
    {codes}
"""
CODES = """
    sold = { next = "sale" }
    no_interest = { next = "done" }
    later = { next = "callback" }
    mine = { next = "callback", personal = true }
    stop = { next = "do_not_call" }
"""


@dataclass
class Wishes:
    """What a scenario wants to differ. Seconds as they come out; `trunks`: name -> keys of its table."""

    agents: int = 1
    numbers: int = 1
    mode: str = "progressive"
    patience: float = 0.15
    ring_floor: float = 0.1
    ring_timeout: float = 5.0
    wrap_up_max: float = 0.0
    agent_choice: str = "longest_idle"
    pacing: str = ""
    codes: str = CODES
    trunks: dict[str, str] = field(default_factory=lambda: {"main": ""})
    phones_register: bool = False
    schedule: str = ""
    campaign: str = ""
    """keys of every campaign's table; NAME stands for its name"""
    others: dict[str, str] = field(default_factory=dict)
    """further campaigns: name -> keys below its table; each dials a list of its own name"""
    log_in: bool = True
    dial: bool = True
    quiet: tuple[str, ...] = ()
    """counters that this scenario explains"""
    real_media: bool = False
    sip: dict[str, Any] = field(default_factory=dict)
    """further settings of our endpoint"""


def now() -> float:
    """Seconds on the loop's clock, which everything here goes by (see `benchmarks.rig.fair_loop`)."""
    return asyncio.get_running_loop().time()


def number(index: int) -> str:
    return f"+34600{index:06d}"


class Floor:
    """The engine, its far ends, and what a test needs to look at them."""

    def __init__(self, folder: Path, wishes: Wishes) -> None:
        self.folder, self.wishes = folder, wishes
        self.carriers = {name: FarEnd() for name in wishes.trunks}
        self.phones = FarEnd()
        self.carrier = next(iter(self.carriers.values()))
        self.events: list[Any] = []
        self.faults: list[str] = []
        self.names = [f"agent{i}" for i in range(wishes.agents)]
        self.explained: set[str] = set(wishes.quiet)
        self.media_ports = range(200)
        """how many a real media process gets, and once it runs which"""
        self._sip_port = 0
        self._running: list[asyncio.Task[Any]] = []

    # -- making it

    def config_text(self) -> str:
        w = self.wishes
        trunks = "\n".join(
            f'[trunks.{name}]\naddress = "127.0.0.1:{self.carriers[name].port}"\n'
            + (extra if "prefixes" in extra else f'prefixes = ["+34"]\n{extra}')
            + ("" if "options_interval" in extra else "\noptions_interval = 0")
            + ("" if "calls_per_second" in extra else "\ncalls_per_second = 200")
            for name, extra in w.trunks.items()
        )
        phone = "sip:{0}@127.0.0.1:{1}"
        more = ""
        if w.phones_register:
            phone, more = "register", '\npassword_env = "PHONE"'
        agents = "\n".join(f'[agents.{n}]\nphone = "{phone.format(n, self.phones.port)}"{more}' for n in self.names)
        return textwrap.dedent(CONFIG).format(
            scale=SCALE,
            folder=self.folder,
            trunks=trunks,
            agents=agents,
            campaigns=self.campaign_text("promo", "spring")
            + "".join(
                f'[lists.{name}]\nregion = "ES"\n{self.campaign_text(name, name)}\n{textwrap.dedent(more)}\n'
                for name, more in w.others.items()
            ),
        )

    def campaign_text(self, name: str, listed: str) -> str:
        w = self.wishes
        campaign = textwrap.dedent(CAMPAIGN).format(
            name=name, list=listed, trunks=", ".join(f'"{t}"' for t in w.trunks),
            wrap_up_max=w.wrap_up_max * SCALE, agent_choice=w.agent_choice, mode=w.mode,
            extra=w.campaign.replace("NAME", name),
            patience=w.patience * SCALE, ring_floor=w.ring_floor * SCALE,
            ring_timeout=w.ring_timeout * SCALE, pacing=w.pacing, codes=textwrap.dedent(w.codes),
        )  # fmt: skip
        if w.schedule:
            campaign += f"\n[campaigns.{name}.schedule]\n{w.schedule}\n"
        return campaign

    def write_config(self, text: str | None = None) -> Path:
        path = self.folder / "campaign.toml"
        path.write_text(self.config_text() if text is None else text, encoding="utf-8")
        return path

    async def open(self, *, add: bool = True) -> None:
        """Store, ledger, SIP, media, engine: as the daemon composes them; recovery, but nothing dialed yet."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.faults.append(str(context)))
        epoch = time.time() - loop.time()
        self.clock = Clock(now=loop.time, at=lambda: loop.time() + epoch)  # asked by the writer's thread, too
        self.stream, self.counters = EventStream(), Counter[str]()
        self.config = load(self.write_config())
        self.built = built = build(self.config)
        self.store = Store(built.store_url, busy_timeout=0.05)
        self.store.migrate()
        for campaign in built.campaigns.values():
            self.store.register(campaign.policy)

        def alert(kind: str) -> Callable[[str], None]:
            return lambda detail: self.stream.publish(
                ServiceAlert(at=self.clock.at(), campaign="", alert=kind, detail=detail)
            )

        self.ledger = Ledger(
            self.store, interval=built.file.store.commit_interval,
            on_refused=lambda error: self.faults.append(f"the store refused: {error!r}"),
            on_locked=alert("store_locked"), on_restored=lambda: alert("store_ok")(""),
        )  # fmt: skip
        self._running = [asyncio.create_task(self.ledger.run(), name="ledger")]
        accounts = {n: s.reveal() for n, s in built.phone_passwords.items()}
        self.registrar = Registrar(REALM, accounts)
        self.udp = UdpEndpoint.open(
            "127.0.0.1",
            self._sip_port,
            lambda e: self.switch.on_event(e),
            clock=now,
            t1=T1,
            t2=8 * T1,
            registrar=self.registrar,
            **self.wishes.sip,
        )
        self._sip_port = self.udp.address[1]
        self.switch = Switchboard(self.udp, self.counters)
        phones = PhoneBook(self.registrar, self.stream, self.clock)
        self.switch.on_phone = phones.on_event
        self.media: Any = Media(lambda token, good: self.engine.message_finished(token, good))
        if self.wishes.real_media:
            from dialer.media.direct import DirectBackend

            first = free_ports(len(self.media_ports), socket.SOCK_DGRAM)
            self.media_ports = range(first, first + len(self.media_ports))
            for end in (*self.carriers.values(), self.phones):  # who is sent audio in earnest has a port of its own
                end.ports = iter(lambda: free_port(socket.SOCK_DGRAM), 0)
            self.media = DirectBackend(
                "127.0.0.1", first, self.media_ports[-1], prompts=[c.prompt for c in built.campaigns.values()],
                on_finished=lambda token, good: self.engine.message_finished(token, good),
            )  # fmt: skip
            await self.media.start()
        services = Services(
            clock=self.clock, ledger=self.ledger, switch=self.switch, media=self.media, stream=self.stream, loop=loop,
            from_host=f"127.0.0.1:{self.udp.address[1]}", counters=self.counters, phones=phones,
        )  # fmt: skip
        campaigns = {
            name: make_campaign(c, self.trunks, 1.0, None, self.clock.now(), self.counters)
            for name, c in built.campaigns.items()
            for self.trunks in [await make_trunks(built)]
        }
        self.engine = Engine(services, campaigns, make_agents(built.file), self.trunks)
        self.engine.sharing.configure(built.sharing)
        self.stream.subscribe(self.engine.on_event)
        self.stream.subscribe(self.events.append)
        self.reloader = Reloader(self.config, self.engine, self.stream, self.clock)
        self.desk = Desk(self.engine, self.reloader.from_command)
        self.recovered = await self.engine.recover()
        if add and self.wishes.numbers:
            await self.add(*(number(i) for i in range(self.wishes.numbers)))

    def dial(self) -> None:
        """The engine's loops run."""
        self._running.append(asyncio.create_task(self.engine.run(), name="engine"))

    async def add(self, *numbers: str, campaign: str = "promo") -> None:
        at, listed = self.clock.at(), "spring" if campaign == "promo" else campaign
        contacts = [NewContact(numbers=(n,)) for n in numbers]
        results = await self.ledger.write(lambda tx: tx.add_contacts(campaign, listed, contacts, at))
        assert [r.status for r in results] == ["added"] * len(numbers), results
        for unit in self.engine.units.values():
            unit.dialing.contacts_arrived()

    async def add_later(self, *numbers: str) -> None:
        """The same without waiting for the commit."""
        at = self.clock.at()
        contacts = [NewContact(numbers=(n,)) for n in numbers]
        self.ledger.post(lambda tx: tx.add_contacts("promo", "spring", contacts, at))

    async def do(self, command: str, agent: str | int | None = None, **fields: Any) -> dict[str, Any]:
        """A command through the desk's one door."""
        if agent is not None:
            fields["agent"] = self.names[agent] if isinstance(agent, int) else agent
        return await self.desk.handle(COMMAND.validate_python({"command": command, **fields}))

    async def refused(self, command: str, agent: str | int | None = None, **fields: Any) -> CommandError:
        with pytest.raises(CommandError) as caught:
            await self.do(command, agent, **fields)
        return caught.value

    async def log_in(self, *agents: int) -> None:
        for agent in agents or range(self.wishes.agents):
            assert (await self.do("login", agent))["state"] == "available"

    # -- looking at it

    @property
    def unit(self) -> Any:
        return self.engine.units["promo"]

    @property
    def calls(self) -> list[Any]:
        return list(self.unit.campaign.calls.values())

    def agent(self, index: int = 0) -> Any:
        return self.engine.agents[self.names[index]]

    def phone(self, index: int = 0) -> Line:
        """The latest call to an agent's phone."""
        return self.phones.of(self.names[index])[-1]

    def named(self, kind: str, **wanted: Any) -> list[Any]:
        return [
            e for e in self.events if e.name == kind and all(getattr(e, key) == value for key, value in wanted.items())
        ]

    async def until(self, what: Callable[[], Any], seconds: float = 5.0) -> Any:
        """Wait for a condition; its value."""
        deadline = now() + seconds
        while not (value := what()):
            if now() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {self.picture()}")
            await asyncio.sleep(0.002)
        return value

    async def state(self, agent: int, state: str, seconds: float = 5.0) -> None:
        await self.until(lambda: self.agent(agent).state.value == state, seconds)

    async def call_state(self, state: str, seconds: float = 5.0) -> Any:
        return await self.until(lambda: next((c for c in self.calls if c.state.value == state), None), seconds)

    async def ended(self, count: int = 1, seconds: float = 5.0) -> list[Any]:
        return await self.until(lambda: (found := self.named("call_ended")) and len(found) >= count and found, seconds)

    async def talking(self, agent: int = 0) -> tuple[Any, Line, Line]:
        """(call, the customer's line, the agent's line) once both are pointed at each other."""
        await self.state(agent, "talking")
        call = self.agent(agent).call
        line = next(line for c in self.carriers.values() for line in c.up() if line.leg == call.leg.id)
        await self.until(lambda: self.points(line, self.phone(agent)))
        return call, line, self.phone(agent)

    def points(self, one: Line, other: Line) -> bool:
        return one.target == ("127.0.0.1", other.port) and other.target == ("127.0.0.1", one.port)

    def at_media(self, line: Line) -> bool:
        """This far end sends its audio to a port of ours."""
        if self.wishes.real_media:
            return line.target[1] in self.media_ports
        return line.target[1] in self.media.ports.values()

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.folder / "dialer.db")
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def contact(self, index: int = 0) -> Any:
        with self.store.read() as view:
            return view.contact(number(index), "promo")

    def outcomes(self) -> list[str | None]:
        return [row[0] for row in self.rows("SELECT outcome FROM attempt ORDER BY started_at, id")]

    def picture(self) -> str:
        agents = {n: a.state.value for n, a in self.engine.agents.items()}
        calls = [(c.number, c.state.value, c.told_pacer) for c in self.calls]
        kinds = Counter(e.name for e in self.events)
        return json.dumps(
            {"agents": agents, "calls": calls, "counters": self.counters, "events": kinds, "faults": self.faults,
             "campaign": [self.unit.campaign.state.value, self.unit.campaign.reason],
             "carrier": [(x.number, x.up, x.over, x.reinvites) for c in self.carriers.values() for x in c.lines[-6:]],
             "phones": [(x.number, x.up, x.over, x.reinvites, x.target) for x in self.phones.lines[-6:]]},
            default=str,
        )  # fmt: skip

    # -- what must hold after every scenario

    async def settle(self) -> None:
        """No call is left, and every book says so."""
        campaigns = [unit.campaign for unit in self.engine.units.values()]
        for campaign in campaigns:
            campaign.paused = True
        await self.until(lambda: not any(c.calls or c.waiting for c in campaigns), 6)
        await self.ledger.flush()
        for name, trunk in self.trunks.items():
            assert trunk.lines_in_use == 0, f"trunk {name} has lines in use"
        agents = [a for a in self.engine.agents.values() if a.leg is not None]
        assert {a.state for a in agents} <= {AgentState.AVAILABLE, AgentState.WRAP_UP, AgentState.BREAK}, self.picture()
        await self.until(lambda: all(not a.leg.in_flight and a.leg.synced() for a in agents))
        if not self.wishes.real_media:
            assert set(self.media.ports) == {a.leg.media_key for a in agents}, self.picture()
        await self.until(lambda: self.switch.legs == len(agents), 6)
        await self.until(lambda: not any(c.up() for c in self.carriers.values()), 6)
        await self.until(lambda: {x.number for x in self.phones.up()} == {a.name for a in agents}, 6)
        for agent in agents:
            assert self.at_media(self.phones.of(agent.name)[-1])
        assert None not in self.outcomes(), "an attempt without outcome"
        for campaign in campaigns:
            with self.store.read() as view:
                assert view.accounted(campaign.name) == []
                counts = view.counts(campaign.name)
            assert counts.get("leased", 0) == 0, counts
            self._check_pacer(campaign)
        trouble = {k: n for k, n in self.counters.items() if k not in self.explained}
        assert not trouble, f"{trouble} {self.picture()}"
        assert not self.faults, self.faults

    def _check_pacer(self, campaign: Any) -> None:
        if campaign.pacemaker is None:
            return
        pacemaker = campaign.pacemaker
        if pacemaker.needs_resync:
            pacemaker.decide(self.clock.now())
        book = pacemaker.pacer._book
        assert not book.in_air
        assert not book.waiting
        told = {name: record.state for name, record in book.agents.items()}
        here = [a for a in self.engine.agents.values() if a.campaign == campaign.name]
        free = {a.name for a in here if a.state is AgentState.AVAILABLE}
        assert {name for name, state in told.items() if state == "available"} == free, (told, free)
        wrapping = {a.name for a in here if a.state is AgentState.WRAP_UP}
        assert {name for name, state in told.items() if state != "available"} <= wrapping, (told, wrapping)

    async def crash(self) -> None:
        """As kill -9 does: no BYE, no commit of what waits, sockets shut."""
        self.udp.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for unit in self.engine.units.values():
            for owner in [*unit.campaign.calls.values(), *self.engine.agents.values()]:
                self.engine.services.stop_timers(owner.timers)
        if self.wishes.real_media:
            await self.media.close()
        self.store.close()
        self.events.clear()
        self.faults.clear()

    async def shut(self) -> None:
        """As the daemon does at a stop."""
        self.engine.end_all()
        await self.engine.close(3.0)
        for task in self._running[1:]:
            task.cancel()
        await asyncio.gather(*self._running[1:], return_exceptions=True)
        await self.media.close()
        self.udp.close()
        await self.ledger.close()
        self.store.close()

    def close(self) -> None:
        for far in [*self.carriers.values(), self.phones]:
            far.udp.close()


Play = Callable[[Floor], Awaitable[None]]


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., None]:
    """`stage(play, agents=2, ...)`: opens a floor (see `Wishes`), logs the agents in, dials, plays, and checks it."""

    def run(play: Play, **wanted: Any) -> None:
        wishes = replace(Wishes(), **wanted)

        async def scene() -> None:
            floor = Floor(tmp_path, wishes)
            before = asyncio.all_tasks()
            try:
                await floor.open()
                good = False
                try:
                    if wishes.log_in:
                        await floor.log_in()
                    if wishes.dial:
                        floor.dial()
                    await play(floor)
                    await floor.settle()
                    good = True
                finally:
                    if good:
                        await floor.shut()
                    else:
                        with suppress(Exception):
                            await asyncio.wait_for(floor.crash(), 5)
                assert not floor.phones.up(), "a phone is still in a call after the shutdown"
                assert not any(c.up() for c in floor.carriers.values())
                left = asyncio.all_tasks() - before
                assert not left, left
                assert not floor.faults, floor.faults
            finally:
                floor.close()

        run_fairly(asyncio.wait_for(scene(), 40))

    return run


@pytest.fixture
def party() -> Any:
    """The parties that a far end can play."""
    return SimpleNamespace(answers=ANSWERS, rings=RINGS, never=NEVER, status=status, of=Party, number=number)
