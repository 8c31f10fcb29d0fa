"""`python -m benchmarks.thirdparty KIND --port 0 --log FILE`: one third party. Prints its port, ends at SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from benchmarks.thirdparty.faults import Faults
from benchmarks.thirdparty.server import HttpParty, Journal, Service, SmtpParty
from benchmarks.thirdparty.services import Antifraud, Gateway, Reservations

HTTP: dict[str, Callable[[Journal], Service]] = {
    "reservations": Reservations,
    "antifraud": Antifraud,
    "gateway": Gateway,
}


async def serve(options: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT."""
    log = Journal(options.log, options.kind)
    faults = Faults(**{field.name: getattr(options, field.name) for field in fields(Faults)})
    if options.kind == "mail":
        party: HttpParty | SmtpParty = SmtpParty(log, faults, options.seed)
    else:
        party = HttpParty(HTTP[options.kind](log), log, faults, options.seed)
    server = await asyncio.start_server(party.serve, "127.0.0.1", options.port, limit=1_000_000, backlog=500)
    port = server.sockets[0].getsockname()[1]
    if options.port_file is not None:
        aside = options.port_file.with_suffix(".new")
        aside.write_text(str(port))
        aside.replace(options.port_file)
    print(port, flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thirdparty", description="A simulated third party.")
    parser.add_argument("kind", choices=[*HTTP, "mail"])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path, help="where the port is written once it listens")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    for field in fields(Faults):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
