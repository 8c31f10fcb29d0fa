"""The diagrams in docs/design/sip.md are those of the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.sip.diagram import draw, redraw
from dialer.sip.tables import MACHINES

PAGE = Path(__file__).parents[2] / "docs" / "design" / "sip.md"


def test_the_page_is_what_the_tables_draw() -> None:
    page = PAGE.read_text()
    assert redraw(page) == page, "run: python -m dialer.sip.diagram docs/design/sip.md"
    assert page.count("<!-- machine: ") == len(MACHINES)


@pytest.mark.parametrize("title", MACHINES)
def test_every_transition_is_in_its_drawing(title: str) -> None:
    start, table = MACHINES[title]
    drawing = draw(title, start, table)
    for state, row in table.items():
        for event, (target, _) in row.items():
            arrow = next(line for line in drawing.splitlines() if line.startswith(f"    {state} --> {target}: "))
            assert event in arrow
