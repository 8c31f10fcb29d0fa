"""The export: what it holds, and that no spreadsheet runs it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispositions import ArgumentError, CampaignPolicy, NewAttempt, NewContact, Outcome, Store
from dispositions.export import COLUMNS, FORMULA, export_csv, guarded


@given(st.text() | st.none() | st.integers() | st.booleans() | st.lists(st.integers()))
def test_no_cell_begins_a_formula(cell: object) -> None:
    text = guarded(cell)
    assert not text.startswith(FORMULA) or text[1:].isdigit()
    assert "\x00" not in text


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_disarmed(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"
    assert guarded("+34600000001") == "+34600000001"


def test_the_cleaned_list_and_what_changed(
    store: Store, tmp_path: Path, number: Callable[[int], str], noon: float
) -> None:
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        people = [
            NewContact([number(1), number(2)], "=x", {"name": "=HYPERLINK()"}),
            NewContact([number(3)], "y", {"city": "Lugo"}),
            NewContact([number(4)], "z"),
        ]
        ids = [r.contact_id for r in tx.add_contacts("c", "l", people, noon)]
        claim = tx.claim_contact("c", ids[0] or 0, noon, noon + 60)
        tx.start_attempts([NewAttempt("a", claim.contact_id, claim.number, "x")], noon + 10)
        tx.update_attempt("a", connected_at=noon + 15, agent="ana")
        tx.finish_attempt("a", Outcome.ANSWERED, noon + 30)
        tx.dispose("a", "wrong_number", "ana", noon + 40, note="@home", fields={"name": "Ann"})
        tx.erase(number(4), "dpo", noon + 50)
    path = tmp_path / "out.csv"
    assert export_csv(store, "c", path) == 2  # an erased one is not exported
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[: len(COLUMNS)] == list(COLUMNS)
    first = rows[0]
    assert (first["id"], first["number"], first["retired_numbers"], first["name"], first["last_note"]) == (
        "'=x", number(2), number(1), "Ann", "'@home",
    )  # fmt: skip
    assert "field name: =HYPERLINK() -> Ann (ana)" in first["changes"]
    assert rows[1]["city"] == "Lugo"
    assert export_csv(store, "c", path, since=noon + 5) == 1
    assert export_csv(store, "c", path, since=noon + 99) == 0
    assert export_csv(store, "c", path, lists=["other"]) == 0
    with pytest.raises(ArgumentError, match="nowhere"):
        export_csv(store, "c", tmp_path / "nowhere" / "out.csv")
    assert not list(tmp_path.glob("*.part"))
