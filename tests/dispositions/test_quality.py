"""The list's report against a list whose every call is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dispositions import CallingRules, CampaignPolicy, ListSpec, NewAttempt, Outcome, Store, import_csv
from dispositions.quality import to_dict


def test_what_is_counted(store: Store, tmp_path: Path, number: Callable[[int], str], noon: float) -> None:
    rules = CallingRules(timezone="America/New_York")
    store.register(CampaignPolicy("c", region="US", rules=rules))
    lines = [f"{number(n)},p{n}" for n in range(6)] + [f"{number(0)},again", "12,bad"]
    (tmp_path / "l.csv").write_text("number,name\n" + "\n".join(lines) + "\n")
    spec = ListSpec("l", tmp_path / "l.csv", validity="possible")
    import_csv(store, "c", spec, noon)
    import_csv(store, "c", spec, noon + 1)  # adds nothing: the first one is remembered
    with store.write() as tx:
        claims = tx.claim("c", 4, noon, noon + 60)
        tx.start_attempts([NewAttempt(f"a{c.contact_id}", c.contact_id, c.number, "x") for c in claims], noon)
        for n, claim in enumerate(claims):
            if n < 2:
                tx.update_attempt(f"a{claim.contact_id}", connected_at=noon + 5, agent="ana")
            tx.finish_attempt(f"a{claim.contact_id}", Outcome.ANSWERED if n < 2 else Outcome.BUSY, noon + 30)
        tx.dispose(f"a{claims[0].contact_id}", "wrong_number", "ana", noon + 40)
        tx.dispose(f"a{claims[1].contact_id}", "not_interested", "ana", noon + 40, fields={"name": "Ann"})
    with store.read() as view:
        found = view.quality("c")
        later = view.quality("c", noon + 3600)
    assert len(found) == 1
    one = found[0]
    assert (one.total, one.tried, one.reached, one.reachable) == (6, 4, 2, 0.5)
    assert dict(one.contacts) == {"open": 4, "bad_number": 1, "done": 1}
    assert (one.numbers, one.usable) == ({"bad": 1, "ok": 5}, 5 / 6)
    assert one.changes == {"field": 1, "number_retired": 1}
    assert [(r.at, r.calls, r.persons) for r in one.by_hour] == [("12", 4, 2)]
    assert [(r.at, r.calls) for r in one.by_day] == [("2025-06-23", 4)]
    assert (one.imported["rows"], one.imported["duplicates"], one.imported["rejected"]) == (8, 1, 1)
    assert later[0].by_hour == ()
    plain = to_dict(found)[0]
    assert (plain["duplicates"], plain["reachable_share"]) == (1, 0.5)
