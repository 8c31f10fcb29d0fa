"""`dialer sip`: an operator's tools for the SIP side."""

from __future__ import annotations

import click

from dialer.cli.lazy import Entry, LazyGroup

COMMANDS = {
    "ping": Entry("dialer.cli.sip_ping", "ping", "Send OPTIONS and show who answers, with what, how fast."),
    "call": Entry("dialer.cli.sip_call", "call", "Place one test call over a trunk and show its ladder."),
    "trace": Entry("dialer.cli.sip_trace", "trace", "Show the live ladder of a running dialer's calls."),
}


@click.group(cls=LazyGroup, entries=COMMANDS, no_args_is_help=False)
def sip() -> None:
    """Look at the SIP side: is a trunk there, does a call go through, what do the two ends say to each other?"""
