"""OPTIONS to every trunk: does it answer, with what status, how fast."""

from __future__ import annotations

import asyncio
from typing import Any

from dialer.config.model import ConfigFile
from dialer.resolve import ResolveError, resolve
from dialer.sip import Event, OptionsAnswered, UnsafeHeader
from dialer.trunk import parse_address
from dialer.udp import UdpEndpoint

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
            if not waiting:
                done.set()

    # A port of its own: the daemon may be running on the configured one.
    host, _ = parse_address(file.sip.listen)
    try:
        udp = UdpEndpoint.open(host, 0, heard, user_agent=file.sip.user_agent)
    except OSError as error:
        return {name: _silent(f"cannot send from {host}: {error.strerror}") for name in file.trunks}
    try:
        for name, trunk in file.trunks.items():
            uri = f"sip:{trunk.domain or trunk.address}"
            try:
                waiting[udp.options(uri, await resolve(parse_address(trunk.address)))] = name
            except (ResolveError, UnsafeHeader) as error:
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
