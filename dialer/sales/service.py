"""The sale process at work: picks sales up from the store's queue, starts their workflows, and sees that each ends.

Nothing here is needed for a sale to survive: the store has the queue, DBOS the steps. A process that ends, however it
ends, is taken up where it stood by the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from dbos import DBOS, SetWorkflowID

from dialer.clock import Clock
from dialer.config.sales_tables import ConnectorTable, SalesTable
from dialer.config.secret import Secret
from dialer.egress import Egress
from dialer.events import ConnectorChanged, Event
from dialer.ledger import Ledger
from dialer.sales.breaker import BreakerState
from dialer.sales.caller import Caller
from dialer.sales.connector import Connector, PythonConnector, SqlConnector
from dialer.sales.pipeline import Pipeline, Task
from dialer.sales.workflow import carry_sale, serve
from dispositions import DispositionsError, ReadView, StoreUnavailable, WriteTransaction, journal, sale
from dispositions.sale import SaleMove, SaleRecord

log = structlog.get_logger("sales")

#: Key of this store's name in idempotency keys, in the store.
IDENTITY = "sales/identity"
#: Seconds between two looks for sales that were started and run nowhere; and how long one may be so.
LOOK_AFTER, ASTRAY = 5.0, 15.0
#: Seconds between two clearings of old records, and how many are cleared at once.
CLEAR_EVERY, CLEAR_MOST = 600.0, 500
#: Sales taken up in one transaction at most: they are started one after another.
BATCH = 25


def make_connector(table: ConnectorTable, secret: str | None, egress: Egress) -> Connector:
    """The connector of a config table. Raises `Impossible` when a Python function cannot be found."""
    if table.kind == "python":
        return PythonConnector(table)
    if table.kind == "sql":
        return SqlConnector(table, secret, egress)
    if table.kind == "smtp":
        from dialer.sales.smtp import SmtpConnector

        return SmtpConnector(table, secret, egress)
    from dialer.sales.http import HttpConnector

    return HttpConnector(table, secret, egress)


class SaleService:
    """`publish` hears of everything that is committed. Made in a running loop; DBOS is launched already when `run` is
    called."""

    def __init__(
        self,
        table: SalesTable,
        secrets: Mapping[str, Secret],
        ledger: Ledger,
        identity: str,
        publish: Callable[[Event], None],
        *,
        outbox: bool,
        clock: Clock,
    ) -> None:
        self._table, self._ledger, self._clock, self._publish = table, ledger, clock, publish
        self._go_on = asyncio.Event()
        self._go_on.set()
        egress = Egress(table.allow)
        self.callers = {
            name: Caller(
                name,
                connector,
                make_connector(connector, secret.reveal() if secret else None, egress),
                secret=secret.reveal() if secret else None,
                on_breaker=self._breaker,
                hold=self._hold,
            )
            for name, connector in table.connectors.items()
            for secret in (secrets.get(name),)
        }
        self.pipeline = Pipeline(
            table, self.callers, identity, ledger.write, self._load, publish, outbox=outbox, clock=clock
        )
        self.active = serve(self.pipeline)
        self._starting: set[str] = set()
        self._astray: dict[str, float] = {}
        self._handles: set[asyncio.Task[Any]] = set()

    # --- the queue -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Pick up and look after, until cancelled."""
        await self.look_after(at_start=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pick_up_for_ever(), name="pick up")
            group.create_task(self._look_after_for_ever(), name="look after")
            group.create_task(self._clear_for_ever(), name="clear")

    async def _pick_up_for_ever(self) -> None:
        while True:
            taken = await self.pick_up()
            if taken < BATCH:
                await asyncio.sleep(self._table.poll)

    async def pick_up(self) -> int:
        """Claim and start what waits, as far as there is room; how many."""
        await self._hold()
        room = min(BATCH, self._table.at_once - len(self.active | self._starting))
        if room <= 0:
            return 0
        at = self._clock.at()
        if not await self._read(lambda view: sale.many(view, states=["queued"], limit=1)):
            return 0  # no write transaction a second for nothing

        def operation(tx: WriteTransaction) -> list[SaleRecord]:
            claimed = sale.claim(tx, room, at)
            self.pipeline.to_outbox(tx, [self.pipeline.started(record) for record in claimed])
            return claimed

        claimed = await self._ledger.write(operation)
        for record in claimed:
            self._publish(self.pipeline.started(record))
        for record in claimed:
            await self._start(record)
        return len(claimed)

    async def _start(self, record: SaleRecord) -> None:
        """Start the workflow of a claimed sale. The second time it is no second workflow: the id is the sale's."""
        if record.resume == "undo":
            record = await self._load(record.sale_id)  # with its steps
        task = self.pipeline.task(record)
        name = self.pipeline.workflow_id(task)
        self._starting.add(name)
        try:
            self.pipeline.remember(record)
            with SetWorkflowID(name):
                handle = await DBOS.start_workflow_async(carry_sale, task.to_dict())
        finally:
            self._starting.discard(name)
        del handle

    # --- nobody is left behind -------------------------------------------------------------------------------------

    async def _look_after_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AFTER)
            await self.look_after()

    async def look_after(self, *, at_start: bool = False) -> None:
        """Sales that are started in the store and run nowhere: taken up again, or, when their workflow is over without
        an end in the store, given to a person. `at_start`: only those that never had a workflow, at once; DBOS takes
        up its own."""
        now = time.monotonic()
        # the dialer may have begun, or ceased, to keep changes: a reload
        self._ledger.store.journalling = await self._read(journal.kept)
        records = await self._read(sale.under_way)
        seen: dict[str, float] = {}
        for record in records:
            name = f"{self.pipeline.identity}-{record.sale_id}-{record.starts}"
            if name in self.active or name in self._starting:
                continue
            seen[name] = self._astray.get(name, now)
            if at_start and await DBOS.get_workflow_status_async(name) is None:
                await self._start(record)
            if now - seen[name] >= ASTRAY:
                await self._take_up(record, name)
        self._astray = seen

    async def _take_up(self, record: SaleRecord, name: str) -> None:
        status = await DBOS.get_workflow_status_async(name)
        if status is None:
            log.warning("sale was claimed and never started", sale=record.sale_id)
            await self._start(record)
        elif status.status in ("PENDING", "ENQUEUED", "DELAYED"):
            log.warning("sale is taken up again", sale=record.sale_id)
            await DBOS.resume_workflow_async(name)
        else:
            log.error("sale's workflow is over, the sale is not", sale=record.sale_id, workflow=status.status)
            task = Task(record.sale_id, record.starts, record.run, (), {})
            self.pipeline.remember(record)
            await self.pipeline.end(task, SaleMove.STUCK, f"the pipeline stopped: {status.status.lower()}")
            self.pipeline.forget(task)

    # --- old records -------------------------------------------------------------------------------------------------

    async def _clear_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CLEAR_EVERY)
            await self.clear()

    async def clear(self) -> int:
        """Forget workflows that are long over; how many. Their sales' ends stand in the store."""
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock.at() - self._table.keep))
        found = await DBOS.list_workflows_async(
            status="SUCCESS", end_time=before, limit=CLEAR_MOST, load_input=False, load_output=False
        )
        if found:
            await DBOS.delete_workflows_async([workflow.workflow_id for workflow in found])
        return len(found)

    # --- the end ---------------------------------------------------------------------------------------------------

    async def stop(self, grace: float) -> None:
        """Nothing new is begun; tries that are under way may come to their answer, at most `grace` seconds long.

        Workflows are not cancelled, which would be on record: they stop as in a crash and go on at the next start."""
        self._go_on.clear()
        ends = time.monotonic() + grace
        while any(caller.busy for caller in self.callers.values()) and time.monotonic() < ends:
            await asyncio.sleep(0.02)
        await self._ledger.flush()

    async def _hold(self) -> None:
        await self._go_on.wait()

    # --- small things ------------------------------------------------------------------------------------------------

    def _breaker(self, name: str, state: BreakerState) -> None:
        (log.info if state is BreakerState.CLOSED else log.warning)("connector", connector=name, state=str(state))
        self._publish(ConnectorChanged(at=self._clock.at(), campaign="", connector=name, state=str(state)))

    async def _load(self, sale_id: int) -> SaleRecord:
        found: SaleRecord = await self._read(lambda view: sale.one(view, sale_id))
        return found

    async def _read(self, query: Callable[[ReadView], Any]) -> Any:
        pause = 0.1
        while True:
            try:
                return await self._ledger.read(query)
            except StoreUnavailable as error:
                log.warning("the store is away", problem=str(error))
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 2)


async def identity(ledger: Ledger, fresh: str) -> str:
    """This store's name in all idempotency keys: `fresh` at the very first start. Raises DispositionsError."""

    def operation(tx: WriteTransaction) -> None:
        known.append(tx_load(tx))
        if known[-1] is None:
            tx.save_state(IDENTITY, fresh)

    def tx_load(tx: WriteTransaction) -> Any:
        return ReadView(tx.store, tx.connection).load_state(IDENTITY)

    known: list[Any] = []
    await ledger.write(operation)
    found = known[-1]
    if found is None:
        return fresh
    if not isinstance(found, str):
        raise DispositionsError("the store's name for sales is not a text")
    return found
