"""New contacts: deduplicated against the campaign and among themselves, checked, made ready."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import bindparam

from dispositions import blocking, schema, withholding
from dispositions.bulk import Among, Bulk
from dispositions.candidate import Candidates, Line, add_contact, specs_of
from dispositions.contact import AddResult, NewContact
from dispositions.errors import NumberError
from dispositions.number import Number, Validity, normalise, store_zones
from dispositions.policy import CampaignPolicy
from dispositions.rows import upsert
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.work import rank_of

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_n, _c = schema.number.c, schema.contact.c
_BY_NUMBER = Among(_n.digits, _n.contact_id, _n.campaign_id == bindparam("campaign_id"))
_BY_EXTERNAL = Among(_c.external_id, _c.id, _c.campaign_id == bindparam("campaign_id"))
_CONTACTS = Bulk(schema.contact, "campaign_id", "list", "attempts", "progress", "callback_id", "added_at")
_NUMBERS = Bulk(schema.number, "campaign_id", "status", "invalid", "answered_at")
_READY = Bulk(schema.ready, "campaign_id")
_SETTLED = Bulk(schema.settled, "campaign_id", "at")
_GROUNDS = Bulk(schema.consent, "campaign_id", "recorded_at")
_ZONE = Statement(
    lambda dialect: upsert(schema.campaign_zone, ["campaign_id", "zone_id"], dialect),
    columns=("campaign_id", "zone_id"),
)

_Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of candidates. `added`: the places of those that are in now, their ids counting on from `first`.
    `others`: place -> what of each of the others."""

    added: Sequence[int]
    first: int
    others: Mapping[int, AddResult]

    def counts(self) -> Counter[str]:
        """How many came to each end."""
        counts: Counter[str] = Counter([one.status for one in self.others.values()])
        counts["added"] = len(self.added)
        return counts

    def results(self) -> list[AddResult]:
        """One for each, in order."""
        found = dict(self.others)
        found.update((place, AddResult("added", key)) for key, place in enumerate(self.added, self.first))
        return [found[place] for place in range(len(found))]


def add_contacts(
    tx: WriteTransaction,
    campaign: str,
    list_name: str,
    contacts: Sequence[NewContact],
    at: float,
    *,
    validity: Validity = "valid",
    default_zone: str | None = None,
) -> list[AddResult]:
    """See `WriteTransaction.add_contacts` and `enter`."""
    policy = tx.store.policy(campaign)
    specs = specs_of(policy, list_name)
    made = Candidates()
    reasons = [add_contact(made, new, policy, specs, validity=validity, default_zone=default_zone) for new in contacts]
    entered = iter(enter(tx, campaign, list_name, made, at).results())
    return [AddResult("rejected", reason=reason) if reason else next(entered) for reason in reasons]


def enter(tx: WriteTransaction, campaign: str, list_name: str, candidates: Candidates, at: float) -> Entered:
    """Add the candidates that the campaign does not have.

    A number that another contact of the campaign has is dropped from the new one; a contact left without any is the
    duplicate. So the same file again adds nothing, and two people of one household keep the numbers of their own."""
    policy = tx.store.policy(campaign)
    campaign_id = tx.store.campaign_id(campaign)
    tx.flush()
    tx.store.do_not_call.refresh(tx.connection)
    wanted = {*candidates.digits, *[line[0] for lines in candidates.more.values() for line in lines]}
    in_order = sorted(wanted)  # neighbours lie on the same page
    held: dict[int, int] = _BY_NUMBER.find(tx.connection, in_order, campaign_id=campaign_id)
    externals = set(candidates.externals) - {None}
    known: dict[str | None, int] = _BY_EXTERNAL.find(tx.connection, externals, campaign_id=campaign_id)
    places, several, others = _sifted(candidates, held, known, blocking.among(tx, in_order, policy))
    kept = candidates.pick(places).with_lines(several)
    first = _write(tx, policy, list_name, kept, at)
    for place, one in others.items():
        if one.contact_id is not None and one.contact_id < 0:
            others[place] = replace(one, contact_id=first - one.contact_id - 1)
    return Entered(places, first, others)


def _sifted(
    candidates: Candidates, held: dict[int, int], known: dict[str | None, int], forbidden: set[int]
) -> tuple[list[int], dict[int, Sequence[Line]], dict[int, AddResult]]:
    """The places of those to be added; of the n-th of these its lines, unless they are what they were; and what becomes
    of the others. `held` and `known` come to name those to be added, too: no id is known yet, so the n-th is -n."""
    places: list[int] = []
    several: dict[int, Sequence[Line]] = {}
    others: dict[int, AddResult] = {}
    odd = bool(candidates.more or forbidden)
    for place, (digits, external) in enumerate(zip(candidates.digits, candidates.externals, strict=True)):
        if external is not None and external in known:
            others[place] = AddResult("duplicate", known[external], "external_id")
            continue
        own: Sequence[Line] = ()
        if odd:
            lines = candidates.lines(place)
            own = [line for line in lines if line[0] not in held]
            if own and forbidden:
                own = [line for line in own if line[0] not in forbidden]
                if not own:
                    others[place] = AddResult("do_not_call", reason="do_not_call")
                    continue
            if 0 < len(own) < len(lines):
                several[len(places)] = own
        if not own and (odd or digits in held):
            others[place] = AddResult("duplicate", held[digits], "number")
            continue
        places.append(place)
        mark = -len(places)
        if odd:
            held.update([(line[0], mark) for line in own])
        else:
            held[digits] = mark
        if external is not None:
            known[external] = mark
    return places, several, others


def normalised(contacts: Sequence[NewContact], policy: CampaignPolicy) -> list[NewContact]:
    """The same contacts with their numbers read, so that `add_contacts` has only rows to write in its transaction.
    Texts that are no numbers stay as they are, for it to refuse."""
    return [replace(new, numbers=[_read(text, new, policy) for text in new.numbers]) for new in contacts]


def _read(text: str | Number, new: NewContact, policy: CampaignPolicy) -> str | Number:
    if isinstance(text, Number):
        return text
    try:
        return normalise(text, policy.region, zone=new.zone, default_zone=policy.rules.timezone)
    except NumberError:
        return text


def _write(tx: WriteTransaction, policy: CampaignPolicy, list_name: str, kept: Candidates, at: float) -> int:
    """The rows of the new contacts; the id of the first, from which the others count on."""
    if not kept:
        return 0
    store, connection = tx.store, tx.connection
    campaign_id = store.campaign_id(policy.name)
    slot = store.new_slot(connection, campaign_id, list_name)
    first = store.counter("contact", connection, len(kept)) - len(kept) + 1
    ids = range(first, first + len(kept))
    further = [(ids[n], place, line) for n, lines in kept.more.items() for place, line in enumerate(lines, 1)]
    zones = {
        names: store.zone_id(store_zones(names), connection)
        for names in dict.fromkeys(chain(kept.zones, (line[1] for _, _, line in further)))
    }
    _ZONE.many(connection, [{"campaign_id": campaign_id, "zone_id": zone} for zone in set(zones.values())])
    zone_ids = [zones[names] for names in kept.zones]
    counts: Iterable[int] = repeat(1)
    if kept.more:
        counts = [1 + len(kept.more.get(n, ())) for n in range(len(kept))]
    contacts = zip(ids, kept.externals, kept.digits, counts, zone_ids, kept.priorities, kept.fields)  # noqa: B905
    _CONTACTS.insert(connection, contacts, campaign_id, list_name, 0, "{}", None, at)
    numbers: list[_Row] = list(zip(kept.digits, ids, repeat(0), zone_ids, kept.kinds))
    numbers += [(line[0], key, place, zones[line[1]], line[2]) for key, place, line in further]
    numbers.sort()  # neighbours lie on the same page
    _NUMBERS.insert(connection, numbers, campaign_id, "ok", 0, None)
    rank = {priority: rank_of("fresh", priority, slot) for priority in set(kept.priorities)}
    ready: Iterable[_Row] = zip(zone_ids, [rank[one] for one in kept.priorities], ids, strict=True)
    if policy.consent is not None or policy.filter is not None:
        asides = [_withheld(policy, kept, n, list_name, at) for n in range(len(kept))]
        ready = [row for row, aside in zip(ready, asides, strict=True) if aside is None]
        withheld = [(key, str(aside)) for key, aside in zip(ids, asides, strict=True) if aside is not None]
        _SETTLED.insert(connection, withheld, campaign_id, at)
    _READY.insert(connection, ready, campaign_id)
    grounds = [
        (key, ground.basis, ground.given_at, ground.source, ground.expires_at)
        for key, ground in zip(ids, kept.grounds, strict=True)
        if ground is not None
    ]
    _GROUNDS.insert(connection, grounds, campaign_id, at)
    return first


def _withheld(policy: CampaignPolicy, kept: Candidates, n: int, list_name: str, at: float) -> ContactState | None:
    """Where the n-th new contact belongs if it must not be dialed as things are."""
    if policy.consent is not None and not policy.consent.allows(kept.grounds[n], at):
        return ContactState.NO_CONSENT
    if policy.filter is None:
        return None
    fields = json.loads(kept.fields[n])
    look = withholding.look_at(fields, kept.digits[n], list_name, kept.externals[n], kept.priorities[n], 0)
    return None if policy.filter.holds(look) else ContactState.FILTERED
