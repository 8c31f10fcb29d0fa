"""The lists' report as one self-contained HTML page, in the look of the campaign's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader

from dialer.report import chart
from dialer.report.chart import Bar, Series, percent, plain
from dialer.report.page import COLOURS, Card, Tile
from dispositions.quality import ListQuality, Rate

STATE_KINDS = {"open": "plain", "sold": "good", "bad_number": "warn", "do_not_call": "bad"}
NUMBER_KINDS = {"ok": "good", "bad": "warn", "do_not_call": "bad"}
WORDS = {"open": "still to call", "ok": "in use", "bad": "retired"}


def render(campaigns: Mapping[str, Sequence[ListQuality]]) -> str:
    """The page as text: campaign -> its lists."""
    lone = len(campaigns) == 1  # then the page's subtitle names it
    lists = [(one.name if lone else f"{name}: {one.name}", one) for name, found in campaigns.items() for one in found]
    environment = Environment(loader=PackageLoader("dialer.report", "."), autoescape=True, trim_blocks=True)
    return environment.get_template("page.html.j2").render(
        title="Contact lists",
        subtitle=", ".join(campaigns),
        tiles=_tiles([one for _, one in lists]),
        cards=[card for title, one in lists for card in _cards(title, one)],
        agents=[],
        codes=[],
        verdict=[],
        found=[],
        colours=COLOURS,
    )


def _tiles(lists: Sequence[ListQuality]) -> list[Tile]:
    contacts, tried = sum(one.total for one in lists), sum(one.tried for one in lists)
    reached = sum(one.reached for one in lists)
    numbers: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    for one in lists:
        numbers.update(one.numbers)
        changes.update(one.changes)
    duplicates = sum(int(one.imported.get("duplicates", 0)) for one in lists)
    rows = sum(int(one.imported.get("rows", 0)) for one in lists)
    return [
        Tile("Contacts", plain(contacts), f"{plain(sum(one.contacts.get('open', 0) for one in lists))} still to call"),
        Tile("Reached", percent(reached / tried) if tried else "–", f"{plain(reached)} of {plain(tried)} called"),
        Tile("Numbers in use", plain(numbers["ok"]), f"of {plain(sum(numbers.values()))}, the rest retired or barred"),
        Tile("Numbers retired", plain(numbers["bad"]), f"{plain(changes['number_moved'])} had moved"),
        Tile("Numbers added", plain(changes["number_added"]), "by agents, the network, the database"),
        Tile("Fields corrected", plain(changes["field"])),
        Tile("Duplicates", plain(duplicates), f"of {plain(rows)} rows imported"),
    ]


def _cards(title: str, one: ListQuality) -> list[Card]:
    states = [Bar(_words(state), n, STATE_KINDS.get(state, "muted")) for state, n in one.contacts.items()]
    numbers = [Bar(_words(status), n, NUMBER_KINDS.get(status, "muted")) for status, n in one.numbers.items()]
    cards = [
        Card(f"{title}: contacts", chart.bars(states, title="Contacts by state")),
        Card(f"{title}: numbers", chart.bars(numbers, title="Numbers by status")),
    ]
    if one.by_hour:
        hours = [Bar(f"{rate.at}:00", round(100 * rate.share, 1), "plain", _of(rate)) for rate in one.by_hour]
        body = chart.bars(hours, title="Answered by hour")
        cards.append(Card(f"{title}: answered by hour", body, note="Per cent of the calls, by the campaign's clock."))
    if len(one.by_day) > 1:
        x = [float(n) for n in range(len(one.by_day))]
        line = chart.lines(
            x, [Series("answered", "talking", [rate.share for rate in one.by_day])], title="Answered by day",
            shown=percent, unit=f"days since {one.by_day[0].at}",
        )  # fmt: skip
        cards.append(Card(f"{title}: answered by day", line, note="Share of each day's calls that a person answered."))
    if one.changes:
        told = [Bar(_words(kind), n, "plain") for kind, n in one.changes.items()]
        cards.append(Card(f"{title}: what changed", chart.bars(told, title="Changes by kind")))
    return cards


def _of(rate: Rate) -> str:
    return f"% of {plain(rate.calls)}"


def _words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))
