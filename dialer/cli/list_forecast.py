"""`dialer list forecast`: when a campaign's contacts run out, and how many come due in each hour."""

from __future__ import annotations

import time
from typing import Any

import click

from dialer.cli.output import config_argument, json_option, print_json, seconds, show, table, when


@click.command()
@config_argument
@click.option("--campaign", help="Only this campaign.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Calls an open hour. Default: as of late.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="Look so far ahead.")
@click.option("--hours", type=click.IntRange(1, 168), default=12, show_default=True, help="Show so many hours.")
@json_option
def forecast(config_path: str, campaign: str | None, rate: float | None, days: int, hours: int, as_json: bool) -> None:
    """Say when the contacts of each campaign of CONFIG run out: at the present rate of calls, with what comes back
    (retries, callbacks) and within calling hours."""
    from dialer.cli.list_store import campaigns_of

    at = time.time()
    found: dict[str, Any] = {}
    with campaigns_of(config_path, campaign) as (_, campaigns, store), store.read() as view:
        for name in campaigns:
            ahead = view.forecast(name, at, rate=rate, days=days)
            found[name] = {
                "rate": round(ahead.rate, 1),
                "dry_at": ahead.dry_at,
                "calls": round(ahead.calls),
                "days": days,
                "hours": [
                    {"at": h.at, "due": round(h.due), "calls": round(h.calls), "left": round(h.left)}
                    for h in ahead.hours[:hours]
                ],
                "due_by_hour": [{"at": when, "contacts": n} for when, n in view.due_by_hour(name, at, hours)],
            }
    if as_json:
        print_json(found)
        return
    for name, ahead in found.items():
        show(f"{name}: {in_words(ahead, at)}")
        _hours(name, ahead)


def in_words(ahead: dict[str, Any], at: float) -> str:
    """One line."""

    if not ahead["rate"]:
        return "no calls of late, so no forecast; give a rate with --rate"
    pace = f"at {ahead['rate']:g} calls an hour"
    if ahead["dry_at"] is None:
        return f"{pace} the contacts last longer than {ahead['days']} days"
    left = seconds(max(0.0, ahead["dry_at"] - at)) or "0 s"
    dry = when(ahead["dry_at"], "minutes")
    return f"{pace} the contacts run out at {dry}, in {left}, after {ahead['calls']} more calls"


def _hours(name: str, ahead: dict[str, Any]) -> None:

    due = {hour["at"]: hour["contacts"] for hour in ahead["due_by_hour"]}
    rows = [
        (when(hour["at"], "minutes"), due.get(hour["at"] // 3600 * 3600, 0), hour["calls"], hour["left"])
        for hour in ahead["hours"]
    ]
    if rows:
        show(table(f"{name}: the next hours", ("hour", "already due #", "calls #", "left to call #"), rows))
