"""What a simulation of a campaign assumes, and where each figure is from: an option, the store, the config, a guess."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from dialer.cli.output import Failure
from dialer.config.kinds import Duration
from dialer.config.membership import may_serve
from dialer.config.store_url import sqlite_file

if TYPE_CHECKING:
    from dialer.config.build import BuiltCampaign
    from dialer.config.load import Config
    from dialer.config.model import ConfigFile
    from dispositions import CallingRules
    from pacing.staffing import Break
    from pacing.whatif import Plan

_SECONDS: TypeAdapter[float] = TypeAdapter(Duration)
#: Where neither the options nor the config nor the store know better. Seconds, shares, hours.
ANSWER_RATE, TALK, WRAP_UP, HOURS, OPENS = 0.2, 120.0, 30.0, 8.0, 9 * 3600.0
#: The store's history counts from so many calls and talks on; of talks the last so many are drawn from.
ENOUGH_CALLS, ENOUGH_TALKS, MOST_TALKS = 200, 50, 4000
#: How far back it is read, s.
HISTORY = 60 * 86400.0
#: The part of `expected_handle` that is taken for wrap-up.
WRAP_SHARE = 0.2
DAYS_LOOKED_AT = 28
#: Attempts, where a contact's are not limited.
NO_LIMIT = 1000
#: States of contacts that will be dialed (again), in the words of the funnel.
TO_DIAL = ("dialable", "closed", "leased", "waiting", "callback", "callback_due")


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options of the command; None: not given."""

    agents: int | None = None
    answer_rate: float | None = None
    machine_rate: float | None = None
    talk: float | None = None
    wrap_up: float | None = None
    hours: float | None = None
    price: float | None = None
    contacts: int | None = None
    seed: int = 1
    breaks: tuple[Break, ...] = ()
    late: float = 0.0
    callbacks: float | None = None


@dataclass(slots=True)
class Assumed:
    """The plan, the list and the price, with the origin of each. price: per minute; None: not known. retry_after: s by
    outcome; attempts: of a contact in its life; callbacks: share of the talks; callback_after: s."""

    plan: Plan
    contacts: int | None
    price: float | None
    attempts: int
    retry_after: Mapping[str, float]
    callbacks: float = 0.0
    callback_after: float = 86400.0
    origins: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store has seen of the campaign."""

    learned: Mapping[str, Any] | None = None
    answer_rate: float | None = None
    machine_rate: float | None = None
    talks: tuple[float, ...] = ()
    calls: int = 0
    callbacks: float | None = None
    problem: str = ""


def assume(config: Config, name: str, campaign: BuiltCampaign, wishes: Wishes, *, quiet: bool) -> Assumed:
    """Everything that the simulation of campaign `name` needs; `campaign` was built without a time scale.

    Raises Failure."""
    from pacing import InvalidValueError
    from pacing.whatif import Plan

    pacing = campaign.pacing
    if pacing is None:
        mode = campaign.table.pacing.mode
        raise Failure(f"campaign {name} is {mode}: agents start its calls, there is nothing to pace", code="not_paced")
    known = _store(config, name, campaign)
    told: list[tuple[str, str, str]] = []

    def take(what: str, shown: str, origin: str) -> None:
        told.append((what, shown, origin))

    agents = wishes.agents or _agents(config.file, name, campaign)
    take("agents", str(agents), "--agents" if wishes.agents else "the config's agents who may work here")
    hours, opens, origin = _hours(campaign.policy.rules)
    if wishes.hours is not None:
        hours, origin = wishes.hours, "--hours"
    opens = min(opens, (24.0 - hours) * 3600.0)
    take("hours a day", f"{hours:.3g}", origin)
    first = campaign.table.pacing.expected_answer_rate
    rate, origin = _first(
        (wishes.answer_rate, "--answer-rate"),
        (known.answer_rate, f"the store: {known.calls} calls"),
        (first, "the config's expected_answer_rate"),
        default=(ANSWER_RATE, "a guess: give --answer-rate"),
    )
    take("people who answer", f"{100 * rate:.3g} % of the calls", origin)
    machines, origin = _first(
        (wishes.machine_rate, "--machines"), (known.machine_rate, f"the store: {known.calls} calls"),
        default=(0.0, "none assumed: give --machines"),
    )  # fmt: skip
    take("machines that answer", f"{100 * machines:.3g} % of the calls", origin)
    talks = known.talks if wishes.talk is None else ()
    handle = campaign.table.pacing.expected_handle
    talk, origin = _first(
        (wishes.talk, "--talk"),
        (sum(talks) / len(talks) if talks else None, f"the store: the last {len(talks)} talks"),
        (handle * (1.0 - WRAP_SHARE) if handle else None, "four fifths of the config's expected_handle"),
        default=(TALK, "a guess: give --talk"),
    )
    take("mean talk", f"{talk:.0f} s", origin)
    wrap_up, origin = _first(
        (wishes.wrap_up, "--wrap-up"),
        (handle * WRAP_SHARE if handle else None, "a fifth of the config's expected_handle"),
        default=(min(WRAP_UP, campaign.table.wrap_up_max or WRAP_UP), "a guess: give --wrap-up"),
    )  # fmt: skip
    take("mean wrap-up", f"{wrap_up:.0f} s", origin)
    if wishes.breaks:
        rests = ", ".join(f"{rest.length / 60:g} min after {rest.at / 3600:.3g} h" for rest in wishes.breaks)
        take("breaks of each agent", rests, "--break")
    if wishes.late:
        take("agents arrive", f"over {wishes.late / 60:g} min", "--late")
    callbacks, callback_after, origin = _callbacks(campaign, known, wishes)
    take("talks that promise a callback", f"{100 * callbacks:.3g} %", origin)
    lines, cps = _trunks(config.file, campaign)
    take("lines, calls per second", f"{lines}, {cps:g}", "the config's trunks")
    price, origin = _price(config.file, campaign, wishes)
    take("price per minute", "not known" if price is None else f"{price:g}", origin)
    contacts, origin = _contacts(config, name, campaign, wishes, quiet)
    take("contacts to dial", "not known" if contacts is None else f"{contacts:,}", origin)
    cap = f"{100 * campaign.abandon_cap:g} % per {campaign.window}"
    take("pacing", f"{pacing.mode}, cap {cap}", "the config")
    if known.problem:
        take("history", "none", known.problem)
    elif known.learned is not None:
        take("pacer", "starts with what it learned", "the store")
    try:
        plan = Plan(
            agents=agents, hours=hours, opens=opens, config=pacing, answer_rate=rate, machine_rate=machines, talk=talk,
            wrap_up=wrap_up, talks=talks, lines=lines, cps=cps, window=campaign.window, seed=wishes.seed,
            breaks=wishes.breaks, late=wishes.late,
            # what was learned would contradict figures that were given by hand
            learned=known.learned if wishes.answer_rate is None and wishes.talk is None else None,
        )  # fmt: skip
    except InvalidValueError as error:
        raise Failure(str(error), code="bad_plan", exit_code=2) from None
    policy = campaign.policy
    retry_after = {
        str(outcome): rule.after if rule.after is not None else policy.redial_delay
        for outcome, rule in policy.table.outcomes.items()
        if rule.next == "retry"
    }
    retry_after["abandoned"] = max(retry_after.get("abandoned", 0.0), policy.abandoned_redial_delay)
    attempts = policy.max_attempts or NO_LIMIT
    return Assumed(plan, contacts, price, attempts, retry_after, callbacks, callback_after, told)


def parse_time(option: str, text: str) -> float:
    """Seconds of a duration as the config writes them. Raises Failure."""
    try:
        return _SECONDS.validate_python(float(text) if text.isdigit() else text)
    except (ValidationError, ValueError):
        raise Failure(
            f"{option}: {text!r} is no duration such as 90s, 15m or 2h", code="bad_time", exit_code=2
        ) from None


def parse_breaks(texts: Sequence[str]) -> tuple[Break, ...]:
    """Breaks written as AT/LENGTH. Raises Failure."""
    from pacing.staffing import Break

    found = []
    for text in texts:
        at, slash, length = text.partition("/")
        if not slash:
            raise Failure(f"--break: {text!r} is not AT/LENGTH, such as 2h/15m", code="bad_time", exit_code=2)
        found.append(Break(parse_time("--break", at), parse_time("--break", length)))
    return tuple(found)


def _callbacks(campaign: BuiltCampaign, known: _Known, wishes: Wishes) -> tuple[float, float, str]:
    """(share of the talks, s until it is due, origin of the share)."""
    promises = [rule for rule in campaign.policy.table.codes.values() if rule.next == "callback"]
    after = min((rule.after for rule in promises if rule.after is not None), default=86400.0)
    if wishes.callbacks is not None:
        return wishes.callbacks, after, "--callbacks"
    if not promises:
        return 0.0, after, "no code of the campaign promises one"
    if known.callbacks is not None:
        return known.callbacks, after, "the store: the codes of its talks"
    return 0.0, after, "none assumed: give --callbacks"


def _first(*known: tuple[float | None, str], default: tuple[float, str]) -> tuple[float, str]:
    """The first value that is there, with its origin."""
    for value, origin in known:
        if value is not None:
            return value, origin
    return default


def _agents(file: ConfigFile, name: str, campaign: BuiltCampaign) -> int:
    return max(1, sum(may_serve(agent, table, name, campaign.table) for agent, table in file.agents.items()))


def _hours(rules: CallingRules) -> tuple[float, float, str]:
    """(hours on a day with calls, s after midnight at which it opens, origin); at most a shift of 8 h."""
    spans = []
    for ahead in range(DAYS_LOOKED_AT):
        span = rules.of_day(date.today() + timedelta(days=ahead))
        if span:
            spans.append(span)
    if not spans:
        raise Failure(f"the campaign is closed on all of the next {DAYS_LOOKED_AT} days; give --hours", code="closed")
    opened = sum(end - start for span in spans for start, end in span) / 60.0 / len(spans)
    opens = spans[0][0][0] * 60.0
    if opened <= HOURS:
        return opened, opens, "the schedule, mean of the days that are open"
    return HOURS, max(opens, min(OPENS, spans[0][-1][1] * 60.0 - HOURS * 3600.0)), "a shift inside the schedule"


def _trunks(file: ConfigFile, campaign: BuiltCampaign) -> tuple[int, float]:
    """(lines, calls per second) of the trunks that are no reserve."""
    trunks = [file.trunks[name] for name in campaign.table.trunks]
    used = [trunk for trunk in trunks if not trunk.reserve] or trunks
    lines = sum(trunk.lines for trunk in used)
    most = campaign.table.pacing.max_lines
    return min(lines, most) if most is not None else lines, sum(trunk.calls_per_second for trunk in used)


def _price(file: ConfigFile, campaign: BuiltCampaign, wishes: Wishes) -> tuple[float | None, str]:
    if wishes.price is not None:
        return wishes.price, "--price"
    prices = [file.trunks[name].price for name in campaign.table.trunks if not file.trunks[name].reserve]
    priced = [price for price in prices if price > 0]
    if not priced:
        return None, "the config's trunks have no price: give --price"
    return min(priced), "the config's cheapest trunk"


def _contacts(
    config: Config, name: str, campaign: BuiltCampaign, wishes: Wishes, quiet: bool
) -> tuple[int | None, str]:
    if wishes.contacts is not None:
        return wishes.contacts, "--contacts"
    from dialer.cli.funnel import count, heads

    problems: list[str] = []
    heads(config, problems)
    if problems:
        return None, f"a list cannot be read ({problems[0]}): give --contacts"
    found = count(config, {name: campaign}, time.time(), quiet=quiet).contacts.get(name, {})
    return sum(found.get(state, 0) for state in TO_DIAL), "the lists and the store"


def _store(config: Config, name: str, campaign: BuiltCampaign) -> _Known:
    """What the store knows; an empty one, with the reason, when it cannot be asked."""
    url = config.file.store.url
    file = sqlite_file(url)
    if file is not None and not os.path.isfile(file):
        return _Known()
    if config.file.time_scale != 1.0:
        return _Known(problem="the config's time_scale shortens every duration: its store is no guide")
    from dialer.cli.stores import opened
    from dialer.report import ReportError, read_store

    try:
        with opened(url, [campaign.policy]) as store, store.read() as view:
            learned = view.load_state(f"pacing/{name}")
        attempts = read_store(url, name, time.time() - HISTORY).attempts
    except Failure as failure:
        return _Known(problem=failure.message)
    except ReportError as error:
        return _Known(problem=str(error))
    ended = [attempt for attempt in attempts if attempt.outcome is not None]
    people = sum(attempt.outcome in ("answered", "abandoned") for attempt in ended)
    machines = sum(attempt.outcome in ("machine", "fax") for attempt in ended)
    talks = [
        attempt.talk_seconds
        for attempt in ended
        if attempt.outcome == "answered" and (attempt.talk_seconds or 0.0) > 0.0
    ]
    known = _Known(learned=_usable(learned), calls=len(ended))
    if len(ended) >= ENOUGH_CALLS and people:
        known = replace(known, answer_rate=people / len(ended), machine_rate=machines / len(ended))
    if len(talks) >= ENOUGH_TALKS:
        known = replace(known, talks=tuple(float(talk or 0.0) for talk in talks[-MOST_TALKS:]))
    promise = {code for code, rule in campaign.policy.table.codes.items() if rule.next == "callback"}
    coded = [attempt.disposition for attempt in ended if attempt.disposition is not None]
    if len(coded) >= ENOUGH_TALKS:
        known = replace(known, callbacks=min(0.9, sum(code in promise for code in coded) / len(coded)))
    return known


def _usable(learned: Any) -> Mapping[str, Any] | None:
    """The saved state, if today's pacer understands it."""
    from pacing import Pacer, PacingError

    if learned is None:
        return None
    try:
        Pacer.restore(learned, 0.0)
    except PacingError:
        return None
    return dict(learned)
