"""Taking contacts from the list: what is due is promoted, the open zones' best are picked, and each is checked once
more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Integer, bindparam, delete, insert, select, union_all

from dispositions import blocking, consent, schema, settle, withholding
from dispositions.consent import Consent
from dispositions.contact import Claim
from dispositions.errors import NotDialable, StoreConflict, UnknownContact
from dispositions.mix import Turns
from dispositions.policy import CampaignPolicy
from dispositions.state import ContactState, Move
from dispositions.statement import Statement
from dispositions.work import PERSONAL, RETRY_KIND, SHARED, SLOT, Contact, Place, class_ranks, origin_of

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_w, _ready = schema.waiting.c, schema.ready.c
_DUE = Statement(
    lambda dialect: (
        select(_w.contact_id, _w.rank, _w.zone_id)
        .where(
            _w.campaign_id == bindparam("campaign_id"),
            _w.kind == bindparam("kind"),
            _w.due_at <= bindparam("at"),
        )
        .order_by(_w.due_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )
)
_LEAVE_WAITING = Statement(delete(schema.waiting).where(_w.contact_id == bindparam("contact_id")))
_ENTER_READY = Statement(insert(schema.ready), columns=("campaign_id", "zone_id", "rank", "contact_id"))
_ZONES = Statement(
    select(schema.campaign_zone.c.zone_id).where(schema.campaign_zone.c.campaign_id == bindparam("campaign_id"))
)
_PROMOTED = 256
"""How many due contacts a claim takes over at most (or twice its limit): it bounds the time of one claim after a long
night."""
_TOGETHER = 64  # zones in one statement
_ROUNDS = 20  # how often a claim looks again after all that it found was refused


def _best(zones: int) -> Statement:
    """The lowest ranks of several zones in one statement: each zone's own few from its range of the key, then
    merged."""

    def one(n: int, locking: bool) -> Any:
        query = (
            select(_ready.zone_id, _ready.rank, _ready.contact_id)
            .where(
                _ready.campaign_id == bindparam("campaign_id"),
                _ready.zone_id == bindparam(f"z{n}", type_=Integer),
                _ready.rank >= bindparam("low", type_=BigInteger),
                _ready.rank < bindparam("high", type_=BigInteger),
            )
            .order_by(_ready.rank, _ready.contact_id)
            .limit(bindparam("most", type_=Integer))
        )
        if locking:
            # two daemons never wait for, nor take, the same contact
            query = query.with_for_update(skip_locked=True)
        return select(query.subquery(f"s{n}"))

    def build(dialect: str) -> Any:
        parts = [one(n, dialect == "postgresql") for n in range(zones)]
        merged = (parts[0] if zones == 1 else union_all(*parts)).subquery("m")
        return select(merged).order_by(merged.c.rank, merged.c.contact_id).limit(bindparam("most", type_=Integer))

    return Statement(build)


_BEST = {size: _best(size) for size in (1, 2, 4, 8, 16, 32, _TOGETHER)}


def promote(tx: WriteTransaction, campaign_id: int, at: float, most: int) -> int:
    """Move due retries and shared callbacks to the ready table; how many."""
    rows: list[tuple[Any, ...]] = []
    for kind in (SHARED, RETRY_KIND):
        given = {"campaign_id": campaign_id, "kind": kind, "at": at, "most": most}
        rows += _DUE.rows(tx.connection, given)
    if rows:
        _LEAVE_WAITING.many(tx.connection, [{"contact_id": row[0]} for row in rows])
        entering = [
            {"campaign_id": campaign_id, "zone_id": zone_id, "rank": rank, "contact_id": contact_id}
            for contact_id, rank, zone_id in rows
        ]
        _ENTER_READY.many(tx.connection, entering)
    return len(rows)


def claim(tx: WriteTransaction, campaign: str, limit: int, at: float, lease_until: float) -> list[Claim]:
    """See `WriteTransaction.claim`."""
    policy = tx.store.policy(campaign)
    campaign_id = tx.store.campaign_id(campaign)
    if limit <= 0:
        return []
    tx.renew()
    tx.store.do_not_call.refresh(tx.connection)
    promote(tx, campaign_id, at, max(_PROMOTED, 2 * limit))
    zones = [row[0] for row in _ZONES.rows(tx.connection, {"campaign_id": campaign_id})]
    tx.store.learn_slots(tx.connection)
    opened = [zone for zone in zones if policy.rules.is_open(tx.store.zones(zone, tx.connection), at)]
    claims: list[Claim] = []
    for _ in range(_ROUNDS):
        if not opened or len(claims) >= limit:
            break
        wanted = limit - len(claims)
        found = _candidates(tx, campaign_id, policy, opened, wanted)
        places = {key: Place(ContactState.READY, rank=rank, zone_id=zone) for zone, rank, key in found}
        tx.work.load_contacts(list(places), places)
        grounds = consent.of_contacts(tx.connection, list(places)) if policy.consent is not None else {}
        # all at once; each is asked again alone right before its INVITE
        blocked = blocking.among(tx, {tx.work.contacts[key].number for key in places}, policy)
        for _, rank, key in found:
            contact = tx.work.contacts[key]
            if contact.place.state is not ContactState.READY:
                raise StoreConflict(f"contact {contact.id} is ready and {contact.place.state}")
            if _refused(tx, contact, policy, at, grounds.get(key), contact.number in blocked) is None:
                claims.append(_lease(tx, contact, policy, at, lease_until, origin_of(rank)))
        tx.flush()
        if len(found) < wanted:
            break
    return claims


def _candidates(
    tx: WriteTransaction, campaign_id: int, policy: CampaignPolicy, zones: Sequence[int], most: int
) -> list[tuple[Any, ...]]:
    """(zone, rank, contact), best first."""
    slots = tx.store.slots(campaign_id)
    if len(slots) < 2 and policy.recycled_share is None:
        rows = _range(tx, campaign_id, zones, most, (0, SLOT))
        rows.sort(key=lambda row: row[1:])
        return rows[:most]
    if policy.recycled_share is None:
        ranges = [class_ranks(slot, SHARED, "fresh") for slot in set(slots.values())]
    else:
        ranges = [class_ranks(slot, *ends) for slot in set(slots.values()) for ends in _TWO]
    rows = [row for one in ranges for row in _range(tx, campaign_id, zones, most, one)]
    weights = None
    if policy.mixed:
        weights = {slot: policy.lists[name].weight or 1.0 for name, slot in slots.items() if name in policy.lists}
    turns = tx.store.turns.setdefault(campaign_id, Turns())
    return list(turns.pick(rows, most, weights, policy.recycled_share))


_TWO = ((SHARED, RETRY_KIND), ("fresh", "fresh"))


def _range(
    tx: WriteTransaction, campaign_id: int, zones: Sequence[int], most: int, ranks: tuple[int, int]
) -> list[tuple[Any, ...]]:
    """The best of the open zones within a range of ranks."""
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(zones), _TOGETHER):
        chunk = list(zones[start : start + _TOGETHER])
        size = next(size for size in _BEST if size >= len(chunk))
        given = {"campaign_id": campaign_id, "most": most, "low": ranks[0], "high": ranks[1]}
        # the statements come in a few sizes; zone -1 has no rows
        given |= {f"z{n}": chunk[n] if n < len(chunk) else -1 for n in range(size)}
        rows += _BEST[size].rows(tx.connection, given)
    rows.sort(key=lambda row: row[1:])
    return rows[:most]


def _refused(
    tx: WriteTransaction, contact: Contact, policy: CampaignPolicy, at: float, ground: Consent | None, blocked: bool
) -> str | None:
    """Why a ready contact cannot be taken after all; it is then moved to where it belongs. `blocked`: its number is on
    a do-not-call list."""
    if blocked:
        settle.mark_number(tx, contact, contact.number, "do_not_call")
        if settle.switch_number(tx, contact, policy):
            settle.hold(contact, at)  # back through the waiting table: the other number's zones may be closed
        else:
            settle.settle(contact, ContactState.DO_NOT_CALL, at)
        return "do_not_call"
    origin = origin_of(contact.place.rank)
    if origin != SHARED and policy.max_attempts is not None and contact.attempts >= policy.max_attempts:
        settle.settle(contact, ContactState.EXHAUSTED, at)
        return "exhausted"
    if policy.consent is not None or policy.filter is not None:
        withheld = withholding.reason(policy, contact, ground, at)
        if withheld is not None:
            withholding.withhold(contact, withheld, at)
            return str(withheld)
    progress = contact.progress
    if progress.times or progress.held_until:
        zones = tx.store.zones(contact.zone_id, tx.connection)
        allowed = max(policy.earliest(zones, progress.times, at), progress.held_until)
        if allowed > at:
            settle.hold(contact, allowed)
            return "capped"
    return None


def _lease(
    tx: WriteTransaction, contact: Contact, policy: CampaignPolicy, at: float, until: float, origin: str
) -> Claim:
    rank = contact.place.rank
    contact.move(Move.CLAIM, Place(ContactState.LEASED, until, rank, origin))
    return Claim(
        campaign=policy.name,
        contact_id=contact.id,
        number=f"+{contact.number}",
        list_name=contact.list_name,
        external_id=contact.external_id,
        fields=json.loads(contact.fields),
        zones=tx.store.zones(contact.zone_id, tx.connection),
        priority=contact.priority,
        attempts=contact.attempts,
        origin=origin,  # type: ignore[arg-type]
        callback_id=contact.callback_id,
        lease_until=until,
    )


def claim_contact(
    tx: WriteTransaction, campaign: str, contact_id: int, at: float, lease_until: float, reserved: bool
) -> Claim:
    """See `WriteTransaction.claim_contact`."""
    policy = tx.store.policy(campaign)
    tx.store.do_not_call.refresh(tx.connection)
    contact = tx.contact(contact_id)
    if contact.campaign_id != tx.store.campaign_id(campaign):
        raise UnknownContact(f"contact {contact_id} is not in campaign {campaign!r}")
    problems, next_at = obstacles(tx, contact, policy, at, reserved)
    if problems:
        raise NotDialable(contact_id, tuple(problems), next_at)
    place = contact.place
    origin = place.kind if place.kind in (PERSONAL, SHARED) else origin_of(place.rank)
    return _lease(tx, contact, policy, at, lease_until, origin)


def obstacles(
    tx: WriteTransaction, contact: Contact, policy: CampaignPolicy, at: float, reserved: bool
) -> tuple[list[str], float | None]:
    """Why a named contact must not be dialed at `at`: fixed words, and until when."""
    place, progress = contact.place, contact.progress
    problems: list[str] = []
    next_at = at
    if place.state not in (ContactState.READY, ContactState.WAITING, ContactState.CALLBACK):
        return [str(place.state)], None
    if tx.blocked(contact.number, policy):
        return ["do_not_call"], None
    if policy.consent is not None:  # the filter is about the list; who names a contact means it
        ground = consent.of_contacts(tx.connection, [contact.id]).get(contact.id)
        if contact.callback_id is None and not policy.consent.allows(ground, at):
            return ["no_consent"], None
    zones = tx.store.zones(contact.zone_id, tx.connection)
    # the wait for an abandoned call's delay is written into due_at too; a reserved agent is exempt from that part only
    exempt = reserved and place.kind == RETRY_KIND and place.when <= progress.held_until
    if place.state is not ContactState.READY and place.when > at and not exempt:
        problems.append(str(place.state))
        next_at = max(next_at, place.when)
    if progress.held_until > at and not reserved:
        problems.append("abandoned_delay")
        next_at = max(next_at, progress.held_until)
    allowed = policy.earliest(zones, progress.times, at)
    if allowed > at:
        problems.append("capped")
        next_at = max(next_at, allowed)
    if not policy.rules.is_open(zones, at):
        problems.append("closed")
    when = policy.rules.next_open(zones, next_at) if problems else None
    return problems, when


def release(tx: WriteTransaction, contact_ids: Sequence[int], at: float, until: float | None = None) -> int:
    """Leases without an attempt go back, at `until` at the earliest; how many did."""
    tx.work.load_contacts(contact_ids)
    released = 0
    for contact_id in contact_ids:
        contact = tx.work.contacts.get(contact_id)
        if contact is None or contact.place.state is not ContactState.LEASED or contact.place.attempt_id is not None:
            continue
        if until is not None and until > at:
            park(contact, until)
        else:
            give_back(contact, at)
        released += 1
    return released


def give_back(contact: Contact, at: float) -> None:
    """From a lease under which nothing was sent."""
    place = contact.place
    if place.kind == PERSONAL and contact.callback_id is not None:
        back = Place(ContactState.CALLBACK, at, place.rank, PERSONAL, zone_id=contact.zone_id)
        contact.move(Move.HOLD, back)
    else:
        contact.move(Move.RELEASE, Place(ContactState.READY, rank=place.rank, zone_id=contact.zone_id))


def park(contact: Contact, until: float) -> None:
    """From a lease under which nothing was sent to a wait, as what it was and with the rank that it had."""
    place = contact.place
    if place.kind in (PERSONAL, SHARED) and contact.callback_id is not None:
        back = Place(ContactState.CALLBACK, until, place.rank, place.kind, zone_id=contact.zone_id)
        contact.move(Move.CALLBACK, back)
    else:
        contact.move(Move.RETRY, Place(ContactState.WAITING, until, place.rank, RETRY_KIND, zone_id=contact.zone_id))
