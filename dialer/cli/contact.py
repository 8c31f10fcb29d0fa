"""`dialer contact`: a number's history, and why it is or is not dialable. From the store when no dialer runs."""

from __future__ import annotations

import time
from typing import Any

import click

from dialer.cli.client import Daemon, token_option
from dialer.cli.output import Failure, config_argument, json_option, print_json, seconds, show, table, when


@click.command()
@config_argument
@click.argument("number")
@click.option(
    "--priority", type=click.IntRange(-1_000_000, 1_000_000), help="Give it this priority; higher is called first."
)
@click.option("--erase", is_flag=True, help="Forget the person; only the do-not-call mark stays. Cannot be undone.")
@click.option("--yes", is_flag=True, help="With --erase: do not ask.")
@token_option
@json_option
def contact(
    config_path: str, number: str, priority: int | None, erase: bool, yes: bool, token_file: str | None, as_json: bool
) -> None:
    """Show NUMBER's state, its history, and why it is or is not dialable now.

    Asks the running dialer; when none runs, uses the store. --priority needs a running one. With --erase name, fields,
    notes, numbers and history's personal parts are deleted in every campaign, and the number is never called again; its
    rows leave the rejects files of the lists, and places that this command does not reach are named.
    """
    if erase and priority is not None:
        raise click.UsageError("Give either --erase or --priority.")
    if priority is not None:
        _rank(config_path, number, priority, token_file, as_json)
        return
    if erase:
        _erase(config_path, number, yes, token_file, as_json)
        return
    daemon = Daemon(config_path, token_file)
    try:
        cards = daemon.contact(number).get("contacts", [])
    except Failure as failure:
        if failure.code != "not_running":
            raise
        cards = _from_store(config_path, number)
    if as_json:
        print_json({"contacts": cards})
        return
    for card in cards:
        _show(card)


def _rank(config_path: str, number: str, priority: int, token_file: str | None, as_json: bool) -> None:
    result = Daemon(config_path, token_file).command("correct", number=number, priority=priority)
    if as_json:
        print_json(result)
        return
    show(f"{number} has priority {priority}{'' if result['corrected'] else ' already'}")


def _erase(config_path: str, number: str, yes: bool, token_file: str | None, as_json: bool) -> None:
    if not yes:
        click.confirm(f"Forget the person with {number} for good?", abort=True, err=True)
    from dialer.config.errors import ConfigErrors
    from dialer.config.load import load
    from dialer.forgetting import Cleaned, clean_rejects, elsewhere

    known = _known(config_path, number, token_file)  # before they are gone
    try:
        result = Daemon(config_path, token_file).command("erase", number=number)
    except Failure as failure:
        if failure.code != "not_running":
            raise
        result = _erase_in_store(config_path, number)
    try:
        config = load(config_path, outside=False)
    except ConfigErrors as errors:  # a running dialer has erased all the same
        cleaned, places = Cleaned({}, {}), [f"the rejects files: {config_path} has mistakes, {errors.errors[0]}"]
    else:
        cleaned, places = clean_rejects(config, *known), elsewhere(config)
    result |= {"rejects": cleaned.rows, "rejects_failed": cleaned.failed, "also_look": places}
    if as_json:
        print_json(result)
        return
    show(f"{number}: {len(result['contacts'])} contacts forgotten, {result['marked']} numbers are never called again")
    if result["sales_kept"]:
        show(f"  {result['sales_kept']} sales are still being carried through and keep their fields: ask again later")
    if result.get("messages"):
        show(f"  {result['messages']} outcomes wait for the broker and go out without the person")
    for path, rows in cleaned.rows.items():
        show(f"  {rows} rows taken out of {path}")
    for path, why in cleaned.failed.items():
        show(f"  could not be cleaned: {path}: {why}")
    show("What this dialer cannot reach, look there yourself:")
    for place in result["also_look"]:
        show(f"  - {place}")


def _known(config_path: str, number: str, token_file: str | None) -> tuple[set[int], set[str]]:
    """All numbers and all keys of the person, in all campaigns: by them the person is found in files."""
    try:
        cards = Daemon(config_path, token_file).contact(number).get("contacts", [])
    except Failure as failure:
        if failure.code not in ("not_running", "unknown_contact"):
            raise
        try:
            cards = _from_store(config_path, number) if failure.code == "not_running" else []
        except Failure as unknown:
            if unknown.code != "unknown_contact":
                raise
            cards = []
    texts = [number, *(n["number"] for card in cards for n in card.get("numbers") or [])]
    digits = {int(plain) for text in texts if (plain := "".join(filter(str.isdecimal, text)))}
    return digits, {str(card["external_id"]) for card in cards if card.get("external_id")}


def _erase_in_store(config_path: str, number: str) -> dict[str, Any]:
    from dialer.cli.stores import opened
    from dialer.config.build import build_campaigns
    from dialer.config.load import load
    from dispositions.errors import NumberError
    from dispositions.number import normalise

    config = load(config_path, outside=False)
    campaigns = build_campaigns(config)
    try:
        digits = normalise(number, None, validity="possible", default_zone="UTC").digits
    except NumberError as error:
        text = f"{number} {error.problem}; write it as +34600000001"
        raise Failure(text, code="invalid") from None
    with opened(config.file.store.url, (c.policy for c in campaigns.values())) as store:
        with store.write() as tx:
            erased = tx.erase(digits, "cli", time.time())
        store.checkpoint()
    return {
        "contacts": list(erased.contacts),
        "sales_kept": erased.sales_kept,
        "marked": erased.marked,
        "messages": erased.messages,
    }


def _from_store(config_path: str, number: str) -> list[dict[str, Any]]:
    from dialer.cli.stores import opened
    from dialer.config.build import build_campaigns
    from dialer.config.load import load
    from dialer.registers import put_compiled
    from dialer.snapshot import contact_card
    from dispositions.errors import NumberError

    config = load(config_path, outside=False)
    campaigns = build_campaigns(config)
    with opened(config.file.store.url, (c.policy for c in campaigns.values())) as store, store.read() as view:
        put_compiled(store, config.file.do_not_call)
        at = time.time()
        try:
            found = [
                contact_card(
                    view, name, number, at, [p for t in c.table.trunks for p in config.file.trunks[t].prefixes]
                )
                for name, c in campaigns.items()
            ]
        except NumberError as error:
            text = f"{number} {error.problem}; write it as +34600000001"
            raise Failure(text, code="invalid") from None
    cards = [card for card in found if card is not None]
    if not cards:
        raise Failure(f"{number} is in no campaign of {config_path}", code="unknown_contact")
    return cards


def _show(card: dict[str, Any]) -> None:
    dialable = "dialable now" if card.get("dialable") else "not dialable now"
    key = f", id {card['external_id']}" if card.get("external_id") else ""
    show(f"{card.get('number')} in {card.get('campaign')}, list {card.get('list_name')}{key}")
    ranked = f", priority {card['priority']}" if card.get("priority") else ""
    show(f"  {card.get('state')}, {card.get('attempts')} attempts{ranked}, {dialable}")
    for reason in card.get("why", []):
        show(f"  - {reason}")
    if card.get("next_at") and not card.get("dialable"):
        show(f"  next: {when(card['next_at'])}")
    for name, value in (card.get("fields") or {}).items():
        show(f"  {name}: {value}")
    ground = card.get("consent")
    if ground:
        until = f", until {when(ground['expires_at'])}" if ground.get("expires_at") else ""
        show(f"  basis: {ground['basis']} {when(ground.get('given_at'))} {ground.get('source') or ''}{until}".rstrip())
    numbers = card.get("numbers") or []
    if len(numbers) > 1:
        words = {"bad": "retired"}
        cells = [
            (n["number"], n["kind"], words.get(n["status"], n["status"]), when(n.get("answered_at"))) for n in numbers
        ]
        show(table("Numbers, in the order to dial them", ("number", "kind", "status", "a person answered"), cells))
    keys = ("number", "trunk", "outcome", "cause", "agent", "disposition", "note")
    rows = [
        (when(a.get("started_at")), seconds(a.get("talk_seconds")), *(a.get(key) for key in keys))
        for a in card.get("history") or []
    ]
    if rows:
        show(table("History", ("started", "talk", *keys), rows))
    else:
        show("  never dialed")
    told = card.get("changes") or []
    if told:
        names = ("kind", "subject", "old", "new", "who")
        show(table("Changes", ("at", *names), [(when(c["at"]), *(c.get(name) for name in names)) for c in told]))
