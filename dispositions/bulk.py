"""Many new rows of one table at once: the fastest way that either database has.

SQLite takes an INSERT of many rows (half of the time that one a row needs), PostgreSQL a COPY. Both stand in the
caller's transaction, and a row that is there already fails it, as an INSERT would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from dispositions.statement import Statement

_SOME = 50  # rows in one INSERT; SQLite takes 32,766 parameters


class Bulk:
    """New rows of `table`: the columns named in `shared` have one value in all rows of a call, the others, in their
    order, make up a row."""

    def __init__(self, table: Table, *shared: str) -> None:
        own = [column.name for column in table.columns if column.name not in shared]
        names = f"{table.name} ({', '.join([*shared, *own])})"
        self._width, once = len(own), [f"?{n + 1}" for n in range(len(shared))]

        def rows(count: int) -> str:
            return ", ".join(
                f"({', '.join([*once, *(f'?{len(shared) + n * len(own) + m + 1}' for m in range(len(own)))])})"
                for n in range(count)
            )

        self._insert = f"INSERT INTO {names} VALUES {rows(1)}"
        self._insert_some = f"INSERT INTO {names} VALUES {rows(_SOME)}"
        self._copy = f"COPY {names} FROM STDIN"

    def insert(self, connection: Connection, rows: Iterable[tuple[Any, ...]], *shared: Any) -> None:
        """Write them all. A shared value crosses to SQLite once for fifty rows."""
        cursor: Any = connection.connection.cursor()
        try:
            if connection.dialect.name == "sqlite":
                rest: list[tuple[Any, ...]] = []
                cursor.executemany(self._insert_some, self._fifties(chain.from_iterable(rows), shared, rest))
                cursor.executemany(self._insert, rest)
            else:
                with cursor.copy(self._copy) as copy:
                    for row in rows:
                        copy.write_row((*shared, *row))
        finally:
            cursor.close()

    def _fifties(
        self, cells: Iterator[Any], shared: tuple[Any, ...], rest: list[tuple[Any, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        """The parameters of whole INSERTs; those of the rows that make up none come into `rest`, each by itself."""
        whole, width = _SOME * self._width, self._width
        while len(some := tuple(islice(cells, whole))) == whole:
            yield shared + some
        rest += [shared + some[n : n + width] for n in range(0, len(some), width)]


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
