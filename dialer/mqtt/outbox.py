"""Outcomes on their way to the broker: written with the outcome, sent when the broker is there, then marked done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from dialer.doors import encode
from dialer.events import CallbackScheduled, CallEnded, DispositionRecorded, Event, SaleChanged, SaleQueued
from dialer.mqtt.topics import segment

#: The kinds of events that are outcomes.
OUTCOMES = (CallEnded, DispositionRecorded, CallbackScheduled, SaleQueued, SaleChanged)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A row of the outbox. `topic` is relative to the configured one, e.g. `outcome/sales/call_ended`."""

    id: int
    topic: str
    payload: str


class OutboxError(Exception):
    """The store cannot be read or written now; the bridge tries again."""


class Outbox(Protocol):
    """What the bridge needs of the store. Both methods raise OutboxError while the store is away."""

    wake: asyncio.Event  # set by the store's side after each commit that added items

    async def fetch(self, limit: int) -> Sequence[OutboxItem]:
        """The oldest items not done yet, in the order of their ids, at most `limit`."""
        ...

    async def done(self, ids: Sequence[int]) -> None:
        """The broker has acknowledged these: forget them."""
        ...


def outcome_message(event: Event) -> tuple[str, str] | None:
    """(topic, payload) to put in the outbox in the transaction of the outcome itself; None when `event` is no outcome.

    The payload carries an `id` made of what happened, when and to which call, so that a transaction that has to be run
    again writes the same one: a receiver that sees it again (delivery is at least once) has had it.
    """
    if not isinstance(event, OUTCOMES):
        return None
    what = f"{event.sale}/{event.state}" if isinstance(event, SaleChanged) else event.sip_call_id
    named = f"{event.name}\0{event.call}\0{what}\0{event.at!r}"
    record = {"id": blake2b(named.encode(), digest_size=16).hexdigest(), **event.to_dict()}
    return f"outcome/{segment(event.campaign)}/{event.name}", encode(record).decode()
