"""`dialer agent`: what an agent does, from a terminal. The agents' page and MQTT send the same commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from dialer.cli.client import LOGIN_TIMEOUT, TIMEOUT, Daemon, token_option
from dialer.cli.output import Failure, config_argument, json_option, print_json, show


@click.group()
def agent() -> None:
    """Log an agent in and out, end wrap-up, code a call, ... of a running dialer."""


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """CONFIG AGENT [--token-file] [--json]"""
    command = json_option(token_option(command))
    command = click.argument("name", metavar="AGENT")(command)
    return config_argument(command)


def _send(
    config_path: str,
    token_file: str | None,
    as_json: bool,
    done: str,
    command: str,
    *,
    timeout: float = TIMEOUT,
    **arguments: Any,
) -> None:
    result = Daemon(config_path, token_file).command(command, timeout=timeout, **arguments)
    if as_json:
        print_json(result)
        return
    said = {key: " and ".join(value) if isinstance(value, list) else value for key, value in result.items()}
    rest = ", ".join(f"{key}: {value}" for key, value in said.items() if value is not None and key != "agent")
    show(f"{done} ({rest})" if rest else done)


@agent.command()
@_common
@click.option(
    "--campaign",
    "campaigns",
    multiple=True,
    help="Campaign to work in; given again: to share between these. Default: all that the agent may work in.",
)
def login(config_path: str, name: str, campaigns: tuple[str, ...], token_file: str | None, as_json: bool) -> None:
    """Log AGENT in: the dialer calls the agent's phone and keeps that call up.

    An agent logged in for several campaigns is moved between them while idle, to where the next call is worth most.
    """
    wanted = {"campaign": campaigns[0]} if len(campaigns) == 1 else {"campaigns": list(campaigns)} if campaigns else {}
    _send(
        config_path,
        token_file,
        as_json,
        f"{name} is logged in",
        "login",
        timeout=LOGIN_TIMEOUT,
        agent=name,
        **wanted,
    )


@agent.command()
@_common
def logout(config_path: str, name: str, token_file: str | None, as_json: bool) -> None:
    """Log AGENT out; during a call, once it and its wrap-up have ended."""
    _send(config_path, token_file, as_json, f"{name} logs out", "logout", agent=name)


@agent.command()
@_common
def ready(config_path: str, name: str, token_file: str | None, as_json: bool) -> None:
    """End AGENT's wrap-up or break: available for calls."""
    _send(config_path, token_file, as_json, f"{name} is ready", "ready", agent=name)


@agent.command("break")
@_common
@click.option("--reason", default=None, help="One of the campaign's break_reasons.")
def take_break(config_path: str, name: str, reason: str | None, token_file: str | None, as_json: bool) -> None:
    """Send AGENT on a break; during a call, after its wrap-up."""
    _send(config_path, token_file, as_json, f"{name} goes on a break", "break", agent=name, reason=reason)


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"'{value[:40]}' is no time; allowed: 2026-11-21T17:30 with or without +01:00"
        ) from None
    return moment.isoformat()  # without an offset, the contact's zone is meant: the dialer knows it


def _fields(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for pair in values:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"'{pair[:40]}' is no KEY=VALUE")
        fields[key] = value
    return fields


@agent.command()
@_common
@click.argument("code")
@click.option("--call", help="Id of the call. Default: the agent's current or last one.")
@click.option(
    "--callback-at",
    callback=_moment,
    help="When: 2026-11-21T17:30 where the contact lives, or with an offset: 2026-11-21T17:30+01:00.",
)
@click.option("--personal/--shared", default=None, help="Whether the callback is bound to this agent.")
@click.option("--note", help="One line for the history.")
@click.option(
    "--field", "fields", multiple=True, callback=_fields, metavar="KEY=VALUE", help="A field, e.g. of a sale."
)
@click.option("--stay", is_flag=True, help="Stay in wrap-up.")
def dispose(
    config_path: str,
    name: str,
    code: str,
    call: str | None,
    callback_at: str | None,
    personal: bool | None,
    note: str | None,
    fields: dict[str, str],
    stay: bool,
    token_file: str | None,
    as_json: bool,
) -> None:
    """Code AGENT's current or last call with CODE, one of the campaign's dispositions."""
    arguments: dict[str, Any] = {
        "call": call,
        "callback_at": callback_at,
        "personal": personal,
        "note": note,
        "fields": fields or None,
        "ready": not stay,
    }
    _send(
        config_path, token_file, as_json, f"call of {name} coded {code}", "dispose", agent=name, code=code, **arguments
    )


@agent.command()
@_common
def hangup(config_path: str, name: str, token_file: str | None, as_json: bool) -> None:
    """End the call of AGENT's customer; wrap-up begins."""
    _send(config_path, token_file, as_json, f"{name} hangs up", "hangup", agent=name)


@agent.command("hand-over")
@_common
@click.argument("to", metavar="COLLEAGUE")
def hand_over(config_path: str, name: str, to: str, token_file: str | None, as_json: bool) -> None:
    """Hand AGENT's live call to COLLEAGUE, who must be available."""
    if name == to:
        raise Failure(f"{name} cannot hand a call over to {name}; name a colleague", code="invalid", exit_code=2)
    _send(config_path, token_file, as_json, f"call of {name} handed to {to}", "hand_over", agent=name, to=to)


@agent.command()
@_common
def preview(config_path: str, name: str, token_file: str | None, as_json: bool) -> None:
    """Show AGENT the next contact (preview and manual modes)."""
    _send(config_path, token_file, as_json, f"next contact of {name}", "preview", agent=name)


@agent.command()
@_common
@click.argument("number", required=False)
def dial(config_path: str, name: str, number: str | None, token_file: str | None, as_json: bool) -> None:
    """Dial the contact shown to AGENT, or in manual mode NUMBER."""
    _send(config_path, token_file, as_json, f"dialing for {name}", "dial", agent=name, number=number)


@agent.command()
@_common
def skip(config_path: str, name: str, token_file: str | None, as_json: bool) -> None:
    """Put the contact shown to AGENT back."""
    _send(config_path, token_file, as_json, f"contact of {name} put back", "skip", agent=name)
