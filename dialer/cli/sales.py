"""`dialer sales`: list, show, retry and cancel sales. From the store when no dialer runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from dialer.cli.client import Daemon, token_option
from dialer.cli.output import Failure, config_argument, json_option, print_json, seconds, show, table, when
from dialer.config.secret import printable


@click.group()
def sales() -> None:
    """Where each sale is, and what its steps came to."""


@sales.command("list")
@config_argument
@click.option("--campaign", help="Only of this campaign.")
@click.option("--state", "states", multiple=True, help="Only in this state; may be given several times.")
@click.option("--agent", help="Only of this agent.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--before", type=int, help="Only sales older than this id.")
@token_option
@json_option
def list_sales(
    config_path: str,
    campaign: str | None,
    states: tuple[str, ...],
    agent: str | None,
    limit: int,
    before: int | None,
    token_file: str | None,
    as_json: bool,
) -> None:
    """Newest first. States: queued, started, undoing, done, rejected, compensated, cancelled, failed, withdrawn."""

    def from_store(view: Any) -> dict[str, Any]:
        from dialer.sale_desk import sale_card
        from dispositions import sale

        found = sale.many(view, campaign=campaign, states=states, agent=agent, limit=limit, after_id=before)
        return {"sales": [sale_card(record) for record in found]}

    asked = {"campaign": campaign, "states": list(states), "agent": agent, "limit": limit, "before": before}
    result = _ask(config_path, token_file, "sales", asked, from_store)
    if as_json:
        print_json(result)
        return
    rows = [
        (
            card["sale"], card["campaign"], card["state"], card["step"], card["agent"], when(card["queued_at"]),
            _took(card), card["reason"],
        )
        for card in result["sales"]
    ]  # fmt: skip
    show(table("Sales", ("sale#", "campaign", "state", "step", "agent", "queued", "took", "reason"), rows))


@sales.command("show")
@config_argument
@click.argument("sale_id", metavar="SALE", type=int)
@token_option
@json_option
def show_sale(config_path: str, sale_id: int, token_file: str | None, as_json: bool) -> None:
    """One sale: what was sold, and what each step came to."""

    def from_store(view: Any) -> dict[str, Any]:
        from dialer.sale_desk import sale_card
        from dispositions import sale
        from dispositions.sale import UnknownSale

        try:
            return sale_card(sale.one(view, sale_id), whole=True)
        except UnknownSale as error:
            raise Failure(str(error), code="unknown_sale") from None

    card = _ask(config_path, token_file, "sale", {"sale": sale_id}, from_store)
    if as_json:
        print_json(card)
        return
    show(
        f"sale {card['sale']} in {card['campaign']}: {card['state']}" + (f", at {card['step']}" if card["step"] else "")
    )
    if card["reason"]:
        show(printable(f"  {card['reason']}"))
    show(f"  agent {card['agent']}, number {card['number']}, queued {when(card['queued_at'])}, took {_took(card)}")
    for name, value in card["fields"].items():
        show(printable(f"  {name}: {value}"))
    rows = [
        (
            step["phase"], step["step"], step["result"], step["tries"], seconds(step["seconds"]), step["reason"],
            ", ".join(f"{name} {value}" for name, value in step["kept"].items()), when(step["at"]),
        )
        for step in card["steps"]
    ]  # fmt: skip
    if rows:
        show(table("Steps", ("phase", "step", "result", "tries#", "took", "reason", "kept", "at"), rows))


@sales.command("retry")
@config_argument
@click.argument("sale_id", metavar="SALE", type=int)
@token_option
@json_option
def retry(config_path: str, sale_id: int, token_file: str | None, as_json: bool) -> None:
    """Queue an ended sale again: anew, or, when undoing had failed, to go on undoing."""
    _told(Daemon(config_path, token_file).command("retry_sale", sale=sale_id), as_json)


@sales.command("cancel")
@config_argument
@click.argument("sale_id", metavar="SALE", type=int)
@token_option
@json_option
def cancel(config_path: str, sale_id: int, token_file: str | None, as_json: bool) -> None:
    """Take a sale back: at once while it is queued, else at its next step, where what was done is undone."""
    _told(Daemon(config_path, token_file).command("cancel_sale", sale=sale_id), as_json)


def _told(card: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(card)
    else:
        asked = ", to be taken back at its next step" if card["cancel_asked"] else ""
        show(f"sale {card['sale']} is {card['state']}{asked}")


def _ask(
    config_path: str,
    token_file: str | None,
    command: str,
    fields: dict[str, Any],
    from_store: Callable[[Any], dict[str, Any]],
) -> dict[str, Any]:
    """From the running dialer; when none runs, from the store."""
    try:
        return Daemon(config_path, token_file).command(command, **fields)
    except Failure as failure:
        if failure.code != "not_running":
            raise
    from dialer.cli.stores import opened
    from dialer.config.load import load

    with opened(load(config_path, outside=False).file.store.url, ()) as store, store.read() as view:
        return from_store(view)


def _took(card: dict[str, Any]) -> str:
    """From the queue to the end, or until now."""
    if card["state"] in ("withdrawn",):
        return ""
    return seconds((card["ended_at"] or time.time()) - card["queued_at"])
