"""A call's life in the store, on every database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispositions import (
    AlreadyFinished,
    AttemptCap,
    AttemptUpdate,
    CallbackCard,
    CallingRules,
    CampaignPolicy,
    ContactState,
    Disposition,
    NewAttempt,
    NewContact,
    NextState,
    NotDialable,
    NotLeased,
    NotTalked,
    Outcome,
    OutcomeTable,
    Rule,
    SchemaError,
    Store,
    StoreConflict,
    StoreError,
    StoreUnavailable,
    UnknownAttempt,
    UnknownCallback,
    UnknownCampaign,
    UnknownCode,
    UnknownContact,
    default_table,
    schema,
)

Fill = Callable[..., list[int]]


def begin(store: Store, at: float, limit: int = 10, prefix: str = "a") -> list[str]:
    """Claim and start attempts; their ids, `<prefix><contact>`."""
    with store.write() as tx:
        claims = tx.claim("c", limit, at, at + 60)
        tx.start_attempts(
            [
                NewAttempt(f"{prefix}{c.contact_id}", c.contact_id, c.number, f"{prefix}{c.contact_id}@h")
                for c in claims
            ],
            at,
        )
    return [f"{prefix}{claim.contact_id}" for claim in claims]


def talk(store: Store, attempt: str, at: float) -> None:
    """Answered, connected to `ann`, over."""
    with store.write() as tx:
        tx.update_attempt(attempt, answered_at=at, connected_at=at + 1, agent="ann")
        tx.finish_attempt(attempt, Outcome.ANSWERED, at + 30, talk_seconds=29.0)


def state(store: Store, contact: int) -> ContactState:
    with store.read() as view:
        return view.contact(contact).state


def sound(store: Store) -> None:
    """Nobody is lost."""
    with store.read() as view:
        assert view.accounted("c") == []


def test_migrate_twice_and_check(store: Store) -> None:
    store.migrate()
    store.check_schema()


def test_no_schema_says_what_to_do(url: str) -> None:
    store = Store(url)
    with pytest.raises(SchemaError, match="run `migrate`"):
        store.check_schema()
    with pytest.raises(SchemaError, match="run `migrate`"):
        store.register(CampaignPolicy("c"))
    store.close()


def test_a_newer_schema_is_refused(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE dispositions_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="9999"):
        store.check_schema()
    with pytest.raises(SchemaError):
        store.migrate()


@pytest.mark.parametrize("bad", ["nonsense://", "mysql://h/d", "sqlite://", "sqlite:///:memory:", "://"])
def test_urls_that_cannot_serve(bad: str) -> None:
    with pytest.raises(StoreError):
        Store(bad)


def test_adding_is_idempotent(store: Store, noon: float) -> None:
    store.register(CampaignPolicy("c", region="US"))
    people = [
        NewContact(["(212) 555-0101", "212-555-0102"], "x1", {"name": "Ann"}),
        NewContact(["212 555 0102", "212 555 0103"]),  # shares a number: keeps the other
        NewContact(["+12125550101"]),
        NewContact(["12"]),
        NewContact(["+12125550109"], "x1"),
        NewContact(["+12125550110"], priority=2_000_000),
        NewContact(["+12125550110"], zone="Mars/Olympus"),
        NewContact(["+12125550110"], fields={"x": float("nan")}),
    ]
    with store.write() as tx:
        first = tx.add_contacts("c", "l", people, noon)
    assert [r.status for r in first] == [
        "added", "added", "duplicate", "rejected", "duplicate", "rejected", "rejected", "rejected",
    ]  # fmt: skip
    assert [r.reason for r in first[2:]] == [
        "number", "not_possible", "external_id", "bad_priority", "bad_zone", "bad_fields",
    ]  # fmt: skip
    assert first[2].contact_id == first[0].contact_id
    with store.write() as tx:
        again = tx.add_contacts("c", "l", people, noon)
    assert {r.status for r in again} == {"duplicate", "rejected"}
    assert again[0].contact_id == first[0].contact_id
    with store.read() as view:
        card = view.contact("+12125550103")
        assert [n.number for n in card.numbers] == ["+12125550103"]
        assert view.contact("+12125550101").fields == {"name": "Ann"}
        assert view.counts("c")[ContactState.READY] == 2
    sound(store)


def test_order_priority_then_age(store: Store, noon: float, number: Callable[[int], str]) -> None:
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        ids = [
            r.contact_id
            for r in tx.add_contacts("c", "l", [NewContact([number(n)], priority=n % 2) for n in range(6)], noon)
        ]
    with store.write() as tx:
        claimed = [c.contact_id for c in tx.claim("c", 4, noon, noon + 60)]
    assert claimed == [ids[1], ids[3], ids[5], ids[0]]


def test_no_claim_outside_hours_in_any_zone(store: Store, noon: float) -> None:
    rules = CallingRules(hours=(((9 * 60, 17 * 60),),) * 7)
    store.register(CampaignPolicy("c", rules=rules, region="US"))
    with store.write() as tx:
        tx.add_contacts(
            "c",
            "l",
            [
                NewContact(["+12125550101"]),
                NewContact(["+18085550101"]),  # Honolulu: 06:00
                NewContact(["+18005550101"]),  # toll-free: any zone of the plan
                NewContact(["+18085550102"], zone="America/New_York"),  # the list's word wins
            ],
            noon,
        )
    with store.write() as tx:
        claimed = {claim.number for claim in tx.claim("c", 10, noon, noon + 60)}
    assert claimed == {"+12125550101", "+18085550102"}
    with store.read() as view:
        assert view.funnel("c", noon) == {"dialable": 0, "closed": 2, "leased": 2}
        honolulu = view.why(view.contact("+18085550101").contact_id, noon)
        assert honolulu.codes == ("closed",)
        assert "Pacific/Honolulu" in honolulu.reasons[0]
        assert honolulu.next_at == noon + 3 * 3600


def test_attempts_start_only_under_a_lease(store: Store, fill: Fill, noon: float) -> None:
    first, second = fill(2)
    with store.write() as tx:
        claim = tx.claim("c", 1, noon, noon + 60)[0]
        with pytest.raises(NotLeased):
            tx.start_attempts([NewAttempt("x", second, "+12125550101", "i")], noon)
        with pytest.raises(UnknownContact):
            tx.start_attempts([NewAttempt("x", 999, "+12125550101", "i")], noon)
        with pytest.raises(NotLeased):  # two for one lease: neither is written
            tx.start_attempts(
                [NewAttempt("x", first, claim.number, "i"), NewAttempt("y", first, claim.number, "j")], noon
            )
        tx.start_attempts([NewAttempt("a", first, claim.number, "i")], noon)
        tx.start_attempts([NewAttempt("a", first, claim.number, "i")], noon)  # a replay
        with pytest.raises(NotLeased):
            tx.start_attempts([NewAttempt("b", first, claim.number, "i")], noon)
    with store.read() as view:
        assert [a.attempt_id for a in view.contact(first).history] == ["a"]


def test_release_gives_back_what_was_not_sent(store: Store, fill: Fill, noon: float) -> None:
    fill(3)
    with store.write() as tx:
        claims = tx.claim("c", 3, noon, noon + 60)
        tx.start_attempts([NewAttempt("a", claims[0].contact_id, claims[0].number, "i")], noon)
        assert tx.release(claims, noon) == 2
        assert tx.release(claims, noon) == 0
    with store.read() as view:
        assert view.counts("c")[ContactState.READY] == 2
        assert view.counts("c")[ContactState.LEASED] == 1
    sound(store)


def test_released_until_later_they_let_others_pass_and_come_back_as_what_they_were(
    store: Store, fill: Fill, noon: float
) -> None:
    fill(4)
    with store.write() as tx:
        first = tx.claim("c", 2, noon, noon + 60)
        assert tx.release(first, noon, until=noon + 30) == 2
    with store.read() as view:
        assert view.counts("c")[ContactState.WAITING] == 2
        assert view.why(first[0].contact_id, noon).next_at == noon + 30
    with store.write() as tx:
        others = tx.claim("c", 4, noon + 1, noon + 61)
        assert len(others) == 2
        assert not {c.contact_id for c in others} & {c.contact_id for c in first}
        assert tx.release(others, noon + 1, until=noon + 1) == 2  # over already: ready at once
    with store.write() as tx:
        again = tx.claim("c", 2, noon + 30, noon + 90)
        assert [c.contact_id for c in again] == [c.contact_id for c in first]
        assert {c.origin for c in again} == {"fresh"}
        assert tx.release(again, noon + 30) == 2
    sound(store)


def test_expired_leases_without_attempt_go_back(store: Store, fill: Fill, noon: float) -> None:
    fill(1)
    with store.write() as tx:
        tx.claim("c", 1, noon, noon + 60)
    with store.write() as tx:
        assert tx.tend_leases(noon + 59) == 0
        assert tx.tend_leases(noon + 60) == 1
    sound(store)


def test_busy_waits_its_delay_and_comes_before_fresh(store: Store, fill: Fill, noon: float) -> None:
    ids = fill(3)
    begin(store, noon, 1)
    with store.write() as tx:
        applied = tx.finish_attempt(f"a{ids[0]}", Outcome.BUSY, noon + 5, cause="486")
        again = tx.finish_attempt(f"a{ids[0]}", Outcome.BUSY, noon + 5)
        with pytest.raises(AlreadyFinished):
            tx.finish_attempt(f"a{ids[0]}", Outcome.NO_ANSWER, noon + 5)
    assert (applied.state, applied.due_at) == (ContactState.WAITING, noon + 905)
    assert (again.state, again.due_at) == (applied.state, applied.due_at)
    with store.read() as view:
        assert view.next_due_at("c", noon) == noon + 905
        assert view.contact(ids[0]).attempts == 1
        assert view.contact(ids[0]).history[0].cause == "486"
    with store.write() as tx:
        assert ids[0] not in [c.contact_id for c in tx.claim("c", 1, noon + 904, noon + 999)]
    with store.write() as tx:
        assert [c.contact_id for c in tx.claim("c", 1, noon + 905, noon + 999)] == [ids[0]]


def test_retries_run_out_by_rule_and_by_campaign(store: Store, fill: Fill, noon: float) -> None:
    base = default_table()
    table = OutcomeTable(dict(base.outcomes) | {Outcome.BUSY: Rule(NextState.RETRY, 60.0, attempts=2)}, base.codes)
    first, second = fill(2, CampaignPolicy("c", table, region="US", max_attempts=3))
    at = noon
    for n in range(3):
        for attempt in begin(store, at, prefix=f"{n}-"):
            outcome = Outcome.BUSY if attempt.endswith(f"-{first}") else Outcome.UNKNOWN
            with store.write() as tx:
                tx.finish_attempt(attempt, outcome, at)
        at += 7200
    with store.read() as view:
        assert (view.contact(first).state, view.contact(first).attempts) == (ContactState.EXHAUSTED, 2)
        assert (view.contact(second).state, view.contact(second).attempts) == (ContactState.EXHAUSTED, 3)
        assert "exhausted" in view.why(first, at).reasons[0]
    sound(store)


def test_answered_waits_for_its_disposition(store: Store, fill: Fill, noon: float) -> None:
    (contact,) = fill(1)
    (attempt,) = begin(store, noon)
    talk(store, attempt, noon)
    assert state(store, contact) is ContactState.REVIEW
    with store.write() as tx:
        applied = tx.dispose(attempt, "not_interested", "ann", noon + 40, note="no money")
    assert applied.state is ContactState.DONE
    assert not applied.correction
    with store.read() as view:
        call = view.contact(contact).history[0]
        assert (call.disposition, call.note, call.agent, call.talk_seconds) == (
            "not_interested",
            "no money",
            "ann",
            29.0,
        )


def test_a_disposition_during_the_call_takes_effect_at_its_end(store: Store, fill: Fill, noon: float) -> None:
    (contact,) = fill(1)
    (attempt,) = begin(store, noon)
    with store.write() as tx:
        tx.update_attempt(attempt, sip='{"tag": 1}', answered_at=noon, connected_at=noon + 1)
        given = tx.dispose(attempt, "sale", "ann", noon + 20, fields={"seat": "12A"})
        assert given.pending
    assert state(store, contact) is ContactState.LEASED
    with store.write() as tx:
        applied = tx.finish_attempt(attempt, Outcome.ANSWERED, noon + 30)
    assert applied.state is ContactState.SOLD
    with store.read() as view:
        (sale,) = view.sales("c")
        assert (sale.fields, sale.agent, sale.state, sale.sale_id) == (
            {"seat": "12A"},
            "ann",
            "queued",
            applied.sale_id,
        )
    sound(store)


def test_nobody_disposed(store: Store, fill: Fill, noon: float) -> None:
    (contact,) = fill(1)
    (attempt,) = begin(store, noon)
    talk(store, attempt, noon)
    with store.write() as tx:
        assert tx.tend_reviews(noon + 900) == []
    with store.write() as tx:
        (applied,) = tx.tend_reviews(noon + 930)
    assert (applied.state, applied.due_at) == (ContactState.WAITING, noon + 930 + 3600)
    with store.write() as tx:
        late = tx.dispose(attempt, "sale", "ann", noon + 1000)
    assert (late.state, late.correction) == (ContactState.SOLD, True)
    assert state(store, contact) is ContactState.SOLD
    sound(store)


def test_corrections_undo_what_the_former_code_did(store: Store, fill: Fill, noon: float) -> None:
    (contact,) = fill(1)
    (attempt,) = begin(store, noon)
    talk(store, attempt, noon)
    with store.write() as tx:
        promised = tx.dispose(attempt, "interested", "ann", noon + 40, callback_at=noon + 4000)
        assert promised.state is ContactState.CALLBACK
    with store.write() as tx:
        assert tx.dispose(attempt, "do_not_call", "ann", noon + 50).state is ContactState.DO_NOT_CALL
    assert store.is_do_not_call("+12125550100")
    with store.read() as view:
        assert [c.state for c in view.callbacks("c", None)] == ["withdrawn"]
    with store.write() as tx:
        assert tx.dispose(attempt, "sale", "ann", noon + 60, fields={"a": 1}).state is ContactState.SOLD
        tx.dispose(attempt, "sale", "ann", noon + 61, fields={"a": 2})
    assert not store.is_do_not_call("+12125550100")
    with store.read() as view:
        assert [(s.state, s.fields) for s in view.sales("c")] == [("queued", {"a": 2})]
    with store.write() as tx:
        assert tx.dispose(attempt, "wrong_number", "ann", noon + 70).state is ContactState.BAD_NUMBER
    with store.read() as view:
        assert [s.state for s in view.sales("c")] == ["withdrawn"]
        assert view.contact(contact).numbers[0].status == "bad"
    with store.write() as tx:
        assert tx.dispose(attempt, "hung_up", "ann", noon + 80).due_at == noon + 80 + 86400
    with store.read() as view:
        assert view.contact(contact).numbers[0].status == "ok"
    sound(store)


def test_a_late_disposition_of_an_older_call(store: Store, fill: Fill, noon: float) -> None:
    (contact,) = fill(1)
    (old,) = begin(store, noon)
    talk(store, old, noon)
    with store.write() as tx:
        tx.tend_reviews(noon + 1000)
    (new,) = begin(store, noon + 9000, prefix="b")
    with store.write() as tx:
        late = tx.dispose(old, "sale", "ann", noon + 9001)
    assert (late.superseded, late.state) == (True, ContactState.LEASED)
    with store.write() as tx:
        tx.finish_attempt(new, Outcome.NO_ANSWER, noon + 9030)
    with store.write() as tx:
        refused = tx.dispose(old, "do_not_call", "ann", noon + 9040)
    assert refused.state is ContactState.DO_NOT_CALL
    assert state(store, contact) is ContactState.DO_NOT_CALL
    sound(store)


def test_relabelled_calls_leave_the_abandonment_share_right(store: Store, fill: Fill, noon: float) -> None:
    fill(4)
    attempts = begin(store, noon)
    for attempt in attempts[:2]:
        talk(store, attempt, noon)
    with store.write() as tx:
        tx.update_attempt(attempts[2], answered_at=noon)
        tx.finish_attempt(attempts[2], Outcome.ABANDONED, noon + 2)
        tx.finish_attempt(attempts[3], Outcome.BUSY, noon + 2)
    with store.read() as view:
        assert view.abandonment("c", noon - 5) == (3, 1)
        assert view.abandonment("c", noon + 3) == (2, 0)
        assert view.abandonment("c", noon - 86400 * 30) == (3, 1)
    with store.write() as tx:
        tx.dispose(attempts[0], "machine", "ann", noon + 40)
    with store.read() as view:
        assert view.abandonment("c", noon - 5) == (2, 1)
        assert view.outcome_counts("c", noon - 7200) == {
            Outcome.ANSWERED: 1, Outcome.MACHINE: 1, Outcome.ABANDONED: 1, Outcome.BUSY: 1,
        }  # fmt: skip
    with store.write() as tx:
        tx.dispose(attempts[0], "sale", "ann", noon + 50)
    with store.read() as view:
        assert view.abandonment("c", noon - 5) == (3, 1)


def test_an_abandoned_number_waits_for_a_reserved_agent(store: Store, fill: Fill, noon: float) -> None:
    (contact,) = fill(1, CampaignPolicy("c", region="US", abandoned_redial_delay=72 * 3600.0))
    (attempt,) = begin(store, noon)
    with store.write() as tx:
        applied = tx.finish_attempt(attempt, Outcome.ABANDONED, noon)
    assert applied.due_at == noon + 72 * 3600
    with store.write() as tx:
        assert tx.claim("c", 5, noon + 71 * 3600, noon + 99 * 3600) == []
        with pytest.raises(NotDialable) as refusal:
            tx.claim_contact("c", contact, noon + 7200, noon + 9000)
        assert "abandoned_delay" in refusal.value.reasons
        assert refusal.value.next_at == noon + 72 * 3600
        assert tx.claim_contact("c", contact, noon + 7200, noon + 9000, reserved=True).contact_id == contact
    sound(store)


def test_personal_callbacks_go_to_their_agent_then_to_all(store: Store, fill: Fill, noon: float) -> None:
    first, _second = fill(2, CampaignPolicy("c", region="US", callback_grace=600, callback_expiry=7200))
    (attempt,) = begin(store, noon, 1)
    talk(store, attempt, noon)
    due = noon + 3600
    with store.write() as tx:
        tx.dispose(attempt, "interested", "ann", noon + 40, callback_at=due)
    with store.read() as view:
        assert view.due_personal_callbacks("c", due - 1) == []
        assert view.why(first, noon + 50).reasons[0].startswith("callback for agent ann at 2025-06-23 13:00")
        (card,) = view.due_personal_callbacks("c", due)
        assert (card.agent, card.contact_id, card.number, card.personal) == ("ann", first, "+12125550100", True)
        assert view.funnel("c", due) == {"dialable": 1, "callback_due": 1}
    with store.write() as tx:
        assert first not in [c.contact_id for c in tx.claim("c", 5, due + 1, due + 60)]
        claim = tx.claim_contact("c", first, due + 1, due + 60, reserved=True)
        assert (claim.origin, claim.callback_id) == ("personal", card.callback_id)
        assert tx.release([claim], due + 2) == 1
    with store.read() as view:
        assert [c.agent for c in view.due_personal_callbacks("c", due + 3)] == ["ann"]
    with store.write() as tx:
        assert tx.tend_callbacks(due + 599) == []
    with store.write() as tx:
        assert [c.personal for c in tx.tend_callbacks(due + 600)] == [False]
        assert tx.tend_callbacks(due + 601) == []
    with store.write() as tx:
        (shared,) = [c for c in tx.claim("c", 5, due + 700, due + 800) if c.contact_id == first]
        assert shared.origin == "shared"
        tx.start_attempts([NewAttempt("cb", first, shared.number, "i")], due + 700)
        tx.update_attempt("cb", connected_at=due + 705)
        tx.finish_attempt("cb", Outcome.ANSWERED, due + 760)
    with store.read() as view:
        assert [c.state for c in view.callbacks("c", None)] == ["kept"]
    sound(store)


def test_callbacks_expire_and_are_reassigned(store: Store, fill: Fill, noon: float) -> None:
    first, second = fill(2, CampaignPolicy("c", region="US", callback_grace=600, callback_expiry=3600))
    for attempt in begin(store, noon):
        talk(store, attempt, noon)
        with store.write() as tx:
            tx.dispose(attempt, "interested", "ann", noon + 40, callback_at=noon + 3600)
    with store.write() as tx:
        card = next(c for c in _cards(store) if c.contact_id == first)
        assert tx.reassign_callback(card.callback_id, "bob", noon + 50).agent == "bob"
        with pytest.raises(UnknownCallback):
            tx.reassign_callback(12345, "bob", noon)
    with store.read() as view:
        assert {c.agent for c in view.due_personal_callbacks("c", noon + 3600)} == {"ann", "bob"}
    with store.write() as tx:
        assert {c.state for c in tx.tend_callbacks(noon + 7200)} == {"expired"}
    assert state(store, first) is ContactState.WAITING
    assert state(store, second) is ContactState.WAITING
    sound(store)


def _cards(store: Store) -> list[CallbackCard]:
    with store.read() as view:
        return view.callbacks("c")


def test_caps_hold_contacts_back(store: Store, fill: Fill, noon: float) -> None:
    base = default_table()
    table = OutcomeTable(dict(base.outcomes) | {Outcome.BUSY: Rule(NextState.RETRY, 60.0)}, base.codes)
    policy = CampaignPolicy("c", table, region="US", attempts_per_day=2, caps=(AttemptCap(3, 7 * 86400.0),))
    (contact,) = fill(1, policy)
    dues = []
    at = noon
    for n in range(3):
        (attempt,) = begin(store, at, prefix=f"{n}-")
        with store.write() as tx:
            applied = tx.finish_attempt(attempt, Outcome.BUSY, at + 10)
        assert applied.due_at is not None
        dues.append(applied.due_at)
        at = applied.due_at
    assert dues[0] == noon + 70
    assert dues[1] == noon + 12 * 3600  # the next day begins in New York
    assert dues[2] == noon + 7 * 86400  # the first of three leaves the week
    # a policy that became stricter while the contact waited is honoured at the claim
    store.register(CampaignPolicy("c", table, region="US", caps=(AttemptCap(3, 30 * 86400.0),)))
    with store.write() as tx:
        assert tx.claim("c", 5, dues[2], dues[2] + 60) == []
    with store.read() as view:
        assert view.contact(contact).due_at == noon + 30 * 86400
    sound(store)


def test_several_numbers_take_turns_and_retire(store: Store, noon: float) -> None:
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        tx.add_contacts("c", "l", [NewContact(["+12125550100", "+13125550100", "+12135550100"])], noon)
    at, dialed = noon, []
    for n, outcome in enumerate([Outcome.NO_ANSWER, Outcome.INVALID, Outcome.NO_ANSWER, Outcome.NO_ANSWER]):
        with store.write() as tx:
            (claim,) = tx.claim("c", 1, at, at + 60)
            tx.start_attempts([NewAttempt(str(n), claim.contact_id, claim.number, "i")], at)
            applied = tx.finish_attempt(str(n), outcome, at)
        dialed.append(claim.number[2:5])
        assert applied.due_at is not None
        at = applied.due_at
    assert dialed == ["212", "312", "213", "212"]
    sound(store)


def test_a_bad_number_leaves_the_others(store: Store, noon: float) -> None:
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        tx.add_contacts("c", "l", [NewContact(["+12125550100", "+13125550100"])], noon)
    states = []
    for n in range(2):
        at = noon + n * 7200
        (attempt,) = begin(store, at, prefix=f"{n}-")
        talk(store, attempt, at)
        with store.write() as tx:
            states.append(tx.dispose(attempt, "wrong_number", "ann", at + 40).state)
    assert states == [ContactState.WAITING, ContactState.BAD_NUMBER]
    sound(store)


def test_refused_operations_leave_the_batch_unharmed(store: Store, fill: Fill, noon: float) -> None:
    first, second = fill(2)
    begin(store, noon)
    a, b = f"a{first}", f"a{second}"
    with store.write() as tx:
        tx.update_attempt(a, answered_at=noon + 5, connected_at=noon + 6)
        for refused, call in [
            (UnknownAttempt, lambda: tx.update_attempt("nope", answered_at=1.0)),
            (UnknownAttempt, lambda: tx.update_attempts([AttemptUpdate(b, agent="x"), AttemptUpdate("nope")])),
            (UnknownAttempt, lambda: tx.finish_attempt("nope", Outcome.BUSY, noon)),
            (UnknownAttempt, lambda: tx.dispose("nope", "sale", "ann", noon)),
            (UnknownCode, lambda: tx.dispose(a, "nope", "ann", noon)),
            (NotTalked, lambda: tx.dispose(b, "sale", "ann", noon)),
            (UnknownCampaign, lambda: tx.claim("nope", 1, noon, noon)),
            (UnknownContact, lambda: tx.claim_contact("c", 999, noon, noon)),
            (NotDialable, lambda: tx.claim_contact("c", first, noon, noon)),
            (StoreError, lambda: tx.dispose(a, "sale", "ann", noon, fields={"x": object()})),
            (StoreError, lambda: tx.dispose(a, "interested", "ann", noon, callback_at=noon - 9999)),
            (StoreError, lambda: tx.save_state("k", float("inf"))),
            (
                UnknownCode,
                lambda: tx.dispose_attempts([Disposition(a, "sale", "x", noon), Disposition(a, "?", "x", noon)]),
            ),
        ]:
            with pytest.raises(refused):
                call()
        tx.finish_attempt(a, Outcome.ANSWERED, noon + 30)
        tx.finish_attempt(b, Outcome.BUSY, noon + 30)
    with store.read() as view:
        call_a, call_b = view.contact(first).history[0], view.contact(second).history[0]
        assert (call_a.outcome, call_a.answered_at, call_a.disposition) == (Outcome.ANSWERED, noon + 5, None)
        assert (call_b.outcome, call_b.disposition, call_b.agent) == (Outcome.BUSY, None, None)
        assert view.sales() == []
    sound(store)


def test_everything_of_a_failed_transaction_is_gone(store: Store, fill: Fill, noon: float) -> None:
    fill(2)

    def fail() -> None:
        with store.write() as tx:
            tx.claim("c", 2, noon, noon + 60)
            tx.add_contacts("c", "l", [NewContact(["+12125550150"], zone="Asia/Tokyo")], noon)
            tx.add_do_not_call(["+12125550199"], "own", noon)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not store.is_do_not_call("+12125550199")
    with store.read() as view:
        assert view.counts("c")[ContactState.READY] == 2
    with store.write() as tx:
        assert len(tx.claim("c", 5, noon, noon + 60)) == 2


def test_another_writer_makes_it_unavailable_for_a_while(store: Store, fill: Fill, noon: float) -> None:
    fill(1)
    if not store.is_sqlite:
        pytest.skip("PostgreSQL locks rows, not the database")
    other = Store(store.url.render_as_string(hide_password=False), busy_timeout=0.05)
    other.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        tx.claim("c", 1, noon, noon + 60)
        with pytest.raises(StoreUnavailable), other.write():
            pass
        with other.read() as view:  # readers are not in the way
            assert view.counts("c")[ContactState.READY] == 1
    with other.write() as tx:
        assert tx.tend_leases(noon + 61) == 1
    other.close()


def test_a_lost_server_is_unavailable() -> None:
    store = Store("postgresql://nobody@127.0.0.1:1/none", busy_timeout=0.2)
    with pytest.raises(StoreUnavailable):
        store.register(CampaignPolicy("c"))
    assert "password" not in repr(store.url)


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is no database at all, but long enough to be looked at" * 20)
    with pytest.raises(StoreConflict, match="not a database"):
        Store(path).check_schema()


def test_the_file_is_its_owner_s_alone(tmp_path: Path, noon: float) -> None:
    path = tmp_path / "s.db"
    store = Store(path)
    store.migrate()
    with store.write() as tx:
        tx.outbox_add("t", "p", noon)
        assert {entry.stat().st_mode & 0o077 for entry in tmp_path.iterdir()} == {0}
    store.close()


def test_no_place_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none" / "s.db", tmp_path / "file" / "s.db"):
        with pytest.raises(StoreUnavailable, match="unable to open"):
            Store(path).migrate()


def test_outbox_and_saved_state(store: Store, noon: float) -> None:
    with store.write() as tx:
        for n in range(3):
            tx.outbox_add("calls/outcome", f'{{"n": {n}}}', noon)
        tx.save_state("pacing/c", {"rate": 0.3})
        tx.save_state("pacing/c", {"rate": 0.4})
    with store.read() as view:
        rows = view.outbox(2)
        assert [m.payload for m in rows] == ['{"n": 0}', '{"n": 1}']
        assert view.load_state("pacing/c") == {"rate": 0.4}
        assert view.load_state("nothing") is None
    with store.write() as tx:
        tx.outbox_done([m.message_id for m in rows] + [10_000])
    with store.read() as view:
        last = view.outbox()[0].message_id
        assert [m.payload for m in view.outbox()] == ['{"n": 2}']
    with store.write() as tx:
        tx.outbox_done([last])
        tx.outbox_add("t", "p", noon)
    with store.read() as view:
        assert view.outbox()[0].message_id > last  # an id is never used again


def test_states_by_prefix_and_attempts_by_id(store: Store, fill: Fill, noon: float) -> None:
    (contact,) = fill(1)
    (attempt,) = begin(store, noon)
    with store.write() as tx:
        for key in ("leg/a", "leg/b", "leg%c", "other"):
            tx.save_state(key, [key])
        tx.save_state("leg/b", None)
    with store.read() as view:
        assert view.load_states("leg/") == {"leg/a": ["leg/a"]}
        assert view.load_states("leg%") == {"leg%c": ["leg%c"]}
        found = view.attempt(attempt)
        assert found is not None
        assert (found[:2], found[2].number) == (("c", contact), "+12125550100")
        assert view.attempt("nope") is None


def test_why_in_every_state(store: Store, fill: Fill, noon: float) -> None:
    leased, review, busy, done, fresh = fill(5)
    attempts = begin(store, noon, 4)
    for attempt in (attempts[1], attempts[3]):
        talk(store, attempt, noon)
    with store.write() as tx:
        tx.finish_attempt(attempts[2], Outcome.BUSY, noon)
        tx.dispose(attempts[3], "annoyed", "ann", noon + 40)
    with store.read() as view:
        verdicts = {c: view.why(c, noon + 60) for c in (leased, review, busy, done, fresh)}
        with pytest.raises(UnknownContact):
            view.why(999, noon)
    assert [v.codes for v in verdicts.values()] == [("leased",), ("review",), ("waiting",), ("done",), ("dialable",)]
    assert [v.dialable for v in verdicts.values()] == [False] * 4 + [True]
    assert f"in call a{leased} now" in verdicts[leased].reasons[0]
    assert "the agent's disposition is awaited" in verdicts[review].reasons[0]
    assert verdicts[busy].reasons == ("waiting until 2025-06-23 12:15 America/New_York after busy",)
    assert verdicts[busy].next_at == noon + 900
    assert verdicts[done].reasons == ("done with: annoyed",)
    assert verdicts[fresh].reasons == ("dialable now, as fresh",)


def test_queue_depths(store: Store, fill: Fill, noon: float) -> None:
    fill(4)
    attempts = begin(store, noon, 3)
    with store.write() as tx:
        tx.finish_attempt(attempts[0], Outcome.BUSY, noon)
        tx.outbox_add("t", "p", noon)
    for attempt, code in zip(attempts[1:], ("sale", "interested"), strict=True):
        talk(store, attempt, noon)
        with store.write() as tx:
            tx.dispose(attempt, code, "ann", noon + 40)
    with store.read() as view:
        assert view.queue_depths("c") == {"ready": 1, "retry": 1, "callback": 1, "review": 0, "sale": 1, "outbox": 1}
        assert view.dialable_count("c", noon) == 1
        assert view.dialable_count("c", noon + 900) == 2


def test_the_migrations_make_what_the_code_expects(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, schema.metadata) == []
        if store.is_sqlite:  # what the comparison does not look at
            made = {row[0]: row[1] for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")}
            narrow = {t.name for t in schema.metadata.tables.values() if not t.dialect_options["sqlite"]["with_rowid"]}
            assert {name for name, sql in made.items() if sql and "WITHOUT ROWID" in sql} == narrow
            assert "AUTOINCREMENT" in made["outbox"]


def test_a_conflict_spoils_the_whole_transaction(store: Store, fill: Fill, noon: float) -> None:
    first, second = fill(2)
    begin(store, noon)
    table = schema.lease

    def half() -> None:
        with store.write() as tx:
            tx.finish_attempt(f"a{first}", Outcome.BUSY, noon)
            # what another owner of the campaign would do behind our back
            tx.connection.execute(table.delete().where(table.c.contact_id == first))
            with pytest.raises(StoreConflict):
                tx.tend_leases(noon)
            with pytest.raises(StoreConflict):
                tx.finish_attempt(f"a{second}", Outcome.BUSY, noon)

    with pytest.raises(StoreConflict, match="second owner"):
        half()
    assert state(store, first) is ContactState.LEASED
    assert state(store, second) is ContactState.LEASED
    sound(store)
