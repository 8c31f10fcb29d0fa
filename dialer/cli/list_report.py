"""`dialer list report`: how good each list is and how it got better, as tables, JSON or a page with charts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dialer.cli.output import Failure, config_argument, json_option, print_json, show, table

if TYPE_CHECKING:
    from dispositions.quality import ListQuality


@click.command()
@config_argument
@click.option("--campaign", help="Only this campaign.")
@click.option("--since", metavar="DAY", help="Calls and changes since this day only, e.g. 2026-03-31.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with charts to this file.")
@json_option
def report(config_path: str, campaign: str | None, since: str | None, html: Path | None, as_json: bool) -> None:
    """Show, for each list of CONFIG: how many of its people were reached, which numbers were retired, corrected or
    added, what was a duplicate, and at which hours people answer."""
    from dialer.cli.list_store import campaigns_of, instant
    from dispositions.quality import to_dict

    start = instant(since) or 0.0
    found: dict[str, list[ListQuality]] = {}
    with campaigns_of(config_path, campaign) as (_, campaigns, store), store.read() as view:
        for name in campaigns:
            found[name] = view.quality(name, start)
    if html is not None:
        from dialer.report.lists import render

        try:
            html.write_text(render(found), encoding="utf-8")
        except OSError as error:
            raise Failure(f"{html}: {error.strerror}", code="no_report") from None
    if as_json:
        print_json({name: to_dict(lists) for name, lists in found.items()})
        return
    for name, lists in found.items():
        _show(name, lists)
    if html is not None:
        show(f"report: {html.resolve()}")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _show(campaign: str, lists: list[ListQuality]) -> None:
    rows: list[tuple[object, ...]] = [
        (
            one.name, one.total, one.contacts.get("open", 0), one.tried, one.reached,
            _percent(one.reachable) if one.tried else "–",
            sum(one.numbers.values()), one.numbers.get("bad", 0), one.changes.get("number_added", 0),
            one.changes.get("field", 0), one.imported.get("duplicates", ""), one.imported.get("rejected", ""),
        )
        for one in lists
    ]  # fmt: skip
    columns = (
        "list", "contacts #", "to call #", "called #", "reached #", "reachable #", "numbers #", "retired #", "added #",
        "corrected #", "duplicates #", "rejected #",
    )  # fmt: skip
    show(table(f"Lists of {campaign}", columns, rows))
    hours = [
        (one.name, f"{rate.at}:00", rate.calls, rate.persons, _percent(rate.share))
        for one in lists
        for rate in one.by_hour
    ]
    if hours:
        show(table("Answered by hour of the day", ("list", "hour", "calls #", "answered #", "share #"), hours))
