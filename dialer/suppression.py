"""Numbers that must never be called again, as they come through the doors: text -> E.164 digits."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dialer.commands import CommandError
from dispositions import NumberError, normalise

#: (place in the request, what was sent, why it cannot be read)
Refused = tuple[int, str, str]


def read_numbers(texts: Sequence[str], regions: Collection[str | None]) -> tuple[list[int], list[Refused]]:
    """The digits that each text means, read as the CSV import reads them: in national form too when all campaigns dial
    in one region (`regions`; None: a campaign of several). What begins with + is taken by its digits if need be: the
    numbering plan has no say in whom not to call.

    The others are told one by one, as a number that is acknowledged but never matches would bind nobody. CommandError
    when none can be read.
    """
    region = next(iter(regions)) if len(regions) == 1 else None
    numbers: list[int] = []
    refused: list[Refused] = []
    for index, text in enumerate(texts):
        read = _read(text.strip(), region)
        if isinstance(read, int):
            numbers.append(read)
        else:
            refused.append((index, text[:40], read))
    if not numbers:
        index, text, why = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise CommandError("invalid", f"numbers.{index}: {text!r} cannot be read: {why}{more}; none was marked")
    return numbers, refused


def _read(text: str, region: str | None) -> int | str:
    try:
        return normalise(text, region, validity="possible", default_zone="UTC").digits
    except NumberError as error:
        reason = error.reason
    bare = text.removeprefix("+")
    if text.startswith("+") and bare.isascii() and bare.isdigit() and 5 <= len(bare) <= 15 and bare[0] != "0":
        return int(bare)
    hint = "" if region is not None or text.startswith("+") else "; without one region for all campaigns it needs a +"
    return f"{reason}{hint}"
