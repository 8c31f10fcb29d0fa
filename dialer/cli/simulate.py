"""`dialer simulate`: what to expect of a campaign at these agents and hours, before anybody is called."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dialer.cli.output import Failure, config_argument, json_option, print_json, show, table

if TYPE_CHECKING:
    from dialer.report.outlook import Outlook
    from pacing.whatif import Day, Plan

#: Days of a block: what the pacer learns goes from one to the next; blocks run beside each other.
BLOCK = 5


@click.command()
@config_argument
@click.option("--campaign", help="Which campaign; not needed when CONFIG has one only.")
@click.option("--agents", type=click.IntRange(1, 2000), help="Agents at work (default: the config's).")
@click.option("--answer-rate", type=click.FloatRange(0.005, 0.95), help="Share of calls that a person answers.")
@click.option("--machines", type=click.FloatRange(0, 0.9), help="Share of calls that a machine answers.")
@click.option("--talk", type=click.FloatRange(1, 7200), help="Mean talk, seconds.")
@click.option("--wrap-up", type=click.FloatRange(0, 3600), help="Mean wrap-up, seconds.")
@click.option("--hours", type=click.FloatRange(0.1, 24), help="Hours of dialing a day (default: the schedule's).")
@click.option(
    "--break",
    "breaks",
    multiple=True,
    metavar="AT/LENGTH",
    help="A break of each agent, so long after the day begins: 2h/15m. May be given again.",
)
@click.option("--late", default="0", show_default=True, metavar="TIME", help="Agents arrive spread over so long: 10m.")
@click.option(
    "--callbacks",
    type=click.FloatRange(0, 0.9),
    help="Share of the talks that end with a promise to call again (default: the store's).",
)
@click.option("--price", type=click.FloatRange(0), help="Price of a minute (default: the cheapest trunk's).")
@click.option("--contacts", type=click.IntRange(0), help="Contacts to dial (default: the lists are read).")
@click.option("--days", type=click.IntRange(1, 10_000), help="Days to simulate for each team (default: 5 to 20).")
@click.option(
    "--seed", type=click.IntRange(0, 2**31), default=1, show_default=True, help="The same seed, the same days."
)
@click.option("--processes", type=click.IntRange(1, 64), help="Processes at work (default: one per core).")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with charts to this file.")
@json_option
def simulate(
    config_path: str,
    campaign: str | None,
    agents: int | None,
    answer_rate: float | None,
    machines: float | None,
    talk: float | None,
    wrap_up: float | None,
    hours: float | None,
    breaks: tuple[str, ...],
    late: str,
    callbacks: float | None,
    price: float | None,
    contacts: int | None,
    days: int | None,
    seed: int,
    processes: int | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Simulate a campaign of CONFIG with the pacer that would run it: how busy agents are, how many people are
    abandoned and how likely a day ends over the limit, calls, cost, how long the list lasts, and what an agent more or
    less changes.

    Nobody is called and nothing is changed. What is not given comes from the config, or from what the store has seen.
    """
    from dialer.cli.assumptions import Wishes, assume, parse_breaks, parse_time
    from dialer.config.build import build_campaigns
    from dialer.config.load import load
    from dialer.report.outlook import Outlook, render

    config = load(config_path, outside=False)
    campaigns = build_campaigns(config, config.file.model_copy(update={"time_scale": 1.0}))
    if campaign is None and len(campaigns) > 1:
        raise Failure(f"name a campaign with --campaign: {', '.join(sorted(campaigns))}", code="which_campaign")
    name = campaign or next(iter(campaigns))
    if name not in campaigns:
        known = ", ".join(sorted(campaigns))
        raise Failure(f"{config_path} has no campaign {name!r}; it has {known}", code="unknown_campaign")
    rests, over = parse_breaks(breaks), parse_time("--late", late)
    wishes = Wishes(
        agents, answer_rate, machines, talk, wrap_up, hours, price, contacts, seed, rests, over, callbacks
    )  # fmt: skip
    assumed = assume(config, name, campaigns[name], wishes, quiet=as_json)
    plan = assumed.plan
    count = days or min(20, max(BLOCK, round(200 / plan.agents)))
    sizes = _sizes(plan.agents)
    done: dict[int, list[Day]] = {size: [] for size in sizes}
    jobs = _jobs(plan, sizes, count)
    with _progress(count * len(sizes), as_json) as tell:
        for day in _run(jobs, processes or min(len(jobs), os.cpu_count() or 1)):
            done[day.agents].append(day)
            tell(1)
    outlook = Outlook.of(
        name, assumed.origins, plan, done, assumed.price, assumed.contacts, assumed.attempts, assumed.retry_after,
        assumed.callbacks, assumed.callback_after,
    )  # fmt: skip
    if html is not None:
        try:
            html.write_text(render(outlook), encoding="utf-8")
        except OSError as error:
            raise Failure(f"{html}: {error.strerror}", code="no_page") from None
    if as_json:
        print_json(_json(outlook))
    else:
        _show(outlook)
        if html is not None:
            show(f"page: {html.resolve()}")


def _sizes(agents: int) -> list[int]:
    """The team, and a smaller and a larger one: one agent apart, or a tenth where one is lost in the noise."""
    step = max(1, round(agents / 10))
    return [size for size in (agents - step, agents, agents + step) if size >= 1]


def _jobs(plan: Plan, sizes: Sequence[int], days: int) -> list[tuple[Plan, int, int]]:
    """(plan, first day, days) of each block. A window longer than a day needs all days in a row."""
    length = BLOCK if plan.window in ("day", "call", "24h") else days
    return [
        (replace(plan, agents=size), first, min(length, days - first))
        for first in range(0, days, length)
        for size in sizes
    ]


def _block(job: tuple[Plan, int, int]) -> list[Day]:
    from pacing.whatif import block

    return list(block(*job))


def _deaf() -> None:
    """Ctrl-C is the command's to handle, not each worker's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(jobs: Sequence[tuple[Plan, int, int]], processes: int) -> Iterator[Day]:
    """All days, in the order of the jobs: figures are sums, and must not depend on which process was quicker."""
    from pacing.whatif import block

    if processes == 1:
        for job in jobs:
            yield from block(*job)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _deaf) as pool:
        for days in pool.imap(_block, jobs):
            yield from days


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, a line now and then elsewhere; on standard error."""
    if quiet or not sys.stderr.isatty():
        yield _lines(total, quiet)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("simulating days"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("days", total=total)
        yield lambda days: bar.advance(task, days)


def _lines(total: int, quiet: bool, every: float = 10.0) -> Callable[[int], None]:
    told, done = time.monotonic(), 0

    def tell(days: int) -> None:
        nonlocal told, done
        done += days
        if not quiet and time.monotonic() - told >= every:
            told = time.monotonic()
            click.echo(f"{done} of {total} days simulated", err=True)

    return tell


def _show(outlook: Outlook) -> None:
    columns = (
        "agents #", "at work #", "busy #", "idle between calls #", "abandoned #", "worst day #",
        f"days over {outlook.limit} #", "talks a day #", "calls a day #", "cost a day #", "cost a talk #",
    )  # fmt: skip
    shown = [outlook.cells(team) for team in outlook.teams]
    show(table(f"Campaign {outlook.campaign}: what to expect ({outlook.days} simulated days a team)", columns, shown))
    for sentence in outlook.sentences():
        show(f"  {sentence}")
    show("")
    show(table("What was assumed", ("", "value", "from"), outlook.origins))


def _json(outlook: Outlook) -> dict[str, Any]:
    def known(value: Any) -> Any:
        return None if isinstance(value, float) and math.isnan(value) else value

    return {
        "campaign": outlook.campaign,
        "assumed": {what: {"value": value, "from": origin} for what, value, origin in outlook.origins},
        "days": outlook.days,
        "cap": outlook.plan.config.abandon_cap,
        "window": outlook.plan.window,
        "agents": outlook.plan.agents,
        "teams": [
            {**{key: known(value) for key, value in asdict(team).items()}, "cost": outlook.cost(team)}
            for team in outlook.teams
        ],
        "one_agent_more": outlook.one_more(),
        "list": None
        if outlook.rundown is None
        else {
            "contacts": outlook.contacts,
            "days": outlook.rundown.days,
            "agents_wait_from_day": outlook.rundown.starved,
            "calls": outlook.rundown.calls,
            "reached": outlook.rundown.reached,
            "callbacks": outlook.rundown.callbacks,
            "left": list(outlook.rundown.left),
        },
    }
