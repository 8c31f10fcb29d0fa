"""A time that somebody said on the phone: "half past five" is meant where the customer lives."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dialer.commands import CommandError
from dispositions import ReadView

#: Years that a time may lie in: beyond them no zone can be applied.
YEARS = range(1971, 9999)


def at_contact(said: datetime, contact: int, number: str, view: ReadView) -> datetime:
    """`said`, which has no offset, where the contact's `number` (E.164) is; with an offset it is what it is.

    Raises CommandError(invalid) when the zones that the number may be in differ then, or the clock there never shows
    that time. A time that the clock shows twice is the first one.
    """
    if said.tzinfo is not None:
        return said
    if said.year not in YEARS:
        raise CommandError("invalid", f"callback_at: no year {said.year}")
    card = view.contact(contact)
    zones = next((known.zones for known in card.numbers if known.number == number), card.zones)
    moments = {zone: said.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for zone in zones}
    if len(set(moments.values())) != 1:
        where = f"may be in {', '.join(zones[:4])}{', ...' if len(zones) > 4 else ''}" if zones else "has no zone"
        text = f"callback_at: {number} {where}; say the offset, as in {said:%Y-%m-%dT%H:%M}+01:00"
        raise CommandError("invalid", text)
    zone, moment = next(iter(moments.items()))
    if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != said:
        raise CommandError("invalid", f"callback_at: there is no {said:%H:%M} on {said:%Y-%m-%d} in {zone}")
    return moment
