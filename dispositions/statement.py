"""SQL that is written once with SQLAlchemy Core and compiled once per database.

Executing a Core construct costs tens of microseconds of Python beyond the database's own; a call's life has about ten
statements. So each statement is compiled to text on first use and handed to the driver with tuples (SQLite) or
dicts (psycopg) directly, in SQLAlchemy's connection and transaction. `Store` translates the driver's errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, bindparam
from sqlalchemy.engine import Connection
from sqlalchemy.engine.cursor import CursorResult
from sqlalchemy.sql import ClauseElement

Params = Mapping[str, Any]
_Compiled = tuple[str, tuple[str, ...] | None, dict[str, Any]]


class Statement:
    """One statement with named parameters. `build` makes it from the dialect's name, where the two databases differ."""

    def __init__(self, build: ClauseElement | Callable[[str], ClauseElement], columns: Sequence[str] | None = None):
        self._build = build
        self._columns = columns  # those that an INSERT fills
        self._compiled: dict[str, _Compiled] = {}

    def _of(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        known = self._compiled.get(dialect.name)
        if known is None:
            clause = self._build if isinstance(self._build, ClauseElement) else self._build(dialect.name)
            compiled: Any = clause.compile(
                dialect=dialect, column_keys=None if self._columns is None else list(self._columns)
            )
            order = None if compiled.positiontup is None else tuple(compiled.positiontup)
            # constants of the expression ("open", a LIMIT's offset) are parameters to the driver too
            constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
            known = self._compiled[dialect.name] = str(compiled), order, constants
        return known

    def one(self, connection: Connection, params: Params) -> CursorResult[Any]:
        """Execute with one set of parameters; the result can be fetched from."""
        text, order, constants = self._of(connection)
        if constants:
            params = {**constants, **params}
        return connection.exec_driver_sql(text, params if order is None else tuple([params[n] for n in order]))

    def rows(self, connection: Connection, params: Params) -> list[tuple[Any, ...]]:
        """All rows as plain tuples, in the order of the columns: for the hot paths."""
        text, order, constants = self._of(connection)
        if constants:
            params = {**constants, **params}
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, params if order is None else tuple([params[n] for n in order]))
            return cast("list[tuple[Any, ...]]", cursor.fetchall())
        finally:
            cursor.close()

    def many(self, connection: Connection, rows: Sequence[Params]) -> int:
        """Execute for every row of parameters in one call; the number of rows that the database touched."""
        if not rows:
            return 0
        text, order, constants = self._of(connection)
        if constants:
            rows = [{**constants, **row} for row in rows]
        given = list(rows) if order is None else [tuple([row[name] for name in order]) for row in rows]
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(text, given)
            return int(cursor.rowcount)
        finally:
            cursor.close()


_SIZES = (1, 8, 64, 512)


class ByKeys:
    """A SELECT with `column IN (...)`, compiled for a few sizes; the last key is repeated to fill one up."""

    def __init__(self, column: Column[Any], build: Callable[[ColumnElement[bool], str], ClauseElement]) -> None:
        self._sizes = {}
        for size in _SIZES:
            condition = column.in_([bindparam(f"k{n}", type_=column.type) for n in range(size)])
            self._sizes[size] = Statement(lambda dialect, c=condition: build(c, dialect))  # type: ignore[misc]

    def all(self, connection: Connection, keys: Sequence[Any], params: Params | None = None) -> list[tuple[Any, ...]]:
        """The rows of all keys (which should be distinct), in no order."""
        rows: list[tuple[Any, ...]] = []
        start = 0
        while start < len(keys):
            left = len(keys) - start
            size = next((s for s in _SIZES if s >= left), _SIZES[-1])
            chunk = list(keys[start : start + size])
            chunk += [chunk[-1]] * (size - len(chunk))
            bound = {f"k{n}": key for n, key in enumerate(chunk)}
            if params:
                bound.update(params)
            rows += self._sizes[size].rows(connection, bound)
            start += size
        return rows
