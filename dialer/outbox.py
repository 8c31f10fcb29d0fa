"""The store's outbox as the MQTT bridge wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dialer.ledger import Ledger
from dialer.mqtt.outbox import OutboxError, OutboxItem
from dispositions import DispositionsError


class StoreOutbox:
    """Outcomes on disk that the broker has not acknowledged yet. `waiting`: how many, at the last look."""

    def __init__(self, ledger: Ledger) -> None:
        self.wake = asyncio.Event()
        self.waiting = 0
        self._ledger = ledger

    async def fetch(self, limit: int) -> Sequence[OutboxItem]:
        """The oldest items, at most `limit`. Raises OutboxError while the store is away."""
        try:
            messages = await self._ledger.read(lambda view: view.outbox(limit))
        except DispositionsError as error:
            raise OutboxError(str(error)) from error
        self.waiting = len(messages)
        return [OutboxItem(id=m.message_id, topic=m.topic, payload=m.payload) for m in messages]

    async def done(self, ids: Sequence[int]) -> None:
        """Forget what the broker has acknowledged. Raises OutboxError when the store refuses."""
        if self._ledger.locked:
            raise OutboxError("the store is locked")
        sent = list(ids)
        try:
            await self._ledger.write(lambda tx: tx.outbox_done(sent))
        except DispositionsError as error:
            raise OutboxError(str(error)) from error
