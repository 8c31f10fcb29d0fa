"""Commands of a supervisor to a running dialer: reload, pause, resume, add-contacts, dnc."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from dialer.cli.client import Daemon, token_option
from dialer.cli.output import Failure, config_argument, json_option, print_json, show

BATCH = 1000
NUMBERS_BATCH = 10_000
MAX_FILE = 256 * 1024 * 1024


def _tell(result: dict[str, Any], as_json: bool, done: str) -> None:
    if as_json:
        print_json(result)
    else:
        show(done)


@click.command()
@config_argument
@token_option
@json_option
def reload(config_path: str, token_file: str | None, as_json: bool) -> None:
    """Make the running dialer read its config file again. A bad file changes nothing."""
    daemon = Daemon(config_path, token_file, sound=True)
    result = daemon.command("reload")
    changed = result.get("changed") or result.get("applied") or []
    waiting = result.get("needs_restart") or []
    text = f"reloaded: {', '.join(map(str, changed))}" if changed else "reloaded: nothing changed"
    if waiting:
        text += f"; only after a restart: {', '.join(map(str, waiting))}"
    _tell(result, as_json, text)


@click.command()
@config_argument
@click.argument("campaign")
@token_option
@json_option
def pause(config_path: str, campaign: str, token_file: str | None, as_json: bool) -> None:
    """Place no more calls in CAMPAIGN; calls in progress go on."""
    _tell(Daemon(config_path, token_file).command("pause", campaign=campaign), as_json, f"{campaign} is paused")


@click.command()
@config_argument
@click.argument("campaign")
@token_option
@json_option
def resume(config_path: str, campaign: str, token_file: str | None, as_json: bool) -> None:
    """Dial again in CAMPAIGN."""
    _tell(Daemon(config_path, token_file).command("resume", campaign=campaign), as_json, f"{campaign} dials again")


@click.command("add-contacts")
@config_argument
@click.argument("campaign")
@click.argument("file", metavar="[FILE|-]", required=False)
@click.option("--number", "numbers", multiple=True, help="A number to add; may be repeated.")
@click.option("--list", "list_name", default=None, help="List that the contacts join. Default: api.")
@token_option
@json_option
def add_contacts(
    config_path: str,
    campaign: str,
    file: str | None,
    numbers: tuple[str, ...],
    list_name: str | None,
    token_file: str | None,
    as_json: bool,
) -> None:
    """Add contacts to CAMPAIGN while it runs; the next decision can dial them.

    FILE is JSON (an array of objects), JSON Lines, or CSV with a header; - is standard input. Each contact has a
    `number`, may have `id`, `name`, `timezone`, `priority`, and further fields. Sending one twice adds it once.
    """
    if (file is None) == (not numbers):
        raise click.UsageError("Give either FILE or --number.")
    contacts: Iterator[dict[str, Any]] = iter([{"number": number} for number in numbers])
    if file is not None:
        contacts = iter(_records(file))
    daemon = Daemon(config_path, token_file)
    totals: dict[str, Any] = {}
    sent = 0
    while batch := list(islice(contacts, BATCH)):
        result = daemon.command("add_contacts", campaign=campaign, list_name=list_name, contacts=batch)
        sent += len(batch)
        for key, value in result.items():
            if isinstance(value, int) and not isinstance(value, bool):
                totals[key] = totals.get(key, 0) + value
            elif isinstance(value, list):
                totals.setdefault(key, []).extend(value)
            else:
                totals[key] = value
    if not sent:
        raise Failure(f"{file}: there is no contact in it", code="invalid")
    counts = ", ".join(f"{key}: {value}" for key, value in totals.items() if isinstance(value, int))
    _tell(totals, as_json, counts or f"sent: {sent}")


def _read(file: str) -> str:
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_FILE + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise Failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}", code="no_file") from None
    if len(data) > MAX_FILE:
        raise Failure(f"{file} is larger than {MAX_FILE >> 20} MB; use `dialer import`", code="too_large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{file} is not UTF-8; `dialer import` reads other encodings", code="invalid") from None


def _records(file: str) -> list[dict[str, Any]]:
    text = _read(file)
    start = text.lstrip()[:1]
    try:
        if start == "[":
            records = json.loads(text)
        elif start == "{":
            records = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            records = [
                {key: value for key, value in row.items() if key and value}
                for row in csv.DictReader(text.splitlines(), strict=True)
            ]
    except (ValueError, RecursionError) as error:
        raise Failure(f"{file} is not JSON: {error}", code="invalid") from None
    except csv.Error as error:
        raise Failure(f"{file} is not CSV: {error}", code="invalid") from None
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise Failure(f"{file}: entry {index + 1} is not an object with a number", code="invalid")
    return list(records)


@click.group()
def dnc() -> None:
    """Do-not-call marks of a running dialer."""


@dnc.command("add")
@config_argument
@click.argument("numbers", nargs=-1)
@click.option("--file", help="File with one number a line; - is standard input.")
@click.option("--source", default=None, help="Where the wish came from, for the history.")
@token_option
@json_option
def dnc_add(
    config_path: str,
    numbers: tuple[str, ...],
    file: str | None,
    source: str | None,
    token_file: str | None,
    as_json: bool,
) -> None:
    """Never call NUMBERS again, from the next call on."""
    wanted = [*numbers, *([line.strip() for line in _read(file).splitlines() if line.strip()] if file else [])]
    if not wanted:
        raise click.UsageError("Give NUMBERS or --file.")
    daemon = Daemon(config_path, token_file)
    result: dict[str, Any] = {}
    for start in range(0, len(wanted), NUMBERS_BATCH):
        part = daemon.command("do_not_call", numbers=wanted[start : start + NUMBERS_BATCH], source=source)
        for key, value in part.items():
            adds = isinstance(value, int) and not isinstance(value, bool)
            result[key] = result.get(key, 0) + value if adds else value
    _tell(result, as_json, f"{len(wanted)} numbers are never called again")
