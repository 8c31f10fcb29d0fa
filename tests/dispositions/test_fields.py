"""Custom fields: what each type takes, and what it refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispositions import CampaignPolicy, NewContact, Store
from dispositions.errors import FieldError
from dispositions.fields import FieldSpec, read_fields


@pytest.mark.parametrize(
    ("spec", "given", "kept"),
    [
        (FieldSpec("number"), " 42 ", 42),
        (FieldSpec("number"), "3,5", 3.5),
        (FieldSpec("number", least=0), 7, 7),
        (FieldSpec("date"), "2026-02-28", "2026-02-28"),
        (FieldSpec("date"), "03/04/2026", "2026-04-03"),
        (FieldSpec("date", day_first=False), "03/04/2026", "2026-03-04"),
        (FieldSpec("date"), "2026-02-28T10:00:00+02:00", "2026-02-28"),
        (FieldSpec("bool"), "Sí", True),
        (FieldSpec("bool"), "N", False),
        (FieldSpec("choice", choices=("Gold", "Blue")), " gold ", "Gold"),
        (FieldSpec("text"), 12, "12"),
        (FieldSpec("number"), "  ", None),
    ],
)
def test_values_are_kept_in_one_form(spec: FieldSpec, given: Any, kept: Any) -> None:
    assert spec.read("f", given) == kept


@pytest.mark.parametrize(
    ("spec", "given", "why"),
    [
        (FieldSpec("number"), "forty", "no number"),
        (FieldSpec("number"), "1e400", "no number"),
        (FieldSpec("number"), math.inf, "no number"),
        (FieldSpec("number"), True, "no number"),
        (FieldSpec("number", least=18), "17", "less than 18"),
        (FieldSpec("number", most=99), 100, "more than 99"),
        (FieldSpec("date"), "30/02/2026", "no date"),
        (FieldSpec("bool"), "maybe", "neither yes nor no"),
        (FieldSpec("choice", choices=("a",)), "b", "choices"),
        (FieldSpec("text"), ["x"], "no text"),
        (FieldSpec("text", required=True), "", "empty"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_value(spec: FieldSpec, given: Any, why: str) -> None:
    with pytest.raises(FieldError, match=why) as error:
        spec.read("age", given)
    assert error.value.field == "age"


def test_a_spec_makes_sense() -> None:
    with pytest.raises(ValueError, match="choices"):
        FieldSpec("choice")
    with pytest.raises(ValueError, match="one of"):
        FieldSpec("colour")  # type: ignore[arg-type]


def test_fields_without_a_type_stay_as_they_are() -> None:
    specs = {"age": FieldSpec("number"), "plan": FieldSpec("text", required=True)}
    assert read_fields(specs, {"age": "30", "plan": "x", "other": "31"}) == {"age": 30, "plan": "x", "other": "31"}
    with pytest.raises(FieldError, match="plan"):
        read_fields(specs, {"age": "30"})
    assert read_fields(specs, {"age": "30"}, partly=True) == {"age": 30}


@given(st.sampled_from(["text", "number", "date", "bool"]), st.text() | st.floats() | st.integers() | st.booleans())
def test_whatever_is_kept_is_json(kind: str, value: Any) -> None:
    spec = FieldSpec(kind)  # type: ignore[arg-type]
    try:
        kept = spec.read("f", value)
    except FieldError:
        return
    json.dumps(kept, allow_nan=False)


class Name(str):
    """As database drivers name columns."""


def test_names_and_values_may_be_texts_of_any_class(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    store.migrate()
    store.register(CampaignPolicy("c", region="US"))
    fields = {Name("plan"): "x", "town": Name("é"), "n": 1, "none": None, "\ud800": ""}
    with store.write() as tx:
        odd, good = tx.add_contacts(
            "c",
            "l",
            [
                NewContact(["+12125550100"], fields=fields),
                NewContact(["+12125550100"], fields=dict(list(fields.items())[:4])),
            ],
            0.0,
        )
    assert (odd.reason, good.status) == ("bad_fields", "added")
    with store.read() as view:
        assert view.contact("+12125550100").fields == {"plan": "x", "town": "é", "n": 1, "none": None}
    store.close()
