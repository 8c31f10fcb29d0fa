"""How much an import writes at once, so that whoever else writes into the store waits little.

SQLite has one writer at a time. Alone, long transactions are cheaper: each writes a page of an index once, however
many of its rows lie there. Beside others they are cut to `SHARED` seconds, with as long a pause between them: another
process that finds the file locked looks again after 1 to 100 ms, and must find it free about every other time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from dispositions.store import LOG_PAGES

ALONE, QUEUED, SHARED = 0.3, 0.1, 0.03
"""Seconds that a transaction should take. `QUEUED`: where others wait for it only if they add contacts, too."""
FEWEST, MOST = 200, 40_000
"""Rows in a transaction."""
LONG_LOG = 16_000
"""Pages of SQLite's log that an import which is alone lets come together: each transaction changes most pages of the
index of numbers, and what several have changed is brought into the file once."""
QUIET = 2.0
"""Seconds without another's commit after which an import believes that it is alone."""


@dataclass(slots=True)
class Pace:
    """`rows`, `log_pages`: for the next transaction. `pause`: seconds to let pass before it. Times are any monotonic
    seconds."""

    rows: int = 1_000
    pause: float = 0.0
    log_pages: int = LONG_LOG
    _others_at: float | None = None

    def wrote(self, rows: int, began: float, ended: float, others: bool | None) -> None:
        """A transaction of so many rows. `others`: somebody else has written since the one before it; None: they may,
        and need no pause for it (PostgreSQL, where they queue for the counter of contacts at most)."""
        if others:
            self._others_at = ended
        pausing = self._others_at is not None and ended - self._others_at < QUIET
        took = max(ended - began, 1e-6)
        self.pause = took if pausing else 0.0
        self.log_pages = LOG_PAGES if pausing else LONG_LOG
        fitting = rows * (SHARED if pausing else QUEUED if others is None else ALONE) / took
        # what a row costs differs from one transaction to the next: up by steps, down at once
        self.rows = int(min(max(fitting, FEWEST), MOST, 2 * max(rows, FEWEST)))


def commits_of_others(connection: Connection) -> tuple[int, int] | None:
    """What stays the same on SQLite while nobody else commits; None where that cannot be told. In a transaction."""
    if connection.dialect.name != "sqlite":
        return None
    version = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
    # comparable within one connection only
    return id(connection.connection.dbapi_connection), int(version)
