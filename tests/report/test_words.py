"""What the carrier and the table call cancelled is, to a manager, a call that was given up while it rang."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

from rich.console import Console

from dialer.report import Figures, figures
from dialer.report.page import render
from dialer.report.terminal import draw
from dialer.report.words import GIVEN_UP, outcome_words


def report(day: Any, **outcomes: int) -> Figures:
    return dataclasses.replace(figures(day.store, day.events), outcomes=outcomes)


def terminal(shown: Figures) -> str:
    console = Console(width=140, file=io.StringIO())
    console.print(draw(shown))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_page_and_terminal_say_that_calls_were_given_up_and_why(day: Any) -> None:
    shown = report(day, answered=2, cancelled=3)
    for text in (render(shown), terminal(shown)):
        assert "given up ringing" in text
        assert GIVEN_UP in text


def test_where_none_was_given_up_nothing_is_explained(day: Any) -> None:
    shown = report(day, answered=2, no_answer=1)
    for text in (render(shown), terminal(shown)):
        assert "no answer" in text
        assert GIVEN_UP not in text


def test_every_other_outcome_keeps_its_name() -> None:
    assert [outcome_words(name) for name in ("no_answer", "busy", "abandoned")] == ["no answer", "busy", "abandoned"]
