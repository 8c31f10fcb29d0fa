"""A machine of `dialer.sip.tables` as it runs at every message, with the row of its state and its methods at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dialer.sip.tables import Table, undefined

__all__ = ["Machine"]

Row = dict[str, tuple[str, "Row", tuple[Callable[[Any, float], None], ...]]]
"""What a state does: by event the next state, its row, and what is done."""


class Machine:
    """Base of what has a `table`: to find each method by its name, at each step, is a good part of a step on a cold
    processor. Events with actions that the class does not have are left out.
    """

    __slots__ = ("row", "state")
    table: Table
    rows: dict[str, Row]
    row: Row
    state: str

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "table"):
            cls.rows = _rows_of(cls.table, cls)

    def enter(self, state: str) -> None:
        """Be in a state without any event."""
        self.state, self.row = state, self.rows[state]

    def fire(self, event: str, now: float) -> None:
        """One event through the table. Raises `UndefinedTransition`."""
        try:
            self.state, self.row, actions = self.row[event]
        except KeyError:
            raise undefined(self.state, event) from None
        for action in actions:
            action(self, now)


def _rows_of(table: Table, machine: type) -> dict[str, Row]:
    rows: dict[str, Row] = {state: {} for state in table}
    for state, events in table.items():
        for event, (after, actions) in events.items():
            if all(hasattr(machine, name) for name in actions):
                rows[state][event] = after, rows[after], tuple(getattr(machine, name) for name in actions)
    return rows
