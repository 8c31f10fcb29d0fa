"""Journals survive a kill in the middle of a line, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.callcentre.journal import Journal, read


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.write("one", number=1)
        journal.write("two", text="a\nb")
    assert [(event["event"], event.get("text")) for event in read(path)] == [("one", None), ("two", "a\nb")]


def test_a_last_line_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text('{"event":"one"}\n{"event":"tw')
    assert [event["event"] for event in read(path)] == ["one"]


def test_a_broken_line_elsewhere_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text('{"event":"on\n{"event":"two"}\n')
    with pytest.raises(ValueError, match=":1: not JSON"):
        list(read(path))


def test_no_file_no_lines() -> None:
    with Journal(None) as journal:
        journal.write("one")
