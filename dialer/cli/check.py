"""`dialer check`: is this config fit to be run, and what would it dial now?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from dialer.cli.output import config_argument, json_option, print_json, seconds, show, table

if TYPE_CHECKING:
    from dialer.cli.funnel import Funnel
    from dialer.config.build import BuiltCampaign
    from dialer.config.load import Config
    from dialer.config.model import ConfigFile
    from dispositions import OutcomeTable, Rule
    from dispositions.importer import ImportReport


@click.command()
@config_argument
@click.option("--options", "ask", is_flag=True, help="Also send OPTIONS to every trunk and show the round trip.")
@click.option("--no-lists", is_flag=True, help="Do not read the contact lists.")
@click.option("--diagram", is_flag=True, help="Only draw what becomes of contacts, as Mermaid flow charts.")
@json_option
def check(config_path: str, ask: bool, no_lists: bool, diagram: bool, as_json: bool) -> int:
    """Check CONFIG and everything that it points at, and say what would be dialable now and what not, and why.

    Nothing is changed: lists that are not imported yet are read into a temporary store. Ends with 0 when all is well,
    1 when there are problems, 2 for wrong usage.
    """
    from dialer.cli.funnel import Funnel, count, heads
    from dialer.cli.probe import probe
    from dialer.config.build import build
    from dialer.config.load import load

    config = load(config_path)
    built = build(config)
    if diagram:
        return _draw(built.campaigns, as_json)
    problems: list[str] = []
    lists = heads(config, problems)
    trunks = probe(built.file) if ask else {}
    problems += [
        f"{config.place('trunks', name).file}:{config.place('trunks', name).line}:"
        f"{config.place('trunks', name).column}: trunk {name}: {answer['problem']}"
        for name, answer in trunks.items()
        if answer.get("problem")
    ]
    at = time.time()
    counted = Funnel({}, {}) if no_lists or problems else count(config, built.campaigns, at, quiet=as_json)
    problems += [
        str(config.error(("campaigns", name), f"campaigns.{name}: never opens in the year to come; see its schedule"))
        for name, campaign in built.campaigns.items()
        if _opens(campaign, at) is None
    ]
    if as_json:
        print_json(_json(config, built.campaigns, lists, trunks, counted, problems, at))
    else:
        _show(config, built.campaigns, lists, trunks, counted, at)
        for line in (*warnings(config.file), *problems):
            click.echo(line, err=True)
        if not problems:
            show(f"{config_path}: fit to run")
    return 1 if problems else 0


def _draw(campaigns: Mapping[str, BuiltCampaign], as_json: bool) -> int:
    """Each campaign's table of outcomes and codes, drawn; paste it wherever Mermaid is understood."""
    drawn = {name: campaign.policy.table.diagram() for name, campaign in campaigns.items()}
    if as_json:
        print_json(drawn)
        return 0
    for name, text in drawn.items():
        click.echo(f"%% campaign {name}\n{text}")
    return 0


def _json(
    config: Config,
    campaigns: dict[str, BuiltCampaign] | Any,
    lists: dict[str, Any],
    trunks: dict[str, Any],
    counted: Funnel,
    problems: list[str],
    at: float,
) -> dict[str, Any]:
    return {
        "ok": not problems,
        "problems": problems,
        "warnings": warnings(config.file),
        "files": [str(file) for file in config.files],
        "lists": {name: {**head, **_became(counted.read.get(name))} for name, head in lists.items()},
        "trunks": {
            name: {**trunks.get(name, {}), "causes": trunk.causes.model_dump()}
            for name, trunk in config.file.trunks.items()
        },
        "campaigns": {
            name: {
                "jurisdiction": campaign.jurisdiction.name,
                "not_verified": list(campaign.jurisdiction.doubts),
                "second_hand": list(campaign.jurisdiction.second_hand),
                "abandon_cap": campaign.abandon_cap,
                "window": campaign.window,
                "opens_at": _opens(campaign, at),
                "contacts": dict(counted.contacts.get(name, {})),
                "table": [dict(zip(_TABLE, row, strict=True)) for row in _rows(campaign.policy.table)],
            }
            for name, campaign in campaigns.items()
        },
    }


def _opens(campaign: BuiltCampaign, at: float) -> float | None:
    """When the campaign's own zone may next be dialed (epoch seconds; `at` when it may now)."""
    return campaign.policy.rules.next_open((campaign.policy.rules.timezone,), at)


def _show(
    config: Config,
    campaigns: dict[str, BuiltCampaign] | Any,
    lists: dict[str, Any],
    trunks: dict[str, Any],
    counted: Funnel,
    at: float,
) -> None:
    for name, campaign in campaigns.items():
        show(table(f"Campaign {name}: what becomes of a contact", _TABLE, _rows(campaign.policy.table)))
        show(*_rules(campaign, at))
    show(_trunks(config, trunks))
    for name, trunk in config.file.trunks.items():
        for kind, own in (("SIP status", trunk.causes.sip), ("Q.850 cause", trunk.causes.q850)):
            show(*(f"Trunk {name}: {kind} {code} counts as {outcome}" for code, outcome in own.items()))
    show(_lists(lists, counted))
    if counted.contacts:
        funnel = [
            (name, number, reason, _MEANING.get(reason, ""))
            for name, found in counted.contacts.items()
            for reason, number in found.items()
            if number
        ]
        show(table("Contacts now", ("campaign", "contacts #", "state", ""), funnel or [("none", 0, "", "")]))


def warnings(file: ConfigFile) -> list[str]:
    """What can be run, but not with all that it asks for."""
    return [*_too_few_ports(file), *_no_sales(file)]


def _too_few_ports(file: ConfigFile) -> list[str]:
    media = file.media
    pairs = (media.port_max - media.port_min - media.port_min % 2 + 1) // 2
    lines, agents = sum(trunk.lines for trunk in file.trunks.values()), len(file.agents)
    if lines + agents <= pairs:
        return []
    return [
        f"warning: {lines} lines and {agents} agents need {lines + agents} pairs of RTP ports, and {media.port_min} to"
        f" {media.port_max} are {pairs}: calls beyond them wait; see media.port_min and port_max"
    ]


def _no_sales(file: ConfigFile) -> list[str]:
    """The sale process could not start here."""
    if file.sales is None or not file.sales.run:
        return []
    return [
        f"warning: sales would wait in their queue: {name} is not installed; install the dialer with its extra 'sales'"
        for name in ("dbos", "aiosmtplib")
        if find_spec(name) is None
    ][:1]


def _became(report: ImportReport | None) -> dict[str, Any]:
    """What became of a list's rows."""
    if report is None:
        return {}
    keys = ("rows", "added", "duplicates", "do_not_call", "rejected")
    return {**{key: getattr(report, key) for key in keys}, "reasons": dict(report.reasons)}


def _lists(lists: dict[str, Any], counted: Funnel) -> Any:
    rows = []
    for name, head in lists.items():
        became = _became(counted.read.get(name))
        why = ", ".join(f"{number} {reason}" for reason, number in became.get("reasons", {}).items())
        rejected = f"{became.get('rejected', '')}{f' ({why})' if why else ''}"
        form = f"{head['encoding']}, {head['delimiter']!r}"
        cells = (became.get(key) for key in ("rows", "added", "duplicates", "do_not_call"))
        rows.append((name, ", ".join(head["columns"]), form, *cells, rejected))
    columns = ("list", "columns", "form", "rows #", "new #", "known #", "do not call #", "rejected #")
    return table("Lists", columns, rows)


#: The funnel's words for people.
_MEANING = {
    "dialable": "would be dialed now",
    "closed": "outside calling hours where they are",
    "no_trunk": "no trunk may carry any of their numbers: see the trunks' prefixes",
    "leased": "being dialed",
    "waiting": "wait out a delay",
    "callback": "promised a callback later",
    "callback_due": "their own agent calls them back",
    "review": "wait for the agent's code",
    "done": "finished",
    "sold": "bought",
    "do_not_call": "on a do-not-call list",
    "bad_number": "no such number",
    "exhausted": "tried as often as allowed",
    "no_consent": "no lawful basis on record, or one that has expired",
    "filtered": "not what the campaign's filter asks for",
}


def _rules(campaign: BuiltCampaign, at: float) -> list[str]:
    """The campaign's limits in a few lines."""
    place, policy = campaign.jurisdiction, campaign.policy
    opens = _opens(campaign, at)
    zone = policy.rules.timezone
    if opens is None:
        hours = "never opens in the year to come"
    elif opens <= at:
        hours = "open now"
    else:
        from zoneinfo import ZoneInfo

        hours = f"closed, opens {datetime.fromtimestamp(opens, ZoneInfo(zone)):%a %d %b %H:%M}"
    caps = [f"{cap.attempts} in {seconds(cap.window)}" for cap in policy.caps]
    if policy.attempts_per_day:
        caps.append(f"{policy.attempts_per_day} a day")
    caps.append(f"{policy.max_attempts} in all")
    doubts = [f"  not verified: {doubt}" for doubt in place.doubts]
    doubts += [f"  read in a summary, not in the law: {one}" for one in place.second_hand]
    return [
        f"  rules: {place.title} (version {place.version}, {place.date}); {hours} in {zone}",
        f"  abandoned: at most {100 * campaign.abandon_cap:g} % per {campaign.window}; ring at least"
        f" {seconds(campaign.ring_floor)}; patience {seconds(campaign.table.pacing.patience)}",
        f"  attempts: {', '.join(caps)}; again after {seconds(policy.redial_delay)},"
        f" after an abandoned call {seconds(policy.abandoned_redial_delay)}",
        *doubts,
    ]


_TABLE = ("result", "meaning", "next", "after", "times", "then")


def _rows(outcomes: OutcomeTable) -> list[tuple[str, str, str, str, str, str]]:
    """The disposition table: the network's outcomes first, then the agents' codes."""
    rows = [_row(str(outcome), rule, "network") for outcome, rule in outcomes.outcomes.items()]
    rows += [_row(code, rule, "agent") for code, rule in outcomes.codes.items()]
    rows.append(_row("undisposed", outcomes.undisposed, f"no code within {seconds(outcomes.undisposed_after)}"))
    return rows


def _row(name: str, rule: Rule, source: str) -> tuple[str, str, str, str, str, str]:
    after = "re-dial delay" if rule.next == "retry" and rule.after is None else seconds(rule.after)
    kind = f"{'personal' if rule.personal else 'shared'} callback" if rule.next == "callback" else str(rule.next)
    then = str(rule.exhausted) if rule.attempts is not None else ""
    times = "" if rule.attempts is None else str(rule.attempts)
    return name, rule.description or source, kind, after, times, then


def _trunks(config: Config, answers: dict[str, Any]) -> Any:
    rows = []
    for name, trunk in config.file.trunks.items():
        answer = answers.get(name)
        if answer is None:
            reach = "not asked (--options)"
        elif answer["problem"]:
            reach = answer["problem"]
        else:
            reach = f"{answer['status']} in {1000 * answer['rtt']:.1f} ms"
        role = "reserve" if trunk.reserve else ""
        rows.append((name, trunk.address, ", ".join(trunk.prefixes), trunk.lines, trunk.calls_per_second, role, reach))
    return table("Trunks", ("trunk", "address", "prefixes", "lines #", "calls/s #", "", "OPTIONS"), rows)
