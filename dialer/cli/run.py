"""`dialer run`: the daemon."""

from __future__ import annotations

import click

from dialer.cli.output import config_argument


@click.command()
@config_argument
def run(config_path: str) -> int:
    """Run the campaigns of CONFIG until Ctrl-C.

    The first Ctrl-C places no more calls and lets those in progress end, a second one ends them. SIGHUP or
    `dialer reload` reads CONFIG again. Ends with 0 after a clean stop, 1 when it could not start, 2 when CONFIG does
    not hold.
    """
    import daemon

    return daemon.main([config_path])
