"""The order of a sale's steps, as a durable workflow (DBOS): after a crash it goes on behind the last step on record.

    plan[0] .. plan[n]   each done -> the sale is done
    a step rejects       undo the steps before it, last first; tell; the sale is rejected
    a step fails         undo it, too (nobody knows whether it happened) and those before; tell; compensated
    asked to cancel      undo what is done; tell; cancelled
    undoing fails        go on undoing the rest; the sale is failed: a person must see to it

A workflow function must come to the same steps when it is run again: it looks at nothing but its input and the steps'
recorded results.
"""

from __future__ import annotations

from typing import Any

from dbos import DBOS

from dialer.sales.pipeline import Pipeline, Task
from dispositions.sale import SaleMove

#: How often DBOS takes a workflow up again after crashes: always. A sale is never given up for bad luck.
RECOVERIES = 1_000_000

_END = {"rejected": SaleMove.REFUSED, "failed": SaleMove.GIVEN_UP, "cancelled": SaleMove.TAKEN_BACK}
_TOLD = {"rejected": "rejected", "failed": "compensated", "cancelled": "cancelled"}


class _Present:
    """The pipeline of this process: DBOS finds workflows by their functions' names, not by an object."""

    pipeline: Pipeline | None = None
    active: set[str] = set()  # noqa: RUF012 - one a process


def serve(pipeline: Pipeline) -> set[str]:
    """Workflows of this process use `pipeline` from now on; the set holds the ids of those that run."""
    _Present.pipeline = pipeline
    return _Present.active


@DBOS.workflow(name="carry_sale", max_recovery_attempts=RECOVERIES)
async def carry_sale(given: dict[str, Any]) -> str:
    """Carry one start of a sale to its end; the word for the end."""
    pipeline = _Present.pipeline
    assert pipeline is not None, "workflows run only where a pipeline serves them"
    task = Task.from_dict(given)
    name = pipeline.workflow_id(task)
    _Present.active.add(name)
    try:
        return await _carried(pipeline, task)
    finally:
        _Present.active.discard(name)
        pipeline.forget(task)


async def _carried(pipeline: Pipeline, task: Task) -> str:
    kept: dict[str, Any] = dict(task.kept)
    begun = list(reversed(task.undo))
    cause, reason = "failed", None
    if task.back:  # a former start got stuck
        await DBOS.run_step_async({"name": "turn back"}, pipeline.turn_back, task, None)
    for position, name in enumerate(task.plan):
        found = await DBOS.run_step_async({"name": name}, pipeline.do, task, position, kept)
        if found["kept"]:
            kept[name] = found["kept"]
        if found["result"] in ("done", "failed") and found["undo"]:
            begun.append(name)
        if found["result"] in ("rejected", "failed"):
            cause, reason = found["result"], found["reason"]
            break
        if position + 1 == len(task.plan):
            return "done"
        if found["asked"]:
            cause, reason = "cancelled", "taken back"
            await DBOS.run_step_async({"name": "turn back"}, pipeline.turn_back, task, reason)
            break
    else:
        if not task.back:  # no step is for this campaign's sales
            await DBOS.run_step_async({"name": "end"}, pipeline.end, task, SaleMove.FINISH, None)
            return "done"
    return await _undone(pipeline, task, begun, kept, cause, reason)


async def _undone(
    pipeline: Pipeline, task: Task, begun: list[str], kept: dict[str, Any], cause: str, reason: str | None
) -> str:
    sure = True
    for position, name in enumerate(reversed(begun)):
        step = pipeline.undo
        sure = await DBOS.run_step_async({"name": f"undo {name}"}, step, task, name, position, kept) and sure
    if not sure:
        await DBOS.run_step_async({"name": "end"}, pipeline.end, task, SaleMove.STUCK, reason)
        return "failed"
    told = _TOLD[cause]
    for position, name in enumerate(task.notices.get(told, ())):
        await DBOS.run_step_async({"name": f"tell {name}"}, pipeline.tell, task, name, position, told, reason, kept)
    await DBOS.run_step_async({"name": "end"}, pipeline.end, task, _END[cause], reason)
    return told
