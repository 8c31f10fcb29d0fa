"""What contradicts itself within one campaign: its pacing, its schedule, its table, and what the jurisdiction caps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from dialer.config.campaign_tables import CampaignTable, NextTable
from dialer.config.checks import CHECKS, Check, Known
from dialer.config.codes import codes_of
from dialer.config.jurisdiction import Limits
from dialer.config.list_checks import LIST_CHECKS
from dialer.config.list_tables import ScheduleTable
from dialer.config.model import ConfigFile
from dialer.config.positions import KeyPath
from dialer.config.wording import Problem, flaw


def callers(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """A prefix has one number, and a carrier must know who calls although the people called do not."""
    for name, campaign in config.campaigns.items():
        seen: set[str] = set()
        for index, entry in enumerate(campaign.caller_ids):
            if entry.prefix in seen:
                path: KeyPath = ("campaigns", name, "caller_ids", index, "prefix")
                yield flaw(path, f"'{entry.prefix}' is named twice; allowed: once")
            seen.add(entry.prefix)
        for index, trunk in enumerate(campaign.trunks):
            table = config.trunks.get(trunk)
            if campaign.privacy == "id" and table is not None and table.asserted_identity is None:
                text = (
                    f"nobody could tell who calls over trunk '{trunk}', which sends no asserted_identity;"
                    " allowed: asserted_identity at each trunk of the campaign, or privacy = 'none'"
                )
                needs: tuple[KeyPath, ...] = (("campaigns", name, "trunks", index), ("trunks", trunk))
                yield flaw(("campaigns", name, "privacy"), text, needs=needs)


def pacing(config: ConfigFile, known: Known) -> Iterator[Problem]:
    """What the pacing mode needs, and what the jurisdiction caps."""
    for name, campaign in config.campaigns.items():
        at: KeyPath = ("campaigns", name, "pacing")
        table = campaign.pacing
        if table.mode == "power" and "calls_per_agent" not in table.model_fields_set:
            text = "power mode needs calls_per_agent beside it; allowed: a number from 1 to 20"
            yield flaw((*at, "mode"), text, needs=((*at, "calls_per_agent"),))
        floor = table.ring_floor
        if floor is not None and floor >= table.ring_timeout:
            text = f"{floor:g} s is not below ring_timeout ({table.ring_timeout:g} s); allowed: less than ring_timeout"
            yield flaw((*at, "ring_floor"), text, needs=((*at, "ring_timeout"),))
        place = known.jurisdictions.get(campaign.jurisdiction)
        if place is not None:
            yield from _within(name, campaign, place)


def _within(name: str, campaign: CampaignTable, place: Limits) -> Iterator[Problem]:
    table, rules = campaign.pacing, f"jurisdiction '{campaign.jurisdiction}'"
    at: KeyPath = ("campaigns", name, "pacing")
    moot: tuple[KeyPath, ...] = (("campaigns", name, "jurisdiction"),)
    if place.abandon_cap is not None and table.abandon_cap is not None and table.abandon_cap > place.abandon_cap:
        text = f"{table.abandon_cap:g} is more than {rules} allows; allowed: at most {place.abandon_cap:g}"
        yield flaw((*at, "abandon_cap"), text, needs=moot)
    if place.ring_floor is not None:
        least = f"allowed: at least {place.ring_floor:g} s"
        if table.ring_floor is not None and table.ring_floor < place.ring_floor:
            text = f"{table.ring_floor:g} s is less than {rules} asks for; {least}"
            yield flaw((*at, "ring_floor"), text, needs=moot)
        if table.ring_timeout < place.ring_floor:
            text = f"{table.ring_timeout:g} s is less than {rules} lets a call ring; {least}"
            yield flaw((*at, "ring_timeout"), text, needs=moot)
    if place.patience is not None and table.patience > place.patience:
        text = f"{table.patience:g} s is longer than {rules} lets people wait; allowed: at most {place.patience:g} s"
        yield flaw((*at, "patience"), text, needs=moot)
    delay, least_delay = campaign.abandoned_redial_delay, place.abandoned_redial_delay
    if least_delay is not None and delay is not None and delay < least_delay:
        text = f"{delay:g} s is less than {rules} asks for; allowed: at least {least_delay:g} s"
        yield flaw(("campaigns", name, "abandoned_redial_delay"), text, needs=moot)


def reserves(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """A campaign whose trunks are all reserves is a slip."""
    for name, campaign in config.campaigns.items():
        if all(trunk in config.trunks and config.trunks[trunk].reserve for trunk in campaign.trunks):
            text = "every trunk named is a reserve; allowed: at least one with reserve = false"
            yield flaw(("campaigns", name, "trunks"), text)


def schedules(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """Opening times that end after they start and do not overlap; known zones; dates in order."""
    for name, campaign in config.campaigns.items():
        yield from _schedule(("campaigns", name, "schedule"), campaign.schedule)


def _schedule(at: KeyPath, table: ScheduleTable) -> Iterator[Problem]:
    if table.timezone is not None and not _is_zone(table.timezone):
        text = f"there is no time zone {table.timezone!r}; allowed: an IANA name, e.g. 'Europe/Madrid'"
        yield flaw((*at, "timezone"), text)
    hours = table.hours
    if hours is not None and not any(hours.values()):
        example = 'mon = [{ start = "09:00", end = "17:00" }]'
        text = f"no day has opening times, so nothing would ever be dialed; allowed: {example}"
        yield flaw((*at, "hours"), text, whole=True)
    for day, spans in (hours or {}).items():
        for index, span in enumerate(spans):
            if span.end <= span.start:
                yield flaw(
                    (*at, "hours", day, index),
                    f"ends at {span.end}, which is not after its start {span.start}; allowed: an end after the start;"
                    " midnight is '24:00', and hours past it go to the next day",
                )
        for (i, one), (j, two) in itertools.combinations(enumerate(spans), 2):
            if one.start < two.end and two.start < one.end:
                text = f"{two.start}-{two.end} overlaps {one.start}-{one.end}; allowed: times that do not overlap"
                yield flaw((*at, "hours", day, j), text, needs=((*at, "hours", day, i),))
    if table.open_at is not None and table.close_at is not None and table.close_at < table.open_at:
        text = f"{table.close_at} is before open_at ({table.open_at}); allowed: the same day or a later one"
        yield flaw((*at, "close_at"), text, needs=((*at, "open_at"),))


def _is_zone(name: str) -> bool:
    # Listing the zones reads a directory tree: only a file that names one pays.
    from zoneinfo import available_timezones

    return name in available_timezones()


#: Keys of a line of the table that mean something with each next state, beside next, label and person.
_MEANT: dict[str, frozenset[str]] = {
    "retry": frozenset({"after", "attempts", "exhausted"}),
    "callback": frozenset({"after", "personal"}),
    "done": frozenset(),
    "sale": frozenset(),
    "do_not_call": frozenset({"project"}),
    "bad_number": frozenset(),
}
_ALWAYS_MEANT = frozenset({"next", "label", "person"})


def dispositions(config: ConfigFile, known: Known) -> Iterator[Problem]:
    """Each line of the table says something that can be carried out, and that the jurisdiction lets be."""
    for name, campaign in config.campaigns.items():
        place = known.jurisdictions.get(campaign.jurisdiction, Limits())
        for code, line in codes_of(campaign, config).items():
            at: KeyPath = ("campaigns", name, "dispositions", code)
            if code not in campaign.dispositions:
                at = ("codes", next(s for s in reversed(campaign.codes) if code in config.codes.get(s, {})), code)
            yield from _line(at, line)
            yield from _of_project(at, line, campaign, name)
            yield from _soon(at, line, campaign, name)
            yield from _rest(at, line, campaign, name, place)
            if code == "undisposed":
                own = f"[campaigns.{name}.outcomes.undisposed]"
                yield flaw(at, f"is reserved for calls that no agent coded; allowed: {own} instead", on_key=True)
        for outcome, line in campaign.outcomes.items():
            at = ("campaigns", name, "outcomes", outcome)
            yield from _line(at, line)
            yield from _of_project(at, line, campaign, name)
            yield from _soon(at, line, campaign, name)
            if outcome == "undisposed":
                yield from _rest(at, line, campaign, name, place)
            if line.next in ("sale", "callback"):
                text = f"'{line.next}' needs an agent's word; allowed: 'done', 'retry', 'do_not_call', 'bad_number'"
                yield flaw((*at, "next"), text)
            if not line.person:
                text = "is for dispositions; an outcome of the network says itself what was reached"
                yield flaw((*at, "person"), text, on_key=True)


def _of_project(at: KeyPath, line: NextTable, campaign: CampaignTable, name: str) -> Iterator[Problem]:
    """A mark for a project only is one of some project."""
    if line.project and campaign.project is None:
        own: KeyPath = ("campaigns", name, "project")
        text = (
            f"campaign '{name}' belongs to no project; allowed: project = \"NAME\" in [campaigns.{name}], or without it"
        )
        yield flaw((*at, "project"), text, needs=(own,))


def _soon(at: KeyPath, line: NextTable, campaign: CampaignTable, name: str) -> Iterator[Problem]:
    """No retry sooner than the delay that is promised for every number."""
    if line.next == "retry" and line.after is not None and line.after < campaign.redial_delay:
        text = (
            f"{line.after:g} s is sooner than redial_delay lets a number be dialed again;"
            f" allowed: at least {campaign.redial_delay:g} s, or a shorter redial_delay"
        )
        yield flaw((*at, "after"), text, needs=((*at, "next"), ("campaigns", name, "redial_delay")))


def _rest(at: KeyPath, line: NextTable, campaign: CampaignTable, name: str, place: Limits) -> Iterator[Problem]:
    """No retry after a conversation sooner than the jurisdiction lets people be called again."""
    least = place.after_talk
    if least is not None and line.next == "retry" and line.person and line.after is not None and line.after < least:
        text = (
            f"{line.after:g} s after a conversation is sooner than jurisdiction '{campaign.jurisdiction}' lets them"
            f" be called again; allowed: at least {least:g} s, or a callback that was asked for"
        )
        yield flaw((*at, "after"), text, needs=((*at, "next"), ("campaigns", name, "jurisdiction")))


def _line(at: KeyPath, line: NextTable) -> Iterator[Problem]:
    meant = _MEANT[line.next] | _ALWAYS_MEANT
    for key in sorted(line.model_fields_set - meant):
        fits = " or ".join(f"'{state}'" for state, keys in _MEANT.items() if key in keys)
        text = f"means nothing with next = '{line.next}'; allowed with next = {fits}"
        yield flaw((*at, key), text, on_key=True, needs=((*at, "next"),))
    if line.next == "retry" and "exhausted" in line.model_fields_set and line.attempts is None:
        text = "needs attempts beside it; without, it never happens"
        yield flaw((*at, "exhausted"), text, on_key=True, needs=((*at, "attempts"),))


ALL_CHECKS: tuple[Check, ...] = (*CHECKS, callers, pacing, reserves, schedules, dispositions, *LIST_CHECKS)
