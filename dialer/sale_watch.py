"""The daemon's eye on sales: keeps the sale process running, passes on what it says, and counts what waits."""

from __future__ import annotations

import asyncio

from dialer.config.load import Config
from dialer.events import Event, SaleChanged, ServiceAlert
from dialer.metrics import Metrics
from dialer.sales.keeper import SaleKeeper
from dialer.services import Services
from dispositions import ReadView, StoreUnavailable, sale
from dispositions.sale import SaleBacklog

#: Seconds between two counts of the queue.
COUNT_EVERY = 2.0


class SaleWatch:
    """Does nothing when the config has no `[sales]` table."""

    def __init__(self, config: Config, services: Services, metrics: Metrics) -> None:
        self._services, self._metrics = services, metrics
        self._table = config.file.sales
        self._counting: asyncio.Task[None] | None = None
        self._lost = False
        self.keeper: SaleKeeper | None = None
        if self._table is not None and self._table.run:
            self.keeper = SaleKeeper(config.path.absolute(), self._event, self._up, self._down)

    def start(self) -> None:
        """Begin; returns at once: dialing waits for no sale."""
        if self.keeper is not None:
            self.keeper.start()
        if self._table is not None:
            self._counting = asyncio.create_task(self._count(), name="sales backlog")

    async def close(self) -> None:
        """The sale process has ended when this returns."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)
        if self.keeper is not None:
            await self.keeper.close()

    @property
    def trouble(self) -> str | None:
        """What is wrong, for /healthz."""
        return "the sale process is being started again: sales wait in their queue" if self._lost else None

    async def _count(self) -> None:
        services = self._services
        while True:
            try:
                self._metrics.observe_sales(await services.ledger.read(self._backlog))
            except StoreUnavailable:
                services.counters["sales_not_counted"] += 1
            await asyncio.sleep(COUNT_EVERY)

    def _backlog(self, view: ReadView) -> list[SaleBacklog]:
        return sale.backlog(view, self._services.clock.at())

    def _event(self, event: Event) -> None:
        self._services.stream.publish(event)
        if isinstance(event, SaleChanged) and self._services.outbox:
            self._services.outbox_wake()

    def _up(self) -> None:
        if self._lost:
            self._lost = False
            self._alert("sales_ok", "the sale process is back")

    def _down(self, reason: str) -> None:
        self._lost = True
        self._alert("sales_lost", reason)

    def _alert(self, kind: str, detail: str) -> None:
        self._services.stream.publish(
            ServiceAlert(at=self._services.clock.at(), campaign="", alert=kind, detail=detail)
        )
