"""What is on disk, read with SQL of our own beside a running or dead daemon: never through the code under test.

A contact's state is the table in which its row stands (`dispositions/schema.py`).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

_STATES = """
SELECT contact_id, 'ready' FROM ready UNION ALL
SELECT contact_id, 'leased' FROM lease UNION ALL
SELECT contact_id, CASE kind WHEN 'retry' THEN 'waiting' ELSE 'callback' END FROM waiting UNION ALL
SELECT contact_id, 'review' FROM review UNION ALL
SELECT contact_id, state FROM settled
"""
UNFINISHED = ("ready", "leased", "review")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt as it stands on disk."""

    id: str
    number: str
    call_id: str
    outcome: str | None
    disposition: str | None
    answered: bool
    connected: bool
    ended: bool


class StorePeek:
    """Questions to a run's SQLite file, `path`, or to the PostgreSQL server at `url`."""

    def __init__(self, path: Path, url: str | None = None) -> None:
        self.path = path
        self._url = url

    def _all(self, query: LiteralString) -> list[tuple[object, ...]]:
        if self._url is not None:
            import psycopg

            with psycopg.connect(self._url) as server:
                return list(server.execute(query).fetchall())
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10.0)) as connection:
            return connection.execute(query).fetchall()

    def states(self) -> dict[str, str]:
        """number -> state; 'ready+leased' and the like for a contact that stands in more than one."""
        found: dict[int, list[str]] = {}
        for contact, state in self._all(_STATES):
            found.setdefault(int(str(contact)), []).append(str(state))
        rows = self._all("SELECT digits, contact_id FROM number")
        return {
            f"+{digits}": "+".join(sorted(found[int(str(contact))]))
            for digits, contact in rows
            if int(str(contact)) in found
        }

    def counts(self) -> Counter[str]:
        """state -> contacts."""
        return Counter(str(state) for _, state in self._all(_STATES))

    def unfinished(self, states: Iterable[str] = UNFINISHED) -> int:
        """Contacts in one of `states`: ready, leased, or awaiting their disposition."""
        counts = self.counts()
        return sum(counts[state] for state in states)

    def attempts(self) -> list[AttemptRow]:
        """All attempts, oldest first."""
        rows = self._all(
            "SELECT id, number, call_id, outcome, disposition, answered_at IS NOT NULL, connected_at IS NOT NULL,"
            " ended_at IS NOT NULL FROM attempt ORDER BY started_at"
        )
        return [
            AttemptRow(
                id=str(row[0]),
                number=f"+{row[1]}",
                call_id=str(row[2]),
                outcome=None if row[3] is None else str(row[3]),
                disposition=None if row[4] is None else str(row[4]),
                answered=bool(row[5]),
                connected=bool(row[6]),
                ended=bool(row[7]),
            )
            for row in rows
        ]

    def table_size(self, table: LiteralString) -> int:
        """Rows of a table that `dispositions/schema.py` names."""
        return int(str(self._all(f'SELECT count(*) FROM "{table}"')[0][0]))

    def open_callbacks(self) -> set[str]:
        """The attempts whose callbacks are open."""
        return {str(row[0]) for row in self._all("SELECT attempt_id FROM callback WHERE state = 'open'")}

    def sales(self) -> set[str]:
        """The attempts whose sales are queued."""
        return {str(row[0]) for row in self._all("SELECT attempt_id FROM sale WHERE state = 'queued'")}
