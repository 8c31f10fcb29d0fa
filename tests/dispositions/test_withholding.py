"""Consent and filters: who is put aside, why, and how they come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dispositions import (
    CampaignPolicy,
    Consent,
    ConsentRule,
    ContactState,
    FieldSpec,
    ListPolicy,
    NewAttempt,
    NewContact,
    NotDialable,
    Outcome,
    Store,
    parse_filter,
)
from dispositions.withholding import review_campaign

YEAR = 365 * 86400.0
TWO_YEARS = ConsentRule(frozenset({"consent", "legitimate_interest"}), 2 * YEAR)


@pytest.mark.parametrize(
    ("consent", "why"),
    [
        (None, "no consent"),
        (Consent("contract"), "is not enough"),
        (Consent("consent"), "no date"),
        (Consent("consent", 200.0), "to come"),
        (Consent("consent", 100.0 - 2 * YEAR), "older than 730 days"),
        (Consent("consent", 50.0, expires_at=100.0), "expired"),
        (Consent("legitimate_interest", expires_at=99.0), "expired"),
        (Consent("consent", 100.0), None),
        (Consent("legitimate_interest"), None),
    ],
)
def test_the_rule(consent: Consent | None, why: str | None) -> None:
    problem = TWO_YEARS.problem(consent, 100.0)
    assert (problem is None) if why is None else (problem is not None and why in problem)
    assert TWO_YEARS.allows(consent, 100.0) is (why is None)


def test_a_basis_is_one_of_the_law() -> None:
    with pytest.raises(ValueError, match="lawful basis"):
        Consent("because")  # type: ignore[arg-type]


def test_without_consent_nobody_is_dialed(store: Store, number: Callable[[int], str], noon: float) -> None:
    store.register(CampaignPolicy("c", region="US", consent=TWO_YEARS))
    people = [
        NewContact([number(1)]),
        NewContact([number(2)], consent=Consent("consent", noon - YEAR, "web form 7")),
        NewContact([number(3)], consent=Consent("consent", noon - 2 * YEAR + 3600)),
    ]
    with store.write() as tx:
        ids = [r.contact_id for r in tx.add_contacts("c", "l", people, noon) if r.contact_id is not None]
    with store.read() as view:
        assert view.contact(ids[0]).state is ContactState.NO_CONSENT
        assert "no consent" in view.why(ids[0], noon).reasons[0]
        assert view.contact(ids[1]).consent == Consent("consent", noon - YEAR, "web form 7")
        assert view.funnel("c", noon) == {"dialable": 2, "no_consent": 1}
    with store.write() as tx, pytest.raises(NotDialable, match="no_consent"):
        tx.claim_contact("c", ids[0], noon, noon + 60)
    later = noon + 7200  # the third one's two years are over
    with store.write() as tx:
        assert [claim.contact_id for claim in tx.claim("c", 5, later, later + 60)] == [ids[1]]
    with store.read() as view:
        assert view.contact(ids[2]).state is ContactState.NO_CONSENT
    with store.write() as tx:  # renewed
        tx.record_consent(ids[2], Consent("consent", later, "call of today"), "ana", later)
        assert [claim.contact_id for claim in tx.claim("c", 5, later, later + 60)] == [ids[2]]
    with store.read() as view:
        assert [change.kind for change in view.contact(ids[2]).changes] == ["consent"]
        assert view.accounted("c") == []


def test_consent_taken_back_withdraws(store: Store, number: Callable[[int], str], noon: float) -> None:
    store.register(CampaignPolicy("c", region="US", consent=TWO_YEARS))
    with store.write() as tx:
        added = tx.add_contacts("c", "l", [NewContact([number(1)], consent=Consent("consent", noon))], noon)
        contact = added[0].contact_id
        assert contact is not None
        tx.record_consent(contact, None, "api", noon)
    with store.write() as tx:
        assert tx.claim("c", 5, noon + 1, noon + 60) == []
    with store.read() as view:
        assert view.contact(contact).state is ContactState.NO_CONSENT
        assert view.contact(contact).consent is None


def test_a_promised_callback_needs_no_other_ground(store: Store, number: Callable[[int], str], noon: float) -> None:
    policy = CampaignPolicy("c", region="US", consent=TWO_YEARS)
    store.register(policy)
    consent = Consent("consent", noon - 2 * YEAR + 60)
    with store.write() as tx:
        tx.add_contacts("c", "l", [NewContact([number(1)], consent=consent)], noon)
        claim = tx.claim("c", 1, noon, noon + 60)[0]
        tx.start_attempts([NewAttempt("a", claim.contact_id, claim.number, "x")], noon)
        tx.update_attempt("a", connected_at=noon + 5, agent="ana")
        tx.finish_attempt("a", Outcome.ANSWERED, noon + 30)
        tx.dispose("a", "interested", "ana", noon + 31, callback_at=noon + 3600, callback_personal=False)
    with store.write() as tx:
        assert len(tx.claim("c", 1, noon + 3601, noon + 4000)) == 1


def test_a_filter_puts_aside_and_a_changed_one_brings_back(
    store: Store, number: Callable[[int], str], noon: float
) -> None:
    fields = {"age": FieldSpec("number")}
    adults = CampaignPolicy(
        "c", region="US", filter=parse_filter("fields.age >= 30"), lists={"l": ListPolicy(fields=fields)}
    )
    store.register(adults)
    assert review_campaign(store, "c", noon) == 0
    with store.write() as tx:
        added = tx.add_contacts(
            "c", "l", [NewContact([number(n)], fields={"age": str(25 + n)}) for n in range(10)], noon
        )
    assert [r.status for r in added] == ["added"] * 10
    with store.read() as view:
        assert view.funnel("c", noon) == {"dialable": 5, "filtered": 5}
        first = added[0].contact_id
        assert first is not None
        assert "fields.age >= 30" in view.why(first, noon).reasons[0]
    stricter = replace(adults, filter=parse_filter("fields.age >= 33 or fields.age == 25"))
    store.register(stricter)
    with store.write() as tx:  # before the review is through each claim looks for itself
        assert len(tx.claim("c", 1, noon + 1, noon + 60)) == 1
    assert review_campaign(store, "c", noon + 2) > 0
    assert review_campaign(store, "c", noon + 2) == 0
    with store.write() as tx:
        claims = tx.claim("c", 10, noon + 3, noon + 60)
    assert sorted(claim.fields["age"] for claim in claims) == [25, 34]
    store.register(replace(adults, filter=None))
    assert review_campaign(store, "c", noon + 4) == 7
    with store.write() as tx:
        assert len(tx.claim("c", 10, noon + 5, noon + 60)) == 7
    with store.read() as view:
        assert view.accounted("c") == []


def test_bad_fields_refuse_the_row(store: Store, number: Callable[[int], str], noon: float) -> None:
    store.register(CampaignPolicy("c", region="US", lists={"l": ListPolicy(fields={"age": FieldSpec("number")})}))
    with store.write() as tx:
        added = tx.add_contacts("c", "l", [NewContact([number(1)], fields={"age": "old"})], noon)
    assert (added[0].status, added[0].reason) == ("rejected", "bad_field age")


def test_filters_see_number_country_and_kind(store: Store, noon: float) -> None:
    text = "country == 'GB' and kind == 'mobile' and startswith(number, '+447') and attempts == 0 and id == 'x'"
    store.register(CampaignPolicy("c", region="GB", filter=parse_filter(text)))
    with store.write() as tx:
        tx.add_contacts("c", "l", [NewContact(["07400 123456"], "x"), NewContact(["+34612345678"], "y")], noon)
    with store.read() as view:
        assert view.counts("c")[ContactState.FILTERED] == 1
