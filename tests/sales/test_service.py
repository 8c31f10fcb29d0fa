"""The sale process' own care: sales that were started and run nowhere, keys, tasks of a second start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from dialer.clock import Clock
from dialer.config.sales_tables import ActionTable, ConnectorTable, NoticeTable, SalesTable, StepTable
from dialer.events import ConnectorChanged, SaleChanged
from dialer.sales.link import ALIVE, READY, read_line
from dialer.sales.pipeline import Pipeline, Task
from dialer.sales.records import PlainSerializer, prepare
from dispositions.sale import SaleRecord, SaleState, SaleStep

TABLE = SalesTable(
    connectors={"x": ConnectorTable(kind="http", url="https://x.example")},
    steps=[
        StepTable(name="check", connector="x", do=ActionTable()),
        StepTable(name="pay", connector="x", do=ActionTable(), undo=ActionTable()),
        StepTable(name="gift", connector="x", do=ActionTable(), campaigns=["other"]),
        StepTable(name="issue", connector="x", do=ActionTable(), undo=ActionTable()),
    ],
    notices=[NoticeTable(name="sorry", connector="x", do=ActionTable())],
)


def record(*steps: tuple[str, str, str], **more: Any) -> SaleRecord:
    found = tuple(
        SaleStep(phase, name, n, result, None, {"id": name} if result == "done" else {}, 1, 0.1, float(n))
        for n, (phase, name, result) in enumerate(steps)
    )
    given: dict[str, Any] = {
        "sale_id": 7, "attempt_id": "a", "campaign": "c", "contact_id": 1, "external_id": None, "number": "+1",
        "agent": "ana", "fields": {}, "contact_fields": {}, "state": SaleState.STARTED, "run": 1, "starts": 1,
        "resume": None, "asked": None, "step": None, "reason": None, "queued_at": 1.0, "started_at": 2.0,
        "ended_at": None, "changed_at": 2.0, "steps": found,
    }  # fmt: skip
    return SaleRecord(**{**given, **more})


async def nothing(*_: Any) -> Any:
    raise AssertionError("nobody is asked here")


def pipeline() -> Pipeline:
    return Pipeline(TABLE, {}, "ident", nothing, nothing, lambda event: None, outbox=False, clock=Clock())


def test_a_first_start_does_the_steps_of_its_campaign() -> None:
    assert pipeline().task(record()).plan == ("check", "pay", "issue")
    assert pipeline().task(record(campaign="other")).plan == ("check", "pay", "gift", "issue")
    assert pipeline().task(record()).notices["rejected"] == ["sorry"]


def test_a_second_start_undoes_what_is_not_known_to_be_undone() -> None:
    """Last first; the step that may have been under way when the former start ended, too."""
    task = pipeline().task(record(("do", "check", "done"), ("do", "pay", "done"), resume="undo", starts=2))
    assert (task.back, task.plan, task.undo) == (True, (), ("issue", "pay", "check"))
    assert dict(task.kept) == {"check": {"id": "check"}, "pay": {"id": "pay"}}
    rejected = (("do", "check", "done"), ("do", "pay", "done"), ("do", "issue", "rejected"), ("undo", "pay", "failed"))
    assert pipeline().task(record(*rejected, resume="undo")).undo == ("pay", "check")
    undone = (*rejected, ("undo", "check", "done"))
    assert pipeline().task(record(*undone, resume="undo")).undo == ("pay",)


def test_keys_belong_to_the_run_and_workflows_to_the_start() -> None:
    first, second = pipeline().task(record()), pipeline().task(record(resume="undo", starts=2))
    assert pipeline().key(first, "pay") == pipeline().key(second, "pay") == "ident-7-1/pay"
    assert pipeline().workflow_id(first) != pipeline().workflow_id(second)
    assert pipeline().key(pipeline().task(record(run=2, starts=3)), "pay") != pipeline().key(first, "pay")


def test_a_task_survives_its_record() -> None:
    task = pipeline().task(record(("do", "check", "done"), resume="undo"))
    form = PlainSerializer()
    assert Task.from_dict(form.deserialize(form.serialize(task.to_dict()))) == Task.from_dict(task.to_dict())


def test_records_are_json_and_an_error_is_its_text() -> None:
    form = PlainSerializer()
    assert form.deserialize(form.serialize({"é": [1, None]})) == {"é": [1, None]}
    error = form.deserialize(form.serialize(ValueError("odd")))
    assert isinstance(error, RuntimeError)
    assert "ValueError: odd" in str(error)


def test_the_records_file_is_its_owners_alone(tmp_path: Path) -> None:
    prepare(f"sqlite:///{tmp_path / 'sales.db'}")
    assert (tmp_path / "sales.db").stat().st_mode & 0o077 == 0


def test_what_crosses_the_line_to_the_dialer() -> None:
    import json

    event = SaleChanged(
        at=1.0, campaign="c", sale=7, call="a", contact=1, agent="ana", state="done", reason=None, seconds=2.0
    )
    assert read_line(json.dumps(event.to_dict()).encode()) == event
    changed = ConnectorChanged(at=1.0, campaign="", connector="x", state="open")
    assert read_line(json.dumps(changed.to_dict()).encode()) == changed
    assert [read_line(b'{"kind": "%s"}' % word.encode()) for word in (READY, ALIVE)] == [READY, ALIVE]
    for odd in (b"", b"{", b"[]", b"7", b'{"kind": "x"}', b'{"event": "no"}', b'{"event": "connector"}', b"\xff"):
        assert read_line(odd) is None


def test_a_keeper_says_why_the_process_is_down(tmp_path: Path) -> None:
    """A config without `[sales]`: the process ends at once, and is not started in a loop."""
    from dialer.sales.keeper import SaleKeeper

    config = tmp_path / "none.toml"
    config.write_text("")
    down: list[str] = []

    async def run() -> None:
        fell = asyncio.Event()
        keeper = SaleKeeper(config, lambda e: None, lambda: None, lambda reason: (down.append(reason), fell.set())[0])
        keeper.start()
        await asyncio.wait_for(fell.wait(), 60.0)
        assert not keeper.up
        await keeper.close()
        assert keeper.pid is None

    asyncio.run(run())
    assert down == ["it ended with status 2"]
