"""The report as one self-contained HTML page: no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import Environment, PackageLoader

from dialer.report import chart
from dialer.report.chart import Bar, Series, legend, percent, plain
from dialer.report.figures import AgentFigures, Figures, percentile
from dialer.report.timeline import STAGES
from dialer.report.words import GIVEN_UP, outcome_words

#: CSS class of a series -> the colour variable of the style sheet
COLOURS: Final = {
    "talking": "talk", "wrap_up": "wrap", "reserved": "reserved", "available": "idle", "break": "break",
    "logged_out": "out", "dialing": "dialing", "ringing": "ringing", "waiting": "waiting", "message": "message",
    "plain": "plainbar", "good": "talk", "warn": "reserved", "bad": "message", "muted": "idle",
}  # fmt: skip
OUTCOME_KINDS: Final = {
    "answered": "good",
    "abandoned": "bad",
    "machine": "warn",
    "fax": "warn",
    "interrupted": "bad",
    "unknown": "warn",
}
CODE_KINDS: Final = {
    "sale": "good",
    "callback": "plain",
    "do_not_call": "bad",
    "wrong_number": "warn",
    "machine": "warn",
}
AGENT_LAYERS: Final = ("talking", "wrap_up", "reserved", "available", "break")
#: Milliseconds.
WAIT_EDGES: Final = (0.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
#: How many findings of the audit are listed one by one.
FOUND = 20


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure on top of the page; `mood`: good, bad or empty."""

    label: str
    value: str
    note: str = ""
    mood: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A chart with its title. `body` and `legend` are HTML of ours."""

    title: str
    body: str
    legend: str = ""
    note: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the verdict."""

    text: str
    good: bool


def render(report: Figures, title: str = "") -> str:
    """The page as text."""
    environment = Environment(loader=PackageLoader("dialer.report", "."), autoescape=True, trim_blocks=True)
    codes = list(report.codes)
    return environment.get_template("page.html.j2").render(
        title=title or f"Campaign {report.campaign}",
        subtitle=_subtitle(report),
        tiles=_tiles(report),
        cards=_cards(report),
        agents=[_agent(agent, codes) for agent in report.agents],
        codes=[_words(code) for code in codes],
        verdict=verdict(report),
        found=_found(report),
        colours=COLOURS,
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _subtitle(report: Figures) -> str:
    when = datetime.fromtimestamp(report.started_at, UTC).strftime("%d %B %Y, %H:%M UTC") if report.started_at else ""
    parts = [when, f"{plain(round(report.seconds, 1))} s"]
    speed = report.settings.get("speed")
    if speed and speed != 1:
        parts.append(
            f"every duration divided by {plain(float(speed))}: "
            f"as much as {plain(round(report.seconds * speed / 60, 1))} minutes"
        )
    parts += [f"{_words(name)} {report.settings[name]}" for name in ("mode", "seed") if name in report.settings]
    return " · ".join(part for part in parts if part)


def _tiles(report: Figures) -> list[Tile]:
    p50, p99 = (percentile(report.answer_to_agent, share) for share in (0.5, 0.99))
    cap = report.abandon_cap
    tiles = [
        Tile(
            "Calls placed",
            plain(report.calls_placed),
            f"{plain(report.calls_placed / max(report.seconds, 1e-9))} a second"
            if report.calls_per_hour is None
            else f"{plain(round(report.calls_per_hour))} an hour of dialing",
        ),
        Tile(
            "Answered", plain(report.answered), f"{percent(report.answered / max(report.calls_placed, 1))} of the calls"
        ),
        Tile("Connected to an agent", plain(report.connected)),
        Tile(
            "Abandoned",
            percent(report.abandon_rate),
            f"{report.abandoned} calls" + (f", cap {percent(cap)}" if cap is not None else ""),
            "" if cap is None else "good" if report.abandon_rate <= cap else "bad",
        ),
        *_window_tile(report),
        Tile("Occupancy", "–" if report.occupancy is None else percent(report.occupancy), "of the time at work"),
        Tile(
            "Answer to agent",
            "–" if p50 is None else f"{plain(round(p50 * 1000, 1))} ms",
            "" if p99 is None else f"p99 {plain(round(p99 * 1000, 1))} ms",
        ),
        Tile("Sales", plain(report.sales), _sales(report)),
        Tile(
            "Callbacks promised",
            plain(sum(report.callbacks.values())),
            ", ".join(f"{count} {_words(state)}" for state, count in report.callbacks.items()),
        ),
    ]
    if report.promises is not None and report.promises.share is not None:
        tiles.append(Tile("Callbacks in time", percent(report.promises.share), kept_in_time(report)))
    if report.audit is not None:
        for label, found in (("Lost contacts", report.audit.lost), ("Doubled calls", report.audit.doubled)):
            tiles.append(Tile(label, plain(len(found)), "by the carrier's log", "bad" if found else "good"))
    return tiles


def _window_tile(report: Figures) -> list[Tile]:
    """The abandonment that the law judges, where the window is known."""
    window, rate, cap = report.window, report.window_rate, report.abandon_cap
    if window is None or rate is None:
        return []
    mood = "" if cap is None else "good" if rate <= cap else "bad"
    seen = (
        f"{window.abandoned} of {plain(window.answered)}, window {report.settings.get('window', '')} of the last call"
    )
    return [Tile("Abandoned, legal window", percent(rate), seen, mood)]


def _cards(report: Figures) -> list[Card]:
    cards = _over_time(report) if len(report.samples) > 1 else []
    cards.append(
        Card(
            "Calls by outcome",
            chart.bars(_shares(report.outcomes, OUTCOME_KINDS, outcome_words), title="Calls by outcome"),
            note=GIVEN_UP if report.outcomes.get("cancelled") else "",
        )
    )
    if report.codes:
        cards.append(Card("What the agents coded", chart.bars(_shares(report.codes, CODE_KINDS), title="Dispositions")))
    if report.answer_to_agent:
        values = [value * 1000 for value in report.answer_to_agent]
        cards.append(
            Card(
                "From the customer's answer to the agent",
                chart.histogram(values, WAIT_EDGES, title="Answer to agent", kind="good", unit="ms"),
                note="Calls by the time from the 200 OK until both sides hear each other; real milliseconds.",
            )
        )
    if report.talks:
        longest = max(report.talks)
        edges = chart.ticks(longest, 10) if longest > 0 else [0.0, 1.0]
        cards.append(
            Card(
                "Talk times",
                chart.histogram(report.talks, edges, title="Talk times", kind="plain", unit="s"),
                note="Talks by their length in real seconds"
                + (", as scaled." if report.settings.get("speed", 1) != 1 else "."),
            )
        )
    first = next(iter(report.funnel.values()), 0) or 1
    funnel = [Bar(name, count, "plain", percent(count / first)) for name, count in report.funnel.items()]
    cards.append(Card("The list", chart.bars(funnel, title="The list, step by step")))
    states = [
        Bar(_words(name), count, "good" if name == "sold" else "muted")
        for name, count in sorted(report.contacts.items(), key=lambda item: -item[1])
    ]
    cards.append(Card("Where the contacts stand now", chart.bars(states, title="Contacts by state")))
    return cards


def _shares(counts: Mapping[str, int], kinds: Mapping[str, str], say: Callable[[str], str] = _words) -> list[Bar]:
    total = max(sum(counts.values()), 1)
    return [Bar(say(name), count, kinds.get(name, "muted"), percent(count / total)) for name, count in counts.items()]


def _over_time(report: Figures) -> list[Card]:
    samples = report.samples
    x = [sample.at - samples[0].at for sample in samples]

    def layers(names: Sequence[str], of: str) -> list[Series]:
        return [
            Series(_words(name), name, [float(getattr(sample, of).get(name, 0)) for sample in samples])
            for name in names
        ]

    rates = [sample.abandoned / sample.answered if sample.answered else None for sample in samples]
    cap = report.abandon_cap
    top = (
        None
        if not any(rates) and cap is None
        else max([rate for rate in rates[len(rates) // 4 :] if rate] + [cap or 0.0]) * 1.4 or None
    )
    return [
        Card("Agents", chart.area(x, layers(AGENT_LAYERS, "agents"), title="Agents by state over time"),
             legend({_words(name): name for name in AGENT_LAYERS})),
        Card("Lines", chart.area(x, layers(STAGES, "lines"), title="Calls by stage over time"),
             legend({_words(name): name for name in STAGES})),
        Card("Occupancy so far", chart.lines(
            x, [Series("occupancy", "talking", [sample.occupancy for sample in samples])],
            title="Occupancy over time", top=1.0, shown=percent,
        ), note="Time talking and in wrap-up as a share of the time at work, since the start."),
        Card("Abandonment against its cap", chart.lines(
            x, [Series("abandoned of answered, so far", "bad", rates)],
            title="Abandonment over time", top=top, shown=percent,
            limit=None if cap is None else (cap, f"cap {percent(cap)}"),
        ), note="Abandoned calls as a share of answered ones, since the start."),
    ]  # fmt: skip


def _agent(agent: AgentFigures, codes: Sequence[str]) -> Mapping[str, Any]:
    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:,.0f} s"

    return {
        "name": agent.name,
        "calls": agent.calls,
        "talk": shown(agent.talk_seconds),
        "wrap_up": shown(agent.wrap_up_seconds),
        "idle": shown(agent.idle_seconds),
        "rest": shown(agent.break_seconds),
        "share": None if agent.occupancy is None else round(agent.occupancy * 100),
        "codes": [agent.codes.get(code, 0) for code in codes],
    }


def verdict(report: Figures) -> list[Line]:
    """The lines that say whether the run was clean."""
    lines = []
    if report.audit is not None:
        audit = report.audit
        lines += [
            Line(f"lost contacts: {len(audit.lost)}", not audit.lost),
            Line(f"numbers called again before their re-dial delay: {len(audit.doubled)}", not audit.doubled),
            Line(f"do-not-call numbers dialed: {len(audit.forbidden)}", not audit.forbidden),
            Line(f"numbers dialed that are not on the list: {len(audit.strays)}", not audit.strays),
        ]
    if report.carrier is not None:
        carrier = report.carrier
        lines += [
            Line(f"breaches of SIP's rules that the carrier noted: {len(carrier.faults)}", not carrier.faults),
            Line(f"answered calls that were left standing: {carrier.standing}", not carrier.standing),
        ]
        if report.settings.get("rtp") != "none":
            lines.append(Line(f"people who answered and heard nothing: {carrier.silent}", not carrier.silent))
    return lines


def _found(report: Figures) -> list[str]:
    found: list[str] = []
    if report.audit is not None:
        found += [f"{number}: {what}" for number, what in report.audit.lost.items()]
        found += [f"{number}: {what}" for number, what in report.audit.doubled.items()]
        found += [f"{number}: is do-not-call" for number in report.audit.forbidden]
        found += [f"{number}: is not on the list" for number in report.audit.strays]
    if report.carrier is not None:
        found += [
            f"{fault.get('kind')}: {fault.get('detail')} (call {fault.get('call_id')})"
            for fault in report.carrier.faults
        ]
    return found[:FOUND] + ([f"and {len(found) - FOUND} more"] if len(found) > FOUND else [])


def kept_in_time(report: Figures) -> str:
    """What the share of callbacks that were kept in time is made of; empty when it is not known."""
    kept, within = report.promises, report.promised_within
    if kept is None:
        return ""
    late = f"{plain(round(within / 60, 1))} min" if within >= 60 else f"{plain(round(within, 1))} s"
    called = f"{plain(kept.in_time)} of {plain(kept.due)} called within {late} of being due"
    return f"{called}; {plain(kept.reached)} reached"


def _sales(report: Figures) -> str:
    """The share of the talks, and how far the sales have come."""
    ends = "".join(f", {plain(count)} {_words(state)}" for state, count in report.sales_by_state.items())
    return f"{percent(report.sales / max(report.connected, 1))} of the talks{ends}"
