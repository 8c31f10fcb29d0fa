"""`dialer list`: what a list is worth, when it runs dry, and its way in and out."""

from __future__ import annotations

import click

from dialer.cli.lazy import Entry, LazyGroup

COMMANDS = {
    "report": Entry("dialer.cli.list_report", "report", "Show how good each list is and how it got better."),
    "forecast": Entry("dialer.cli.list_forecast", "forecast", "Say when a campaign's contacts run out."),
    "export": Entry("dialer.cli.list_export", "export", "Write the cleaned list, or what changed since a day, as CSV."),
    "sync": Entry("dialer.cli.list_sync", "sync", "Keep lists in step with a company database, both ways."),
}


@click.group("list", cls=LazyGroup, entries=COMMANDS, no_args_is_help=False)
def list_group() -> None:
    """Look after contact lists. All of these read the store; the dialer may run or not."""
