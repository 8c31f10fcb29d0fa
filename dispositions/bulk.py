"""Many new rows of one table at once: the fastest way that either database has.

SQLite takes an INSERT of many rows (half of the time that one a row needs), PostgreSQL a COPY. Both stand in the
caller's transaction, and a row that is there already fails it, as an INSERT would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from dispositions.statement import Statement

_SOME = 50  # rows in one INSERT; SQLite takes 32,766 parameters


class Bulk:
    """New rows of `table`, as tuples in the order of its columns."""

    def __init__(self, table: Table) -> None:
        names = [column.name for column in table.columns]
        row = f"({', '.join('?' * len(names))})"
        self._insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {row}"
        self._insert_some = ", ".join([self._insert] + [row] * (_SOME - 1))
        self._copy = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write them all."""
        if not rows:
            return
        cursor: Any = connection.connection.cursor()
        try:
            if connection.dialect.name == "sqlite":
                whole = len(rows) - len(rows) % _SOME
                some = (chain.from_iterable(rows[n : n + _SOME]) for n in range(0, whole, _SOME))
                cursor.executemany(self._insert_some, map(tuple, some))
                cursor.executemany(self._insert, rows[whole:])
            else:
                with cursor.copy(self._copy) as copy:
                    for row in rows:
                        copy.write_row(row)
        finally:
            cursor.close()


class Among:
    """A SELECT of two columns of the rows whose `key` is among many values, which travel as one parameter."""

    def __init__(self, key: ColumnElement[Any], value: ColumnElement[Any], within: ColumnElement[bool]) -> None:
        def build(dialect: str) -> Select[Any]:
            if dialect == "sqlite":
                keys = func.json_each(bindparam("keys")).table_valued("value")
                return select(key, value).where(within, key.in_(select(keys.c.value)))
            return select(key, value).where(within, key == func.any(bindparam("keys", type_=ARRAY(key.type))))

        self._statement = Statement(build)

    def find(self, connection: Connection, keys: Iterable[Any], **params: Any) -> dict[Any, Any]:
        """key -> value, of those that there are. `keys`: integers or texts without lone surrogates."""
        wanted = list(keys)
        if not wanted:
            return {}
        given: Any = wanted
        if connection.dialect.name == "sqlite":
            import orjson

            given = orjson.dumps(wanted).decode()
        return dict(cast("list[tuple[Any, Any]]", self._statement.rows(connection, {"keys": given, **params})))
