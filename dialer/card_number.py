"""Payment card numbers in what is shown: an agent who types one into a field must not put it on every screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: 13 to 19 digits (ISO/IEC 7812-1), as people write them: together, or parted by single blanks or hyphens. After a plus
#: they are a telephone number (E.164).
_LIKELY = re.compile(r"(?<![\d+])\d(?:[ -]?\d){12,18}(?!\d)")


def masked(text: str) -> str:
    """`text` with all but the last four digits of each card number as `*` (PCI DSS 4.0, 3.4.1). A run of digits whose
    check digit is wrong (ISO/IEC 7812-1 annex B, Luhn) is none."""
    return _LIKELY.sub(lambda found: _mask(found[0]) if _checks(found[0]) else found[0], text)


def masked_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same names with `masked` values; a number that is a card's comes back as text."""
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, int) and not isinstance(value, bool):
        text = masked(str(value))
        return text if "*" in text else value
    if isinstance(value, Mapping):
        return masked_values(value)
    if isinstance(value, (list, tuple)):
        return [_value(each) for each in value]
    return value


def _checks(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed([int(c) for c in number if c.isdigit()])):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _mask(number: str) -> str:
    kept = len(number) - 4
    return "".join("*" if c.isdigit() and place < kept else c for place, c in enumerate(number))
