"""Random lives of a small list against an independent book of what is allowed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from dispositions import (
    AttemptCap,
    CallingRules,
    CampaignPolicy,
    ContactState,
    NewAttempt,
    NewContact,
    NotDialable,
    NotTalked,
    Outcome,
    Store,
)

HOURS = CallingRules(hours=(((9 * 60, 20 * 60),),) * 5 + ((), ()), closed=frozenset())
POLICY = CampaignPolicy(
    "c", rules=HOURS, region="US", max_attempts=6, attempts_per_day=3, caps=(AttemptCap(4, 5 * 86400.0),),
    abandoned_redial_delay=86400.0, callback_grace=600.0, callback_expiry=7200.0,
)  # fmt: skip
NUMBERS = ("+12125550100", "+13125550100", "+16025550100", "+18085550100", "+18005550100")
ENDS = [o for o in Outcome if o is not Outcome.ANSWERED]


class ListMachine(RuleBasedStateMachine):
    """The book: for each number when it was dialed and the earliest that it may be again; who is claimed."""

    attempts = Bundle("attempts")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "s.db")
        self.store.migrate()
        self.store.register(POLICY)
        self.at = 1_750_694_400.0
        self.count = 0
        self.held: set[int] = set()
        self.running: dict[str, tuple[int, str]] = {}
        self.talked: set[str] = set()
        self.starts: dict[str, list[float]] = {number: [] for number in NUMBERS}
        self.earliest: dict[str, float] = {}
        self.forbidden: set[str] = set()
        with self.store.write() as tx:
            added = tx.add_contacts("c", "l", [NewContact([number]) for number in NUMBERS], self.at)
        self.number_of = {r.contact_id: n for r, n in zip(added, NUMBERS, strict=True)}
        self.priority = dict.fromkeys(self.number_of, 0)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    def _taken(self, contact: int, number: str, callback: bool) -> None:
        assert contact not in self.held, "claimed twice"
        assert number not in self.forbidden, "do not call"
        with self.store.read() as view:
            zones = view.contact(contact).zones
        assert HOURS.is_open(zones, self.at), "outside hours"
        starts = self.starts[number]
        assert callback or self.at >= self.earliest.get(number, 0.0), "inside its re-dial delay"
        assert len([s for s in starts if s > self.at - 5 * 86400]) < 4, "over the cap"
        assert callback or len(starts) < 6, "over the campaign's attempts"
        self.held.add(contact)

    @rule(target=attempts, limit=st.integers(1, 4), send=st.booleans())
    def claim(self, limit: int, send: bool) -> list[str]:
        with self.store.write() as tx:
            claims = tx.claim("c", limit, self.at, self.at + 60)
            new = []
            for claim in claims:
                self.count += 1
                new.append(NewAttempt(f"a{self.count:04d}", claim.contact_id, claim.number, "i"))
            if send:
                tx.start_attempts(new, self.at)
        classes = ("shared", "retry", "fresh")
        order = [(classes.index(claim.origin), -self.priority[claim.contact_id]) for claim in claims]
        assert order == sorted(order), "callbacks, retries, fresh ones; inside, higher priority first"
        for claim in claims:
            self._taken(claim.contact_id, claim.number, claim.callback_id is not None)
        if not send:
            with self.store.write() as tx:
                assert tx.release(claims, self.at) == len(claims)
            self.held -= {claim.contact_id for claim in claims}
            return []
        return [self._sent(one) for one in new]

    def _sent(self, new: NewAttempt) -> str:
        self.starts[new.number].append(self.at)
        self.running[new.attempt_id] = (new.contact_id, new.number)
        return new.attempt_id

    @rule(number=st.sampled_from(NUMBERS), reserved=st.booleans())
    def claim_one(self, number: str, reserved: bool) -> None:
        contact = next(c for c, n in self.number_of.items() if n == number)
        try:
            with self.store.write() as tx:
                claim = tx.claim_contact("c", contact, self.at, self.at + 60, reserved=reserved)
        except NotDialable:
            return
        if not reserved:
            self._taken(contact, number, claim.callback_id is not None)
        with self.store.write() as tx:
            tx.release([claim], self.at)
        self.held.discard(contact)

    @rule(number=st.sampled_from(NUMBERS), priority=st.integers(-3, 3))
    def change_priority(self, number: str, priority: int) -> None:
        contact = next(c for c, n in self.number_of.items() if n == number)
        with self.store.write() as tx:
            changed = tx.correct(contact, {}, (), "api", self.at, priority=priority)
        assert changed == (priority != self.priority[contact])
        self.priority[contact] = priority

    def _after(self, number: str, state: ContactState, due: float | None) -> None:
        if state in (ContactState.WAITING, ContactState.CALLBACK):
            assert due is not None
            self.earliest[number] = due

    @rule(some=attempts, outcome=st.sampled_from(ENDS), n=st.integers(0, 3))
    def finish(self, some: list[str], outcome: Outcome, n: int) -> None:
        if not some or some[n % len(some)] not in self.running:
            return
        attempt = some[n % len(some)]
        contact, number = self.running.pop(attempt)
        with self.store.write() as tx:
            applied = tx.finish_attempt(attempt, outcome, self.at)
        self.held.discard(contact)
        self._after(number, applied.state, applied.due_at)
        wanted = POLICY.table.outcomes[outcome].after
        delay = 86400.0 if outcome is Outcome.ABANDONED else 3600.0 if wanted is None else wanted
        if applied.due_at is not None:
            assert applied.due_at >= self.at + delay

    @rule(
        some=attempts, n=st.integers(0, 3), code=st.sampled_from(sorted(POLICY.table.codes)), wait=st.floats(0, 90_000)
    )
    def talk(self, some: list[str], n: int, code: str, wait: float) -> None:
        if not some:
            return
        attempt = some[n % len(some)]
        running = attempt in self.running
        with self.store.write() as tx:
            if running:
                contact, number = self.running.pop(attempt)
                tx.update_attempt(attempt, answered_at=self.at, connected_at=self.at, agent="ann")
                tx.finish_attempt(attempt, Outcome.ANSWERED, self.at)
                self.held.discard(contact)
                self.talked.add(attempt)
            try:
                applied = tx.dispose(attempt, code, "ann", self.at, callback_at=self.at + wait)
            except NotTalked:
                assert attempt not in self.talked
                return
            assert attempt in self.talked
        number = self.number_of[applied.contact_id]
        if not applied.superseded:
            # a correction may allow an earlier call, or take the do-not-call mark of its own attempt back
            self.earliest.pop(number, None)
            self._after(number, applied.state, applied.due_at)
        self.forbidden = {n for n in NUMBERS if self.store.is_do_not_call(n)}
        if code == "do_not_call":
            assert number in self.forbidden

    @rule(seconds=st.sampled_from([1.0, 700.0, 3600.0, 20_000.0, 90_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.at += seconds
        with self.store.write() as tx:
            tx.tend_callbacks(self.at)
            for applied in tx.tend_reviews(self.at):
                self._after(self.number_of[applied.contact_id], applied.state, applied.due_at)

    @rule()
    def crash(self) -> None:
        self.store.close()
        self.store = Store(Path(self.folder.name) / "s.db")
        self.store.register(POLICY)
        with self.store.write() as tx:
            recovery = tx.recover(self.at)
        assert {call.attempt_id for call in recovery.interrupted} == set(self.running)
        for call in recovery.interrupted:
            self.earliest[call.number] = self.at + POLICY.redial_delay
        self.running.clear()
        self.held.clear()

    @invariant()
    def nobody_is_lost(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as view:
            assert view.accounted("c") == []
            counts = view.counts("c")
            assert sum(counts.values()) == len(NUMBERS)
            assert counts[ContactState.LEASED] == len(self.held)
            assert sum(view.funnel("c", self.at).values()) == len(NUMBERS)


ListMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_random_lives = ListMachine.TestCase
