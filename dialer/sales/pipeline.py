"""What each step of a sale does: ask the third party, then write down what came of it.

A step may be run again after a crash, up to the moment when its result is on record: so third parties get the same key
again, and the store's writes change nothing the second time. `workflow` has the order of the steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dialer.clock import Clock
from dialer.config.sales_tables import SalesTable
from dialer.events import Event, SaleChanged, SaleStepEnded
from dialer.mqtt.outbox import outcome_message
from dialer.sales.caller import Caller, Job, Outcome
from dispositions import WriteTransaction, sale
from dispositions.sale import SaleMove, SaleRecord, SaleState, SaleStep

Write = Callable[[Callable[[WriteTransaction], Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Task:
    """One start of a sale: what its workflow is given, and what is on record from then on, whatever the config becomes.

    `plan`: steps to be done; `back`: nothing is to be done, only `undo`, in that order, since a former start got stuck
    there, with what it had `kept`; `notices`: who is told, by the end."""

    sale: int
    start: int
    run: int
    plan: tuple[str, ...]
    notices: Mapping[str, Sequence[str]]
    back: bool = False
    undo: tuple[str, ...] = ()
    kept: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Task:
        """The reverse."""
        return cls(**{**given, "plan": tuple(given["plan"]), "undo": tuple(given["undo"])})


class Pipeline:
    """`identity` tells this store's keys from those of all others. `write` commits to the store; `publish` tells what
    is committed; `outbox`: whether it is also written for MQTT."""

    def __init__(
        self,
        table: SalesTable,
        callers: Mapping[str, Caller],
        identity: str,
        write: Write,
        load: Callable[[int], Awaitable[SaleRecord]],
        publish: Callable[[Event], None],
        *,
        outbox: bool,
        clock: Clock,
    ) -> None:
        self.table, self.callers, self.identity = table, callers, identity
        self._steps = {step.name: step for step in table.steps}
        self._notices = {notice.name: notice for notice in table.notices}
        self._write, self._load, self._publish = write, load, publish
        self._outbox, self._clock = outbox, clock
        self._records: dict[tuple[int, int], SaleRecord] = {}

    # --- which steps -----------------------------------------------------------------------------------------------

    def task(self, record: SaleRecord) -> Task:
        """What a claimed sale's workflow has to do."""
        plan = tuple(s.name for s in self.table.steps if not s.campaigns or record.campaign in s.campaigns)
        notices = {str(end): [n.name for n in self.table.notices if end in n.on] for end in sorted(_TOLD)}
        if record.resume != "undo":
            return Task(record.sale_id, record.starts, record.run, plan, notices)
        done = {s.name: s for s in record.steps if s.phase == "do"}
        undone = {s.name for s in record.steps if s.phase == "undo" and s.result == "done"}
        begun = []
        for name in (*(n for n in done if n not in plan), *plan):
            if name in done and done[name].result == "rejected":
                break
            begun.append(name)
            if name not in done:
                break  # it may have been under way when the former start ended
        kept = {name: dict(step.kept) for name, step in done.items() if step.kept}
        undo = tuple(name for name in reversed(begun) if name not in undone)
        return Task(record.sale_id, record.starts, record.run, (), notices, True, undo, kept)

    def workflow_id(self, task: Task) -> str:
        """The same for every start of the same start."""
        return f"{self.identity}-{task.sale}-{task.start}"

    def key(self, task: Task, step: str) -> str:
        """The idempotency key of a step: the same for all its tries, its question and its undoing."""
        return f"{self.identity}-{task.sale}-{task.run}/{step}"

    # --- steps -----------------------------------------------------------------------------------------------------

    async def do(self, task: Task, position: int, kept: Mapping[str, Any]) -> dict[str, Any]:
        """The step at `position` of the plan. `undo` in the answer: whether there is a way back."""
        name = task.plan[position]
        table = self._steps.get(name)
        if table is None:
            outcome = Outcome("failed", f"the config has no step {name} any more")
        else:
            caller = self.callers[table.connector]
            values = await self._values(task, kept)
            outcome = await caller.carry_out(
                Job(table.do, self.key(task, name), values, table.patience, table.status, caller.table.tries)
            )
            if outcome.result == "failed" and not table.required:
                outcome = Outcome("skipped", outcome.reason, {}, outcome.tries, outcome.seconds)
        move, then = self._next(task, position, outcome)
        asked = await self._record(task, "do", name, position, outcome, move, then)
        return {
            "result": outcome.result, "reason": outcome.reason, "kept": dict(outcome.kept), "asked": asked,
            "undo": table is not None and table.undo is not None,
        }  # fmt: skip

    def _next(self, task: Task, position: int, outcome: Outcome) -> tuple[SaleMove | None, str | None]:
        if outcome.result in ("rejected", "failed"):
            return SaleMove.TURN_BACK, None
        if position + 1 == len(task.plan):
            return SaleMove.FINISH, None
        return None, task.plan[position + 1]

    async def undo(self, task: Task, name: str, position: int, kept: Mapping[str, Any]) -> bool:
        """Take the step back; whether that is certain now."""
        table = self._steps.get(name)
        if table is None:
            outcome = Outcome("failed", f"the config has no step {name} any more: nobody knows how to undo it")
        elif table.undo is None:
            outcome = Outcome("done", "nothing to undo")
        else:
            values = await self._values(task, kept)
            job = Job(
                table.undo, self.key(task, name), values, self.table.undo_patience, tries=None, unknown_is_done=True
            )
            outcome = await self.callers[table.connector].carry_out(job)
            if outcome.result == "rejected":
                outcome = Outcome("failed", outcome.reason, {}, outcome.tries, outcome.seconds)
        await self._record(task, "undo", name, position, outcome, None, name)
        return outcome.result == "done"

    async def tell(
        self, task: Task, name: str, position: int, state: str, reason: str | None, kept: Mapping[str, Any]
    ) -> bool:
        """Send one notice; whether it was taken. The sale ends either way, and the record says which."""
        table = self._notices.get(name)
        if table is None:
            return False
        caller = self.callers[table.connector]
        values = {**await self._values(task, kept), "state": state, "reason": reason or ""}
        outcome = await caller.carry_out(Job(table.do, self.key(task, name), values, 1800.0, tries=caller.table.tries))
        await self._record(task, "tell", name, position, outcome, None, None)
        return outcome.result == "done"

    async def turn_back(self, task: Task, reason: str | None) -> None:
        """The sale is on its way back, without a step that said so."""
        await self._move(task, SaleMove.TURN_BACK, reason)

    async def end(self, task: Task, move: SaleMove, reason: str | None) -> None:
        """The sale's end, on record and told."""
        await self._move(task, move, reason)

    # --- writing -----------------------------------------------------------------------------------------------------

    async def _record(
        self,
        task: Task,
        phase: str,
        name: str,
        position: int,
        outcome: Outcome,
        move: SaleMove | None,
        then: str | None,
    ) -> bool:
        at = self._clock.at()
        step = SaleStep(
            phase, name, position, outcome.result, outcome.reason, outcome.kept, outcome.tries, outcome.seconds, at
        )
        record = await self._known(task)
        reason = outcome.reason if move is SaleMove.TURN_BACK else None
        events: list[Event] = [
            SaleStepEnded(
                at=at, campaign=record.campaign, sale=task.sale, agent=record.agent, step=name, phase=phase,
                result=outcome.result, tries=outcome.tries, seconds=outcome.seconds,
            )
        ]  # fmt: skip
        if move is not None:
            events.append(self._changed(record, move, reason, at))

        def operation(tx: WriteTransaction) -> bool:
            asked = sale.advance(tx, task.sale, task.start, task.run, step, move, at, then=then, reason=reason)
            self.to_outbox(tx, events)
            return asked

        return bool(await self._told(operation, events))

    async def _move(self, task: Task, move: SaleMove, reason: str | None) -> None:
        at = self._clock.at()
        record = await self._known(task)
        events = [self._changed(record, move, reason, at)]

        def operation(tx: WriteTransaction) -> None:
            sale.advance(tx, task.sale, task.start, task.run, None, move, at, reason=reason)
            self.to_outbox(tx, events)

        await self._told(operation, events)

    async def _told(self, operation: Callable[[WriteTransaction], Any], events: Sequence[Event]) -> Any:
        result = await self._write(operation)
        for event in events:
            self._publish(event)
        return result

    def to_outbox(self, tx: WriteTransaction, events: Sequence[Event]) -> None:
        """For MQTT, in the transaction that makes them true."""
        if self._outbox:
            for event in events:
                message = outcome_message(event)
                if message is not None:
                    tx.outbox_add(*message, event.at)

    def started(self, record: SaleRecord) -> SaleChanged:
        """The event of a claim."""
        at = record.started_at or record.changed_at
        return SaleChanged(
            at=at, campaign=record.campaign, sale=record.sale_id, call=record.attempt_id, contact=record.contact_id,
            agent=record.agent, state="started", reason=None, waited=max(0.0, at - record.queued_at),
        )  # fmt: skip

    @staticmethod
    def _changed(record: SaleRecord, move: SaleMove, reason: str | None, at: float) -> SaleChanged:
        state = _STATE[move]
        seconds = max(0.0, at - record.started_at) if record.started_at and state is not SaleState.UNDOING else None
        return SaleChanged(
            at=at, campaign=record.campaign, sale=record.sale_id, call=record.attempt_id, contact=record.contact_id,
            agent=record.agent, state=str(state), reason=reason, seconds=seconds,
        )  # fmt: skip

    # --- what templates know -----------------------------------------------------------------------------------------

    def remember(self, record: SaleRecord) -> None:
        """Keep a sale that is being started at hand."""
        self._records[record.sale_id, record.starts] = record

    def forget(self, task: Task) -> None:
        """Its workflow is over."""
        self._records.pop((task.sale, task.start), None)

    async def _known(self, task: Task) -> SaleRecord:
        found = self._records.get((task.sale, task.start))
        if found is None:
            found = await self._load(task.sale)
            self.remember(found)
        return found

    async def _values(self, task: Task, kept: Mapping[str, Any]) -> dict[str, Any]:
        record = await self._known(task)
        return {
            "sale": {
                "id": record.sale_id, "campaign": record.campaign, "agent": record.agent, "number": record.number,
                "call": record.attempt_id, "fields": dict(record.fields), "contact": dict(record.contact_fields),
                "external_id": record.external_id or "", "run": task.run,
            },
            "steps": {name: dict(values) for name, values in kept.items()},
        }  # fmt: skip


_TOLD = (SaleState.REJECTED, SaleState.COMPENSATED, SaleState.CANCELLED)
_STATE = {
    SaleMove.FINISH: SaleState.DONE,
    SaleMove.TURN_BACK: SaleState.UNDOING,
    SaleMove.REFUSED: SaleState.REJECTED,
    SaleMove.GIVEN_UP: SaleState.COMPENSATED,
    SaleMove.TAKEN_BACK: SaleState.CANCELLED,
    SaleMove.STUCK: SaleState.FAILED,
}
