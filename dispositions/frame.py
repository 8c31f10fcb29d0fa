"""List hygiene on a DataFrame: pandas in, cleaned pandas out, no store. Imports pandas, so it is imported where it is
used.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispositions.errors import ArgumentError, NumberError
from dispositions.number import Number, Validity, is_region, normalise

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class CleanedFrame:
    """`contacts`: the rows that may be dialed, their columns and index as they came, with the best number in `e164`
    and what is
    known of it in `kind`, `region` and `zones`. `refused`: the other rows, with why in `reason`: one of
    `number.REASONS`,
    `duplicate` or `do_not_call`."""

    contacts: DataFrame
    refused: DataFrame


def clean_frame(
    frame: DataFrame,
    numbers: Sequence[str],
    *,
    region: str | None = None,
    validity: Validity = "valid",
    default_zone: str = "UTC",
    do_not_call: Collection[str] = (),
) -> CleanedFrame:
    """Normalise, type and deduplicate a list.

    `numbers`: the columns with phone numbers, best first; a row is dialed at the first that may be. `region`: two
    letters,
    for numbers without a country code. A row is a duplicate when an earlier one has any of its numbers. `do_not_call`:
    E.164 numbers; a row is refused when all of its numbers are among them. Raises ArgumentError for a missing
    column and for a region that is none.
    """
    if isinstance(numbers, str):
        raise ArgumentError(f"name the columns in a list: [{numbers!r}]")
    if region is not None and not is_region(region):
        raise ArgumentError(f"{region!r} is no region: two capital letters, such as 'ES'")
    missing = [column for column in numbers if column not in frame.columns]
    if missing or not numbers:
        raise ArgumentError(f"no column {missing[0]!r} in the frame" if missing else "no number column is named")
    forbidden = frozenset(do_not_call)
    seen: set[int] = set()
    best: list[Number | None] = []
    reasons: list[str] = []
    for row in frame[list(numbers)].astype("string").fillna("").itertuples(index=False, name=None):
        found, reason = _read(row, region, validity, default_zone)
        allowed = [number for number in found if number.e164 not in forbidden]
        if found and not allowed:
            reason = "do_not_call"
        elif any(number.digits in seen for number in found):
            reason, allowed = "duplicate", []
        seen.update(number.digits for number in found)
        best.append(allowed[0] if allowed else None)
        reasons.append("" if allowed else reason)
    kept = [number is not None for number in best]
    good = [number for number in best if number is not None]
    contacts = frame.loc[kept].assign(
        e164=[number.e164 for number in good],
        kind=[number.kind for number in good],
        region=[number.region for number in good],
        zones=[" ".join(number.zones) for number in good],
    )
    refused = frame.loc[[not keep for keep in kept]].assign(reason=[reason for reason in reasons if reason])
    return CleanedFrame(contacts, refused)


def _read(cells: Sequence[str], region: str | None, validity: Validity, default_zone: str) -> tuple[list[Number], str]:
    """The numbers of a row, and why there is none."""
    found: list[Number] = []
    reason = "empty"
    for cell in cells:
        try:
            found.append(normalise(cell, region, validity=validity, default_zone=default_zone))
        except NumberError as error:
            if reason == "empty":
                reason = error.reason
    return found, reason
