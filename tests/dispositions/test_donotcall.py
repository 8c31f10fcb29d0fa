"""Do-not-call marks, at the claim and right before the INVITE."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from pyroaring import BitMap64

from dispositions import (
    CampaignPolicy,
    ContactState,
    NewAttempt,
    NewContact,
    NextState,
    NumberError,
    Outcome,
    OutcomeTable,
    Rule,
    Store,
    default_table,
)
from dispositions.donotcall import DoNotCall

Fill = Callable[..., list[int]]


def test_exact_against_a_plain_set() -> None:
    rng = random.Random(3)
    numbers = {rng.randrange(10**10, 10**15) for _ in range(20_000)}
    marks = DoNotCall()
    marks.add("own", numbers)
    assert all(marks.blocked(n) == "own" for n in numbers)
    assert all((marks.blocked(n) is not None) == (n in numbers) for n in range(10**10, 10**10 + 5000))
    marks.remove("own", list(numbers)[:10_000])
    assert len(marks) == 10_000


def test_many_at_once_are_those_that_are_found_one_by_one() -> None:
    rng = random.Random(5)
    own, national, other = ({rng.randrange(10**10, 10**10 + 3_000) for _ in range(900)} for _ in range(3))
    marks = DoNotCall()
    marks.add("own", own)
    marks.add("other", other)
    marks.put_register("national", BitMap64(national))
    asked = list(range(10**10, 10**10 + 3_000))
    assert marks.among(asked, ("own", "national", "nothing")) == own | national
    assert marks.among(asked, ("own", "national")) == {n for n in asked if marks.blocked(n, ("own", "national"))}
    assert marks.among([], ("own",)) == marks.among(asked, ()) == set()


def test_marks_withdraw_contacts_that_wait(store: Store, fill: Fill, noon: float) -> None:
    ids = fill(4)
    with store.write() as tx:
        (claim,) = tx.claim("c", 1, noon, noon + 60)
        tx.start_attempts([NewAttempt("a", claim.contact_id, claim.number, "i")], noon)
    with store.write() as tx:
        assert tx.add_do_not_call(["+12125550100", "+12125550101", "+19995550100"], "own", noon) == 3
        assert tx.add_do_not_call(["+12125550101"], "own", noon) == 0
        with pytest.raises(NumberError):
            tx.add_do_not_call(["+12125550102", "x"], "own", noon)
    assert store.is_do_not_call("+12125550100", "c")
    assert not store.is_do_not_call("+12125550102")
    with store.read() as view:
        assert view.contact(ids[1]).state is ContactState.DO_NOT_CALL
        assert view.contact(ids[0]).state is ContactState.LEASED  # in a call: looked at when it ends
    with store.write() as tx:
        assert tx.finish_attempt("a", Outcome.BUSY, noon + 5).state is ContactState.DO_NOT_CALL
    with store.read() as view:
        assert view.accounted("c") == []
        assert view.why(ids[0], noon).codes == ("do_not_call",)


def test_another_number_is_taken_instead(store: Store, noon: float) -> None:
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        tx.add_contacts("c", "l", [NewContact(["+12125550100", "+13125550100"])], noon)
    with store.write() as tx:
        tx.add_do_not_call(["+12125550100"], "own", noon)
    with store.write() as tx:
        assert [c.number for c in tx.claim("c", 5, noon + 1, noon + 60)] == ["+13125550100"]


def test_lists_bind_those_that_name_them(store: Store, noon: float) -> None:
    store.register(CampaignPolicy("c", region="US", dnc_lists=("register",)))
    store.register(CampaignPolicy("d", region="US"))
    with store.write() as tx:
        tx.add_do_not_call(["+12125550100"], "register", noon)
        found = [tx.add_contacts(name, "l", [NewContact(["+12125550100"])], noon)[0].status for name in ("c", "d")]
    assert found == ["do_not_call", "added"]
    assert store.is_do_not_call("+12125550100", "c")
    assert not store.is_do_not_call("+12125550100", "d")


def test_what_another_process_adds_is_seen_at_the_next_claim(store: Store, fill: Fill, noon: float) -> None:
    ids = fill(2)
    other = Store(store.url.render_as_string(hide_password=False))
    with other.write() as tx:  # it does not even know the campaign, so it withdraws nothing
        tx.add_do_not_call(["+12125550100"], "own", noon)
    other.close()
    with store.write() as tx:
        assert [c.contact_id for c in tx.claim("c", 5, noon, noon + 60)] == [ids[1]]
    assert store.is_do_not_call("+12125550100")
    with store.read() as view:
        assert view.contact(ids[0]).state is ContactState.DO_NOT_CALL


def test_a_customer_s_wish_reaches_other_campaigns(store: Store, fill: Fill, noon: float) -> None:
    fill(1)
    store.register(CampaignPolicy("d", region="US"))
    with store.write() as tx:
        tx.add_contacts("d", "l", [NewContact(["+12125550100"])], noon)
        (claim,) = tx.claim("c", 1, noon, noon + 60)
        tx.start_attempts([NewAttempt("a", claim.contact_id, claim.number, "i")], noon)
        tx.update_attempt("a", connected_at=noon)
        tx.finish_attempt("a", Outcome.ANSWERED, noon + 5)
        tx.dispose("a", "do_not_call", "ann", noon + 6)
    with store.read() as view:
        assert view.counts("d")[ContactState.DO_NOT_CALL] == 1
        assert view.accounted("d") == []


def test_marks_that_were_rolled_back_are_forgotten(store: Store, fill: Fill, noon: float) -> None:
    fill(1)
    own = store.policy("c").own_list

    def half_way() -> None:
        with store.write() as tx:
            tx.add_do_not_call(["+12125550100"], own, noon)
            tx.add_contacts("c", "l", [NewContact(["+12125550199"])], noon)
            raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        half_way()
    store.refresh_do_not_call()
    assert not store.is_do_not_call("+12125550100")
    with store.write() as tx:
        tx.add_do_not_call(["+12125550101"], own, noon)
    with store.write() as tx:
        assert tx.add_contacts("c", "l", [NewContact(["+12125550101"])], noon)[0].status == "do_not_call"


def test_a_refusal_that_is_said_twice_holds(store: Store, fill: Fill, noon: float) -> None:
    fill(1)
    with store.write() as tx:
        (claim,) = tx.claim("c", 1, noon, noon + 60)
        tx.start_attempts([NewAttempt("a", claim.contact_id, claim.number, "i")], noon)
        tx.update_attempt("a", answered_at=noon + 1, connected_at=noon + 2, agent="ann")
        tx.finish_attempt("a", Outcome.ANSWERED, noon + 5)
    for again in range(2):
        with store.write() as tx:
            tx.dispose("a", "do_not_call", "ann", noon + 6 + again)
        assert store.is_do_not_call(claim.number, "c")


def test_a_claim_refuses_exactly_those_that_a_new_register_holds(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    store.migrate()
    store.register(CampaignPolicy("promo", dnc_lists=("national",), region="US"))
    numbers = [f"+1201555{n:04d}" for n in range(100, 160)]
    with store.write() as tx:
        tx.add_contacts("promo", "list", [NewContact([number]) for number in numbers], 0.0)
        tx.add_contacts("promo", "list", [NewContact(["+12015550199", "+12015550198"])], 0.0)
    marked = {number for number in numbers if int(number) % 3 == 0} | {"+12015550199"}
    store.do_not_call.put_register("national", BitMap64([int(number) for number in marked]))
    with store.write() as tx:
        claims = tx.claim("promo", 100, 1.0, 60.0)
    assert [claim.number for claim in claims] == [number for number in numbers if number not in marked]
    with store.write() as tx:
        assert [claim.number for claim in tx.claim("promo", 100, 2.0, 60.0)] == ["+12015550198"], "its other number"
    with store.read() as view:
        assert view.accounted("promo") == []
    store.close()


def test_a_register_binds_like_a_list_and_is_replaced_as_a_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    store.migrate()
    store.register(CampaignPolicy("promo", dnc_lists=("national",), region="US"))
    store.register(CampaignPolicy("other", region="US"))
    store.do_not_call.put_register("national", BitMap64([12015550123]))
    assert store.is_do_not_call("+12015550123", "promo")
    assert store.is_do_not_call("+12015550123")
    assert not store.is_do_not_call("+12015550123", "other"), "it is not bound by that list"
    with store.write() as tx:
        added = tx.add_contacts("promo", "list", [NewContact(["+12015550123"]), NewContact(["+12015550124"])], 0.0)
    assert [result.status for result in added] == ["do_not_call", "added"]
    store.do_not_call.put_register("national", BitMap64([12015550124]))
    assert not store.is_do_not_call("+12015550123", "promo")
    with store.write() as tx:
        assert tx.claim("promo", 5, 1.0, 60.0) == [], "marked since it was read"
    store.do_not_call.put_register("national", None)
    assert len(store.do_not_call) == 0
    store.close()


def test_a_projects_own_list_lasts_and_binds_who_names_it(tmp_path: Path, noon: float) -> None:
    """Through a restart, an erasure, and a campaign that joins the project later."""
    policies = [CampaignPolicy(name, dnc_lists=("project:a",), region="US") for name in ("one", "two")]
    policies.append(CampaignPolicy("three", region="US"))
    people = [NewContact([f"+1212555010{n}"], fields={"name": "Ann"}) for n in range(3)]
    store = Store(tmp_path / "store.db")
    store.migrate()
    store.register_all(policies)
    with store.write() as tx:
        for name in ("one", "two", "three"):
            tx.add_contacts(name, "l", people, noon)
        claims = tx.claim("two", 1, noon, noon + 60)
    with store.write() as tx:
        assert tx.add_do_not_call([claims[0].number], "project:a", noon) == 1
    assert [store.is_do_not_call(claims[0].number, name) for name in ("one", "two", "three")] == [True, True, False]
    with store.write() as tx:
        tx.start_attempts([NewAttempt("a", claims[0].contact_id, claims[0].number, "i")], noon)
        tx.withdraw_attempt("a", noon, "do not call")  # what the dialer does when it asks right before the INVITE
    with store.read() as view:
        counts = [view.funnel(name, noon) for name in ("one", "two", "three")]
    assert counts == [{"dialable": 2, "do_not_call": 1}, {"dialable": 2, "do_not_call": 1}, {"dialable": 3}]
    store.close()

    store = Store(tmp_path / "store.db")
    store.register_all([*policies[:2], CampaignPolicy("three", dnc_lists=("project:a",), region="US")])
    with store.read() as view:
        contact = view.contact_id(claims[0].number, "one")
        assert view.why(contact, noon).reasons == (
            f"must not be called: {claims[0].number} is on do-not-call list 'project:a'",
        )
    with store.write() as tx:
        last = tx.claim("three", 5, noon, noon + 60)
        assert claims[0].number not in {claim.number for claim in last}
        tx.release(last, noon)
        assert tx.erase("+12125550101", "api", noon).marked == 1
        assert tx.add_do_not_call(["+12125550101"], "project:a", noon) == 1
        assert tx.erase(claims[0].number, "api", noon).marked == 1
    store.close()
    store = Store(tmp_path / "store.db")
    store.register_all([CampaignPolicy("four", dnc_lists=("project:a",), own_list="another", region="US")])
    with store.write() as tx:
        again = tx.add_contacts("four", "l", people, noon)
    assert [result.status for result in again] == ["do_not_call", "do_not_call", "added"]
    store.close()


def test_who_refuses_one_project_may_be_called_for_another(store: Store, noon: float) -> None:
    """And the correction of such a code takes back what it marked, where it marked it."""
    codes = {
        "not_them": Rule(NextState.DO_NOT_CALL, project=True), "never": Rule(NextState.DO_NOT_CALL),
        "done": Rule(NextState.DONE),
    }  # fmt: skip
    table = OutcomeTable(default_table().outcomes, codes)
    for name, project in (("one", "project:a"), ("two", "project:a"), ("three", "project:b"), ("four", None)):
        store.register(CampaignPolicy(name, region="US", table=table, project_list=project))
    with store.write() as tx:
        for name in ("one", "two", "three", "four"):
            tx.add_contacts(name, "l", [NewContact(["+12125550100"])], noon)
        (claim,) = tx.claim("one", 1, noon, noon + 60)
        tx.start_attempts([NewAttempt("a", claim.contact_id, claim.number, "i")], noon)
        tx.update_attempt("a", answered_at=noon + 1, connected_at=noon + 2, agent="ann")
        tx.finish_attempt("a", Outcome.ANSWERED, noon + 5)

    def coded(code: str, at: float) -> list[bool]:
        with store.write() as tx:
            tx.dispose("a", code, "ann", at)
        return [store.is_do_not_call("+12125550100", name) for name in ("one", "two", "three", "four")]

    assert coded("not_them", noon + 6) == [True, True, False, False]
    with store.read() as view:
        states = [view.counts(name)[ContactState.DO_NOT_CALL] for name in ("one", "two", "three", "four")]
    assert states == [1, 1, 0, 0]
    assert coded("never", noon + 7) == [True, True, True, True]
    assert coded("not_them", noon + 8) == [True, True, False, False]
    assert coded("done", noon + 9) == [False, False, False, False]
    with store.write() as tx:
        tx.add_contacts("four", "l", [NewContact(["+12125550101"])], noon)
        (claim,) = tx.claim("four", 1, noon, noon + 60)
        tx.start_attempts([NewAttempt("b", claim.contact_id, claim.number, "i")], noon)
        tx.update_attempt("b", answered_at=noon + 1, connected_at=noon + 2, agent="ann")
        tx.finish_attempt("b", Outcome.ANSWERED, noon + 5)
        tx.dispose("b", "not_them", "ann", noon + 6)  # a campaign of no project: the house's list
    assert store.is_do_not_call("+12125550101", "one")
