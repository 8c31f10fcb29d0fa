"""What supervisors and company systems may ask about sales: list, show, retry, cancel. The sale process does the rest:
it reads the store, so these work whether or not it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from dialer import commands as c
from dialer.card_number import masked_values
from dialer.commands import CommandError
from dialer.services import Services
from dispositions import sale
from dispositions.sale import SaleNotMovable, SaleRecord, SaleState, UnknownSale


class HasServices(Protocol):
    """The desk, as far as this needs it."""

    services: Services


def sale_card(record: SaleRecord, *, whole: bool = False) -> dict[str, Any]:
    """A sale as JSON; `whole`: with what was sold and what each step came to; of card numbers the last four digits."""
    card: dict[str, Any] = {
        "sale": record.sale_id, "campaign": record.campaign, "state": str(record.state), "step": record.step,
        "reason": record.reason, "agent": record.agent, "number": record.number, "call": record.attempt_id,
        "contact": record.contact_id, "queued_at": record.queued_at, "started_at": record.started_at,
        "ended_at": record.ended_at, "cancel_asked": record.asked == "cancel",
    }  # fmt: skip
    if whole:
        card["fields"] = masked_values(record.fields)
        card["run"], card["starts"] = record.run, record.starts
        card["steps"] = [
            {
                "step": step.name, "phase": step.phase, "result": step.result, "reason": step.reason,
                "kept": masked_values(step.kept), "tries": step.tries, "seconds": round(step.seconds, 3), "at": step.at,
            }
            for step in record.steps
        ]  # fmt: skip
    return card


async def list_sales(desk: HasServices, command: c.SaleList) -> dict[str, Any]:
    """Newest first; `before` pages on."""
    unknown = [state for state in command.states if state not in set(SaleState)]
    if unknown:
        raise CommandError("invalid", f"states: {unknown[0]!r} is not one of {', '.join(SaleState)}")
    found = await desk.services.ledger.read(
        lambda view: sale.many(
            view, campaign=command.campaign, states=command.states, agent=command.agent, limit=command.limit,
            after_id=command.before,
        )
    )  # fmt: skip
    return {"sales": [sale_card(record) for record in found]}


async def show_sale(desk: HasServices, command: c.SaleShow) -> dict[str, Any]:
    """One with all its steps."""
    try:
        record = await desk.services.ledger.read(lambda view: sale.one(view, command.sale))
    except UnknownSale as error:
        raise CommandError("unknown_sale", str(error)) from None
    return sale_card(record, whole=True)


async def retry_sale(desk: HasServices, command: c.SaleRetry) -> dict[str, Any]:
    """Back into the queue."""
    return await _move(desk, command.sale, sale.retry)


async def cancel_sale(desk: HasServices, command: c.SaleCancel) -> dict[str, Any]:
    """Taken back, now or at its next step."""
    return await _move(desk, command.sale, sale.cancel)


async def _move(desk: HasServices, key: int, move: Callable[..., SaleState]) -> dict[str, Any]:
    at = desk.services.clock.at()
    try:
        await desk.services.ledger.write(lambda tx: move(tx, key, at))
        record = await desk.services.ledger.read(lambda view: sale.one(view, key))
    except UnknownSale as error:
        raise CommandError("unknown_sale", str(error)) from None
    except SaleNotMovable as error:
        raise CommandError("wrong_state", str(error)) from None
    return sale_card(record)


HANDLERS: Mapping[type, Callable[[Any, Any], Awaitable[dict[str, Any]]]] = {
    c.SaleList: list_sales,
    c.SaleShow: show_sale,
    c.SaleRetry: retry_sale,
    c.SaleCancel: cancel_sale,
}
