"""The live picture: drawn without a terminal, from events alone, in any width."""

from __future__ import annotations

import pytest
from rich.console import Console

from dialer.cli import view
from dialer.report.timeline import Timeline

START = 1000.0


def board(**more: object) -> view.Board:
    timeline = Timeline()
    for index in range(3):
        timeline.apply(
            {
                "event": "agent",
                "at": START,
                "agent": f"agent0{index}",
                "previous": "logged_out",
                "state": "available",
                "reason": None,
            }
        )
    timeline.apply({"event": "call_placed", "at": START + 1, "call": "c1"})
    timeline.apply({"event": "call_answered", "at": START + 3, "call": "c1", "ring_seconds": 2.0})
    timeline.apply(
        {
            "event": "call_connected",
            "at": START + 3,
            "call": "c1",
            "agent": "agent01",
            "answer_to_agent": 0.01,
            "wait": 0.0,
        }
    )
    timeline.apply(
        {
            "event": "agent",
            "at": START + 3,
            "agent": "agent01",
            "previous": "available",
            "state": "talking",
            "reason": None,
        }
    )
    timeline.apply(
        {"event": "decision", "at": START + 3, "place": 2, "cancel": 1, "seconds": 0.0005, "why": {"answer_rate": 0.35}}
    )
    timeline.apply({"event": "alert", "at": START + 3, "alert": "store_locked", "detail": "evil\x1b[2Jtext"})
    return view.Board(timeline, "a title", now=START + 5, elapsed=5.0, seconds=60.0, speed=10.0, cap=0.03, **more)  # type: ignore[arg-type]


def drawn(picture: view.Board, width: int = 120) -> str:
    console = Console(record=True, width=width, force_terminal=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(view.draw(picture))
    return console.export_text()


def test_everything_is_there() -> None:
    text = drawn(
        board(status={"campaigns": {"demo": {"queues": {"retry": 4}, "contacts": {"ready": 77}, "pacing": {}}}})
    )
    for word in (
        "agent01",
        "talking",
        "answer rate",
        "place 2, give up 1",
        "budget",
        "queue: retry",
        "77",
        "÷ 10",
        "store_locked",
    ):
        assert word in text, word


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in drawn(board())


@pytest.mark.parametrize("width", [40, 80, 200])
def test_any_width(width: int) -> None:
    assert max(len(line) for line in drawn(board(), width).splitlines()) <= width


def test_before_anything_has_happened() -> None:
    assert "nobody has logged in yet" in drawn(view.Board(Timeline(), "empty"))


def test_hundreds_of_agents_are_counted() -> None:
    picture = board()
    for index in range(300):
        picture.timeline.apply(
            {"event": "agent", "at": START, "agent": f"z{index}", "previous": "x", "state": "available", "reason": None}
        )
    assert f"and {303 - view.TILES} more" in drawn(picture)


def test_one_line_for_logs() -> None:
    line = view.progress_line(board())
    assert "1 talking" in line
    assert "\n" not in line


@pytest.mark.parametrize(("values", "row"), [([0, 0], "▁▁"), ([0, 1, 2], "▁▅█"), ([], "")])
def test_sparkline(values: list[float], row: str) -> None:
    assert view.sparkline(values) == row


def test_a_terminal_of_80_by_24_shows_it_whole() -> None:
    picture = board(status={"trunks": {"main": {"up": True, "lines_in_use": 1, "lines": 60}}})
    picture.timeline.messages.clear()
    for index in range(1, 21):
        event = {"event": "agent", "at": START, "agent": f"agent{index:02}", "previous": "logged_out", "reason": None}
        picture.timeline.apply({**event, "state": "available"})
    console = Console(record=True, width=80, force_terminal=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(view.draw(picture, compact=True, tiles=12))
    text = console.export_text()
    assert len(text.splitlines()) < 24
    assert "…" not in text
    for words in ("agent11", "and 9 more", "calls/s", "main 1/60", "cap 3.0%", "place 2"):
        assert words in text
    assert "agent12" not in text
