"""Pandas in, cleaned pandas out."""

from __future__ import annotations

import pandas as pd
import pytest

from dispositions import ArgumentError
from dispositions.frame import clean_frame

FRAME = pd.DataFrame(
    {
        "mobile": ["+34 612 345 678", "612345678", None, "12", "611 111 111", "622222222"],
        "home": ["910 123 456", "", "91 012 34 57", "", "", "910123458"],
        "name": ["Ada", "Ada again", "Grace", "Bob", "Eve", "Zoe"],
    },
    index=[10, 11, 12, 13, 14, 15],
)


def test_what_may_be_dialed_comes_out_with_its_own_columns_and_index():
    cleaned = clean_frame(FRAME, ["mobile", "home"], region="ES", do_not_call=["+34611111111", "+34622222222"])
    contacts = cleaned.contacts
    assert list(contacts.index) == [10, 12, 15]
    assert list(contacts["e164"]) == ["+34612345678", "+34910123457", "+34910123458"]
    assert list(contacts["name"]) == ["Ada", "Grace", "Zoe"]
    assert list(contacts["kind"]) == ["mobile", "fixed", "fixed"]
    assert "Europe/Madrid" in contacts["zones"].iloc[0]


def test_what_is_refused_says_why():
    refused = clean_frame(FRAME, ["mobile", "home"], region="ES", do_not_call=["+34611111111"]).refused
    assert dict(zip(refused["name"], refused["reason"], strict=True)) == {
        "Ada again": "duplicate",
        "Bob": "not_possible",
        "Eve": "do_not_call",
    }


def test_every_row_is_in_one_of_the_two():
    cleaned = clean_frame(FRAME, ["home"], region="ES")
    assert sorted([*cleaned.contacts.index, *cleaned.refused.index]) == list(FRAME.index)


def test_a_missing_column_is_named():
    with pytest.raises(ArgumentError, match="'phone'"):
        clean_frame(FRAME, ["phone"])


def test_a_column_that_a_gap_has_made_floats_of_is_read_as_its_numbers():
    frame = pd.DataFrame({"Móvil": [612345678, None, 61234567]})
    assert frame["Móvil"].dtype == float
    cleaned = clean_frame(frame, ["Móvil"], region="ES")
    assert list(cleaned.contacts["e164"]) == ["+34612345678"]
    assert list(cleaned.refused["reason"]) == ["empty", "not_possible"]


@pytest.mark.parametrize(
    ("columns", "region", "problem"),
    [("mobile", "ES", "in a list: ['mobile']"), (["mobile"], "XX", "'XX' is no region"), (["tel"], "ES", "no column")],
)
def test_what_cannot_be_meant_is_an_error_and_not_a_frame_without_contacts(columns, region, problem):
    with pytest.raises(ArgumentError) as refused:
        clean_frame(FRAME, columns, region=region)
    assert problem in str(refused.value)
