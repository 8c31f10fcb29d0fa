"""`dialer import`: contact lists into the store, with progress and a report. A running dialer sees them at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dialer.cli.output import Failure, config_argument, json_option, print_json, show, table

if TYPE_CHECKING:
    from dialer.config.build import BuiltCampaign
    from dialer.config.model import ConfigFile
    from dispositions.importer import ImportReport, ListSpec


@click.command("import")
@config_argument
@click.argument("file", required=False)
@click.option("--list", "list_name", help="Only this list of the config; needed with FILE when there are several.")
@json_option
def import_list(config_path: str, file: str | None, list_name: str | None, as_json: bool) -> None:
    """Import the contact lists and do-not-call files that CONFIG names, or FILE into one of the lists.

    Importing a file twice adds nothing. Rows that are refused go to FILE.rejects.csv, each with line and reason.
    """
    from dialer.cli.stores import opened
    from dialer.config.build import build_campaigns
    from dialer.config.load import load
    from dispositions.importer import import_csv
    from dispositions.register import import_do_not_call

    config = load(config_path, outside=False)
    campaigns = build_campaigns(config)
    wanted = _wanted(config.file, campaigns, list_name, file)

    reports: list[tuple[str, str, ImportReport]] = []
    at = time.time()
    with opened(config.file.store.url, (c.policy for c in campaigns.values()), create=True) as store:
        for name, marks in config.file.do_not_call.items() if file is None and list_name is None else ():
            with progress(f"do not call: {name}", as_json) as tell:
                done = import_do_not_call(
                    store,
                    name,
                    Path(marks.path),
                    at,
                    region=marks.region,
                    column=marks.column,
                    replaces=marks.replaces,
                    progress=tell,
                )
            reports.append(("(do not call)", name, done))
        for campaign, spec in wanted:
            with progress(f"{campaign}: {spec.name}", as_json) as tell:
                reports.append((campaign, spec.name, import_csv(store, campaign, spec, at, tell, apart=True)))
    if as_json:
        print_json([_json(campaign, name, report) for campaign, name, report in reports])
    else:
        _show(reports)


def _wanted(
    config: ConfigFile, campaigns: Mapping[str, BuiltCampaign], list_name: str | None, file: str | None
) -> list[tuple[str, ListSpec]]:
    """(campaign, list) for each import that was asked for."""
    from dialer.config.build import list_spec

    lists = config.lists
    if list_name is not None and list_name not in lists:
        known = ", ".join(sorted(lists))
        raise Failure(f"there is no list '{list_name}'; the config has: {known}", code="unknown_list", exit_code=2)
    if file is not None and list_name is None:
        if len(lists) > 1:
            raise Failure(f"which list is {file} for? give --list, one of: {', '.join(sorted(lists))}", exit_code=2)
        list_name = next(iter(lists))
    found = []
    for campaign, unit in campaigns.items():
        for name in unit.table.lists:
            if list_name not in (None, name):
                continue
            listed = lists[name]
            if file is not None:
                listed = listed.model_copy(update={"path": str(Path(file).absolute()), "rejects": None})
            spec = list_spec(name, listed)
            if spec is not None:
                found.append((campaign, spec))
    if list_name is not None and not found:
        what = "has no file" if any(list_name in u.table.lists for u in campaigns.values()) else "is in no campaign"
        raise Failure(f"list '{list_name}' {what}; there is nothing to import", code="nothing", exit_code=2)
    return found


@contextmanager
def progress(title: str, quiet: bool) -> Iterator[Callable[[int, int, int], None] | None]:
    """A bar on a terminal, a line now and then elsewhere; on standard error, so that output can be piped."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, rows=0, total=None)
        yield lambda rows, done, size: bar.update(task, completed=done, total=size, rows=rows)


def _lines(title: str, every: float = 5.0) -> Callable[[int, int, int], None]:
    told = time.monotonic()

    def tell(rows: int, done: int, size: int) -> None:
        nonlocal told
        if time.monotonic() - told >= every:
            told = time.monotonic()
            click.echo(f"{title}: {rows} rows, {100 * done // max(size, 1)} %", err=True)

    return tell


def _json(campaign: str, name: str, report: ImportReport) -> dict[str, Any]:
    plain = asdict(replace(report, reasons=dict(report.reasons)))
    plain["rejects_file"] = None if report.rejects_file is None else str(report.rejects_file)
    return {"campaign": campaign, "list": name, **plain}


def _show(reports: list[tuple[str, str, ImportReport]]) -> None:
    columns = ("campaign", "list", "rows #", "added #", "duplicates #", "do not call #", "rejected #", "seconds #")
    rows = [(c, n, r.rows, r.added, r.duplicates, r.do_not_call, r.rejected, f"{r.seconds:.1f}") for c, n, r in reports]
    show(table("Imported", columns, rows))
    for _, name, report in reports:
        if report.rejects_file is not None:
            why = ", ".join(f"{count} {reason}" for reason, count in sorted(report.reasons.items()))
            show(f"{name}: {report.rejected} rejected ({why}), see {report.rejects_file}")
