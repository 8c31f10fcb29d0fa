"""`python -m benchmarks.thirdparty KIND --log FILE`: one third party, or all. Prints ports as JSON, ends at SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from benchmarks.thirdparty.config import sales_table
from benchmarks.thirdparty.faults import Faults
from benchmarks.thirdparty.receiver import ReceiverParty
from benchmarks.thirdparty.server import HttpParty, Journal, Service, SmtpParty
from benchmarks.thirdparty.services import Antifraud, Gateway, Reservations

HTTP: dict[str, Callable[[Journal], Service]] = {
    "reservations": Reservations,
    "antifraud": Antifraud,
    "gateway": Gateway,
}


async def listen(kind: str, log: Path, options: argparse.Namespace) -> asyncio.Server:
    """One third party that listens."""
    journal = Journal(log, kind)
    faults = Faults(**{field.name: getattr(options, field.name) for field in fields(Faults)})
    if kind == "mail":
        party: HttpParty | SmtpParty = SmtpParty(journal, faults, options.seed)
    elif kind == "receiver":
        party = ReceiverParty(os.environ["RECEIVER_SECRET"], journal, faults, options.seed)
    else:
        party = HttpParty(HTTP[kind](journal), journal, faults, options.seed)
    port = 0 if options.kind == "all" else options.port
    return await asyncio.start_server(party.serve, "127.0.0.1", port, limit=1_000_000, backlog=500)


async def serve(options: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT."""
    kinds = [*HTTP, "mail"] if options.kind == "all" else [options.kind]
    if options.kind == "all":
        options.log.mkdir(parents=True, exist_ok=True)
    logs = {kind: options.log / f"{kind}.jsonl" if options.kind == "all" else options.log for kind in kinds}
    servers = {kind: await listen(kind, logs[kind], options) for kind in kinds}
    ports = {kind: server.sockets[0].getsockname()[1] for kind, server in servers.items()}
    if options.port_file is not None:
        aside = options.port_file.with_suffix(".new")
        aside.write_text(str(ports[kinds[0]]))
        aside.replace(options.port_file)
    if options.trial is not None:
        base, table = options.trial
        table.write_text(f"base = {json.dumps(str(base.absolute()))}\n{sales_table(ports)}", encoding="utf-8")
    print(json.dumps(ports), flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for server in servers.values():
        server.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thirdparty", description="A simulated third party.")
    parser.add_argument(
        "kind",
        choices=[*HTTP, "mail", "receiver", "all"],
        help="receiver: of webhooks, signed with $RECEIVER_SECRET; all: the others, each on a port of its own",
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path, help="where the port is written once it listens")
    parser.add_argument("--log", type=Path, required=True, help="a file; a folder for `all`")
    parser.add_argument(
        "--trial", type=Path, nargs=2, metavar=("CAMPAIGN", "FILE"),
        help="with all: writes FILE, which is CAMPAIGN with a [sales] table that speaks to these third parties",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    for field in fields(Faults):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
