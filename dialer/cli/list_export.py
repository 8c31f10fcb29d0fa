"""`dialer list export`: the cleaned list, or what changed since a day, as CSV."""

from __future__ import annotations

from pathlib import Path

import click

from dialer.cli.output import Failure, config_argument, json_option, print_json, show


@click.command()
@config_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--campaign", help="Which campaign; not needed when CONFIG has one only.")
@click.option("--list", "lists", multiple=True, help="Only this list; may be repeated.")
@click.option("--since", metavar="DAY", help="Only contacts that were called or changed since this day.")
@json_option
def export(
    config_path: str, file: Path, campaign: str | None, lists: tuple[str, ...], since: str | None, as_json: bool
) -> None:
    """Write a campaign's contacts to FILE: state, working and retired numbers, last outcome and code, what was
    corrected and by whom, and all custom fields. Cells that a spreadsheet would run are disarmed."""
    from dialer.cli.list_store import campaigns_of, instant
    from dispositions.errors import ArgumentError
    from dispositions.export import export_csv

    with campaigns_of(config_path, campaign) as (config, campaigns, store):
        if len(campaigns) > 1:
            raise Failure(f"name a campaign with --campaign: {', '.join(sorted(campaigns))}", code="which_campaign")
        name = next(iter(campaigns))
        unknown = sorted(set(lists) - set(config.file.lists) - {"api"})
        if unknown:
            raise Failure(f"there is no list '{unknown[0]}'", code="unknown_list", exit_code=2)
        try:
            count = export_csv(store, name, file, since=instant(since), lists=lists or None)
        except ArgumentError as error:
            raise Failure(str(error), code="no_export") from None
    if as_json:
        print_json({"campaign": name, "file": str(file.resolve()), "contacts": count})
    else:
        show(f"{name}: {count} contacts in {file.resolve()}")
