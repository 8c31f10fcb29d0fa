"""The write transaction: every change that the dialer, an agent or an import can ask for.

Operations check all their arguments first and raise an `ArgumentError` with nothing changed; they may be replayed, as
the ids come from the caller. Reading sees what the same transaction has done before."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete
from sqlalchemy.engine import Connection

from dispositions import (
    adding,
    blocking,
    callbacks,
    claiming,
    disposing,
    erasing,
    finishing,
    journal,
    learning,
    recovery,
    schema,
    starting,
    task,
    withholding,
)
from dispositions.attempt import (
    Applied,
    AttemptUpdate,
    CallbackCard,
    Disposition,
    Finish,
    NewAttempt,
    Recovery,
)
from dispositions.candidate import Candidates
from dispositions.consent import Consent
from dispositions.contact import AddResult, Claim, NewContact
from dispositions.erasing import Erased
from dispositions.errors import ArgumentError, StoreConflict, UnknownAttempt, UnknownContact
from dispositions.number import Validity
from dispositions.outcome import Outcome
from dispositions.policy import CampaignPolicy
from dispositions.rows import upsert
from dispositions.spoiling import spoiling
from dispositions.state import ContactState
from dispositions.statement import Statement
from dispositions.unsent import take_back
from dispositions.work import Attempt, Contact, Work

if TYPE_CHECKING:
    from dispositions.store import Store

_SAVE = Statement(
    lambda dialect: upsert(schema.saved, ["name"], dialect, value=lambda new: new.value), columns=("name", "value")
)
_FORGET = Statement(delete(schema.saved).where(schema.saved.c.name == bindparam("key")))
_SENT = Statement(delete(schema.outbox).where(schema.outbox.c.id == bindparam("key")))


class WriteTransaction:
    """Made by `Store.write`; not to be kept beyond it."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.store = store
        self.connection = connection
        self.work = Work(connection, partial(store.slot, connection))
        self.spoilt: StoreConflict | None = None
        self.forbidden: list[tuple[str, list[int]]] = []
        self.allowed: list[tuple[str, list[int]]] = []

    # --- the list ------------------------------------------------------------------------------------------------

    @spoiling
    def add_contacts(
        self,
        campaign: str,
        list_name: str,
        contacts: Sequence[NewContact],
        at: float,
        *,
        validity: Validity = "valid",
        default_zone: str | None = None,
    ) -> list[AddResult]:
        """Add contacts that the campaign does not have, ready to be dialed; one result each, in order. `validity` and
        `default_zone` (None: the campaign's) as `number.normalise` takes them. Best a few thousand at a time."""
        return adding.add_contacts(
            self, campaign, list_name, contacts, at, validity=validity, default_zone=default_zone
        )

    @spoiling
    def enter_candidates(self, campaign: str, list_name: str, candidates: Candidates, at: float) -> adding.Entered:
        """As `add_contacts`, for rows that were read and checked before the transaction began; see `adding.enter`."""
        return adding.enter(self, campaign, list_name, candidates, at)

    @spoiling
    def add_do_not_call(self, numbers: Iterable[str | int], source: str, at: float) -> int:
        """Put numbers (E.164) on the do-not-call list named `source` and withdraw the contacts that have no other
        number, in every registered campaign that the list binds. The number of those that were not on it. Raises
        `NumberError`."""
        return blocking.add_do_not_call(self, numbers, source, at)

    def remove_do_not_call(self, numbers: Iterable[int], source: str) -> int:
        """Take numbers (digits) that a register has lost off its list; how many. Marks of agents are on another list,
        and contacts that were withdrawn stay so."""
        return blocking.remove_do_not_call(self, numbers, source)

    @spoiling
    def correct(
        self, contact_id: int, fields: Mapping[str, Any], numbers: Sequence[str], who: str, at: float,
        *, priority: int | None = None,
    ) -> int:  # fmt: skip
        """Correct a contact's fields (None takes one out), give it new numbers, to be dialed first, and another
        priority; how many of these differ. `who` is written into its history. Raises `UnknownContact`,
        `ArgumentError`."""
        return learning.correct(self, self.contact(contact_id), fields, numbers, who, at, priority)

    @spoiling
    def withdraw(self, contact_id: int, who: str, at: float) -> bool:
        """Not wanted any more: settled, its callback closed; False when it was settled already. Raises
        `UnknownContact`, `UnderWay` while it is being called or awaits its disposition."""
        return task.withdraw(self, self.contact(contact_id), who, at)

    @spoiling
    def record_consent(self, contact_id: int, ground: Consent | None, who: str, at: float) -> None:
        """The lawful basis on which the contact may be called; None: it was taken back. Raises `UnknownContact`."""
        withholding.record_consent(self, contact_id, ground, who, at)

    @spoiling
    def erase(self, number: str | int, who: str, at: float, *, keep: Collection[str] = ()) -> Erased:
        """Forget the person with this number (E.164) in every campaign, and keep the mark that nobody calls them: see
        `erasing`. `keep`: fields of ended sales that the law asks to keep. Raises `NumberError`, `UnderWay`."""
        return erasing.erase(self, number, who, at, keep)

    def erase_sales(self, contact_ids: Sequence[int], *, keep: Collection[str] = ()) -> int:
        """Erase what was left of persons already erased: their sales that have ended since; how many have not."""
        return sum(erasing.forget_sales(self, contact_id, keep) for contact_id in contact_ids)

    # --- calls -----------------------------------------------------------------------------------------------------

    @spoiling
    def claim(self, campaign: str, limit: int, at: float, lease_until: float) -> list[Claim]:
        """At most `limit` contacts to dial now: due shared callbacks, then due retries, then fresh ones, higher
        priority first; only such whose every zone is within its hours, under the caps, not on a do-not-call list."""
        return claiming.claim(self, campaign, limit, at, lease_until)

    @spoiling
    def claim_contact(
        self, campaign: str, contact_id: int, at: float, lease_until: float, *, reserved: bool = False
    ) -> Claim:
        """One named contact: a personal callback, a preview. `reserved`: an agent is held for the call, so an
        abandoned one's delay does not bind. Raises `NotDialable` with the reasons, `UnknownContact`."""
        return claiming.claim_contact(self, campaign, contact_id, at, lease_until, reserved)

    @spoiling
    def release(self, claims: Sequence[Claim], at: float, *, until: float | None = None) -> int:
        """Nothing was sent: back to where they came from. Those no longer leased without an attempt are passed over.
        `until`: none of them can be dialed before, so they wait and do not stand in others' way."""
        return claiming.release(self, [claim.contact_id for claim in claims], at, until)

    @spoiling
    def start_attempts(self, attempts: Sequence[NewAttempt], at: float) -> None:
        """Write the attempts down before their INVITEs leave. An attempt that is there already is passed over (a
        replay). Raises `NotLeased`, `UnknownContact` before anything is written."""
        starting.start(self, attempts, at)

    def prefetch(self, attempt_ids: Sequence[str]) -> None:
        """Read these attempts in one go, before several operations on them one by one: a look-up for each costs more
        than all the rest that they do. Unknown ids are passed over, and so are those read already."""
        self.work.load_attempts(attempt_ids)

    def holds(self, attempt_id: str) -> bool:
        """Whether this transaction has read the attempt already."""
        return attempt_id in self.work.attempts

    def update_attempt(self, attempt_id: str, **values: Any) -> None:
        """`AttemptUpdate` by keywords."""
        self.update_attempts([AttemptUpdate(attempt_id, **values)])

    @spoiling
    def update_attempts(self, updates: Sequence[AttemptUpdate]) -> None:
        """What became known of running attempts. Raises `UnknownAttempt` before anything is changed."""
        self.work.load_attempts([update.attempt_id for update in updates])
        found = [(update, self.attempt(update.attempt_id)) for update in updates]
        for update, attempt in found:
            finishing.update(self, update, attempt)

    def finish_attempt(
        self,
        attempt_id: str,
        outcome: Outcome,
        at: float,
        *,
        cause: str | None = None,
        talk_seconds: float | None = None,
    ) -> Applied:
        """The attempt is over. `answered` leaves the contact in review for the agent's disposition (or applies the
        one given during the call); every other outcome goes through the table at once. A repetition changes nothing.
        Raises `UnknownAttempt`, `AlreadyFinished` (with another outcome)."""
        return self.finish_attempts([Finish(attempt_id, outcome, at, cause, talk_seconds)])[0]

    @spoiling
    def finish_attempts(self, ends: Sequence[Finish]) -> list[Applied]:
        """Many at once: all are checked before the first is applied."""
        self.work.load_attempts([end.attempt_id for end in ends])
        checked = [finishing.check(self, end) for end in ends]
        return [finishing.finish(self, end, attempt) for end, attempt in zip(ends, checked, strict=True)]

    @spoiling
    def withdraw_attempt(self, attempt_id: str, at: float, reason: str) -> None:
        """No INVITE of the attempt has left, and none will: it is on record as cancelled (cause `not sent: REASON`),
        counts as no attempt, and its contact may be dialed again at once. A repetition changes nothing. Raises
        `UnknownAttempt`, `AlreadyFinished`, `NotLeased`."""
        take_back(self, attempt_id, at, reason)

    def dispose(
        self,
        attempt_id: str,
        code: str,
        agent: str,
        at: float,
        *,
        callback_at: float | None = None,
        callback_personal: bool | None = None,
        note: str | None = None,
        fields: Mapping[str, Any] | None = None,
        numbers: Sequence[str] = (),
    ) -> Applied:
        """One code: see `dispose_attempts`. Raises `UnknownAttempt`, `UnknownCode`, `ArgumentError`."""
        given = Disposition(attempt_id, code, agent, at, callback_at, callback_personal, note, fields, tuple(numbers))
        return self.dispose_attempts([given])[0]

    @spoiling
    def dispose_attempts(self, given: Sequence[Disposition]) -> list[Applied]:
        """Agents' codes, during or after calls, or as corrections: all are checked before the first is applied."""
        self.work.load_attempts([one.attempt_id for one in given])
        checked = [disposing.check(self, one) for one in given]
        return [disposing.dispose(self, one, attempt) for one, attempt in zip(given, checked, strict=True)]

    # --- time and crashes --------------------------------------------------------------------------------------------

    @spoiling
    def recover(self, at: float, campaigns: Sequence[str] | None = None) -> Recovery:
        """After a crash, before anything is dialed: see `recovery.recover`. `campaigns`: those that this daemon owns;
        all registered when None."""
        return recovery.recover(self, at, campaigns)

    @spoiling
    def tend_callbacks(self, at: float) -> list[CallbackCard]:
        """Personal callbacks past their grace become shared, expired ones close; those that changed."""
        return recovery.tend_callbacks(self, at)

    def remind_callbacks(self, at: float) -> list[CallbackCard]:
        """Open callbacks that are due within their campaign's reminder, each once."""
        self.flush()
        return callbacks.remind(self, at)

    @spoiling
    def tend_reviews(self, at: float) -> list[Applied]:
        """Calls that nobody disposed in time get the table's `undisposed` rule."""
        return recovery.tend_reviews(self, at)

    @spoiling
    def tend_leases(self, at: float) -> int:
        """Leases that ran out without an attempt go back: a claim whose commit was confirmed to nobody, a preview
        left open."""
        return recovery.tend_leases(self, at)

    @spoiling
    def reassign_callback(self, callback_id: int, agent: str | None, at: float) -> CallbackCard:
        """Give an open callback to another agent; to everybody when None. Raises `UnknownCallback`."""
        return recovery.reassign_callback(self, callback_id, agent, at)

    # --- messages and saved state ------------------------------------------------------------------------------------

    def outbox_add(self, topic: str, payload: str, at: float) -> None:
        """A message to be sent after the commit, and kept until `outbox_done`."""
        self.work.messages.append({"topic": topic, "payload": payload, "at": at})

    def outbox_done(self, ids: Sequence[int]) -> None:
        """These were delivered. Ids that are gone are passed over."""
        _SENT.many(self.connection, [{"key": key} for key in ids])

    def save_state(self, key: str, value: Any) -> None:
        """Keep any JSON value under a name; None forgets it. Raises `ArgumentError` if it is not JSON."""
        if value is None:
            _FORGET.many(self.connection, [{"key": key}])
            return
        _SAVE.many(self.connection, [{"name": key, "value": to_json(value)}])

    # --- for the modules that do the work -----------------------------------------------------------------------------

    def attempt(self, attempt_id: str) -> Attempt:
        """The attempt, read if need be. Raises `UnknownAttempt`."""
        self.work.load_attempts([attempt_id])
        try:
            return self.work.attempts[attempt_id]
        except KeyError:
            raise UnknownAttempt(f"attempt {attempt_id!r}") from None

    def contact(self, contact_id: int) -> Contact:
        """The contact, read if need be. Raises `UnknownContact`."""
        self.work.load_contacts([contact_id])
        try:
            return self.work.contacts[contact_id]
        except KeyError:
            raise UnknownContact(f"contact {contact_id}") from None

    def policy_of(self, campaign_id: int) -> CampaignPolicy:
        """The policy of a campaign by its number. Raises `UnknownCampaign`."""
        return self.store.policy(self.store.campaign_name(campaign_id))

    def blocked(self, digits: int, policy: CampaignPolicy) -> bool:
        """On a do-not-call list that binds the campaign, this transaction's own marks included."""
        lists = self.store.lists_of(policy)
        if any(name in lists and digits in numbers for name, numbers in self.forbidden):
            return True
        return self.store.do_not_call.blocked(digits, lists) is not None

    def forbid(self, contact: Contact, attempt_id: str, policy: CampaignPolicy, at: float, project: bool) -> None:
        """The customer asked for it: every number of the contact, on the campaign's own list or its project's."""
        blocking.forbid(self, contact, attempt_id, policy, at, project)

    def promise(
        self,
        contact: Contact,
        attempt: Attempt,
        agent: str,
        personal: bool,
        due: float,
        at: float,
        policy: CampaignPolicy,
        note: str | None,
    ) -> int:
        """A callback row; its id."""
        return callbacks.promise(self, contact, attempt, agent, personal, due, at, policy, note)

    def sell(self, contact: Contact, attempt: Attempt, agent: str, fields: str, at: float) -> int:
        """A row of the sale queue, one an attempt; its id."""
        return disposing.sell(self, contact, attempt, agent, fields, at)

    def flush(self) -> None:
        """Write what was changed so far. Raises `StoreConflict`, also one that was caught before."""
        if self.spoilt is not None:
            raise self.spoilt
        self.work.flush()
        self._note_settled()

    def _note_settled(self) -> None:
        ended, self.work.settled = self.work.settled, []
        for contact in ended:
            state = contact.place.state
            kind: journal.EntryKind = "do_not_call" if state is ContactState.DO_NOT_CALL else "settled"
            self.note(contact.campaign_id, contact.id, kind, contact.place.when, {"state": str(state)})

    def note(
        self, campaign_id: int, contact_id: int, kind: journal.EntryKind, at: float, body: Mapping[str, Any]
    ) -> None:
        """Into the journal, when the transaction commits; nothing where none is kept."""
        if self.store.journalling:
            self.work.notes.append(journal.note(campaign_id, contact_id, kind, at, dict(body)))

    def renew(self) -> None:
        """Write, and forget what was read: the next operation changes tables directly."""
        self.work.flush()
        self._note_settled()
        self.work.contacts.clear()
        self.work.attempts.clear()
        self.work.unknown.clear()

    def committed(self) -> None:
        """Called by the store after the commit: make it known in memory."""
        for name, numbers in self.allowed:
            self.store.do_not_call.remove(name, numbers)
        for name, numbers in self.forbidden:  # after them: what was allowed again later is not in here any more
            self.store.do_not_call.add(name, numbers)


def to_json(value: Any) -> str:
    """Compact JSON. Raises `ArgumentError`."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"not JSON: {error}") from error
