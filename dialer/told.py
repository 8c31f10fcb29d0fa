"""Which events of calls go into the store's journal, for the company's systems, and under which kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dialer.events import CallbackScheduled, CallEnded, CallEvent, DispositionRecorded, SaleQueued
from dispositions import WriteTransaction
from dispositions.journal import EntryKind

#: What sales come to, ends of contacts and corrections are noted by the store itself.
KIND_OF: Mapping[type, EntryKind] = {
    CallEnded: "outcome",
    DispositionRecorded: "disposition",
    CallbackScheduled: "callback",
    SaleQueued: "sale",
}
_ELSEWHERE = ("event", "at", "campaign", "contact")


def tell(tx: WriteTransaction, events: Iterable[CallEvent]) -> None:
    """In the transaction that makes them true; nothing where no journal is kept."""
    if not tx.store.journalling:
        return
    for event in events:
        kind = KIND_OF.get(type(event))
        if kind is not None:
            body = {key: value for key, value in event.to_dict().items() if key not in _ELSEWHERE}
            tx.note(tx.store.campaign_id(event.campaign), event.contact, kind, event.at, body)
