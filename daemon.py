"""The daemon: load, check, build, run, and shut down in order. `python daemon.py CAMPAIGN.toml` or `dialer run`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from dialer.config.build import build
from dialer.config.load import Config, ConfigErrors, load
from dialer.daemon_parts import StartError, open_parts
from dialer.logs import configure

log = structlog.get_logger("daemon")

#: How long talks may go on after the first signal, seconds. A second signal ends them at once.
GRACE = 30.0


async def serve(config: Config) -> int:
    """Run until a signal; the exit status. Raises StartError before anything was dialed."""
    async with open_parts(config) as parts:
        stop, now = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def asked() -> None:
            (now if stop.is_set() else stop).set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked)
        loop.add_signal_handler(signal.SIGHUP, parts.reload_soon)
        parts.start()
        await parts.wait(asyncio.create_task(stop.wait(), name="stop"))
        grace = GRACE / parts.time_scale
        log.info("stopping: no new calls; those in progress may end", calls=parts.engine.live_calls(), grace=grace)
        draining = asyncio.create_task(parts.engine.drain(grace), name="drain")
        await parts.wait(draining, asyncio.create_task(now.wait(), name="hurry"))
        draining.cancel()
        parts.engine.end_all()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """`daemon.py CAMPAIGN.toml`: 0 after a clean stop, 1 when it could not start, 2 for a config that does not hold."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 1 or given[0].startswith("-"):
        sys.stderr.write("usage: daemon.py CAMPAIGN.toml\n")
        return 2
    try:
        config = load(Path(given[0]))
        build(config)
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return 2
    configure(config.file.log.level, config.file.log.format)
    try:
        return _run(config)
    except StartError as error:
        sys.stderr.write(f"daemon: {error}\n")
        return 1


def _run(config: Config) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(serve(config))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(config))


if __name__ == "__main__":
    sys.exit(main())
