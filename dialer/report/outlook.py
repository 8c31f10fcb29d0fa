"""What a simulation says about a campaign: figures, sentences, and a page in the report's own dress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader

from dialer.report import chart
from dialer.report.chart import Bar, Series, percent, plain
from dialer.report.page import COLOURS, Card, Tile

if TYPE_CHECKING:
    from pacing.rundown import Rundown
    from pacing.whatif import Day, Expectation, Plan

#: A chance of ending a day over the cap that is no reason for a warning.
RARE: Final = 0.01
#: A share of decisions that the trunks cut short, and that a manager should know of.
HELD: Final = 0.05


@dataclass(frozen=True, slots=True)
class Outlook:
    """origins: (what, value, where it comes from); teams: by size, the one asked about among them; day_shares:
    abandoned of the answered, per simulated day of that one; price: per minute, None when it is not known; rundown:
    None when the contacts are not known."""

    campaign: str
    origins: Sequence[tuple[str, str, str]]
    plan: Plan
    teams: tuple[Expectation, ...]
    day_shares: tuple[float, ...]
    price: float | None
    contacts: int | None
    rundown: Rundown | None

    @classmethod
    def of(
        cls,
        campaign: str,
        origins: Sequence[tuple[str, str, str]],
        plan: Plan,
        days: Mapping[int, list[Day]],
        price: float | None,
        contacts: int | None,
        attempts: int,
        retry_after: Mapping[str, float],
        callbacks: float = 0.0,
        callback_after: float = 86400.0,
    ) -> Outlook:
        """The simulated days of all teams, added up; the list run down at the asked team's pace."""
        from pacing.rundown import run_down
        from pacing.whatif import expectation

        teams = {size: expectation(found) for size, found in sorted(days.items())}
        own, rundown = teams[plan.agents], None
        if contacts and own.connected > 0:
            rundown = run_down(
                contacts, own.connected, own.placed, plan.hours, plan.answer_rate, machine_rate=plan.machine_rate,
                abandoned=own.abandoned, attempts=attempts, retry_after=retry_after, seed=plan.seed,
                callbacks=callbacks, callback_after=callback_after,
            )  # fmt: skip
        shares = tuple(
            day.abandoned / max(1, day.answered) for day in sorted(days[plan.agents], key=lambda day: day.number)
        )
        return cls(campaign, origins, plan, tuple(teams.values()), shares, price, contacts, rundown)

    @property
    def own(self) -> Expectation:
        """The team that was asked about."""
        return next(team for team in self.teams if team.agents == self.plan.agents)

    @property
    def days(self) -> int:
        """Simulated days of a team."""
        return self.own.days

    @property
    def limit(self) -> str:
        """The cap for people."""
        return percent(self.plan.config.abandon_cap)

    def cost(self, team: Expectation) -> float | None:
        """Of a day; None without a price."""
        return None if self.price is None else self.price * team.billed / 60.0

    def cells(self, team: Expectation) -> tuple[str, ...]:
        """A team as a row of the table."""
        cost = self.cost(team)
        talk = None if cost is None else cost / max(1.0, team.connected)
        mark = "> " if team.agents == self.plan.agents and len(self.teams) > 1 else ""
        return (
            f"{mark}{team.agents}", f"{team.present:.1f}", f"{100 * team.occupancy:.1f} %", f"{team.idle:.1f} s",
            f"{100 * team.abandoned:.2f} %", f"{100 * team.worst_day:.2f} %", percent(team.over),
            plain(round(team.connected)), plain(round(team.placed)),
            "–" if cost is None else f"{cost:,.2f}", "–" if talk is None else f"{talk:.3f}",
        )  # fmt: skip

    def one_more(self) -> dict[str, float] | None:
        """What an agent more changes, a day: from the largest and the smallest team; None when there is one only.

        Keys: talks, calls, cost (when known), idle (s between calls), occupancy."""
        small, large = self.teams[0], self.teams[-1]
        apart = large.agents - small.agents
        if not apart:
            return None
        change = {
            "talks": (large.connected - small.connected) / apart,
            "calls": (large.placed - small.placed) / apart,
            "idle": (large.idle - small.idle) / apart,
            "occupancy": (large.occupancy - small.occupancy) / apart,
        }
        if self.price is not None:
            change["cost"] = self.price * (large.billed - small.billed) / 60.0 / apart
        return change

    def sentences(self) -> list[str]:
        """What the table means."""
        own, said = self.own, []
        error = "" if own.days < 2 else f" (± {100 * own.occupancy_error:.1f})"
        said.append(
            f"{'1 agent is' if own.agents == 1 else f'{own.agents} agents are'} busy"
            f" {percent(own.occupancy)}{error} of the time and {'waits' if own.agents == 1 else 'wait'}"
            f" {own.idle:.0f} s between calls; {own.placed / max(1.0, own.connected):.1f} calls for a talk."
        )
        at_most = f"with 95 % confidence at most {percent(own.over_upper)}"
        said.append(
            f"{percent(own.over)} of the simulated days end over {self.limit} abandoned ({at_most});"
            f" window: {self.plan.window}."
        )
        if self.plan.breaks or self.plan.late:
            fewest = min(range(len(own.there)), key=own.there.__getitem__)
            said.append(
                f"Breaks and late arrivals leave {own.present:.1f} of {own.agents} agents at work on average,"
                f" {own.there[fewest]:.1f} in hour {fewest + 1} of the day."
            )
        if own.held > HELD:
            said.append(
                f"Lines or calls per second hold the pacer back at {percent(own.held)} of its decisions:"
                " more of them would keep the agents busier."
            )
        more = self.one_more()
        if more is not None:
            cost = f", {more['cost']:+,.2f} cost" if "cost" in more else ""
            said.append(
                f"One agent more: {more['talks']:+,.0f} talks and {more['calls']:+,.0f} calls a day{cost};"
                f" {more['idle']:+.1f} s between calls. One less: the same with the other sign."
            )
        said += self._list()
        return said

    def _list(self) -> list[str]:
        run = self.rundown
        if run is None or self.contacts is None:
            return ["How long the list lasts is not known."] if self.contacts is None else ["There is nobody to dial."]
        lasts = f"{run.days} days" if run.days is not None else f"more than {len(run.left)} days"
        cost = "" if self.price is None else f", cost about {self._whole_cost(run):,.2f}"
        words = (
            f"{self.contacts:,} contacts last {lasts}: {run.calls:,.0f} calls, {run.reached:,.0f} people reached{cost}."
        )
        if run.callbacks:
            words += f" {run.callbacks:,.0f} further talks are callbacks that were promised."
        if run.starved is not None and run.starved != run.days:
            words += f" From day {run.starved} on agents also wait for contacts whose re-dial delay runs."
        return [words]

    def _whole_cost(self, run: Rundown) -> float:
        return (self.cost(self.own) or 0.0) * (run.reached + run.callbacks) / max(1.0, self.own.connected)


def render(outlook: Outlook) -> str:
    """The page as text: self-contained, no script."""
    environment = Environment(loader=PackageLoader("dialer.report", "."), autoescape=True, trim_blocks=True)
    return environment.get_template("page.html.j2").render(
        title=f"What to expect of campaign {outlook.campaign}",
        subtitle=f"{outlook.days} simulated days of {plain(outlook.plan.hours)} h for each team; nobody was called",
        tiles=_tiles(outlook), cards=_cards(outlook), agents=[], codes=[], verdict=[], found=[], colours=COLOURS,
    )  # fmt: skip


def _tiles(outlook: Outlook) -> list[Tile]:
    own, cost, run = outlook.own, outlook.cost(outlook.own), outlook.rundown
    tiles = [
        Tile("Agents busy", percent(own.occupancy), f"{own.agents} agents, talking or in wrap-up"),
        Tile("Between two calls", f"{own.idle:.0f} s", "idle time of an agent"),
        Tile(
            "Abandoned", f"{100 * own.abandoned:.2f} %", f"cap {outlook.limit} per {outlook.plan.window}",
            "good" if own.abandoned <= outlook.plan.config.abandon_cap else "bad",
        ),
        Tile(
            f"Days over {outlook.limit}", percent(own.over), f"at most {percent(own.over_upper)}, 95 % sure",
            "bad" if own.over > RARE else "good",
        ),
        Tile("Talks a day", plain(round(own.connected)), f"{plain(round(own.placed))} calls"),
        Tile("Cost a day", "–" if cost is None else f"{cost:,.2f}", "no price known" if cost is None else "calls only"),
    ]  # fmt: skip
    if run is not None:
        lasts = f"{run.days} days" if run.days is not None else f"> {len(run.left)} days"
        tiles.append(Tile("The list lasts", lasts, f"{plain(round(run.reached))} people reached"))
    return tiles


def _cards(outlook: Outlook) -> list[Card]:
    own, cap = outlook.own, outlook.plan.config.abandon_cap
    shares = [100 * share for share in outlook.day_shares]
    top = max([*shares, 100 * cap]) * 1.15
    edges = chart.ticks(top, 8)
    hours = [float(hour) for hour in range(len(own.by_hour))]
    cards = [
        Card(
            "How busy, by the size of the team",
            chart.bars([_team_bar(team, outlook) for team in outlook.teams], title="Occupancy in %, by agents"),
            note="Talking and wrap-up as a share of the time at work, %.",
        ),
        Card(
            "Talks a day, by the size of the team",
            chart.bars(
                [Bar(f"{team.agents} agents", round(team.connected), "plain") for team in outlook.teams],
                title="Talks a day, by agents",
            ),
        ),
        Card(
            "Abandoned, day by day",
            chart.histogram(shares, edges, title="Days by share abandoned", kind="good", unit="% of the answered"),
            note=f"Simulated days by their share of abandoned calls; the cap is {outlook.limit}.",
        ),
    ]
    if len(hours) > 1:
        busy = Series("occupancy", "talking", own.by_hour)
        cards.append(
            Card(
                "Through the day",
                chart.lines(hours, [busy], title="Occupancy by hour", top=1.0, shown=percent, unit="hour of dialing"),
            )
        )
    if outlook.plan.breaks or outlook.plan.late:
        there = [Bar(f"hour {hour + 1}", round(mean, 1), "plain") for hour, mean in enumerate(own.there)]
        cards.append(
            Card(
                "Agents at work",
                chart.bars(there, title="Agents at work, by hour of dialing"),
                note="Mean of the simulated days: breaks and late arrivals taken off.",
            )
        )
    if outlook.rundown is not None and outlook.contacts is not None:
        left = [float(outlook.contacts), *outlook.rundown.left]
        days = [float(day) for day in range(len(left))]
        line = Series("contacts left", "plain", left)
        cards.append(
            Card(
                "The list",
                chart.lines(days, [line], title="Contacts left", unit="days"),
                note=" ".join(outlook._list()),
            )
        )
    rows = "".join(
        f"<tr><td>{escape(what)}</td><td>{escape(value)}</td><td>{escape(origin)}</td></tr>"
        for what, value, origin in outlook.origins
    )
    head = "<tr><th>assumed</th><th>value</th><th>from</th></tr>"
    cards.append(Card("What was assumed", f'<div class="scroll"><table>{head}{rows}</table></div>', wide=True))
    return cards


def _team_bar(team: Expectation, outlook: Outlook) -> Bar:
    kind = "good" if team.agents == outlook.plan.agents else "muted"
    return Bar(f"{team.agents} agents", round(100 * team.occupancy, 1), kind, f"{team.idle:.0f} s idle")
