"""The lists and do-not-call files that the config names, brought into the store before dialing begins.

Both are idempotent: a file that was imported before adds nothing, so every start reads them again and finds what was
appended since. The do-not-call files come first, so that no contact of them is ever ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from dialer.clock import Clock
from dialer.config.build import Built, list_spec
from dialer.events import ContactsAdded, EventStream
from dialer.registers import take_file
from dispositions import ImportReport, ListSpec, Store, import_csv
from dispositions.withholding import review_campaign

log = structlog.get_logger("lists")

#: Rows between two lines of progress.
SAY_EVERY = 100_000


def wanted_lists(built: Built) -> Iterator[tuple[str, ListSpec]]:
    """(campaign, list) for every file that the config names."""
    for name, campaign in built.campaigns.items():
        for listed in campaign.table.lists:
            spec = list_spec(listed, built.file.lists[listed])
            if spec is not None:
                yield name, spec


async def import_lists(built: Built, store: Store, clock: Clock, stream: EventStream) -> None:
    """Bring everything in; progress and a summary of each file go to the log. Raises DispositionsErrors."""
    for name in built.campaigns:
        moved = await asyncio.to_thread(review_campaign, store, name, clock.at())
        if moved:
            log.info("filter or consent rule changed", campaign=name, contacts_moved=moved)
    for name, table in built.file.do_not_call.items():
        report = await take_file(store, name, table, clock.at(), _progress(Path(table.path)))
        log.info("do-not-call file read", list=name, rows=report.rows, new=report.added, rejected=report.rejected)
    for campaign, spec in wanted_lists(built):
        report = await asyncio.to_thread(
            import_csv, store, campaign, spec, clock.at(), _progress(spec.path), apart=True
        )
        _tell(campaign, spec, report)
        stream.publish(
            ContactsAdded(
                at=clock.at(), campaign=campaign, list_name=spec.name, added=report.added,
                refused=report.rejected + report.do_not_call,
            )
        )  # fmt: skip


def _tell(campaign: str, spec: ListSpec, report: ImportReport) -> None:
    log.info(
        "list read", campaign=campaign, list=spec.name, rows=report.rows, added=report.added,
        duplicates=report.duplicates, do_not_call=report.do_not_call, rejected=report.rejected,
        rejects_file=str(report.rejects_file) if report.rejects_file else None, seconds=round(report.seconds, 1),
    )  # fmt: skip


def _progress(path: Path) -> Callable[[int, int, int], None]:
    said = 0

    def progress(rows: int, done: int, total: int) -> None:
        nonlocal said
        if rows - said >= SAY_EVERY:
            said = rows
            log.info("reading", file=path.name, rows=rows, percent=round(100 * done / max(1, total)))

    return progress
