"""The forecast of a stored campaign: its contacts in groups, its last outcomes as shares, and its own hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, bindparam, cast, func, select

from dispositions import schema
from dispositions.forecast import DEFAULT_DAYS, HOUR, Comeback, Forecast, Group, due_by_hour, forecast
from dispositions.outcome import Outcome
from dispositions.policy import CampaignPolicy
from dispositions.statement import Statement
from dispositions.table import NextState, Rule
from dispositions.work import RETRY_KIND

if TYPE_CHECKING:
    from dispositions.view import ReadView

LOOK_BACK = 7 * 86400.0
"""Seconds of the past from which rate and shares are taken."""
MOST_TRIES = 20

_w, _r, _c, _a = schema.waiting.c, schema.ready.c, schema.contact.c, schema.attempt.c
_READY = Statement(
    select(_r.zone_id, func.count().label("contacts"))
    .where(_r.campaign_id == bindparam("campaign_id"))
    .group_by(_r.zone_id)
)


def _waiting(dialect: str) -> Any:
    # CAST to an integer cuts off in SQLite and rounds in PostgreSQL
    hour = func.floor(_w.due_at / 3600.0) if dialect == "postgresql" else cast(_w.due_at / 3600.0, Integer)
    return (
        select(_w.zone_id, _w.kind, hour.label("hour"), func.count().label("contacts"))
        .where(_w.campaign_id == bindparam("campaign_id"))
        .group_by(_w.zone_id, _w.kind, hour)
    )


_WAITING = Statement(_waiting)
_MEAN = Statement(
    select(func.avg(_c.attempts * 1.0).label("attempts"))
    .select_from(schema.contact)
    .join(schema.waiting, _w.contact_id == _c.id)
    .where(_w.campaign_id == bindparam("campaign_id"))
)
_CALLS = Statement(
    select(schema.tally.c.hour, func.sum(schema.tally.c.calls).label("calls"))
    .where(schema.tally.c.campaign_id == bindparam("campaign_id"), schema.tally.c.hour >= bindparam("hour"))
    .group_by(schema.tally.c.hour)
    .order_by(schema.tally.c.hour)
)
_CODES = Statement(
    select(_a.outcome, _a.disposition, func.count().label("calls"))
    .where(
        _a.campaign_id == bindparam("campaign_id"),
        _a.ended_at >= bindparam("start"),
        _a.outcome == bindparam("answered"),
    )
    .group_by(_a.outcome, _a.disposition)
)


def outlook(
    view: ReadView, campaign: str, at: float, *, rate: float | None = None, days: int = DEFAULT_DAYS
) -> Forecast:
    """See `ReadView.forecast`."""
    policy = view.store.policy(campaign)
    campaign_id = view.store.campaign_id(campaign)
    calls = present_rate(view, campaign_id, at) if rate is None else rate
    return forecast(_groups(view, policy, campaign_id), _comebacks(view, policy, campaign_id, at), calls, at, days * 24)


def present_rate(view: ReadView, campaign_id: int, at: float) -> float:
    """Calls an hour, of the last hours in which any were made (8 of them at most): the present hour counts by its
    part."""
    given = {"campaign_id": campaign_id, "hour": int((at - LOOK_BACK) // HOUR)}
    rows = [row for row in _CALLS.one(view.connection, given) if row.calls > 0][-8:]
    if not rows:
        return 0.0
    present = int(at // HOUR)
    length = sum(max(0.1, (at - present * HOUR) / HOUR) if row.hour == present else 1.0 for row in rows)
    return float(sum(row.calls for row in rows)) / length


def due_soon(view: ReadView, campaign: str, at: float, hours: int = 24) -> list[tuple[float, int]]:
    """See `ReadView.due_by_hour`."""
    rows = _WAITING.one(view.connection, {"campaign_id": view.store.campaign_id(campaign)})
    due: Counter[float] = Counter()
    for row in rows:
        due[row.hour * HOUR] += row.contacts
    return due_by_hour(due, at, hours)


def _groups(view: ReadView, policy: CampaignPolicy, campaign_id: int) -> list[Group]:
    given = {"campaign_id": campaign_id}
    most = min(policy.max_attempts or MOST_TRIES, MOST_TRIES)
    mean = _MEAN.one(view.connection, given).scalar() or 1.0
    openings: dict[int, Callable[[float, float], float]] = {}

    def opened(zone_id: int) -> Callable[[float, float], float]:
        if zone_id not in openings:
            openings[zone_id] = _opening(policy, view.store.zones(zone_id, view.connection))
        return openings[zone_id]

    groups = [Group(row.contacts, 0.0, most, opened(row.zone_id)) for row in _READY.one(view.connection, given).all()]
    for row in _WAITING.one(view.connection, given).all():
        tries = max(1.0, round(most - mean)) if row.kind == RETRY_KIND else 1.0
        groups.append(Group(row.contacts, row.hour * HOUR, tries, opened(row.zone_id)))
    return groups


def _opening(policy: CampaignPolicy, zones: tuple[str, ...]) -> Callable[[float, float], float]:
    """The share of an hour in which all of the zones are open, seen every ten minutes."""
    known: dict[tuple[float, float], float] = {}

    def opened(start: float, end: float) -> float:
        key = start, end
        if key not in known:
            steps = max(1, round((end - start) / 600.0))
            width = (end - start) / steps
            known[key] = sum(policy.rules.is_open(zones, start + (n + 0.5) * width) for n in range(steps)) / steps
        return known[key]

    return opened


def _comebacks(view: ReadView, policy: CampaignPolicy, campaign_id: int, at: float) -> list[Comeback]:
    """By the outcomes of the last days. Without any: every call is answered, and ends its contact."""
    since = at - LOOK_BACK
    outcomes = view.outcome_counts(policy.name, since)
    total = sum(outcomes.values())
    if not total:
        return []
    found = []
    for outcome, calls in outcomes.items():
        if outcome is not Outcome.ANSWERED:
            found.append(_comeback(policy, policy.table.outcomes[outcome], calls / total))
    given = {"campaign_id": campaign_id, "start": since, "answered": str(Outcome.ANSWERED)}
    for row in _CODES.one(view.connection, given):
        rule = policy.table.codes.get(row.disposition or "", policy.table.undisposed)
        found.append(_comeback(policy, rule, row.calls / total))
    return [one for one in found if one is not None]


def _comeback(policy: CampaignPolicy, rule: Rule, share: float) -> Comeback | None:
    if rule.next not in (NextState.RETRY, NextState.CALLBACK):
        return None
    # of contacts with so many tries left by this rule, the last one ends them
    again = 1.0 if rule.attempts is None else 1.0 - 1.0 / rule.attempts
    after = policy.redial_delay if rule.after is None else rule.after
    return Comeback(share * again, max(after, policy.redial_delay)) if again > 0 else None
