"""Why a contact may or may not be dialed, in words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from dispositions import consent, schema, withholding
from dispositions.contact import Verdict
from dispositions.hours import zone_info
from dispositions.policy import CampaignPolicy
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.work import PERSONAL, Contact, origin_of

if TYPE_CHECKING:
    from dispositions.view import ReadView

_CALLBACK = Statement(select(schema.callback).where(schema.callback.c.id == bindparam("key")))
_a = schema.attempt.c
_LAST = Statement(
    select(_a.id, _a.outcome, _a.disposition, _a.ended_at)
    .where(_a.contact_id == bindparam("contact_id"))
    .order_by(_a.started_at.desc())
    .limit(1)
)

_ENDED = {
    ContactState.DONE: "done with: {what}",
    ContactState.SOLD: "sold",
    ContactState.DO_NOT_CALL: "must not be called: {what}",
    ContactState.BAD_NUMBER: "has no working number: {what}",
    ContactState.NO_CONSENT: "withheld: {what}",
    ContactState.FILTERED: "withheld: the campaign's filter does not let it through: {what}",
    ContactState.WITHDRAWN: "withdrawn by the company",
    ContactState.EXHAUSTED: "attempts exhausted: {attempts} made, last {what}",
}


def _local(at: float, zones: tuple[str, ...]) -> str:
    zone = zones[0] if zones else "UTC"
    return f"{datetime.fromtimestamp(at, zone_info(zone)):%Y-%m-%d %H:%M} {zone}"


def why(view: ReadView, contact: Contact, at: float) -> Verdict:
    """See `ReadView.why`."""
    store = view.store
    policy = store.policy(store.campaign_name(contact.campaign_id))
    zones = store.zones(contact.zone_id, view.connection)
    state = contact.place.state
    if state is ContactState.LEASED:
        call = contact.place.attempt_id
        text = f"in call {call} now" if call else "claimed now, about to be dialed"
        return Verdict(contact.id, False, ("leased",), (text,), None)
    if state is ContactState.REVIEW:
        text = f"talked in call {contact.place.attempt_id}; the agent's disposition is awaited until " + _local(
            contact.place.when, zones
        )
        return Verdict(contact.id, False, ("review",), (text,), contact.place.when)
    if state in _ENDED:
        last = _LAST.one(view.connection, {"contact_id": contact.id}).first()
        what = "no attempt" if last is None else str(last.disposition or last.outcome)
        if state is ContactState.FILTERED:
            what = "it has changed since" if policy.filter is None else policy.filter.text
        if state is ContactState.NO_CONSENT:
            what = _ground(view, contact, policy, at) or "it may be dialed by now; a reload looks again"
        if state is ContactState.DO_NOT_CALL:
            held = store.do_not_call.blocked(contact.number, store.lists_of(policy))
            what = (
                "asked for it, or was on a register"
                if held is None
                else f"+{contact.number} is on do-not-call list {held!r}"
            )
        text = _ENDED[state].format(what=what, attempts=contact.attempts)
        return Verdict(contact.id, False, (str(state),), (text,), None)
    return _waiting(view, contact, policy, zones, at)


def _waiting(view: ReadView, contact: Contact, policy: CampaignPolicy, zones: tuple[str, ...], at: float) -> Verdict:
    store, place, progress = view.store, contact.place, contact.progress
    blocked = store.do_not_call.blocked(contact.number, store.lists_of(policy))
    if blocked is not None:
        text = f"+{contact.number} is on do-not-call list {blocked!r}"
        if contact.numbers < 2:
            return Verdict(contact.id, False, ("do_not_call",), (text,), None)
    found: list[tuple[str, str]] = [] if blocked is None else [("do_not_call", text)]
    if contact.callback_id is None:
        ground = _ground(view, contact, policy, at)
        if ground is not None:
            return Verdict(contact.id, False, ("no_consent",), (ground,), None)
        if policy.filter is not None and not policy.filter.holds(withholding.looker(contact)):
            text = f"the campaign's filter does not let it through: {policy.filter.text}"
            return Verdict(contact.id, False, ("filtered",), (text,), None)
    next_at = at
    if place.state is not ContactState.READY and place.when > at:
        found.append((str(place.state), _awaited(view, contact, zones)))
        next_at = max(next_at, place.when)
    elif place.kind == PERSONAL:
        found.append(("callback_due", _awaited(view, contact, zones)))
    if progress.held_until > at:
        until = _local(progress.held_until, zones)
        found.append(("abandoned_delay", f"an abandoned call: nobody but a reserved agent may call before {until}"))
        next_at = max(next_at, progress.held_until)
    if policy.max_attempts is not None and contact.attempts >= policy.max_attempts and contact.callback_id is None:
        text = f"attempts exhausted: {contact.attempts} of {policy.max_attempts} made"
        return Verdict(contact.id, False, ("exhausted",), (text,), None)
    allowed = policy.earliest(zones, progress.times, at)
    if allowed > at:
        found.append(("capped", f"the attempt caps allow the next one from {_local(allowed, zones)}"))
        next_at = max(next_at, allowed)
    opening = policy.rules.next_open(zones, next_at)
    for zone in policy.rules.closed_zones(zones, at):
        now = datetime.fromtimestamp(at, zone_info(zone))
        until = "it never opens" if opening is None else f"until {_local(opening, (zone,))}"
        found.append(("closed", f"outside calling hours in {zone} ({now:%a %H:%M}), {until}"))
    if not found:
        origin = "callback" if contact.callback_id is not None else origin_of(place.rank)
        return Verdict(contact.id, True, ("dialable",), (f"dialable now, as {origin}",), at)
    codes = tuple(dict.fromkeys(code for code, _ in found))
    return Verdict(contact.id, False, codes, tuple(text for _, text in found), opening)


def _ground(view: ReadView, contact: Contact, policy: CampaignPolicy, at: float) -> str | None:
    """What is wrong with the lawful basis on record."""
    if policy.consent is None:
        return None
    return policy.consent.problem(consent.of_contacts(view.connection, [contact.id]).get(contact.id), at)


def _awaited(view: ReadView, contact: Contact, zones: tuple[str, ...]) -> str:
    when = _local(contact.place.when, zones)
    if contact.callback_id is not None:
        row = _CALLBACK.one(view.connection, {"key": contact.callback_id}).first()
        if row is not None and row.personal:
            return f"callback for agent {row.agent} at {when}"
        return f"callback for any agent at {when}"
    last = _LAST.one(view.connection, {"contact_id": contact.id}).first()
    if last is None:
        return f"waiting until {when}"
    return f"waiting until {when} after {last.disposition or last.outcome}"
