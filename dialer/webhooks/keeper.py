"""All webhooks of the daemon: one task each beside the calls, and one that lets the journal's old entries go. A reload
replaces those that differ."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from dialer.config.door_checks import kept_changes
from dialer.config.door_tables import WebhookTable
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


@dataclass(slots=True)
class _Hook:
    """One webhook at work. `wake`: something happened that it may have to tell."""

    table: WebhookTable
    secret: Secret
    courier: Courier
    sender: HttpSender
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class WebhookKeeper:
    """Does nothing where the config has neither webhooks nor a journal."""

    def __init__(self, file: ConfigFile, secrets: Mapping[str, Secret], services: Services, metrics: Metrics) -> None:
        self._services, self._metrics = services, metrics
        self._kept = kept_changes(file)
        self._hooks = {name: self._made(name, table, secrets[name]) for name, table in file.webhooks.items()}
        self._purging: asyncio.Task[None] | None = None
        self._taking = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()
        self._down: set[str] = set()
        self._loop = services.loop

    def _made(self, name: str, table: WebhookTable, secret: Secret) -> _Hook:
        sender = HttpSender(table, secret.reveal())
        courier = Courier(name, table, sender, self._services.ledger, self._services.clock.at)
        return _Hook(table, secret, courier, sender)

    def start(self) -> None:
        """Begin; returns at once: dialing waits for no receiver."""
        self._services.stream.subscribe(self.on_event)
        for name in self._hooks:
            self._begin(name)
        self._listen()
        self._purging = asyncio.create_task(self._purge(), name="journal")

    def _begin(self, name: str) -> None:
        hook = self._hooks[name]
        hook.task = asyncio.create_task(self._run(hook), name=f"webhook {name}")

    def _listen(self) -> None:
        self._services.ledger.store.on_journal = self._written if self._hooks else lambda: None

    def take(self, file: ConfigFile, secrets: Mapping[str, Secret]) -> None:
        """A reload: webhooks that came, went or changed, and how long changes are kept. Returns at once. What was not
        taken of a webhook that goes on is sent by its new settings: the store knows it by the webhook's name."""
        task = asyncio.create_task(self._take(file, dict(secrets)), name="webhooks reloaded")
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)

    async def _take(self, file: ConfigFile, secrets: dict[str, Secret]) -> None:
        async with self._taking:
            await self._keep_changes(kept_changes(file))
            for name, hook in list(self._hooks.items()):
                table = file.webhooks.get(name)
                if table != hook.table or secrets[name].reveal() != hook.secret.reveal():
                    await self._end(self._hooks.pop(name))  # two couriers must never share a cursor
                    self._down.discard(name)
                    self._metrics.observe_webhook(name, 0, 0.0, False)
            for name, table in file.webhooks.items():
                if name not in self._hooks:
                    self._hooks[name] = self._made(name, table, secrets[name])
                    self._begin(name)
            self._listen()

    async def _keep_changes(self, kept: float) -> None:
        while (kept > 0) != (self._kept > 0):
            try:
                await asyncio.to_thread(journal.keep, self._services.ledger.store, kept > 0)
                break
            except DispositionsError as error:
                self._services.counters["webhook_store_away"] += 1
                log.warning("the store is away for a reload of webhooks", problem=str(error))
                await asyncio.sleep(STORE_AWAY)
        self._kept = kept

    def on_event(self, event: Event) -> None:
        """The sale process has written something, too."""
        if isinstance(event, SaleChanged):
            self._wake()

    def _written(self) -> None:
        """In the writer's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for hook in self._hooks.values():
            hook.wake.set()

    async def close(self) -> None:
        """No request is under way when this returns; what was not taken is sent after the next start."""
        self._services.ledger.store.on_journal = lambda: None
        tasks = [*self._changes, *([self._purging] if self._purging is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for hook in self._hooks.values():
            await self._end(hook)

    @staticmethod
    async def _end(hook: _Hook) -> None:
        if hook.task is not None:
            hook.task.cancel()
            await asyncio.gather(hook.task, return_exceptions=True)
        await hook.courier.close()
        await hook.sender.close()

    @property
    def trouble(self) -> str | None:
        """What is wrong, for /healthz."""
        return f"not taken by {', '.join(sorted(self._down))}: kept and sent again" if self._down else None

    async def _run(self, hook: _Hook) -> None:
        courier, wake = hook.courier, hook.wake
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
            gone = 0
            try:
                if self._kept > 0:
                    gone = await self._services.ledger.write(self._purge_some)
            except LedgerStopped:
                return
            except DispositionsError as error:
                log.warning("old changes could not be deleted", problem=str(error))
            await asyncio.sleep(PURGE_EVERY if gone < journal.PURGE_AT_ONCE else GATHER)

    def _purge_some(self, tx: WriteTransaction) -> int:
        return journal.purge(tx, self._services.clock.at() - self._kept)
