"""`dialer status`: a running dialer in four tables."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import click

from dialer.cli.client import Daemon, token_option
from dialer.cli.output import config_argument, json_option, print_json, seconds, show, table


@click.command()
@config_argument
@token_option
@json_option
def status(config_path: str, token_file: str | None, as_json: bool) -> None:
    """Show campaigns (state and why), agents, trunks, queues and the abandonment budget of a running dialer."""
    snapshot = Daemon(config_path, token_file).status()
    if as_json:
        print_json(snapshot)
        return
    campaigns: dict[str, dict[str, Any]] = snapshot.get("campaigns", {})
    show(_campaigns(campaigns), _budget(campaigns), _queues(campaigns), _outlook(campaigns))
    if any((campaign.get("sharing") or {}).get("target") is not None for campaign in campaigns.values()):
        show(_sharing(campaigns))
    show(_agents(snapshot.get("agents", [])), _trunks(snapshot.get("trunks", {})))
    store = snapshot.get("store", {})
    if store.get("locked"):
        show(f"The store cannot be written: {store.get('waiting')} writes wait, nothing is dialed until it can.")


def _campaigns(campaigns: dict[str, dict[str, Any]]) -> Any:
    keys = ("state", "reason", "mode", "lines", "placed", "answered", "connected", "abandoned")
    columns = ("campaign", "state", "why", "mode", "lines #", "placed #", "answered #", "connected #", "abandoned #")
    rows = [(name, *(campaign.get(key) for key in keys)) for name, campaign in campaigns.items()]
    return table("Campaigns", columns, rows)


def _budget(campaigns: dict[str, dict[str, Any]]) -> Any:
    """Abandonment over the legal window: how much there is, how much is allowed, how many more it would take."""
    rows = []
    for name, campaign in campaigns.items():
        found = campaign.get("abandonment", {})
        answered, abandoned, cap = found.get("answered", 0), found.get("abandoned", 0), found.get("cap", 0.0)
        left = int(cap * answered - abandoned)
        share = f"{100 * found.get('rate', 0.0):.2f} %"
        rows.append((name, found.get("window"), answered, abandoned, share, f"{100 * cap:.2f} %", left))
    return table("Abandonment", ("campaign", "window", "answered #", "abandoned #", "share #", "cap #", "left #"), rows)


def _queues(campaigns: dict[str, dict[str, Any]]) -> Any:
    names = list(dict.fromkeys(queue for campaign in campaigns.values() for queue in campaign.get("queues", {})))
    rows = [
        (name, *(campaign.get("queues", {}).get(queue, 0) for queue in names)) for name, campaign in campaigns.items()
    ]
    if not names:
        return "Queues: not counted yet; ask again in some seconds"
    return table("Queues", ("campaign", *(f"{queue} #" for queue in names)), rows)


def _outlook(campaigns: dict[str, dict[str, Any]]) -> Any:
    """What is ahead: when the contacts run out, and how promised callbacks are kept."""
    rows = []
    for name, campaign in campaigns.items():
        ahead, kept = campaign.get("forecast", {}), campaign.get("callbacks", {})
        left = None if ahead.get("dry_at") is None else max(0.0, ahead["dry_at"] - time.time())
        share = "" if kept.get("share") is None else f"{100 * kept['share']:.0f} % of {kept['due']}"
        dry = "not within a week" if left is None else f"in {seconds(left)}"
        rows.append((name, ahead.get("calls_per_hour"), dry, ahead.get("due_next_hour"), share))
    columns = ("campaign", "calls/h #", "contacts run out", "due next hour #", "callbacks in time (24 h)")
    return table("Ahead", columns, rows)


def _sharing(campaigns: dict[str, dict[str, Any]]) -> Any:
    """Agents whom campaigns share: where they are, and where they should be."""
    keys = ("agents", "target", "elsewhere", "weight", "least_agents")
    rows = [(name, *(campaign.get("sharing", {}).get(key) for key in keys)) for name, campaign in campaigns.items()]
    columns = ("campaign", "agents now #", "should be #", "serve others #", "weight #", "at least #")
    return table("Shared agents", columns, rows)


def _agents(agents: list[dict[str, Any]]) -> Any:
    """Those who are at work one by one; the others as a number in the title."""
    states = Counter(str(agent.get("state")) for agent in agents)
    title = "Agents: " + (", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none")
    keys = ("agent", "campaign", "state", "reason")
    at_work = [agent for agent in agents if agent.get("state") != "logged_out"]
    rows = [
        (*(a.get(key) for key in keys), seconds(a.get("seconds")), a.get("calls_taken"), _others(a)) for a in at_work
    ]
    return table(title, ("agent", "campaign", "state", "why", "for", "calls #", "may be moved to"), rows)


def _others(agent: dict[str, Any]) -> str:
    return ", ".join(name for name in agent.get("serves", []) if name != agent.get("campaign"))


def _trunks(trunks: dict[str, dict[str, Any]]) -> Any:
    rows = []
    for name, trunk in trunks.items():
        state = "up" if trunk.get("up") else "down"
        if trunk.get("breaker") == "half_open":
            state = "on trial"
        if trunk.get("rests"):
            state += f", rests {seconds(trunk['rests'])}"
        role = "reserve" if trunk.get("reserve") else ""
        lines = f"{trunk.get('lines_in_use')} of {trunk.get('lines')}"
        rows.append((name, state, trunk.get("reason"), lines, trunk.get("calls_per_second"), role))
    return table("Trunks", ("trunk", "state", "why", "lines #", "calls/s #", ""), rows)
