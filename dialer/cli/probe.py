"""OPTIONS to every trunk: does it answer, with what status, how fast."""

from __future__ import annotations

import asyncio
from typing import Any

from dialer.assembly import make_locator, place_of_trunk
from dialer.config.model import ConfigFile
from dialer.resolve import ResolveError
from dialer.sip import Destination, Event, Flow, OptionsAnswered, OptionsFailed, SipError
from dialer.transport.opening import OpenError, open_transports

#: Seconds that an answer may take; SIP itself would wait for 32.
PATIENCE = 4.0


def probe(file: ConfigFile, patience: float = PATIENCE) -> dict[str, dict[str, Any]]:
    """Trunk -> {"status", "rtt" (seconds), "problem" (None: it answered)}. All trunks are asked at once."""
    return asyncio.run(_probe(file, patience))


async def _probe(file: ConfigFile, patience: float) -> dict[str, dict[str, Any]]:
    answers: dict[str, dict[str, Any]] = {}
    waiting: dict[str, str] = {}
    done = asyncio.Event()

    def heard(event: Event) -> None:
        if isinstance(event, OptionsAnswered) and event.ping in waiting:
            answers[waiting.pop(event.ping)] = {"status": event.status, "rtt": event.rtt, "problem": None}
        elif isinstance(event, OptionsFailed) and event.ping in waiting:  # no connection: known before the time is up
            name = waiting.pop(event.ping)
            far = where[name]
            problem = udp.streams.problems.get(far) if isinstance(far, Flow) else None
            answers[name] = _silent(problem or f"no answer to OPTIONS within {patience:g} s")
        if not waiting:
            done.set()

    # A port of its own: the daemon may be running on the configured one.
    try:
        udp = await open_transports(file, heard, serve=False)
    except OpenError as error:
        return {name: _silent(str(error)) for name in file.trunks}
    locator, where = make_locator(file), dict[str, Destination]()
    try:
        for name, trunk in file.trunks.items():
            uri = f"sip:{trunk.domain or trunk.address}"
            try:
                where[name] = (await locator.locate(place_of_trunk(name, trunk))).first
                waiting[udp.options(uri, where[name])] = name
            except (ResolveError, SipError) as error:
                answers[name] = _silent(str(error))
        if waiting:
            try:
                await asyncio.wait_for(done.wait(), patience)
            except TimeoutError:
                for name in waiting.values():
                    answers[name] = _silent(f"no answer to OPTIONS within {patience:g} s")
    finally:
        udp.close()
    return {name: answers[name] for name in file.trunks}


def _silent(problem: str) -> dict[str, Any]:
    return {"status": None, "rtt": None, "problem": problem}
