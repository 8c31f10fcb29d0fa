"""`dialer sip ping`: OPTIONS to a trunk or an address, as often as asked."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import click

from dialer.cli.output import Failure, json_option, print_json, show


@dataclass(slots=True)
class Pings:
    """What became of the OPTIONS so far. `answers`: (status, round trip in seconds), in order."""

    uri: str
    destination: tuple[str, int]
    sent: int = 0
    answers: list[tuple[int, float]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """One JSON object; times in milliseconds."""
        times = sorted(1000 * rtt for _, rtt in self.answers)
        return {
            "uri": self.uri,
            "address": f"{self.destination[0]}:{self.destination[1]}",
            "sent": self.sent,
            "answered": len(self.answers),
            "statuses": sorted({status for status, _ in self.answers}),
            "rtt_ms": {"min": times[0], "median": median(times), "max": times[-1]} if times else None,
        }


@click.command()
@click.argument("target")
@click.option("--config", "config_path", type=click.Path(path_type=str), help="Config file in which TARGET is a trunk.")
@click.option("--count", type=click.IntRange(1, 100_000), default=4, show_default=True, help="How many OPTIONS.")
@click.option("--interval", type=click.FloatRange(0.01, 3600.0), default=1.0, show_default=True, help="Seconds apart.")
@click.option("--timeout", type=click.FloatRange(0.1, 32.0), default=4.0, show_default=True, help="Seconds to wait.")
@click.option("--from", "local", default=None, metavar="ADDRESS", help="Our address. Default: [sip] listen, else any.")
@json_option
def ping(
    target: str,
    config_path: str | None,
    count: int,
    interval: float,
    timeout: float,
    local: str | None,
    as_json: bool,
) -> int:
    """Send OPTIONS to TARGET and show who answers, with what status, how fast. Ctrl-C ends it with the summary.

    TARGET is a trunk of --config, a `host:port`, or a SIP address. Ends with 1 when nothing answered.
    """
    uri, address, host = _target(target, config_path)
    pings = asyncio.run(_ping(uri, address, local or host, count, interval, timeout, quiet=as_json))
    told = pings.to_dict()
    if as_json:
        print_json(told)
    else:
        rtt = told["rtt_ms"]
        times = f"; {rtt['min']:.2f} / {rtt['median']:.2f} / {rtt['max']:.2f} ms min/median/max" if rtt else ""
        show(f"{pings.sent} sent, {len(pings.answers)} answered{times}")
    return 0 if pings.answers else 1


def _target(target: str, config_path: str | None) -> tuple[str, tuple[str, int], str]:
    """(URI, address, our host)."""
    from dialer.trunk import parse_address

    if config_path is not None:
        from dialer.config.load import load

        file = load(config_path, outside=False).file
        host = parse_address(file.sip.listen)[0]
        if target in file.trunks:
            trunk = file.trunks[target]
            return f"sip:{trunk.domain or trunk.address}", parse_address(trunk.address), host
        if ":" not in target:
            known = ", ".join(file.trunks)
            raise Failure(f"there is no trunk '{target}' in {config_path}; it has: {known}", code="unknown_trunk")
    else:
        host = ""
    try:
        address = parse_address(target)
    except ValueError:
        text = f"'{target}' is neither host:port nor a SIP address; for a trunk's name add --config FILE"
        raise Failure(text, code="invalid") from None
    return (target if target.startswith(("sip:", "sips:")) else f"sip:{target}"), address, host


async def _ping(
    uri: str, address: tuple[str, int], host: str, count: int, interval: float, timeout: float, *, quiet: bool
) -> Pings:
    from dialer.resolve import ResolveError, resolve
    from dialer.sip import Event, OptionsAnswered, SipError
    from dialer.udp import UdpEndpoint

    try:
        destination = await resolve(address)
    except ResolveError as error:
        raise Failure(str(error), code="unresolved") from None
    pings = Pings(uri, destination)
    loop = asyncio.get_running_loop()
    waiting: dict[str, asyncio.Future[OptionsAnswered]] = {}

    def heard(event: Event) -> None:
        if isinstance(event, OptionsAnswered) and event.ping in waiting:
            waiting.pop(event.ping).set_result(event)

    try:
        udp = UdpEndpoint.open(host or own_address(destination), 0, heard)
    except OSError as error:
        raise Failure(f"cannot send from {host}: {error.strerror}", code="bind") from None
    if not quiet:
        show(f"OPTIONS {uri} at {destination[0]}:{destination[1]}")
    try:
        with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C: the summary of what was sent is still wanted
            for number in range(count):
                if number:
                    await asyncio.sleep(interval)
                ping_id = udp.options(uri, destination)
                waiting[ping_id] = answer = loop.create_future()
                pings.sent += 1
                try:
                    event = await asyncio.wait_for(answer, timeout)
                except TimeoutError:
                    waiting.pop(ping_id, None)
                    if not quiet:
                        show(f"{number + 1}: no answer within {timeout:g} s")
                    continue
                pings.answers.append((event.status, event.rtt))
                if not quiet:
                    show(f"{number + 1}: {event.status} in {1000 * event.rtt:.2f} ms")
    except SipError as error:
        raise Failure(str(error), code="invalid") from None
    finally:
        udp.close()
    return pings


def own_address(far: tuple[str, int]) -> str:
    """The address from which this machine reaches `far`; nothing is sent. Raises Failure."""
    import socket

    with socket.socket(socket.AF_INET6 if ":" in far[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(far)
        except OSError as error:
            raise Failure(f"{far[0]} cannot be reached: {error.strerror}", code="unreachable") from None
        return str(sock.getsockname()[0])
