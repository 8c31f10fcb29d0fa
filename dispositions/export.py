"""The cleaned list as it leaves: a row a contact, what changed since a day, as CSV that a spreadsheet cannot run."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from dispositions import schema
from dispositions.errors import ArgumentError
from dispositions.outcome import Outcome
from dispositions.state import ContactState
from dispositions.statement import ByKeys, Statement
from dispositions.work import Work

if TYPE_CHECKING:
    from dispositions.store import Store
    from dispositions.view import ReadView

CHUNK = 2000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With one of these in front a spreadsheet takes a cell for a formula. Numbers of ours begin with a plus, and stay."""

_c, _n, _a, _ch = schema.contact.c, schema.number.c, schema.attempt.c, schema.change.c
_NEXT = Statement(
    select(_c.id)
    .where(_c.campaign_id == bindparam("campaign_id"), _c.id > bindparam("after"))
    .order_by(_c.id)
    .limit(CHUNK)
)
_NUMBERS = ByKeys(
    _n.contact_id,
    lambda condition, dialect: (
        select(_n.contact_id, _n.digits, _n.status).where(condition).order_by(_n.contact_id, _n.position)
    ),
)
_CALLS = ByKeys(
    _a.contact_id,
    lambda condition, dialect: (
        select(_a.contact_id, _a.started_at, _a.ended_at, _a.disposed_at, _a.outcome, _a.disposition, _a.agent, _a.note)
        .where(condition)
        .order_by(_a.contact_id, _a.started_at)
    ),
)
_CHANGED = ByKeys(
    _ch.contact_id,
    lambda condition, dialect: (
        select(_ch.contact_id, _ch.at, _ch.kind, _ch.subject, _ch.old, _ch.new, _ch.who)
        .where(condition)
        .order_by(_ch.contact_id, _ch.at, _ch.id)
    ),
)


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One contact as it stands. `changed_at`: its last attempt, code or change (epoch seconds); `changes`: those since
    the day asked for, in words."""

    contact_id: int
    external_id: str | None
    list_name: str
    state: ContactState
    numbers: tuple[str, ...]
    retired: tuple[str, ...]
    attempts: int
    last_outcome: Outcome | None
    last_code: str | None
    last_agent: str | None
    last_note: str | None
    last_call_at: float | None
    due_at: float | None
    changed_at: float
    changes: tuple[str, ...]
    fields: Mapping[str, Any]


COLUMNS = (
    "id", "list", "state", "number", "other_numbers", "retired_numbers", "attempts", "last_outcome", "last_code",
    "last_agent", "last_note", "last_call_at", "due_at", "changed_at", "changes",
)  # fmt: skip


def export_rows(
    view: ReadView, campaign: str, *, since: float | None = None, lists: Sequence[str] | None = None
) -> Iterator[ExportRow]:
    """The campaign's contacts, oldest first, but for erased ones; those that changed at or after `since` only, if it is
    given. Raises `UnknownCampaign`."""
    campaign_id = view.store.campaign_id(campaign)
    after = 0
    while True:
        ids = [row[0] for row in _NEXT.rows(view.connection, {"campaign_id": campaign_id, "after": after})]
        yield from _rows(view, ids, since, lists)
        if len(ids) < CHUNK:
            return
        after = ids[-1]


def rows_of(view: ReadView, contact_ids: Sequence[int], since: float | None = None) -> list[ExportRow]:
    """The same for these contacts."""
    return list(_rows(view, contact_ids, since, None))


def _rows(view: ReadView, ids: Sequence[int], since: float | None, lists: Sequence[str] | None) -> Iterator[ExportRow]:
    if not ids:
        return
    work = Work(view.connection, lambda campaign, name: view.store.slot(view.connection, campaign, name), locking=False)
    work.load_contacts(ids)
    numbers, calls, told = (
        _by_contact(query.all(view.connection, list(ids))) for query in (_NUMBERS, _CALLS, _CHANGED)
    )
    for key in ids:
        contact = work.contacts[key]
        if not contact.number or (lists is not None and contact.list_name not in lists):
            continue
        mine = calls.get(key, [])
        last = mine[-1] if mine else None
        news = told.get(key, [])
        touched = [at for call in mine for at in (call[2], call[3]) if at is not None] + [row[1] for row in news]
        changed_at = max(touched, default=0.0)
        if since is not None and changed_at < since:
            continue
        first = f"+{contact.number}"
        usable = [f"+{row[1]}" for row in numbers.get(key, []) if row[2] == "ok"]
        yield ExportRow(
            key, contact.external_id, contact.list_name, contact.place.state,
            (first, *(number for number in usable if number != first)) if first in usable else tuple(usable),
            tuple(f"+{row[1]}" for row in numbers.get(key, []) if row[2] == "bad"), contact.attempts,
            Outcome(last[4]) if last is not None and last[4] else None, last and last[5], last and last[6],
            last and last[7], last and last[1], _due(contact.place), changed_at,
            tuple(_words(row) for row in news if since is None or row[1] >= since), json.loads(contact.fields),
        )  # fmt: skip


def _by_contact(rows: Sequence[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    seen: set[Any] = set()
    for row in rows:
        mark = tuple(row)
        if mark not in seen:  # a key is repeated to fill a statement up
            seen.add(mark)
            found.setdefault(row[0], []).append(row)
    return found


def _due(place: Any) -> float | None:
    return place.when if place.state in (ContactState.WAITING, ContactState.CALLBACK) else None


def _words(row: Any) -> str:
    _, at, kind, subject, old, new, who = row
    what = f"{kind} {subject or ''}".strip()
    move = f": {old or ''} -> {new or ''}" if old or new else ""
    return f"{_when(at)[:10]} {what}{move} ({who})"


def _when(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def guarded(cell: Any) -> str:
    """A cell that no spreadsheet runs: one that would begin a formula gets an apostrophe in front."""
    text = "" if cell is None else cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
    text = text.replace("\x00", "")
    if text.startswith(FORMULA) and not (text[0] == "+" and text[1:].isascii() and text[1:].isdigit()):
        return f"'{text}"
    return text


def cells(row: ExportRow, fields: Sequence[str]) -> list[str]:
    """The row as text, guarded, `fields` at its end."""
    plain = (
        row.external_id, row.list_name, str(row.state), row.numbers[0] if row.numbers else "",
        " ".join(row.numbers[1:]), " ".join(row.retired), str(row.attempts),
        str(row.last_outcome) if row.last_outcome else "", row.last_code, row.last_agent, row.last_note,
        _when(row.last_call_at), _when(row.due_at), _when(row.changed_at or None), "; ".join(row.changes),
    )  # fmt: skip
    several = (4, 5)  # numbers of ours, parted by blanks
    return [c or "" if n in several else guarded(c) for n, c in enumerate(plain)] + [
        guarded(row.fields.get(name)) for name in fields
    ]


def export_csv(
    store: Store, campaign: str, path: Path, *, since: float | None = None, lists: Sequence[str] | None = None
) -> int:
    """Write the campaign's cleaned contacts to `path`, which appears when it is whole; how many. Custom fields are the
    last columns. Reads one snapshot twice: once for the names of the fields. Raises `ArgumentError` when the file
    cannot be written, `UnknownCampaign`, `StoreUnavailable`."""
    part = path.with_name(f"{path.name}.part")
    count = 0
    try:
        with store.read() as view, part.open("w", encoding="utf-8", newline="") as file:
            names: dict[str, None] = {}
            for row in export_rows(view, campaign, since=since, lists=lists):
                names.update(dict.fromkeys(row.fields))
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, *(guarded(name) for name in names)])
            for row in export_rows(view, campaign, since=since, lists=lists):
                writer.writerow(cells(row, list(names)))
                count += 1
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ArgumentError(f"{path}: {error.strerror}") from error
    return count
