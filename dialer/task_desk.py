"""What the company's systems ask about their tasks: what became of one, corrections, taking back, and what has changed
since they last looked. Part of `Desk`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from dialer import commands as c
from dialer.commands import CommandError
from dialer.engine import Engine
from dialer.services import Services
from dispositions import ReadView, UnderWay, UnknownContact, WriteTransaction, journal
from dispositions import task as tasks
from dispositions.journal import CursorTooOld, Entry


class HasEngine(Protocol):
    """The desk, as far as this needs it."""

    services: Services
    engine: Engine


def task_card(found: tasks.Task, dialable: bool, why: tuple[str, ...], next_at: float | None) -> dict[str, Any]:
    """A task as JSON. Times: epoch seconds, UTC."""
    card = found.card
    ended = [attempt for attempt in card.history if attempt.outcome is not None]
    coded = [attempt for attempt in card.history if attempt.disposition is not None]
    return {
        "id": card.external_id,
        "campaign": card.campaign,
        "list": card.list_name,
        "contact": card.contact_id,
        "state": str(card.state),
        "number": card.number,
        "numbers": [number.number for number in card.numbers],
        "fields": dict(card.fields),
        "priority": card.priority,
        "added_at": card.added_at,
        "attempts": card.attempts,
        "calls": [
            {
                "call": attempt.attempt_id, "number": attempt.number, "started_at": attempt.started_at,
                "ended_at": attempt.ended_at, "outcome": None if attempt.outcome is None else str(attempt.outcome),
                "disposition": attempt.disposition, "agent": attempt.agent, "talk_seconds": attempt.talk_seconds,
                "note": attempt.note,
            }
            for attempt in card.history
        ],
        "outcome": str(ended[-1].outcome) if ended else None,
        "disposition": coded[-1].disposition if coded else None,
        "callback": None if found.callback is None else dict(found.callback),
        "sale": dict(found.sales[-1]) if found.sales else None,
        "dialable": dialable,
        "why": list(why),
        "next_at": next_at,
    }  # fmt: skip


def change_card(entry: Entry) -> dict[str, Any]:
    """An entry of the journal as JSON: the same for those who ask and for webhooks."""
    return {
        "serial": entry.serial, "event": entry.kind, "at": entry.at, "campaign": entry.campaign,
        "id": entry.external_id, "contact": entry.contact_id, "data": entry.body,
    }  # fmt: skip


def _campaign(desk: HasEngine, name: str) -> str:
    if name not in desk.engine.units:
        raise CommandError("unknown_campaign", f"campaign {name!r} does not run here")
    return name


async def show_task(desk: HasEngine, command: c.TaskShow) -> dict[str, Any]:
    """One, with its calls."""
    name, at = _campaign(desk, command.campaign), desk.services.clock.at()

    def look(view: ReadView) -> dict[str, Any]:
        found = tasks.task(view, name, command.id)
        verdict = view.why(found.card.contact_id, at)
        return task_card(found, verdict.dialable, verdict.reasons, verdict.next_at)

    try:
        return await desk.services.ledger.read(look)
    except UnknownContact as error:
        raise CommandError("unknown_task", str(error)) from None


async def update_task(desk: HasEngine, command: c.TaskUpdate) -> dict[str, Any]:
    """Fields, numbers, priority."""
    if not command.fields and not command.numbers and command.priority is None:
        raise CommandError("invalid", "nothing to correct: give fields, numbers or priority")
    name, at = _campaign(desk, command.campaign), desk.services.clock.at()

    def write(tx: WriteTransaction) -> int:
        key = tasks.contact_id(tx, name, command.id)
        return tx.correct(key, command.fields, command.numbers, "api", at, priority=command.priority)

    corrected = await _written(desk, write)
    return {"id": command.id, "campaign": name, "corrected": corrected}


async def withdraw_task(desk: HasEngine, command: c.TaskWithdraw) -> dict[str, Any]:
    """Nobody is called for it any more."""
    name, at = _campaign(desk, command.campaign), desk.services.clock.at()

    def write(tx: WriteTransaction) -> tuple[bool, str]:
        key = tasks.contact_id(tx, name, command.id)
        return tx.withdraw(key, "api", at), str(tx.contact(key).place.state)

    withdrawn, state = await _written(desk, write)
    return {"id": command.id, "campaign": name, "withdrawn": withdrawn, "state": state}


async def list_changes(desk: HasEngine, command: c.ChangeList) -> dict[str, Any]:
    """A page of the journal."""
    name, store = _campaign(desk, command.campaign), desk.services.ledger.store
    unknown = [kind for kind in command.kinds if kind not in journal.KINDS]
    if unknown:
        raise CommandError("invalid", f"kinds: {unknown[0]!r} is not one of {', '.join(journal.KINDS)}")
    if not store.journalling:
        raise CommandError("unavailable", "changes are not kept: set http.keep_changes in the config file")
    try:
        page = await desk.services.ledger.read(
            lambda view: journal.page(
                view, command.after, command.limit, campaigns=[name], kinds=command.kinds
            )
        )  # fmt: skip
    except CursorTooOld as error:
        text = f"{error}: ask for each task, then go on with after = {error.oldest}"
        raise CommandError("gone", text) from None
    return {"changes": [change_card(entry) for entry in page.entries], "next": page.next, "more": page.more}


async def _written(desk: HasEngine, write: Callable[[WriteTransaction], Any]) -> Any:
    try:
        return await desk.services.ledger.write(write)
    except UnknownContact as error:
        raise CommandError("unknown_task", str(error)) from None
    except UnderWay as error:
        raise CommandError("busy", str(error)) from None


HANDLERS: Mapping[type, Callable[[Any, Any], Awaitable[dict[str, Any]]]] = {
    c.TaskShow: show_task,
    c.TaskUpdate: update_task,
    c.TaskWithdraw: withdraw_task,
    c.ChangeList: list_changes,
}
