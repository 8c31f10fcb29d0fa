"""`dialer sip trace`: the live ladder of a running dialer's calls."""

from __future__ import annotations

import json

import click

from dialer.cli.client import Daemon, token_option
from dialer.cli.output import Failure, config_argument, json_option, show


@click.command()
@config_argument
@click.argument("call", required=False)
@click.option("--number", help="Calls to this number, those to come included.")
@click.option("--agent", help="The leg of this agent, and the calls on it.")
@click.option("--full", is_flag=True, help="Show whole messages, not only their first lines.")
@token_option
@json_option
def trace(
    config_path: str,
    call: str | None,
    number: str | None,
    agent: str | None,
    full: bool,
    token_file: str | None,
    as_json: bool,
) -> None:
    """Show what the running dialer of CONFIG says and hears, until Ctrl-C: messages of CALL (an id as logs and events
    have it), of a number, of an agent, or of all calls.

    Watching costs the dialer something only while it lasts. With --json each message is one object on a line.
    """
    from dialer.ladder import Rung

    wanted = {"call": call, "number": _plus(number), "agent": agent}
    query = {name: value for name, value in wanted.items() if value}
    began: float | None = None
    for line in Daemon(config_path, token_file).lines("/api/v1/trace", query):
        if not line:
            click.echo("watching; Ctrl-C ends it", err=True)
            continue
        if as_json:
            click.echo(line)
            continue
        fields = json.loads(line)
        if "missed" in fields:
            show(f"... {fields['missed']} messages missed: too many at once")
            continue
        try:
            rung = Rung.from_dict(fields)
        except TypeError:
            raise Failure("the dialer sends what this command does not know: of another version?") from None
        began = rung.at if began is None else began
        show(f"{rung.line(began)}{'' if call else f'  {rung.call_id[:8]}'}")
        if full:
            show("\n".join(f"    {text}" for text in rung.text.split("\n")), "")
    if not as_json:
        show("the dialer has ended")


def _plus(number: str | None) -> str | None:
    """As the dialer writes numbers."""
    if number is None:
        return None
    digits = number.strip().removeprefix("+").replace(" ", "")
    if not digits.isdecimal():
        raise Failure(f"{number} is not a number; write it as +34600000001", code="invalid")
    return f"+{digits}"
