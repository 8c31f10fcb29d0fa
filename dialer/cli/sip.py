"""`dialer sip`: an operator's tools for the SIP side."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "ping": ("dialer.cli.sip_ping", "Send OPTIONS and show who answers, with what, how fast."),
    "call": ("dialer.cli.sip_call", "Place one test call over a trunk and show its ladder."),
    "trace": ("dialer.cli.sip_trace", "Show the live ladder of a running dialer's calls."),
}


class SipGroup(click.Group):
    """Its help needs no subcommand's module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=SipGroup, no_args_is_help=False)
def sip() -> None:
    """Look at the SIP side: is a trunk there, does a call go through, what do the two ends say to each other?"""
