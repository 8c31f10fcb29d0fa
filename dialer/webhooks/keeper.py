"""All webhooks of the daemon: one task each beside the calls, and one that lets the journal's old entries go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

import structlog

from dialer.config.door_checks import kept_changes
from dialer.config.model import ConfigFile
from dialer.config.secret import Secret
from dialer.events import Event, SaleChanged, ServiceAlert
from dialer.ledger import LedgerStopped
from dialer.metrics import Metrics
from dialer.services import Services
from dialer.webhooks.courier import Courier, Round
from dialer.webhooks.sender import HttpSender
from dispositions import DispositionsError, WriteTransaction, journal

log = structlog.get_logger("webhooks")

#: Seconds between two looks for entries that are too old to keep.
PURGE_EVERY = 60.0
#: Seconds between two rounds of one webhook at least: a busy floor's events leave together.
GATHER = 0.2
#: Seconds after the store was away.
STORE_AWAY = 1.0


class WebhookKeeper:
    """Does nothing where the config has neither webhooks nor a journal."""

    def __init__(self, file: ConfigFile, secrets: Mapping[str, Secret], services: Services, metrics: Metrics) -> None:
        self._services, self._metrics = services, metrics
        self._kept = kept_changes(file)
        self._senders = {name: HttpSender(table, secrets[name].reveal()) for name, table in file.webhooks.items()}
        self.couriers = {
            name: Courier(name, table, self._senders[name], services.ledger, services.clock.at)
            for name, table in file.webhooks.items()
        }
        self._wakes = {name: asyncio.Event() for name in self.couriers}
        self._tasks: list[asyncio.Task[None]] = []
        self._down: set[str] = set()
        self._loop = services.loop

    def start(self) -> None:
        """Begin; returns at once: dialing waits for no receiver."""
        if self.couriers:
            self._services.ledger.store.on_journal = self._written
            self._services.stream.subscribe(self.on_event)
        self._tasks = [asyncio.create_task(self._run(c), name=f"webhook {n}") for n, c in self.couriers.items()]
        if self._kept > 0:
            self._tasks.append(asyncio.create_task(self._purge(), name="journal"))

    def on_event(self, event: Event) -> None:
        """The sale process has written something, too."""
        if isinstance(event, SaleChanged):
            self._wake()

    def _written(self) -> None:
        """In the writer's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    async def close(self) -> None:
        """No request is under way when this returns; what was not taken is sent after the next start."""
        self._services.ledger.store.on_journal = lambda: None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sender in self._senders.values():
            await sender.close()

    @property
    def trouble(self) -> str | None:
        """What is wrong, for /healthz."""
        return f"not taken by {', '.join(sorted(self._down))}: kept and sent again" if self._down else None

    async def _run(self, courier: Courier) -> None:
        wake = self._wakes[courier.name]
        while True:
            wake.clear()
            try:
                result = await courier.round()
            except LedgerStopped:
                return
            except DispositionsError as error:
                self._services.counters["webhook_store_away"] += 1
                log.warning("the store is away for a webhook", webhook=courier.name, problem=str(error))
                await asyncio.sleep(STORE_AWAY)
                continue
            self._tell(courier, result)
            await asyncio.sleep(min(GATHER, max(0.0, result.next_in)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, result.next_in - GATHER)):
                    await self._until(courier, wake)

    @staticmethod
    async def _until(courier: Courier, wake: asyncio.Event) -> None:
        if courier.down:
            await asyncio.Event().wait()  # what is new waits until the receiver takes something again
        await wake.wait()

    def _tell(self, courier: Courier, result: Round) -> None:
        name = courier.name
        self._metrics.webhook(name, result.delivered, result.failed, result.given_up)
        oldest = 0.0 if courier.oldest is None else max(0.0, self._services.clock.at() - courier.oldest)
        self._metrics.observe_webhook(name, courier.waiting, oldest, courier.down)
        if result.given_up:
            self._alert("webhook_given_up", f"{name}: {result.given_up} events too old or gone, last {courier.reason}")
        if courier.down and name not in self._down:
            self._down.add(name)
            self._alert("webhook_down", f"{name}: {courier.reason}; what happens is kept and sent later")
        elif not courier.down and name in self._down:
            self._down.discard(name)
            self._alert("webhook_ok", f"{name} takes events again")

    def _alert(self, kind: str, detail: str) -> None:
        at = self._services.clock.at()
        self._services.stream.publish(ServiceAlert(at=at, campaign="", alert=kind, detail=detail))

    async def _purge(self) -> None:
        while True:
            try:
                gone = await self._services.ledger.write(self._purge_some)
            except LedgerStopped:
                return
            except DispositionsError as error:
                gone = 0
                log.warning("old changes could not be deleted", problem=str(error))
            await asyncio.sleep(PURGE_EVERY if gone < journal.PURGE_AT_ONCE else GATHER)

    def _purge_some(self, tx: WriteTransaction) -> int:
        return journal.purge(tx, self._services.clock.at() - self._kept)
