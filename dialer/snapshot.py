"""What is going on right now, as plain values: the `status` command's answer, the metrics' gauges, a contact's card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dialer.agent import AgentState
from dialer.breaker import BreakerState
from dialer.campaign import AT_WORK
from dialer.card_number import masked_values
from dialer.events import AgentChanged, CampaignChanged, Event
from dialer.metrics import AbandonWindow, Gauges
from dialer.roster import count_states
from dialer.transport import Transports
from dialer.trunk_guard import trunk_event
from dialer.udp import UdpEndpoint
from dispositions import Promises, ReadView, UnknownContact

if TYPE_CHECKING:
    from dialer.campaign import Campaign
    from dialer.engine import Engine, Unit


def status(engine: Engine) -> dict[str, Any]:
    """Campaigns, agents, trunks, store: JSON-able. Its shape is in docs/design/contracts.md."""
    now, phones = engine.services.clock.now(), engine.services.phones
    return {
        "at": engine.services.clock.at(),
        "campaigns": {
            name: {**_campaign(unit.campaign), "sharing": _sharing(engine, unit)} for name, unit in engine.units.items()
        },
        "agents": [
            {
                "agent": agent.name,
                "campaign": agent.campaign if agent.state is not AgentState.LOGGED_OUT else None,
                "serves": engine.sharing.serves(agent) if agent.state is not AgentState.LOGGED_OUT else [],
                "state": "logged_out" if agent.state is AgentState.LOGGING_IN else agent.state.value,
                "reason": agent.reason,
                "seconds": round(max(0.0, now - agent.since), 3),
                "call": agent.call.id if agent.call is not None else None,
                "owes": agent.undisposed.id if agent.undisposed is not None else None,
                "calls_taken": agent.calls_taken,
                "phone": phones.state(agent) if phones is not None else "fixed",
            }
            for agent in engine.agents.values()
        ],
        "trunks": {
            trunk.name: {
                "up": trunk.up and trunk.signed_on is not False,
                "reason": trunk.why_not(now),
                "rests": round(max(0.0, trunk.blocked_until - now), 3),
                "registered": trunk.signed_on,
                "breaker": trunk.breaker.state.value,
                "congestion": round(trunk.breaker.share, 4),
                "lines_in_use": trunk.lines_in_use,
                "lines": trunk.table.lines,
                "calls_per_second": trunk.table.calls_per_second,
                "reserve": trunk.table.reserve,
            }
            for trunk in engine.trunks.values()
        },
        "store": {"locked": engine.services.ledger.locked, "waiting": engine.services.ledger.waiting},
        "sip": {"legs": engine.services.switch.legs, "drops": dict(engine.services.switch.udp.drops)},
        "counters": dict(engine.services.counters),
    }


def _sharing(engine: Engine, unit: Unit) -> dict[str, Any]:
    """Its part of the agents whom campaigns share; `target`: None where nobody is shared."""
    name, share = unit.campaign.name, unit.campaign.table.sharing
    return {
        "agents": sum(agent.state in AT_WORK for agent in unit.campaign.roster.agents.values()),
        "target": engine.sharing.rule.targets.get(name),
        "elsewhere": engine.sharing.elsewhere(unit),
        "weight": share.weight,
        "least_agents": share.least_agents,
    }


def _campaign(campaign: Campaign) -> dict[str, Any]:
    answered, abandoned = campaign.budget
    totals = campaign.totals
    return {
        "state": campaign.state.value,
        "reason": campaign.reason,
        "mode": campaign.table.pacing.mode,
        "agents": campaign.roster.counts(),
        "calls": dict(Counter(call.state.value for call in campaign.calls.values())),
        "lines": len(campaign.calls),
        "placed": totals["placed"],
        "answered": totals["answered"],
        "connected": totals["connected"],
        "abandoned": totals["abandoned"],
        "outcomes": {
            key.removeprefix("outcome/"): count for key, count in sorted(totals.items()) if key.startswith("outcome/")
        },
        "abandonment": {
            "window": campaign.window,
            "answered": answered,
            "abandoned": abandoned,
            "rate": abandoned / answered if answered else 0.0,
            "cap": campaign.abandon_cap,
        },
        "queues": dict(campaign.queue_depths),
        "contacts": {state.value: count for state, count in campaign.contact_counts.items()},
        "forecast": {
            "dry_at": campaign.dry_at,
            "calls_per_hour": round(campaign.call_rate, 1),
            "due_next_hour": campaign.due_next_hour,
        },
        "callbacks": _promises(campaign.promises),
        "pacing": {key: float(value) for key, value in campaign.last_why.items()},
        "decide_seconds": campaign.decide_seconds,
    }


def _promises(found: Promises | None) -> dict[str, Any]:
    """Callbacks of the last day."""
    if found is None:
        return {}
    return {"due": found.due, "in_time": found.in_time, "reached": found.reached, "share": found.share}


def gauges(engine: Engine, outbox: int | None = None) -> Gauges:
    """The same for Prometheus."""
    campaigns = {name: unit.campaign for name, unit in engine.units.items()}
    services = engine.services
    logged_out = Counter(
        agent.campaign or "" for agent in engine.agents.values() if agent.state is AgentState.LOGGED_OUT
    )
    agents = {
        (name, state): count
        for name, campaign in campaigns.items()
        for state, count in count_states(campaign.roster.agents.values()).items()
        if state != "logged_out"
    }
    agents.update({(name, "logged_out"): count for name, count in logged_out.items()})
    calls = Counter(
        (name, call.state.value) for name, campaign in campaigns.items() for call in campaign.calls.values()
    )
    probability = {
        name: campaign.last_why["answer_rate"]
        for name, campaign in campaigns.items()
        if "answer_rate" in campaign.last_why
    }
    return Gauges(
        at=services.clock.at(),
        agents=agents,
        agent_targets={str(name): count for name, count in engine.sharing.rule.targets.items()},
        calls=calls,
        lines={t.name: t.lines_in_use for t in engine.trunks.values()},
        line_limits={t.name: t.table.lines for t in engine.trunks.values()},
        breakers={(t.name, s.value): int(t.breaker.state is s) for t in engine.trunks.values() for s in BreakerState},
        phones_registered=services.phones.registered if services.phones is not None else None,
        registered={t.name: t.signed_on for t in engine.trunks.values() if t.signed_on is not None},
        congestion={t.name: t.breaker.share for t in engine.trunks.values()},
        trunks_up={t.name: t.well(services.clock.now()) for t in engine.trunks.values()},
        queues={(name, queue): depth for name, c in campaigns.items() for queue, depth in c.queue_depths.items()},
        contacts={
            (name, state.value): count for name, c in campaigns.items() for state, count in c.contact_counts.items()
        },
        dialable={name: c.dialable_contacts for name, c in campaigns.items() if c.dialable_contacts is not None},
        abandonment={name: AbandonWindow(*c.budget, c.abandon_cap) for name, c in campaigns.items()},
        answer_probability=probability,
        campaigns={name: c.state.value for name, c in campaigns.items()},
        dry_in={n: max(0.0, c.dry_at - services.clock.at()) for n, c in campaigns.items() if c.dry_at is not None},
        due_next_hour={name: c.due_next_hour for name, c in campaigns.items()},
        promises={n: c.promises.share for n, c in campaigns.items() if c.promises and c.promises.share is not None},
        outbox=outbox,
        degraded={"store": services.ledger.locked, "media": not services.media.stats().alive},
        sip_connections=_connections(services.switch.udp),
        sip_drops={**services.switch.udp.drops, **services.switch.udp.errors},
        engine_refusals=dict(services.counters),
        sip_messages=dict(services.switch.udp.endpoint.messages),
    )


def _connections(sip: UdpEndpoint) -> tuple[int, int] | None:
    return (sip.streams.connections, sip.streams.limits.connections) if isinstance(sip, Transports) else None


def standing(engine: Engine) -> list[Event]:
    """How agents, campaigns and trunks stand, as the events that would have said so; `at`: since when, where it is
    known.
    """
    at, now = engine.services.clock.at(), engine.services.clock.now()
    found: list[Event] = []
    for agent in engine.agents.values():
        logged_in = agent.state not in (AgentState.LOGGED_OUT, AgentState.LOGGING_IN)
        state = agent.state.value if logged_in else AgentState.LOGGED_OUT.value
        found.append(
            AgentChanged(
                at=at - max(0.0, now - agent.since) if logged_in else at,
                campaign=(agent.campaign or "") if logged_in else "",
                agent=agent.name, previous=state, state=state, reason=agent.reason,
                call=agent.call.id if logged_in and agent.call is not None else None,
            )
        )  # fmt: skip
    for unit in engine.units.values():
        campaign = unit.campaign
        found.append(CampaignChanged(at=at, campaign=campaign.name, state=campaign.state.value, reason=campaign.reason))
    found += [trunk_event(trunk, at, now, trunk.why_not(now)) for trunk in engine.trunks.values()]
    return found


def contact_card(
    view: ReadView, campaign: str, number: str, at: float, prefixes: Collection[str]
) -> dict[str, Any] | None:
    """A number's contact in one campaign: state, history, and why it is or is not dialable at `at` (epoch seconds); of
    card numbers the last four digits.

    `prefixes`: those of the campaign's trunks; no other number is ever dialed.
    """
    try:
        card = view.contact(number, campaign)
    except UnknownContact:
        return None
    verdict = view.why(card.contact_id, at)
    record = asdict(card)
    # what agents typed; keys, numbers and call ids may be as long as a card's number and stay as they are
    record["fields"] = masked_values(card.fields)
    record["history"] = [call | masked_values({"note": call["note"]}) for call in record["history"]]
    record["changes"] = [one | masked_values({"old": one["old"], "new": one["new"]}) for one in record["changes"]]
    record["dialable"] = verdict.dialable
    record["why"] = list(verdict.reasons)
    record["why_codes"] = list(verdict.codes)
    record["next_at"] = verdict.next_at
    if not any(card.number.startswith(prefix) for prefix in prefixes):
        record["dialable"] = False
        record["why"].insert(0, "no trunk of the campaign may be given this number: see their prefixes")
        record["why_codes"].insert(0, "no_route")
    return record
