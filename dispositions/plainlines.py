"""Lines that are nothing but a number, read a million at a time: what a national do-not-call register consists of.

Only lines that the reference (`number.normalise`, validity `possible`) cannot read in another way are taken: national
digits of a possible length which begin with no trunk, international or country prefix, with or without `+` and the
region's own country code before them. Everything else is handed back as text, for the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NEWLINE, _RETURN, _PLUS, _ZERO = 10, 13, 43, 48


@dataclass(frozen=True, slots=True)
class PlainForm:
    """How plain numbers of a region look. `firsts`: first digits that no prefix begins with."""

    country_code: str
    lengths: frozenset[int]
    firsts: frozenset[int]


@lru_cache(maxsize=64)
def plain_form(region: str) -> PlainForm | None:
    """The form of a region; None where prefixes are more than fixed digits, so that every line needs the reference."""
    import phonenumbers
    from phonenumbers.phonemetadata import PhoneMetadata

    found = PhoneMetadata.metadata_for_region(region, None)
    if found is None or found.general_desc is None:
        return None
    prefixes = [found.national_prefix_for_parsing or "", found.international_prefix or ""]
    if not all(prefix == "" or prefix.isdigit() for prefix in prefixes):
        return None
    code = str(phonenumbers.country_code_for_region(region))
    taken = {int(prefix[0]) for prefix in (*prefixes, code) if prefix}
    lengths = frozenset(length for length in found.general_desc.possible_length if length > 0)
    return PlainForm(code, lengths, frozenset(range(10)) - taken)


def read_plain(block: bytes, region: str | None) -> tuple[NDArray[np.uint64], list[tuple[int, bytes]]]:
    """The E.164 digits of the plain lines of `block`, and the other lines that are not empty, each with its index in
    the block. `block` ends with a newline."""
    import numpy as np

    data = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    ends = ends - (data[np.maximum(ends - 1, 0)] == _RETURN)
    plain = np.zeros(len(starts), dtype=bool)
    values = np.zeros(len(starts), dtype=np.uint64)
    form = plain_form(region) if region is not None else None
    if form is not None:
        plus = data[np.minimum(starts, len(data) - 1)] == _PLUS
        for written in (False, True):
            before = len(form.country_code) + 1 if written else 0
            for length in sorted(form.lengths):
                rows = np.flatnonzero((ends - starts == before + length) & (plus == written))
                good, numbers = _digits(data, starts[rows], before, length, form)
                plain[rows[good]] = True
                values[rows[good]] = numbers
    others = [(int(index), block[starts[index] : ends[index]]) for index in np.flatnonzero(~plain & (ends > starts))]
    return values[plain], others


def _digits(
    data: NDArray[np.uint8], starts: NDArray[np.int64], before: int, length: int, form: PlainForm
) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Which of these rows are plain, and the numbers of those."""
    import numpy as np

    good = np.ones(len(starts), dtype=bool)
    for place, wanted in enumerate(form.country_code if before else "", 1):
        good &= data[starts + place] == ord(wanted)
    values = np.zeros(len(starts), dtype=np.uint64)
    for place in range(length):
        digit = data[starts + before + place] - np.uint8(_ZERO)  # what is no digit wraps around to more than 9
        good &= digit <= 9
        if place == 0:
            good &= np.isin(digit, list(form.firsts))
        values = values * np.uint64(10) + digit
    values += np.uint64(int(form.country_code) * 10**length)
    return good, values[good]
