"""The audit finds what is wrong, and only that: crafted logs, one fault each."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from dialer.report import CarrierRecord, ReportError, StoreRecord, audit, read_carrier
from dialer.report.audit import CarrierCall, doubled_calls, read_lines
from dialer.report.records import AttemptRecord

A, B, C = "+12015550100", "+12015550101", "+12015550102"


def attempt(number: str, call_id: str, outcome: str | None = "answered", contact: int = 1) -> AttemptRecord:
    return AttemptRecord(
        call_id, contact, number, call_id, "main", None, 0.0, None, None, None, None, None, outcome, None, None
    )


def store(*attempts: AttemptRecord, torn: dict[str, str] | None = None, **states: str) -> StoreRecord:
    named = {"a": A, "b": B, "c": C}
    return StoreRecord("demo", attempts, {named[name]: state for name, state in states.items()}, {}, torn or {})


def carrier(*calls: CarrierCall) -> CarrierRecord:
    return CarrierRecord(calls)


def test_a_clean_run_is_clean() -> None:
    verdict = audit([A, B], [C], carrier(CarrierCall("1", A, 0.0)), store(attempt(A, "1"), a="done", b="ready"), 30)
    assert verdict.clean


def test_a_contact_in_no_state_is_lost() -> None:
    verdict = audit([A, B], [], carrier(), store(a="ready"), 30)
    assert dict(verdict.lost) == {B: "in no state"}
    assert not verdict.clean


def test_a_do_not_call_number_need_not_be_kept() -> None:
    assert audit([A, C], [C], carrier(), store(a="ready"), 30).clean


def test_a_contact_in_two_states_is_lost() -> None:
    verdict = audit(
        [A], [], carrier(CarrierCall("1", A, 0.0)), store(attempt(A, "1"), torn={A: "ready, leased"}, a="ready"), 30
    )
    assert dict(verdict.lost) == {A: "in several states: ready, leased"}


def test_a_call_that_the_store_forgot_is_lost() -> None:
    verdict = audit([A], [], carrier(CarrierCall("1", A, 0.0)), store(a="ready"), 30)
    assert list(verdict.lost) == [A]
    assert "not in the store" in verdict.lost[A]


@pytest.mark.parametrize(
    ("outcome", "lost"), [("no_answer", True), ("answered", True), ("interrupted", False), (None, False)]
)
def test_an_attempt_that_never_was(outcome: str | None, lost: bool) -> None:
    verdict = audit([A], [], carrier(), store(attempt(A, "1", outcome), a="done"), 30)
    assert bool(verdict.lost) == lost


def test_two_calls_too_close_together_are_doubled() -> None:
    calls = (
        CarrierCall("1", A, 100.0),
        CarrierCall("2", A, 129.9),
        CarrierCall("3", B, 100.0),
        CarrierCall("4", B, 130.0),
    )
    assert list(doubled_calls(calls, 30.0)) == [A]


def test_a_middle_pair_is_found_whatever_the_order_of_the_log() -> None:
    calls = (CarrierCall("3", A, 300.0), CarrierCall("1", A, 100.0), CarrierCall("4", A, 310.0))
    assert "10.00 s apart" in doubled_calls(calls, 30.0)[A]


def test_forbidden_and_strange_numbers_are_named() -> None:
    seen = carrier(CarrierCall("1", B, 0.0), CarrierCall("2", C, 0.0))
    verdict = audit([A, B], [B], seen, store(attempt(B, "1"), attempt(C, "2"), a="ready", b="done"), 30)
    assert verdict.forbidden == (B,)
    assert verdict.strays == (C,)
    assert not verdict.clean


def write(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def test_a_log_is_read_by_call_id(tmp_path: Path) -> None:
    log = write(
        tmp_path / "c.jsonl",
        {"t": 1.0, "event": "invite", "call_id": "1", "number": A, "trunk": "trunk1"},
        {"t": 1.1, "event": "rejected", "call_id": "1", "number": A, "status": 503},
        {"t": 1.2, "event": "invite", "call_id": "1", "number": A, "trunk": "trunk2"},
        {"t": 2.0, "event": "answered", "call_id": "1", "number": A},
        {"t": 3.0, "event": "bye", "call_id": "1", "number": A, "by": "dialer", "heard": 12},
        {"t": 3.5, "event": "fault", "kind": "cseq", "call_id": "1"},
        {"t": 4.0, "event": "invite", "call_id": "2", "number": B},
        {"t": 5.0, "event": "answered", "call_id": "2", "number": B},
    )
    record = read_carrier(log)
    assert [(call.call_id, call.invited_at) for call in record.calls] == [("1", 1.0), ("2", 4.0)]
    assert record.answered == 2
    assert record.standing == 1
    assert record.silent == 0
    assert len(record.faults) == 1
    assert record.calls[0].heard == 12


def test_an_answered_call_without_audio_is_silent() -> None:
    calls = [CarrierCall("1", A, 0.0, 1.0, 2.0), CarrierCall("2", A, 0.0, 1.0, 2.0, heard=3), CarrierCall("3", A, 0.0)]
    assert CarrierRecord(tuple(calls)).silent == 1


def test_a_log_cut_off_by_a_kill_is_read_and_a_broken_one_is_not(tmp_path: Path) -> None:
    log = write(tmp_path / "c.jsonl", {"t": 1.0, "event": "invite", "call_id": "1", "number": A})
    with log.open("a") as file:
        file.write('{"t":2.0,"event":"answ')
    assert len(read_carrier(log).calls) == 1
    log.write_text("nonsense\n{}\n")
    with pytest.raises(ReportError, match=":1: not JSON"):
        read_carrier(log)


def test_the_made_up_day_is_clean_until_broken(day: Any) -> None:
    assert audit(day.listed, (), day.carrier, day.store, 30).clean
    broken = dataclasses.replace(day.store, attempts=day.store.attempts[1:])
    assert len(audit(day.listed, (), day.carrier, broken, 30).lost) == 1


def test_a_nested_object_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event":"one","why":{"a":1}}\n{"event":"two","why":{"a":1}')
    assert [event["event"] for event in read_lines(path)] == ["one"]
