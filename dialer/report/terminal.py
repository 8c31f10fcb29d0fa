"""The report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dialer.report.chart import percent, plain
from dialer.report.figures import AgentFigures, Figures, percentile
from dialer.report.page import kept_in_time, verdict
from dialer.report.words import GIVEN_UP, outcome_words


def draw(report: Figures) -> RenderableType:
    """What a manager wants to know, in one screen."""
    side = Table.grid(padding=(0, 4))
    tables = [
        _counted("Outcomes", {outcome_words(name): count for name, count in report.outcomes.items()}),
        _counted("Agents' codes", report.codes),
        _counted("Contacts now", report.contacts),
    ]
    side.add_row(*tables)
    parts: list[RenderableType] = [_headline(report), side]
    if report.outcomes.get("cancelled"):
        parts.append(Text(GIVEN_UP + "\n", style="grey62"))
    if report.agents and not report.carrier:
        parts.append(_agents(report.agents))
    judged = Text()
    for line in verdict(report):
        judged.append("✓ " if line.good else "✗ ", style="bold green" if line.good else "bold red")
        judged.append(line.text + "\n")
    if judged:
        parts.append(judged)
    return Group(*parts)


def _headline(report: Figures) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"Campaign {report.campaign}", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("", style="grey62")
    waits = [percentile(report.answer_to_agent, share) for share in (0.5, 0.99)]
    cap = f"cap {percent(report.abandon_cap)}" if report.abandon_cap is not None else ""
    speed = float(report.settings.get("speed", 1))
    table.add_row("time", f"{report.seconds:.1f} s", f"every duration divided by {plain(speed)}" if speed != 1 else "")
    table.add_row("calls placed", plain(report.calls_placed), "by the carrier's log" if report.carrier else "")
    table.add_row("answered", plain(report.answered), percent(report.answered / max(1, report.calls_placed)))
    table.add_row("connected", plain(report.connected), "")
    table.add_row(
        "abandoned", plain(report.abandoned), " ".join((percent(report.abandon_rate), "of answered,", cap)).strip(" ,")
    )
    if report.window is not None:
        rate, counted = report.window_rate, report.window
        seen = f"{counted.abandoned} of {plain(counted.answered)} answered, the last call's {_window_name(report)}"
        table.add_row("in the legal window", "–" if rate is None else percent(rate), seen)
    if report.calls_per_hour is not None:
        table.add_row("calls an hour", plain(round(report.calls_per_hour)), "of dialing, without long pauses")
    table.add_row(
        "occupancy",
        "–" if report.occupancy is None else percent(report.occupancy),
        "talking and wrap-up, of the time at work",
    )
    if waits[0] is not None and waits[1] is not None:
        table.add_row("answer to agent", f"{waits[0] * 1000:.1f} ms", f"p99 {waits[1] * 1000:.1f} ms, real time")
    ends = ", ".join(f"{plain(count)} {state}" for state, count in report.sales_by_state.items())
    table.add_row("sales", plain(report.sales), ends)
    table.add_row("callbacks promised", plain(sum(report.callbacks.values())), "")
    if report.promises is not None and report.promises.share is not None:
        table.add_row("callbacks in time", percent(report.promises.share), kept_in_time(report))
    return table


def _window_name(report: Figures) -> str:
    name = report.settings.get("window")
    return f"window ({name})" if name else "window"


def _agents(agents: Sequence[AgentFigures]) -> RenderableType:
    """Who worked how long; minutes, real time."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Agents, minutes", title_justify="left")
    table.add_column("")
    for name in ("calls", "talking", "wrap-up", "idle", "break", "occupancy"):
        table.add_column(name, justify="right")

    def minutes(seconds: float | None) -> str:
        return "–" if seconds is None else f"{seconds / 60:,.1f}"

    for agent in agents:
        times = (agent.talk_seconds, agent.wrap_up_seconds, agent.idle_seconds, agent.break_seconds)
        share = "–" if agent.occupancy is None else percent(agent.occupancy)
        table.add_row(agent.name, plain(agent.calls), *(minutes(spent) for spent in times), share)
    return table


def _counted(title: str, counts: Mapping[str, int]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for name, count in counts.items():
        table.add_row(str(name).replace("_", " "), plain(count))
    return table
