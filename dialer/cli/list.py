"""`dialer list`: what a list is worth, when it runs dry, and its way in and out."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "report": ("dialer.cli.list_report", "Show how good each list is and how it got better."),
    "forecast": ("dialer.cli.list_forecast", "Say when a campaign's contacts run out."),
    "export": ("dialer.cli.list_export", "Write the cleaned list, or what changed since a day, as CSV."),
    "sync": ("dialer.cli.list_sync", "Keep lists in step with a company database, both ways."),
}


class ListGroup(click.Group):
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


@click.group("list", cls=ListGroup, no_args_is_help=False)
def list_group() -> None:
    """Look after contact lists. All of these read the store; the dialer may run or not."""
