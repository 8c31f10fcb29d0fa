"""`dialer sip ping`: OPTIONS to a trunk or an address, as often as asked."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from dialer.cli.output import Failure, json_option, print_json, show

if TYPE_CHECKING:
    from dialer.config.model import ConfigFile
    from dialer.locate import Place
    from dialer.sip import Destination


@dataclass(slots=True)
class Pings:
    """What became of the OPTIONS so far. `answers`: (status, round trip in seconds), in order."""

    uri: str
    destination: Destination
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
    uri, place, file = _target(target, config_path)
    pings = asyncio.run(_ping(uri, place, file, local, count, interval, timeout, quiet=as_json))
    told = pings.to_dict()
    if as_json:
        print_json(told)
    else:
        rtt = told["rtt_ms"]
        times = f"; {rtt['min']:.2f} / {rtt['median']:.2f} / {rtt['max']:.2f} ms min/median/max" if rtt else ""
        show(f"{pings.sent} sent, {len(pings.answers)} answered{times}")
    return 0 if pings.answers else 1


def _target(target: str, config_path: str | None) -> tuple[str, Place, ConfigFile | None]:
    """URI, where it leads, the config if one is named."""
    from dialer.assembly import place_of_trunk
    from dialer.locate import Place

    file = None
    if config_path is not None:
        from dialer.config.load import load

        file = load(config_path, outside=False).file
        if target in file.trunks:
            trunk = file.trunks[target]
            return f"sip:{trunk.domain or trunk.address}", place_of_trunk(target, trunk), file
        if ":" not in target:
            known = ", ".join(file.trunks)
            raise Failure(f"there is no trunk '{target}' in {config_path}; it has: {known}", code="unknown_trunk")
    try:
        place = Place.of_uri(target)
    except ValueError:
        text = f"'{target}' is neither host:port nor a SIP address; for a trunk's name add --config FILE"
        raise Failure(text, code="invalid") from None
    return (target if target.startswith(("sip:", "sips:")) else f"sip:{target}"), place, file


async def _ping(
    uri: str,
    place: Place,
    file: ConfigFile | None,
    host: str | None,
    count: int,
    interval: float,
    timeout: float,
    *,
    quiet: bool,
) -> Pings:
    from dialer.assembly import make_locator
    from dialer.locate import Locator
    from dialer.resolve import ResolveError
    from dialer.sip import Event, Flow, OptionsAnswered, OptionsFailed, SipError
    from dialer.transport import Transports
    from dialer.transport.opening import OpenError, open_transports

    try:
        destination = (await (Locator() if file is None else make_locator(file)).locate(place)).first
    except ResolveError as error:
        raise Failure(str(error), code="unresolved") from None
    pings = Pings(uri, destination)
    loop = asyncio.get_running_loop()
    waiting: dict[str, asyncio.Future[OptionsAnswered | None]] = {}

    def heard(event: Event) -> None:
        if isinstance(event, OptionsAnswered | OptionsFailed) and event.ping in waiting:
            waiting.pop(event.ping).set_result(event if isinstance(event, OptionsAnswered) else None)

    try:
        if file is None:
            udp = await Transports.start(host or own_address(destination[:2]), 0, heard)
        else:
            udp = await open_transports(file, heard, serve=False, host=host)
    except OpenError as error:
        raise Failure(str(error), code="bind") from None
    except OSError as error:
        raise Failure(f"cannot send from {host}: {error.strerror}", code="bind") from None
    if not quiet:
        over = f" over {destination.transport.upper()}" if isinstance(destination, Flow) else ""
        show(f"OPTIONS {uri} at {destination[0]}:{destination[1]}{over}")
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
                if event is None:
                    if not quiet:
                        problem = udp.streams.problems.get(destination) if isinstance(destination, Flow) else None
                        show(f"{number + 1}: no connection: {problem or 'it was lost'}")
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
