"""A sale's way through the store: claimed once, moved by its present start only, replays change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispositions import NewAttempt, Outcome, Store, StoreConflict, sale
from dispositions.sale import MOVES, SaleMove, SaleNotMovable, SaleState, SaleStep, UnknownSale

Fill = Callable[..., list[int]]


@pytest.fixture
def sold(store: Store, fill: Fill, noon: float) -> Callable[[int], list[int]]:
    """So many contacts that have bought; the ids of their sales."""

    def make(count: int) -> list[int]:
        fill(count)
        ids = []
        with store.write() as tx:
            for n, claim in enumerate(tx.claim("c", count, noon, noon + 60)):
                tx.start_attempts([NewAttempt(f"a{n}", claim.contact_id, claim.number, f"call-{n}")], noon)
                tx.update_attempt(f"a{n}", connected_at=noon, agent="ana")
                tx.finish_attempt(f"a{n}", Outcome.ANSWERED, noon + n)
                ids.append(tx.dispose(f"a{n}", "sale", "ana", noon + n, fields={"reservation": f"R{n}"}).sale_id)
        return [key for key in ids if key is not None]

    return make


def step(name: str, phase: str = "do", result: str = "done") -> SaleStep:
    return SaleStep(phase, name, 0, result, None, {"charge": "c1"}, 2, 0.5, 10.0)


def test_claimed_once_and_oldest_first(store: Store, sold: Callable[[int], list[int]], noon: float) -> None:
    first, second, third = sold(3)
    with store.write() as tx:
        taken = sale.claim(tx, 2, noon + 10)
        assert [record.sale_id for record in taken] == [first, second]
        assert (taken[0].state, taken[0].run, taken[0].starts) == (SaleState.STARTED, 1, 1)
        assert taken[0].fields == {"reservation": "R0"}
        assert taken[0].number.startswith("+1212555")
        assert taken[0].campaign == "c"
    with store.write() as tx:
        assert [record.sale_id for record in sale.claim(tx, 5, noon + 11)] == [third]
        assert sale.claim(tx, 5, noon + 11) == []


def test_a_step_is_kept_and_its_replay_changes_nothing(store: Store, sold: Callable[..., list[int]]) -> None:
    (key,) = sold(1)
    with store.write() as tx:
        sale.claim(tx, 1, 1.0)
    for _ in range(2):
        with store.write() as tx:
            assert not sale.advance(tx, key, 1, 1, step("payment"), None, 2.0, then="issue")
    with store.read() as view:
        record = sale.one(view, key)
        assert [(s.name, s.tries, dict(s.kept)) for s in record.steps] == [("payment", 2, {"charge": "c1"})]
        assert (record.step, record.state) == ("issue", SaleState.STARTED)
    for at in (3.0, 4.0):
        with store.write() as tx:
            sale.advance(tx, key, 1, 1, step("issue"), SaleMove.FINISH, at)
    with store.read() as view:
        record = sale.one(view, key)
        assert (record.state, record.ended_at, record.step) == (SaleState.DONE, 3.0, None)


def test_an_older_start_may_not_write(store: Store, sold: Callable[..., list[int]]) -> None:
    (key,) = sold(1)
    with store.write() as tx:
        sale.claim(tx, 1, 1.0)
    with pytest.raises(StoreConflict), store.write() as tx:
        sale.advance(tx, key, 7, 1, step("payment"), None, 2.0)


def test_retry_begins_anew_or_goes_on_undoing(store: Store, sold: Callable[..., list[int]]) -> None:
    (key,) = sold(1)
    with store.write() as tx:
        sale.claim(tx, 1, 1.0)
        sale.advance(tx, key, 1, 1, step("check", result="rejected"), SaleMove.TURN_BACK, 2.0, reason="sold out")
        sale.advance(tx, key, 1, 1, None, SaleMove.REFUSED, 3.0)
        assert sale.one(tx, key).reason == "sold out"
        assert sale.retry(tx, key, 4.0) is SaleState.REJECTED
    with store.write() as tx:
        (record,) = sale.claim(tx, 1, 5.0)
        assert (record.run, record.starts, record.resume, record.reason) == (2, 2, None, None)
        sale.advance(tx, key, 2, 2, step("payment"), SaleMove.TURN_BACK, 6.0)
        sale.advance(tx, key, 2, 2, step("payment", "undo", "failed"), SaleMove.STUCK, 7.0)
        sale.retry(tx, key, 8.0)
        (record,) = sale.claim(tx, 1, 9.0)
        assert (record.run, record.starts, record.resume) == (2, 3, "undo")


def test_cancel_at_once_while_queued_and_at_the_next_step_after(store: Store, sold: Callable[..., list[int]]) -> None:
    first, second = sold(2)
    with store.write() as tx:
        assert sale.cancel(tx, second, 1.0) is SaleState.CANCELLED
        sale.claim(tx, 5, 1.0)
        assert sale.cancel(tx, first, 2.0) is SaleState.STARTED
        assert sale.advance(tx, first, 1, 1, step("check"), None, 3.0)
        with pytest.raises(SaleNotMovable, match="allowed: queued"):
            sale.cancel(tx, second, 4.0)
        with pytest.raises(UnknownSale):
            sale.cancel(tx, 999, 4.0)


def test_an_agents_correction_takes_a_started_sale_back(store: Store, sold: Callable[..., list[int]]) -> None:
    (key,) = sold(1)
    with store.write() as tx:
        sale.claim(tx, 1, 1.0)
    with store.write() as tx:
        tx.dispose("a0", "sale", "ana", 2.0, fields={"reservation": "CHANGED"})
    with store.read() as view:
        assert sale.one(view, key).fields == {"reservation": "R0"}, "what is being paid for does not change"
    with store.write() as tx:
        tx.dispose("a0", "not_interested", "ana", 3.0)
    with store.read() as view:
        assert sale.one(view, key).asked == "cancel"


def test_backlog_and_lists(store: Store, sold: Callable[..., list[int]], noon: float) -> None:
    ids = sold(3)
    with store.write() as tx:
        sale.claim(tx, 1, noon + 5)
    with store.read() as view:
        (backlog,) = sale.backlog(view, noon + 31)
        assert backlog.states == {"queued": 2, "started": 1}
        assert (backlog.oldest, backlog.oldest_open) == (30.0, 31.0)
        assert [r.sale_id for r in sale.many(view, limit=2)] == ids[:0:-1]
        assert [r.sale_id for r in sale.many(view, states=["started"], campaign="c", agent="ana")] == ids[:1]
        assert [r.sale_id for r in sale.under_way(view)] == ids[:1]
        assert sale.many(view, campaign="other") == []


def test_every_ended_state_is_reached_and_every_open_one_left() -> None:
    reached = {*MOVES.values(), SaleState.WITHDRAWN, SaleState.QUEUED}
    assert reached == set(SaleState)
    assert {state for state, _ in MOVES} == set(SaleState) - {SaleState.DONE, SaleState.WITHDRAWN}
