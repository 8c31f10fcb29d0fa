"""Commands of a supervisor to a running dialer: reload, pause, resume, add-contacts, dnc."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dialer.cli.client import Daemon, token_option
from dialer.cli.output import Failure, config_argument, json_option, print_json, show
from dialer.cli.records import Entry, in_words, read_contacts, read_numbers, write_rejects
from dialer.config.list_tables import ColumnsTable
from dialer.config.secret import printable
from dispositions.csvfile import Fault

BATCH = 1000
NUMBERS_BATCH = 10_000
#: Refused rows that are told one by one; the rejects file has all.
SHOWN = 10


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
    daemon = Daemon(config_path, token_file, judge=True)
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
) -> int:
    """Add contacts to CAMPAIGN while it runs; the next decision can dial them.

    FILE is JSON (an array of objects), JSON Lines, or CSV with a header; - is standard input. A CSV is read like the
    files of the list named (else of the campaign's first one): its columns, any delimiter, any encoding. In JSON each
    contact has a `number` (or `numbers`), may have `id`, `name`, `timezone`, `priority`, and further fields. What is
    refused is told line by line and written to FILE.rejects.csv; the rest is taken. Sending a contact twice adds it
    once.
    """
    if (file is None) == (not numbers):
        raise click.UsageError("Give either FILE or --number.")
    daemon = Daemon(config_path, token_file)
    entries: list[Entry | Fault] = [Entry(n, {"number": text}, text) for n, text in enumerate(numbers, 1)]
    if file is not None:
        form = daemon.form(campaign, list_name)
        columns = ColumnsTable() if form is None else form.columns
        delimiter, encoding = (None, None) if form is None else (form.delimiter, form.encoding)
        entries = read_contacts(file, columns, delimiter, encoding)
    good = [entry for entry in entries if isinstance(entry, Entry)]
    refused = [entry for entry in entries if isinstance(entry, Fault)]
    if not good:
        why = f": line {refused[0].line}: {in_words(refused[0].reason)}" if refused else ""
        raise Failure(f"{file}: there is no contact in it{why}", code="invalid")
    totals: dict[str, Any] = {"added": 0, "results": []}
    for start in range(0, len(good), BATCH):
        batch = good[start : start + BATCH]
        sent = [entry.value for entry in batch]
        result = daemon.command("add_contacts", campaign=campaign, list_name=list_name, contacts=sent)
        for entry, said in zip(batch, result.get("results") or [], strict=False):
            totals["results"].append({"line": entry.line, **said})
            if said.get("status") == "rejected":
                refused.append(Fault(entry.line, str(said.get("reason", "refused")), entry.text))
        for key, value in result.items():
            if isinstance(value, int) and not isinstance(value, bool):
                totals[key] = totals.get(key, 0) + value
    refused.sort(key=lambda fault: fault.line)
    totals["refused"] = _refusals(refused)
    totals["rejects_file"] = _rejects(file, refused)
    totals.pop("rejected", None)
    counts = ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in totals.items() if isinstance(value, int))
    _tell(totals, as_json, f"{counts}, refused: {len(refused)}" if refused else counts)
    _tell_refused(refused, totals["rejects_file"], as_json)
    return 1 if len(refused) == len(entries) else 0


def _refusals(faults: list[Fault]) -> list[dict[str, Any]]:
    return [{"line": fault.line, "reason": fault.reason, "row": fault.text.strip()[:200]} for fault in faults]


def _rejects(file: str | None, faults: list[Fault]) -> str | None:
    """Where the refused rows of a file were written; those of standard input are only told."""
    if file in (None, "-") or not faults:
        return None
    target = Path(f"{file}.rejects.csv")
    write_rejects(target, faults)
    return str(target)


def _tell_refused(faults: list[Fault], target: str | None, as_json: bool) -> None:
    if as_json:
        return
    for fault in faults[:SHOWN]:
        click.echo(printable(f"line {fault.line}: {in_words(fault.reason)}: {fault.text.strip()[:80]}"), err=True)
    if len(faults) > SHOWN:
        click.echo(f"and {len(faults) - SHOWN} more", err=True)
    if target is not None:
        click.echo(f"refused rows: {printable(target)}", err=True)


@click.group()
def dnc() -> None:
    """Do-not-call marks of a running dialer."""


@dnc.command("add")
@config_argument
@click.argument("numbers", nargs=-1)
@click.option("--file", help="File with one number a line, or a CSV (see --column); - is standard input.")
@click.option("--column", help="The column of --file that holds the numbers; its first line is a header then.")
@click.option("--project", help="Only the campaigns of this project are bound; without it all of them.")
@click.option("--source", default=None, help="Where the wish came from, for the history.")
@token_option
@json_option
def dnc_add(
    config_path: str,
    numbers: tuple[str, ...],
    file: str | None,
    column: str | None,
    project: str | None,
    source: str | None,
    token_file: str | None,
    as_json: bool,
) -> int:
    """Never call NUMBERS again, from the next call on.

    A number that cannot be read is told with its line, the others are marked; the command then ends with 1.
    """
    entries: list[Entry | Fault] = [Entry(n, text, text) for n, text in enumerate(numbers, 1)]
    if file:
        entries += read_numbers(file, column)
    if not entries:
        raise click.UsageError("Give NUMBERS or --file.")
    good = [entry for entry in entries if isinstance(entry, Entry)]
    refused = [entry for entry in entries if isinstance(entry, Fault)]
    daemon = Daemon(config_path, token_file)
    added = 0
    for start in range(0, len(good), NUMBERS_BATCH):
        batch = good[start : start + NUMBERS_BATCH]
        sent = [entry.value for entry in batch]
        part = daemon.command("do_not_call", numbers=sent, source=source, project=project)
        added += int(part.get("added") or 0)
        for said in part.get("refused") or []:
            entry = batch[int(said["index"])]
            refused.append(Fault(entry.line, str(said["reason"]), entry.text))
    refused.sort(key=lambda fault: fault.line)
    target = _rejects(file, refused)
    marked = len(entries) - len(refused)
    result = {"added": added, "marked": marked, "refused": _refusals(refused), "rejects_file": target}
    _tell(
        result,
        as_json,
        f"{marked} {'number is' if marked == 1 else 'numbers are'} never called again"
        f"{f' for project {project}' if project else ''}, {added} of them new",
    )
    _tell_refused(refused, target, as_json)
    return 1 if refused else 0
