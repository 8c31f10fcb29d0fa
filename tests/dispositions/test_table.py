"""The outcome table, the states, and the drawings of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispositions import ContactState, NextState, Outcome, OutcomeTable, Rule, StoreConflict, TableError, default_table
from dispositions.state import MOVES, RESULTS, SETTLED, Move, after, diagram

GOOD = default_table()
DESIGN = Path(__file__).parents[2] / "docs" / "design" / "store.md"


def test_the_default_is_complete() -> None:
    assert set(GOOD.outcomes) == set(Outcome) - {Outcome.ANSWERED}


def test_all_problems_at_once() -> None:
    with pytest.raises(TableError) as error:
        OutcomeTable(
            {
                Outcome.BUSY: Rule(NextState.RETRY, after=-1, attempts=0),
                Outcome.ANSWERED: Rule(NextState.DONE),
                Outcome.MACHINE: Rule(NextState.SALE),
            },
            {"Bad Code": Rule(NextState.DONE), "cb": Rule(NextState.CALLBACK), "undisposed": Rule(NextState.DONE)},
            undisposed=Rule(NextState.CALLBACK, after=1.0),
            undisposed_after=-1,
            callback_expired=Rule(NextState.SALE),
        )
    text = str(error.value)
    for part in (
        "outcome no_answer has no rule", "answered takes no rule", "machine: sale needs an agent", "busy: after",
        "busy: attempts", "'Bad Code'", "cb: a callback needs `after`", "reserved",
        "undisposed: callback needs an agent", "undisposed_after", "callback_expired",
    ):  # fmt: skip
        assert part in text
    with pytest.raises(TableError, match="no disposition code"):
        OutcomeTable(GOOD.outcomes, {})
    with pytest.raises(TableError, match="exhausted must be"):
        OutcomeTable(GOOD.outcomes, {"a": Rule(NextState.RETRY, exhausted=ContactState.READY)})


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        GOOD.codes["x"] = Rule(NextState.DONE)  # type: ignore[index]


def test_table_diagram_names_every_line() -> None:
    drawn = GOOD.diagram()
    assert drawn.startswith("flowchart LR\n")
    for name in [*GOOD.outcomes, *GOOD.codes, "undisposed"]:
        assert f'["{name}"]' in drawn


def test_every_result_is_a_move_to_its_state() -> None:
    for state in ContactState:
        for move, target in RESULTS.items():
            assert after(state, move) is target or (state, move) in MOVES


def test_every_state_can_be_reached_and_left() -> None:
    assert set(MOVES.values()) == set(ContactState)
    assert {state for state, _ in MOVES} == set(ContactState)


def test_a_missing_move_has_a_name() -> None:
    with pytest.raises(StoreConflict, match="a contact that is sold cannot claim"):
        after(ContactState.SOLD, Move.CLAIM)
    for state in SETTLED:
        for move in (Move.CLAIM, Move.PROMOTE, Move.RELEASE, Move.TALKED):
            with pytest.raises(StoreConflict):
                after(state, move)


def test_the_design_page_shows_the_table() -> None:
    assert f"```mermaid\n{diagram()}```" in DESIGN.read_text(encoding="utf-8")
