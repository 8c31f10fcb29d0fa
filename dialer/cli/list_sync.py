"""`dialer list sync`: lists and a company database in step, both ways."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any

import click

from dialer.cli.output import Failure, config_argument, json_option, print_json, show, table


@click.command()
@config_argument
@click.option("--list", "list_name", help="Only this list.")
@click.option("--in-only", is_flag=True, help="Bring changes in; send no results out.")
@json_option
def sync(config_path: str, list_name: str | None, in_only: bool, as_json: bool) -> None:
    """Bring new and changed rows of the company databases that CONFIG's lists name in, and send outcomes and
    corrections out. What was done is not done again, so run it as often as you like; the dialer may run or not."""
    from dialer.cli.list_store import campaigns_of
    from dialer.config.build import database_spec
    from dispositions.errors import SyncError
    from dispositions.sync import sync as run

    done: list[tuple[str, str, dict[str, Any]]] = []
    with campaigns_of(config_path, None) as (config, campaigns, store):
        if list_name is not None and list_name not in config.file.lists:
            known = ", ".join(sorted(config.file.lists))
            raise Failure(f"there is no list '{list_name}'; the config has: {known}", code="unknown_list", exit_code=2)
        for campaign, unit in campaigns.items():
            for name in unit.table.lists:
                listed = config.file.lists[name]
                if listed.database is None or list_name not in (None, name):
                    continue
                url = os.environ.get(listed.database.url_env, "")
                if not url:
                    text = f"set {listed.database.url_env} to the URL of the company database of list {name}"
                    raise Failure(text, code="no_url")
                spec = database_spec(name, listed, url)
                assert spec is not None
                try:
                    found = run(store, campaign, spec, time.time(), out=not in_only)
                except SyncError as error:
                    raise Failure(f"list {name}: {error}", code="sync") from None
                done.append((campaign, name, asdict(found)))
    if not done:
        raise Failure("no list has a [lists.NAME.database] table; there is nothing to do", code="nothing", exit_code=2)
    if as_json:
        print_json([{"campaign": campaign, "list": name, **report} for campaign, name, report in done])
        return
    keys = ("read", "added", "corrected", "rejected", "sent")
    rows = [(campaign, name, *(report[key] for key in keys)) for campaign, name, report in done]
    show(table("In step", ("campaign", "list", *(f"{key} #" for key in keys)), rows))
    for _, name, report in done:
        if report["reasons"]:
            show(f"{name}: rejected {', '.join(f'{n} {why}' for why, n in sorted(report['reasons'].items()))}")
