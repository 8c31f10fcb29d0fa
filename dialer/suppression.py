"""Numbers that must never be called again, as they come through the doors: text -> E.164 digits."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dialer.commands import CommandError
from dispositions import NumberError, normalise


def read_numbers(texts: Sequence[str], regions: Collection[str | None]) -> list[int]:
    """The digits that each text means, read as the CSV import reads them: in national form too when all campaigns dial
    in one region (`regions`; None: a campaign of several). What begins with + is taken by its digits if need be: the
    numbering plan has no say in whom not to call.

    A number that is acknowledged but never matches would bind nobody: CommandError names the first that cannot be read.
    """
    region = next(iter(regions)) if len(regions) == 1 else None
    return [_read(index, text.strip(), region) for index, text in enumerate(texts)]


def _read(index: int, text: str, region: str | None) -> int:
    try:
        return normalise(text, region, validity="possible", default_zone="UTC").digits
    except NumberError as error:
        reason = error.reason
    bare = text.removeprefix("+")
    if text.startswith("+") and bare.isascii() and bare.isdigit() and 5 <= len(bare) <= 15 and bare[0] != "0":
        return int(bare)
    hint = "" if region is not None or text.startswith("+") else "; without one region for all campaigns it needs a +"
    raise CommandError("invalid", f"numbers.{index}: {text[:40]!r} cannot be read: {reason}{hint}; none was marked")
