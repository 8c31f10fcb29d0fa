"""The live picture of a campaign in a terminal, drawn from its events (`Timeline`) and its status.

`draw` is pure: a `Board` in, something rich can print out; nothing here touches the network or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dialer.config.secret import printable
from dialer.report.timeline import STAGES, Timeline, occupancy
from dialer.report.words import outcome_words

AGENT_COLOURS: Final = {
    "talking": "bold white on dark_cyan",
    "wrap_up": "black on pale_turquoise1",
    "reserved": "black on gold1",
    "available": "black on grey74",
    "break": "white on medium_purple4",
    "logged_out": "grey50 on grey15",
}
STAGE_COLOURS: Final = {
    "dialing": "light_steel_blue",
    "ringing": "steel_blue1",
    "waiting": "gold1",
    "talking": "dark_cyan",
    "message": "red",
}
OUTCOME_COLOURS: Final = {"answered": "dark_cyan", "abandoned": "red", "machine": "gold1", "interrupted": "red"}
AGENT_WORDS: Final = {"available": "free", "wrap_up": "wrap-up", "logged_out": "out"}
SPARKS: Final = "▁▂▃▄▅▆▇█"
#: The numbers behind a decision that are shown first, when the pacer gives them, and what people call them.
WHY_FIRST: Final = {
    "available": "agents free",
    "busy": "agents busy",
    "waiting": "customers waiting",
    "in_air": "calls in the air",
    "answers_to_come": "answers expected",
    "answer_rate": "answer rate",
    "handle": "talk and wrap-up, s",
    "target": "calls aimed at",
}
#: Seconds of calls per second.
SPARK_SECONDS: Final = 40
LOW_SPARK_SECONDS: Final = 26
#: Queues that people work off.
QUEUES: Final = ("callback", "retry", "sale", "outbox")
#: Agents beyond this number are shown as counts only.
TILES = 48


@dataclass(slots=True)
class Board:
    """What is drawn. `elapsed` and `seconds` are real seconds of the run; `seconds` None: until stopped."""

    timeline: Timeline
    title: str
    speed: float = 1.0
    elapsed: float = 0.0
    seconds: float | None = None
    cap: float | None = None
    now: float = 0.0
    status: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def sparkline(values: Sequence[float]) -> str:
    """A row of blocks, the highest value full."""
    top = max(values, default=0.0)
    if top <= 0:
        return SPARKS[0] * len(values)
    return "".join(SPARKS[min(len(SPARKS) - 1, int(value / top * (len(SPARKS) - 1) + 0.5))] for value in values)


def meter(share: float, width: int, style: str, *, mark: float | None = None) -> Text:
    """A bar of `width` cells filled to `share` (0..1), with a mark at `mark`."""
    filled = round(max(0.0, min(1.0, share)) * width)
    bar = Text("█" * filled, style=style) + Text("░" * (width - filled), style="grey37")
    if mark is not None:
        place = min(width - 1, max(0, round(mark * width) - 1))
        bar = bar[:place] + Text("│", style="bold") + bar[place + 1 :]
    return bar


def draw(board: Board, *, compact: bool = False, tiles: int = TILES) -> RenderableType:
    """The whole picture; `compact` leaves out what a low terminal has no room for. `tiles`: so many agents by name."""
    wide = Table.grid(expand=True, padding=(0, 1))
    wide.add_column(ratio=3)
    wide.add_column(ratio=2)
    agents = _agents(board, tiles)
    notes = [_messages(board)] if board.timeline.messages else []
    if compact:  # side by side they are as low as can be: 23 rows with four rows of agents
        wide.add_row(Group(_lines(board, LOW_SPARK_SECONDS), _abandonment(board)), _pacing(board))
        return Group(_header(board), *notes, agents, wide)
    wide.add_row(Group(agents, _lines(board)), Group(_pacing(board), _abandonment(board)))
    lower = Table.grid(expand=True, padding=(0, 1))
    for _ in range(3):
        lower.add_column(ratio=1)
    lower.add_row(_outcomes(board), _codes(board), _queues(board))
    return Group(_header(board), wide, lower, *notes)


def progress_line(board: Board) -> str:
    """The same in one line, for logs and terminals that cannot be redrawn."""
    timeline = board.timeline
    states = timeline.sample(board.now).agents
    share = occupancy(timeline.spent(board.now))
    return (
        f"{board.elapsed:5.1f} s  agents {states.get('talking', 0)} talking, {states.get('wrap_up', 0)} wrap-up, "
        f"{states.get('available', 0)} free  lines {len(timeline.stages)}  placed {timeline.totals['placed']}  "
        f"answered {timeline.totals['answered']}  connected {timeline.totals['connected']}  "
        f"abandoned {timeline.totals['abandoned']}  occupancy {'-' if share is None else f'{share:.0%}'}"
    )


def _header(board: Board) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right")
    state, reason = board.timeline.campaign
    left = Text.assemble((printable(board.title), "bold"), "  ", (f"{state} {reason}".strip(), "grey62"))
    clock = f"{board.elapsed:.0f}" + (f" of {board.seconds:.0f} s" if board.seconds is not None else " s")
    speed = f"   every duration ÷ {board.speed:g}" if board.speed != 1 else ""
    grid.add_row(left, Text(f"{clock}{speed}   {board.note or 'Ctrl-C ends'}", style="grey62"))
    return Panel(grid, box=box.HEAVY_HEAD, border_style="dark_cyan", padding=(0, 1))


def _agents(board: Board, most: int) -> RenderableType:
    agents = sorted(board.timeline.agents.values(), key=lambda agent: agent.name)
    counts = board.timeline.sample(board.now).agents
    share = occupancy(board.timeline.spent(board.now))
    several = len({agent.campaign for agent in agents if agent.state != "logged_out"}) > 1
    tiles: list[RenderableType] = []
    for agent in agents[:most]:
        style = AGENT_COLOURS.get(agent.state, "white")
        seconds = max(0.0, board.now - agent.since)
        where = f" {printable(agent.campaign)[:9]:<9}" if several else ""
        word = AGENT_WORDS.get(agent.state, agent.state)
        tiles.append(
            Text(
                f" {printable(agent.name)[:9]:<9}{where} {word:<8}{seconds:>4.0f} ",
                style=style,
            )
        )
    summary = Text(
        "  ".join(f"{AGENT_WORDS.get(name, name)} {count}" for name, count in sorted(counts.items()) if count)
    )
    summary.append("   occupancy " + ("–" if share is None else f"{share:.1%}"), style="bold")
    if len(agents) > most:
        summary.append(f"   and {len(agents) - most} more", style="grey62")
    body = Group(Columns(tiles, padding=(0, 1)), summary) if tiles else Text("nobody has logged in yet", style="grey62")
    return Panel(body, title="agents", title_align="left", border_style="grey37")


def _lines(board: Board, seconds: int = SPARK_SECONDS) -> RenderableType:
    lines = board.timeline.sample(board.now).lines
    bar = Text()
    for stage in STAGES:
        bar.append("■" * min(lines.get(stage, 0), 60), style=STAGE_COLOURS[stage])
    names = Text("  ".join(f"{stage} {lines.get(stage, 0)}" for stage in STAGES), style="grey74")
    # the second of now has only begun
    last = int(board.now)
    rates = [float(board.timeline.placed_per_second.get(second, 0)) for second in range(last - seconds, last)]
    spark = Text.assemble(
        ("calls/s ", "grey74"), (sparkline(rates), "steel_blue1"), (f" {sum(rates[-5:]) / 5:.1f}", "bold")
    )
    trunks = Text()
    for name, trunk in dict(board.status.get("trunks", {})).items():
        well = trunk["up"] and not trunk.get("rests")
        trunks.append(f"{printable(name)} {trunk['lines_in_use']}/{trunk['lines']} ", style="green" if well else "red")
    return Panel(Group(bar, names, spark, trunks), title="lines", title_align="left", border_style="grey37")


def _pacing(board: Board) -> RenderableType:
    decision = board.timeline.decision
    why = dict(_campaign_status(board).get("pacing") or decision.get("why") or {})
    ordered = [name for name in WHY_FIRST if name in why] + [name for name in why if name not in WHY_FIRST]
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="grey74")
    grid.add_column(justify="right")
    for name in ordered[:8]:
        grid.add_row(WHY_FIRST.get(name) or printable(name).replace("_", " "), _number(why[name]))
    if decision:
        last = f"last: place {decision['place']}, give up {decision['cancel']}, in {decision['seconds'] * 1000:.2f} ms"
    else:
        last = "no decision yet"
    return Panel(Group(grid, Text(last, style="bold")), title="pacing: why", title_align="left", border_style="grey37")


def _abandonment(board: Board) -> RenderableType:
    rate = board.timeline.abandon_rate()
    totals = board.timeline.totals
    cap = board.cap
    style = "red" if cap is not None and rate > cap else "green"
    line = Text(f"{rate:.2%} of answered ({totals['abandoned']} of {totals['answered']})")
    if cap is None:
        return Panel(line, title="abandonment", title_align="left", border_style="grey37")
    bar = meter(rate / (cap * 2), 30, style, mark=0.5)
    body = Group(bar, line, Text(f"cap {cap:.1%}", style="grey62"))
    return Panel(body, title="abandonment budget", title_align="left", border_style="grey37")


def _outcomes(board: Board) -> RenderableType:
    items = [(outcome_words(name), count) for name, count in board.timeline.outcomes.most_common(9)]
    return _counted("outcomes", items, OUTCOME_COLOURS)


def _codes(board: Board) -> RenderableType:
    return _counted("agents' codes", board.timeline.codes.most_common(9), {"sale": "green", "callback": "steel_blue1"})


def _queues(board: Board) -> RenderableType:
    campaign = _campaign_status(board)
    queues = dict(campaign.get("queues", {}))
    items = [(f"queue: {name}", int(queues[name])) for name in QUEUES if name in queues]
    contacts = sorted(dict(campaign.get("contacts", {})).items(), key=lambda item: -item[1])
    items += [(f"contacts {name}", int(count)) for name, count in contacts if count]
    return _counted("queues and contacts", items[:12], {}, bars=False)


def _counted(
    title: str, items: Sequence[tuple[str, int]], colours: Mapping[str, str], *, bars: bool = True
) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="grey74")
    grid.add_column(justify="right")
    grid.add_column()
    top = max((count for _, count in items), default=1) or 1
    for name, count in items:
        bar = (
            Text("█" * max(1 if count else 0, round(count / top * 14)), style=colours.get(name, "grey58"))
            if bars
            else ""
        )
        grid.add_row(printable(name).replace("_", " "), str(count), bar)
    return Panel(grid, title=title, title_align="left", border_style="grey37")


def _messages(board: Board) -> RenderableType:
    lines = [Text(printable(text)[:150], style="gold1") for _, text in list(board.timeline.messages)[-4:]]
    return Panel(Group(*lines), title="to look at", title_align="left", border_style="gold1")


def _campaign_status(board: Board) -> Mapping[str, Any]:
    campaigns = dict(board.status.get("campaigns", {}))
    return next(iter(campaigns.values())) if campaigns else {}


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return printable(str(value))[:24]
    return f"{value:g}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
