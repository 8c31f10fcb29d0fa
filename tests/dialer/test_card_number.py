"""Card numbers are shown by their last four digits only, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.card_number import masked, masked_values


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4111111111111111", "************1111"),
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("paid with 5500-0000-0000-0004, twice", "paid with ****-****-****-0004, twice"),
        ("378282246310005", "***********0005"),
        ("4111111111111112", "4111111111111112"),  # the check digit is wrong
        ("+34600111222", "+34600111222"),
        ("+4111111111111111", "+4111111111111111"),  # a telephone number, whatever its check digit
        ("41111111111111114111111111111111", "41111111111111114111111111111111"),  # too long for any card
        ("tok_9f3a", "tok_9f3a"),
        ("", ""),
    ],
)
def test_a_card_number_is_shown_by_its_last_four_digits(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_values_keep_their_kinds_unless_they_are_cards() -> None:
    plain = {"amount": 120, "paid": True, "none": None}
    cards = {"card": 4111111111111111, "deep": {"cards": ["378282246310005"]}}
    assert masked_values(plain | cards) == plain | {"card": "************1111", "deep": {"cards": ["***********0005"]}}


@given(st.text(max_size=60))
def test_only_digits_are_ever_replaced_and_never_the_last_four(text: str) -> None:
    shown = masked(text)
    assert len(shown) == len(text)
    assert all(new == old or (new == "*" and old.isdigit()) for new, old in zip(shown, text, strict=True))
