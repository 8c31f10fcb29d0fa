"""`python -m dialer.sales CAMPAIGN.toml`: the process that carries sales through.

Started by the dialer with one end of a socket pair (`--fd`), it ends when that socket does; alone, at SIGINT or
SIGTERM. It needs the store and the third parties, nothing of the dialer's calls.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import structlog

from dialer.clock import Clock
from dialer.config.door_checks import kept_changes
from dialer.config.load import Config, ConfigErrors, load
from dialer.config.secret import Secret, SecretError, read_secret
from dialer.config.store_url import make_store_directory, shown_url, sqlite_file
from dialer.events import EventStream
from dialer.ledger import Ledger
from dialer.logs import EventLog, configure
from dialer.sales.connector import Impossible
from dialer.sales.link import Link
from dialer.store_lock import StoreInUse, only_daemon
from dispositions import DispositionsError, Store, journal

log = structlog.get_logger("sales")

#: Seconds that tries under way may take to come to their answers when the process ends.
GRACE = 5.0
#: Seconds that sale writes may wait to share one commit: nobody on the telephone waits for them.
COMMIT_INTERVAL = 0.05
#: Seconds in which a process before this one may let go of the records.
TAKE_OVER = 20.0


class CannotStart(Exception):
    """One line that says why and what to do."""


def main() -> int:
    """Run; the exit status: 0 after a clean end, 1 when it could not start, 2 for a config that does not hold."""
    parser = argparse.ArgumentParser(prog="python -m dialer.sales", description="Carries sales through.")
    parser.add_argument("config", type=Path, help="the campaign file")
    parser.add_argument("--fd", type=int, help="inherited end of a Unix stream socket pair: the dialer's")
    options = parser.parse_args()
    try:
        config = load(options.config, outside=False)
        if config.file.sales is None:
            sys.stderr.write(f"dialer.sales: {options.config} has no [sales] table\n")
            return 2
        found = _secrets(config)
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return 2
    except SecretError as error:
        sys.stderr.write(f"dialer.sales: {error}\n")
        return 2
    configure(config.file.log.level, config.file.log.format)
    try:
        return _run(config, found, options.fd)
    except CannotStart as error:
        sys.stderr.write(f"dialer.sales: {error}\n")
        return 1


def _secrets(config: Config) -> dict[str, Secret]:
    assert config.file.sales is not None
    found = {}
    for name, table in config.file.sales.connectors.items():
        secret = read_secret(table.secret_env, table.secret_file, os.environ)
        if secret is not None:
            found[name] = secret
    return found


def _run(config: Config, found: dict[str, Secret], fd: int | None) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_serve(config, found, fd))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(config, found, fd))


@contextlib.contextmanager
def _only_one(url: str) -> Iterator[None]:
    """Nobody else works on the same records while the block runs."""
    try:
        with only_daemon(url, "sales"):
            yield
    except StoreInUse:
        raise CannotStart(f"{shown_url(url)}: another sale process works on it: stop that one first") from None
    except OSError as error:
        raise CannotStart(f"{shown_url(url)}: {error.strerror or error}") from None


async def _serve(config: Config, found: dict[str, Secret], fd: int | None) -> int:
    try:
        from dbos import DBOS

        from dialer.sales.records import dbos_config, prepare, records_url
        from dialer.sales.service import SaleService, identity
    except ModuleNotFoundError as error:
        raise CannotStart(f"{error.name} is not installed: pip install 'predictive-dialer[sales]'") from None

    table = config.file.sales
    assert table is not None  # main looked
    clock, stream = Clock(), EventStream()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    link = None
    if fd is not None:
        link = await Link.open(socket.socket(fileno=fd), ended.set)
        stream.subscribe(link.on_event)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the dialer decides when this ends
    else:
        stream.subscribe(EventLog().on_event)  # else the dialer writes them
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        _show_metrics(table.metrics, stream)
    url = records_url(config)
    with contextlib.ExitStack() as stack:
        await _take(stack, url)
        store = _opened(config)
        ledger = Ledger(
            store,
            interval=COMMIT_INTERVAL,
            on_refused=lambda error: log.error("the store refused a sale's step", problem=str(error)),
            on_locked=lambda why: log.warning("the store is away", problem=why),
            on_restored=lambda: log.info("the store is back"),
        )
        writing = asyncio.create_task(ledger.run(), name="ledger")
        try:
            name = await identity(ledger, secrets.token_hex(4))
            prepare(url)
            service = SaleService(
                table, found, ledger, name, stream.publish, outbox=config.file.mqtt is not None, clock=clock
            )
        except (DispositionsError, OSError, Impossible) as error:
            raise CannotStart(str(error)) from None
        logging.getLogger("dbos").handlers.clear()
        DBOS(config=dbos_config(url))
        DBOS.launch()
        log.info("sales running", records=shown_url(url), steps=[step.name for step in table.steps])
        if link is not None:
            link.ready()
        working = asyncio.create_task(service.run(), name="sales")
        stopping = asyncio.create_task(ended.wait(), name="end")
        await asyncio.wait({working, writing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, writing):
            if task.done():
                task.result()
        await service.stop(GRACE)
        log.info("sales stopped", under_way=len(service.active))
        # Workflows stand where they are, as after a crash. Threads of DBOS would hold up an orderly exit for seconds.
        sys.stderr.flush()
        os._exit(0)


async def _take(stack: contextlib.ExitStack, url: str) -> None:
    """Hold the records; a process whose dialer was killed may need a moment to let go."""
    file = sqlite_file(url)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(f"{file.parent}: {error.strerror}") from None
    ends = asyncio.get_running_loop().time() + TAKE_OVER
    while True:
        try:
            stack.enter_context(_only_one(url))
        except CannotStart:
            if asyncio.get_running_loop().time() > ends:
                raise
            await asyncio.sleep(0.2)
        else:
            return


def _opened(config: Config) -> Store:
    try:
        make_store_directory(config.file.store.url)
        store = Store(config.file.store.url)
        store.migrate()
        journal.keep(store, kept_changes(config.file) > 0)
    except (DispositionsError, OSError) as error:
        raise CannotStart(f"store {shown_url(config.file.store.url)}: {error}") from None
    return store


def _show_metrics(address: str | None, stream: EventStream) -> None:
    if address is None:
        return
    from prometheus_client import start_http_server

    from dialer.metrics import Metrics

    metrics = Metrics()
    stream.subscribe(metrics.on_event)
    host, _, port = address.rpartition(":")
    try:
        start_http_server(int(port), host.strip("[]"), registry=metrics.registry)
    except OSError as error:
        raise CannotStart(f"sales.metrics {address}: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
