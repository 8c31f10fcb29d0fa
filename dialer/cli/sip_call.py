"""`dialer sip call`: one test call over a trunk, its ladder, and whether audio came back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from dialer.cli.output import Failure, config_argument, json_option, print_json, show

if TYPE_CHECKING:
    from dialer.caller_id import CallerId
    from dialer.cli.sip_ear import Ear
    from dialer.config.build import Built
    from dialer.ladder import Rung
    from dialer.sip import Event
    from dialer.sip.flow import Destination
    from dialer.trunk import Trunk
    from dialer.udp import UdpEndpoint

#: Seconds for the far end to answer our BYE or CANCEL.
_PARTING = 5.0


@dataclass(slots=True)
class Outcome:
    """What came of the call. Times are seconds from the INVITE."""

    number: str
    trunk: str
    call_id: str = ""
    status: int | None = None
    reason: str = ""
    ringing_after: float | None = None
    answered_after: float | None = None
    talked: float | None = None
    ended_by: str = ""
    packets_heard: int = 0
    ladder: list[Rung] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """One JSON object."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "ladder"}
        return {**plain, "ladder": [rung.to_dict() for rung in self.ladder]}


@click.command()
@config_argument
@click.argument("number")
@click.option("--trunk", "trunk_name", help="The trunk to use. Default: the one that the dialer would choose.")
@click.option("--caller-id", help="The number to show. Default: as the first campaign that uses the trunk.")
@click.option("--ring", type=click.FloatRange(1.0, 180.0), default=30.0, show_default=True, help="Give up after, s.")
@click.option("--hold", type=click.FloatRange(0.0, 3600.0), default=5.0, show_default=True, help="Hang up after, s.")
@click.option("--full", is_flag=True, help="Show whole messages, not only their first lines.")
@json_option
def call(
    config_path: str,
    number: str,
    trunk_name: str | None,
    caller_id: str | None,
    ring: float,
    hold: float,
    full: bool,
    as_json: bool,
) -> int:
    """Place one call to NUMBER over a trunk of CONFIG, show its ladder, hang up after --hold seconds.

    A real call, from a port of its own: a dialer that runs is not disturbed, and no list is touched. The trunk's
    prefixes and all do-not-call marks hold here, too. Ends with 0 when the call was answered, else with 1.
    """
    from dialer.config.build import build
    from dialer.config.load import load

    built = build(load(config_path, outside=False))
    e164 = _number(built, number)
    caller_id = None if caller_id is None else _number(built, caller_id)
    _refuse_marked(built, e164)
    return asyncio.run(_call(built, e164, trunk_name, caller_id, ring, hold, full, as_json))


def _number(built: Built, text: str) -> str:
    from dispositions.errors import NumberError
    from dispositions.number import normalise

    regions = {table.region for table in built.file.lists.values()}
    try:
        region = next(iter(regions)) if len(regions) == 1 else None
        return normalise(text, region, validity="possible", default_zone="UTC").e164
    except NumberError as error:
        raise Failure(f"{text} {error.problem}; write it as +34600000001", code="invalid") from None


def _refuse_marked(built: Built, number: str) -> None:
    """A do-not-call mark holds for tests, too."""
    from dialer.cli.stores import opened
    from dialer.config.store_url import sqlite_file
    from dialer.registers import put_compiled

    url = built.file.store.url
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        return  # no dialer has run yet: there are no marks
    with opened(url, (campaign.policy for campaign in built.campaigns.values())) as store:
        store.refresh_do_not_call()
        put_compiled(store, built.file.do_not_call)
        if any(store.is_do_not_call(number, name) for name in built.campaigns):
            raise Failure(f"{number} is marked do-not-call; it is not dialed", code="do_not_call")


async def _trunk(built: Built, name: str | None, number: str) -> Trunk:
    from dialer import routing
    from dialer.assembly import make_trunk, make_trunks
    from dialer.resolve import ResolveError

    try:
        if name is None:
            trunks = list((await make_trunks(built)).values())
            chosen = routing.choose(trunks, number, time.monotonic())
            if chosen is None:
                raise Failure(f"no trunk may carry {number}: see their prefixes", code="no_trunk")
            return chosen
        if name not in built.file.trunks:
            known = ", ".join(built.file.trunks)
            raise Failure(f"there is no trunk '{name}'; the config has: {known}", code="unknown_trunk", exit_code=2)
        trunk = await make_trunk(built, name)
    except ResolveError as error:
        raise Failure(str(error), code="unresolved") from None
    if not trunk.carries(number):
        allowed = ", ".join(trunk.table.prefixes)
        raise Failure(f"trunk {name} may not carry {number}; its prefixes are: {allowed}", code="prefix")
    return trunk


def _caller(built: Built, trunk: Trunk, number: str, wanted: str | None, host: str) -> CallerId:
    """What the call shows: as the dialer would show it, for the first campaign that uses the trunk; `wanted`: this
    number instead.
    """
    from dialer.caller_id import caller_id, presented

    table = next((c.table for c in built.campaigns.values() if trunk.name in c.table.trunks), None)
    if wanted is not None:
        name, anonymous = (table.caller_name, table.privacy == "id") if table is not None else (None, False)
        return presented(trunk.table, wanted, name, host, anonymous=anonymous)
    if table is None:
        text = f"no campaign uses trunk {trunk.name}: say which number to show with --caller-id"
        raise Failure(text, code="no_caller_id")
    return caller_id(table, trunk.table, number, host)


async def _call(
    built: Built,
    number: str,
    trunk_name: str | None,
    caller_id: str | None,
    ring: float,
    hold: float,
    full: bool,
    as_json: bool,
) -> int:
    from dialer.cli.sip_ear import Ear
    from dialer.cli.sip_ping import own_address
    from dialer.ladder import rung
    from dialer.sip import SipError
    from dialer.transport.opening import OpenError, open_transports
    from dialer.trunk import parse_address

    trunk = await _trunk(built, trunk_name, number)
    host = parse_address(built.file.sip.listen)[0]
    host = own_address(trunk.destination[:2]) if host in ("0.0.0.0", "::") else host
    events: asyncio.Queue[Event] = asyncio.Queue()
    outcome = Outcome(number, trunk.name)

    def seen(sent: bool, data: bytes, far: Destination) -> None:
        step = rung(sent, data, far, time.time())
        outcome.ladder.append(step)
        if not as_json:
            show(step.line(outcome.ladder[0].at))
            if full:
                show("\n".join(f"    {line}" for line in step.text.split("\n")), "")

    try:
        ear = await Ear.open(host)
        udp = await open_transports(built.file, events.put_nowait, serve=False, host=host)
    except OpenError as error:
        raise Failure(str(error), code="bind") from None
    except OSError as error:
        raise Failure(f"cannot send from {host}: {error.strerror}", code="bind") from None
    udp.endpoint.watch(seen)
    try:
        shown = _caller(built, trunk, number, caller_id, f"{host}:{udp.address[1]}")
        await TestCall(udp, ear, events, outcome, trunk, shown, host).run(ring, hold)
    except SipError as error:
        raise Failure(str(error), code="invalid") from None
    finally:
        udp.close()
        ear.close()
    outcome.packets_heard = ear.heard
    if as_json:
        print_json(outcome.to_dict())
    else:
        show(_verdict(outcome))
    return 0 if outcome.answered_after is not None else 1


class TestCall:
    """The call itself: INVITE, up to `ring` seconds of ringing, `hold` seconds of talk, the end."""

    def __init__(
        self,
        udp: UdpEndpoint,
        ear: Ear,
        events: asyncio.Queue[Event],
        outcome: Outcome,
        trunk: Trunk,
        caller: CallerId,
        host: str,
    ) -> None:
        from dialer.sip import sdp

        self.udp, self.ear, self.events, self.outcome = udp, ear, events, outcome
        self.offer = sdp.audio(host, ear.port)
        self.plan = udp.plan_invite(
            trunk.request_uri(outcome.number),
            from_uri=caller.from_uri,
            from_display=caller.display,
            headers=caller.headers,
            destination=trunk.destination,
            sdp=self.offer,
            credentials=trunk.credentials,
            large_over_tcp=trunk.table.large_over_tcp,
        )
        self.began = 0.0
        self.over = False

    async def run(self, ring: float, hold: float) -> None:
        """From the INVITE to the end of the dialog. Cancelled (Ctrl-C), it hangs up first."""
        self.began = time.monotonic()
        self.outcome.call_id = self.udp.invite(self.plan)
        try:
            await self._until(ring, lambda: self.outcome.answered_after is not None)
            if not self.over and self.outcome.answered_after is not None:
                await self._until(hold, lambda: False)
        except asyncio.CancelledError:
            self.outcome.ended_by = "Ctrl-C"
        if not self.over:
            self._part()
            await self._until(_PARTING, lambda: False)

    def _part(self) -> None:
        leg = self.plan.call_id
        if self.outcome.answered_after is None:
            self.outcome.ended_by = self.outcome.ended_by or "no answer"
            self.udp.cancel(leg, "SIP;cause=487")
        else:
            self.outcome.ended_by = self.outcome.ended_by or "us"
            self.udp.bye(leg)

    async def _until(self, seconds: float, done: Any) -> None:
        """Take events until `done()`, the call's end, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.over and not done():
                    self._on(await self.events.get())

    def _on(self, event: Event) -> None:
        from dialer.sip import Answered, Ended, Failed, Offered, Provisional

        outcome, passed = self.outcome, time.monotonic() - self.began
        if isinstance(event, Provisional):
            outcome.ringing_after = passed if outcome.ringing_after is None else outcome.ringing_after
            self._speak(event.sdp)
        elif isinstance(event, Answered):
            outcome.answered_after, outcome.status, outcome.reason = passed, 200, "OK"
            self._speak(event.sdp)
            if event.crossed_cancel:  # we have given up already
                self.udp.bye(event.leg)
        elif isinstance(event, Offered):
            self.udp.answer(event.leg, self.offer)
            self._speak(event.sdp)
        elif isinstance(event, Failed):
            outcome.status, outcome.reason, self.over = event.status, event.reason, True
        elif isinstance(event, Ended):
            outcome.ended_by = outcome.ended_by or {"remote": "the far end", "local": "us"}.get(event.by, event.by)
            self.over = True
        if self.over and outcome.answered_after is not None:
            outcome.talked = passed - outcome.answered_after

    def _speak(self, description: bytes | None) -> None:
        from dialer.leg import g711_payload
        from dialer.sip import SdpError, sdp

        if description is None:
            return
        with contextlib.suppress(SdpError):  # shown in the ladder; the call itself goes on without audio
            far = sdp.parse(description)
            if far.port:
                self.ear.speak((far.host, far.port), g711_payload(far))


def _verdict(outcome: Outcome) -> str:
    if outcome.answered_after is None:
        rang = "" if outcome.ringing_after is None else f", rang after {outcome.ringing_after:.2f} s"
        status = f"{outcome.status} {outcome.reason}".strip() if outcome.status else "no response"
        return f"not answered: {status}{rang}{f' ({outcome.ended_by})' if outcome.ended_by else ''}"
    audio = f"{outcome.packets_heard} audio packets heard" if outcome.packets_heard else "no audio heard"
    talked = f"{outcome.talked:.1f} s" if outcome.talked is not None else "the far end never confirmed the end"
    return f"answered after {outcome.answered_after:.2f} s, ended by {outcome.ended_by} after {talked}; {audio}"
