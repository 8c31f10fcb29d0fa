"""The read snapshot: everything that can be asked of the store without changing it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.engine import Connection

from dispositions import callbacks, changes, consent, outlook, quality, recovery, schema, settle, unroutable, verdict
from dispositions.attempt import CallbackCard, OutboxMessage, SaleCard
from dispositions.callbacks import Promises
from dispositions.contact import AttemptCard, ContactCard, NumberCard, Verdict
from dispositions.errors import UnknownContact
from dispositions.forecast import DEFAULT_DAYS, Forecast
from dispositions.number import digits_of
from dispositions.outcome import PERSON, Outcome
from dispositions.quality import ListQuality
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.work import PERSONAL, RETRY_KIND, SHARED, Contact, Work

if TYPE_CHECKING:
    from dispositions.store import Store

_c, _n, _a = schema.contact.c, schema.number.c, schema.attempt.c
_w, _l, _r, _s, _ready = schema.waiting.c, schema.lease.c, schema.review.c, schema.settled.c, schema.ready.c
_cb, _sale, _out, _t = schema.callback.c, schema.sale.c, schema.outbox.c, schema.tally.c

_DUE_PERSONAL = Statement(
    select(schema.callback, _c.number)
    .join(schema.waiting, _w.contact_id == _cb.contact_id)
    .join(schema.contact, _c.id == _cb.contact_id)
    .where(
        _w.campaign_id == bindparam("campaign_id"),
        _w.kind == PERSONAL,
        _w.due_at <= bindparam("at"),
        _cb.id == _c.callback_id,
    )
    .order_by(_w.due_at)
    .limit(bindparam("most"))
)
_NEXT_DUE = Statement(
    select(func.min(_w.due_at)).where(_w.campaign_id == bindparam("campaign_id"), _w.kind == bindparam("kind"))
)
_READY_COUNTS = Statement(
    select(_ready.zone_id, func.count().label("contacts"))
    .where(_ready.campaign_id == bindparam("campaign_id"))
    .group_by(_ready.zone_id)
)
_DUE_COUNTS = Statement(
    select(_w.zone_id, _w.kind, func.count().label("contacts"))
    .where(_w.campaign_id == bindparam("campaign_id"), _w.due_at <= bindparam("at"))
    .group_by(_w.zone_id, _w.kind)
)
_OUTCOMES_IN_HOURS = Statement(
    select(_t.outcome, func.sum(_t.calls).label("calls"))
    .where(_t.campaign_id == bindparam("campaign_id"), _t.hour >= bindparam("hour"))
    .group_by(_t.outcome)
)
_OUTCOMES_BETWEEN = Statement(
    select(_a.outcome, func.count().label("calls"))
    .where(
        _a.campaign_id == bindparam("campaign_id"),
        _a.ended_at >= bindparam("start"),
        _a.ended_at < bindparam("end"),
    )
    .group_by(_a.outcome)
)


def _number_of(campaign: bool) -> Statement:
    query = select(_n.contact_id, _n.campaign_id).where(_n.digits == bindparam("digits"))
    if campaign:
        query = query.where(_n.campaign_id == bindparam("campaign_id"))
    return Statement(query.order_by(_n.contact_id).limit(1))


_BY_NUMBER = {True: _number_of(True), False: _number_of(False)}
_HISTORY = Statement(select(schema.attempt).where(_a.contact_id == bindparam("contact_id")).order_by(_a.started_at))
_HEAD = Statement(select(_c.added_at).where(_c.id == bindparam("contact_id")))


_STANDS = (schema.lease, schema.waiting, schema.review, schema.settled)


class ReadView:
    """Made by `Store.read`; not to be kept beyond it. Methods with a `campaign` raise `UnknownCampaign`."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.store = store
        self.connection = connection

    # --- what is due -----------------------------------------------------------------------------------------------

    def due_personal_callbacks(self, campaign: str, at: float, limit: int = 50) -> list[CallbackCard]:
        """Personal callbacks that are due, earliest first; each goes to its agent by `claim_contact(...,
        reserved=True)`."""
        given = {"campaign_id": self.store.campaign_id(campaign), "at": at, "most": limit}
        return [recovery.card(self, row, number=f"+{row.number}") for row in _DUE_PERSONAL.one(self.connection, given)]

    def next_due_at(self, campaign: str, at: float) -> float | None:
        """When the next waiting contact or callback comes due (epoch seconds, never before `at`); None: nothing
        waits."""
        campaign_id = self.store.campaign_id(campaign)
        found = [
            _NEXT_DUE.one(self.connection, {"campaign_id": campaign_id, "kind": kind}).scalar()
            for kind in (RETRY_KIND, SHARED, PERSONAL)
        ]
        due = [value for value in found if value is not None]
        return max(at, min(due)) if due else None

    def dialable_count(self, campaign: str, at: float) -> int:
        """How many contacts `claim` could hand out at `at`, but for marks and caps that only the claim itself finds."""
        return self.funnel(campaign, at).get("dialable", 0)

    def funnel(
        self,
        campaign: str,
        at: float,
        counts: Mapping[ContactState, int] | None = None,
        prefixes: Collection[str] = ("+",),
    ) -> dict[str, int]:
        """Every contact of the campaign under exactly one reason: `dialable`, `closed` (outside hours), `leased`,
        `waiting`, `callback` (not yet due), `callback_due` (personal, due), `review`, and the settled states. `counts`:
        what `counts` has said in this snapshot, if it was asked. `prefixes`: numbers that the trunks may be given;
        contacts with no such number are `no_trunk`, and counting them reads their numbers."""
        policy = self.store.policy(campaign)
        campaign_id = self.store.campaign_id(campaign)
        result = dict.fromkeys(("dialable", "closed"), 0)
        due = {"waiting": 0, "callback": 0}
        barred = unroutable.counts(self.connection, campaign_id, at, prefixes)
        if barred:
            result["no_trunk"] = barred.total()
        rows = [(row.zone_id, RETRY_KIND, row.contacts, False) for row in self._ready_counts(campaign_id)]
        given = {"campaign_id": campaign_id, "at": at}
        rows += [(row.zone_id, row.kind, row.contacts, True) for row in _DUE_COUNTS.one(self.connection, given)]
        for zone_id, kind, contacts, waits in rows:
            if waits:
                due["waiting" if kind == RETRY_KIND else "callback"] += contacts
            contacts -= barred[zone_id, kind, waits]
            if kind == PERSONAL:
                result["callback_due"] = result.get("callback_due", 0) + contacts
                continue
            opened = policy.rules.is_open(self.store.zones(zone_id, self.connection), at)
            result["dialable" if opened else "closed"] += contacts
        for state, contacts in (self.counts(campaign) if counts is None else counts).items():
            if state != ContactState.READY:
                result[str(state)] = contacts - due.get(str(state), 0)
        return {reason: contacts for reason, contacts in result.items() if contacts or reason == "dialable"}

    def _ready_counts(self, campaign_id: int) -> Any:
        return _READY_COUNTS.one(self.connection, {"campaign_id": campaign_id})

    def counts(self, campaign: str) -> dict[ContactState, int]:
        """Contacts by state, every state named."""
        campaign_id = self.store.campaign_id(campaign)
        result = dict.fromkeys(ContactState, 0)
        for state, table in (
            (ContactState.READY, schema.ready),
            (ContactState.LEASED, schema.lease),
            (ContactState.REVIEW, schema.review),
        ):
            query = select(func.count()).select_from(table).where(table.c.campaign_id == campaign_id)
            result[state] = self.connection.execute(query).scalar_one()
        kinds = select(_w.kind, func.count()).where(_w.campaign_id == campaign_id).group_by(_w.kind)
        for kind, contacts in self.connection.execute(kinds):
            result[ContactState.WAITING if kind == RETRY_KIND else ContactState.CALLBACK] += contacts
        states = select(_s.state, func.count()).where(_s.campaign_id == campaign_id).group_by(_s.state)
        for state_name, contacts in self.connection.execute(states):
            result[ContactState(state_name)] += contacts
        return result

    def forecast(self, campaign: str, at: float, *, rate: float | None = None, days: int = DEFAULT_DAYS) -> Forecast:
        """When the campaign's contacts run out, hour by hour, at `rate` calls an open hour (None: as of late). See
        `forecast` for the model."""
        return outlook.outlook(self, campaign, at, rate=rate, days=days)

    def due_by_hour(self, campaign: str, at: float, hours: int = 24) -> list[tuple[float, int]]:
        """(start of the hour, retries and callbacks that come due in it) for the next hours; what is overdue belongs to
        the first."""
        return outlook.due_soon(self, campaign, at, hours)

    def quality(self, campaign: str, since: float = 0.0) -> list[ListQuality]:
        """How good each list of the campaign is, with calls and changes since `since`. Reads all of its attempts."""
        return quality.quality(self, campaign, since)

    # --- one contact -----------------------------------------------------------------------------------------------

    def contact(self, key: str | int, campaign: str | None = None) -> ContactCard:
        """A contact by its id (int) or one of its numbers (E.164 text). Raises `UnknownContact`, `NumberError`."""
        record = self._record(self.contact_id(key, campaign))
        name = self.store.campaign_name(record.campaign_id)
        rows = settle.NUMBERS.one(self.connection, {"contact_id": record.id}).all()
        numbers = tuple(
            NumberCard(
                f"+{row.digits}",
                row.kind,
                self.store.zones(row.zone_id, self.connection),
                row.status,
                row.invalid,
                row.answered_at,
            )
            for row in rows
        )
        history = tuple(_attempt_card(row) for row in _HISTORY.one(self.connection, {"contact_id": record.id}))
        return ContactCard(
            contact_id=record.id,
            campaign=name,
            list_name=record.list_name,
            external_id=record.external_id,
            state=record.place.state,
            due_at=settle.due_of(record.place),
            number=f"+{record.number}" if record.number else "",
            numbers=numbers,
            zones=self.store.zones(record.zone_id, self.connection),
            priority=record.priority,
            attempts=record.attempts,
            fields=json.loads(record.fields),
            added_at=_HEAD.one(self.connection, {"contact_id": record.id}).scalar_one(),
            history=history,
            changes=tuple(changes.of_contact(self.connection, record.id)),
            consent=consent.of_contacts(self.connection, [record.id]).get(record.id),
        )

    def contact_id(self, key: str | int, campaign: str | None = None) -> int:
        """The id of a contact by one of its numbers. Raises `UnknownContact`, `NumberError`."""
        if isinstance(key, int):
            return key
        given: dict[str, Any] = {"digits": digits_of(key)}
        if campaign is not None:
            given["campaign_id"] = self.store.campaign_id(campaign)
        row = _BY_NUMBER[campaign is not None].one(self.connection, given).first()
        if row is None:
            raise UnknownContact(f"no contact has the number {key[:20]}")
        return int(row.contact_id)

    def _record(self, contact_id: int) -> Contact:
        work = Work(self.connection, partial(self.store.slot, self.connection), locking=False)
        work.load_contacts([contact_id])
        try:
            return work.contacts[contact_id]
        except KeyError:
            raise UnknownContact(f"contact {contact_id}") from None

    def why(self, contact_id: int, at: float) -> Verdict:
        """Why the contact may or may not be dialed at `at`. Raises `UnknownContact`, `UnknownCampaign`."""
        return verdict.why(self, self._record(contact_id), at)

    # --- counting ----------------------------------------------------------------------------------------------------

    def outcome_counts(self, campaign: str, since: float) -> dict[Outcome, int]:
        """Attempts that ended at or after `since`, by outcome, exactly: whole hours from the tally, the rest of the
        first hour from the attempts' index."""
        campaign_id = self.store.campaign_id(campaign)
        hour = int(-(-since // 3600))  # the first whole hour
        result: dict[Outcome, int] = {}
        whole = _OUTCOMES_IN_HOURS.one(self.connection, {"campaign_id": campaign_id, "hour": hour}).all()
        edge = {"campaign_id": campaign_id, "start": since, "end": hour * 3600.0}
        for row in [*whole, *_OUTCOMES_BETWEEN.one(self.connection, edge)]:
            if row.outcome is not None and row.calls:
                result[Outcome(row.outcome)] = result.get(Outcome(row.outcome), 0) + int(row.calls)
        return result

    def abandonment(self, campaign: str, since: float) -> tuple[int, int]:
        """(answered by a person, of these abandoned) since `since`: the share that the legal caps speak of."""
        counts = self.outcome_counts(campaign, since)
        return sum(counts.get(outcome, 0) for outcome in PERSON), counts.get(Outcome.ABANDONED, 0)

    def queue_depths(self, campaign: str, counts: Mapping[ContactState, int] | None = None) -> dict[str, int]:
        """Rows that wait: `ready`, `retry`, `callback`, `review`, `sale` (queued) and `outbox` (of all campaigns).
        `counts`: as in `funnel`."""
        campaign_id = self.store.campaign_id(campaign)
        if counts is None:
            counts = self.counts(campaign)
        queued = select(func.count()).where(_sale.campaign_id == campaign_id, _sale.state == "queued")
        unsent = select(func.count()).select_from(schema.outbox)
        return {
            "ready": counts[ContactState.READY],
            "retry": counts[ContactState.WAITING],
            "callback": counts[ContactState.CALLBACK],
            "review": counts[ContactState.REVIEW],
            "sale": self.connection.execute(queued).scalar_one(),
            "outbox": self.connection.execute(unsent).scalar_one(),
        }

    def accounted(self, campaign: str, list_name: str | None = None) -> list[int]:
        """The ids of contacts that are not in exactly one state: always empty, and this is the join that proves it.
        Reads the whole campaign."""
        lease, waiting, review, settled = (
            select(func.count()).select_from(table).where(table.c.contact_id == _c.id).scalar_subquery()
            for table in _STANDS
        )
        # counted apart from what the contact says of itself: a row under a wrong zone or rank, or two rows, show
        listed = (
            select(_ready.contact_id, func.count().label("rows"))
            .where(_ready.campaign_id == self.store.campaign_id(campaign))
            .group_by(_ready.contact_id)
            .subquery()
        )
        ready = func.coalesce(listed.c.rows, 0)
        query = (
            select(_c.id)
            .select_from(schema.contact)
            .outerjoin(listed, listed.c.contact_id == _c.id)
            .where(
                and_(
                    _c.campaign_id == self.store.campaign_id(campaign),
                    ready + lease + waiting + review + settled != 1,
                )
            )
        )
        if list_name is not None:
            query = query.where(_c.list == list_name)
        return [row[0] for row in self.connection.execute(query)]

    def promises(self, campaign: str, since: float, at: float, within: float = callbacks.IN_TIME) -> Promises:
        """How well callbacks that were due from `since` to `at` were kept: `within` so many seconds of being due."""
        return callbacks.promises(self, campaign, since, at, within)

    # --- queues ------------------------------------------------------------------------------------------------------

    def callbacks(self, campaign: str, state: str | None = "open", limit: int = 1000) -> list[CallbackCard]:
        """Promised callbacks, earliest due first."""
        query = (
            select(schema.callback, _c.number)
            .join(schema.contact, _c.id == _cb.contact_id)
            .where(_cb.campaign_id == self.store.campaign_id(campaign))
        )
        if state is not None:
            query = query.where(_cb.state == state)
        rows = self.connection.execute(query.order_by(_cb.due_at).limit(limit))
        return [recovery.card(self, row, number=f"+{row.number}") for row in rows]

    def sales(self, campaign: str | None = None, state: str | None = None, limit: int = 1000) -> list[SaleCard]:
        """Sales, oldest first."""
        query = select(schema.sale)
        if campaign is not None:
            query = query.where(_sale.campaign_id == self.store.campaign_id(campaign))
        if state is not None:
            query = query.where(_sale.state == state)
        return [
            SaleCard(
                row.id, row.attempt_id, row.contact_id, self.store.campaign_name(row.campaign_id), row.agent,
                json.loads(row.fields), row.state, row.queued_at, row.changed_at,
            )
            for row in self.connection.execute(query.order_by(_sale.queued_at, _sale.id).limit(limit))
        ]  # fmt: skip

    def outbox(self, limit: int = 500, after: int = 0) -> list[OutboxMessage]:
        """Messages not known to be delivered, oldest first, with an id above `after`."""
        query = select(schema.outbox).where(_out.id > after).order_by(_out.id).limit(limit)
        return [OutboxMessage(row.id, row.topic, row.payload, row.at) for row in self.connection.execute(query)]

    def load_state(self, key: str) -> Any:
        """What `save_state` kept under the name; None if nothing."""
        query = select(schema.saved.c.value).where(schema.saved.c.name == key)
        text = self.connection.execute(query).scalar()
        return None if text is None else json.loads(text)

    def load_states(self, prefix: str) -> dict[str, Any]:
        """Everything that `save_state` kept under names that begin with `prefix`, by name."""
        name = schema.saved.c.name
        query = select(name, schema.saved.c.value).where(name.startswith(prefix, autoescape=True)).order_by(name)
        return {row.name: json.loads(row.value) for row in self.connection.execute(query)}

    def attempt(self, attempt_id: str) -> tuple[str, int, AttemptCard] | None:
        """One attempt by its id, with its campaign's name and its contact; None when there is none."""
        row = self.connection.execute(select(schema.attempt).where(schema.attempt.c.id == attempt_id)).first()
        if row is None:
            return None
        return self.store.campaign_name(row.campaign_id), row.contact_id, _attempt_card(row)


def _attempt_card(row: Any) -> AttemptCard:
    return AttemptCard(
        row.id, f"+{row.number}", row.call_id, row.trunk, row.agent, row.started_at, row.ringing_at, row.answered_at,
        row.connected_at, row.ended_at, row.talk_seconds, Outcome(row.outcome) if row.outcome else None, row.cause,
        row.disposition, row.note,
    )  # fmt: skip
