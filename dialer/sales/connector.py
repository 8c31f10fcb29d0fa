"""How third parties are spoken to: one class a kind, one try at a time. Patience is not theirs: see `caller`."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dialer.config.sales_tables import ActionTable, ConnectorTable
from dialer.egress import AddressRefused, AddressUnknown, Egress
from dialer.sales.answer import Answer, Verdict
from dialer.template import TemplateFault, render

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

#: Rows of a query that templates may see.
MOST_ROWS = 100


class NotSent(Exception):
    """The request has not left: nothing can have happened. Worth another try."""


class NoAnswer(Exception):
    """Sent, and no answer: nobody knows what happened. Worth a question, or another try with the same key."""


class Impossible(Exception):
    """No try will ever work: a template that cannot be filled, an address that is refused. The text goes to the log."""


@dataclass(frozen=True, slots=True)
class Request:
    """One try. `key`: the same for every try of a step. `values`: what templates know."""

    action: ActionTable
    key: str
    values: Mapping[str, Any]
    timeout: float


class Connector(Protocol):
    """A third party."""

    async def ask(self, request: Request) -> Answer:
        """Try once, within the time-out. Raises NotSent, NoAnswer, Impossible."""
        ...

    async def close(self) -> None:
        """End its connections."""
        ...


def filled(source: str, values: Mapping[str, Any]) -> str:
    """The template's text. Raises Impossible."""
    try:
        return render(source, values)
    except TemplateFault as fault:
        raise Impossible(f"a template cannot be filled: {fault}") from None


def filled_line(source: str, values: Mapping[str, Any]) -> str:
    """The template's text, on one line: line breaks and what surrounds them become a space."""
    return " ".join(filled(source, values).split("\n")).replace("\r", " ").replace("\x00", "").strip()


class SqlConnector:
    """A statement with bound parameters, in a transaction of its own."""

    def __init__(self, table: ConnectorTable, secret: str | None, egress: Egress) -> None:
        from sqlalchemy.engine import make_url

        assert table.url is not None  # checked at load
        self._url = make_url(table.url)
        if table.username is not None:
            self._url = self._url.set(username=table.username)
        if secret is not None:
            self._url = self._url.set(password=secret)
        self._egress = egress
        self._engine: Engine | None = None

    def _connected(self, timeout: float) -> Engine:
        if self._engine is None:
            from sqlalchemy import create_engine

            arguments: dict[str, Any] = {}
            if self._url.get_backend_name() == "sqlite":
                arguments["timeout"] = timeout
            elif self._url.get_backend_name() == "postgresql":
                arguments = {"connect_timeout": max(1, int(timeout)), "options": f"-c statement_timeout={timeout:.0f}s"}
            self._engine = create_engine(self._url, connect_args=arguments, pool_pre_ping=True)
        return self._engine

    async def ask(self, request: Request) -> Answer:
        host = self._url.host
        if host:
            try:
                await self._egress.resolve(host, self._url.port or 0)
            except AddressRefused as error:
                raise Impossible(str(error)) from None
            except AddressUnknown as error:
                raise NotSent(str(error)) from None
        bound = {name: filled(source, request.values) for name, source in request.action.values.items()}
        bound["key"] = request.key
        try:
            async with asyncio.timeout(request.timeout):
                return await asyncio.to_thread(self._execute, request.action.statement or "", bound, request.timeout)
        except TimeoutError:
            raise NoAnswer(f"no answer within {request.timeout:g} s") from None

    def _execute(self, statement: str, bound: dict[str, Any], timeout: float) -> Answer:
        from sqlalchemy import exc, text

        sent = False
        try:
            with self._connected(timeout).connect() as connection, connection.begin():
                sent = True
                result = connection.execute(text(statement), bound)
                rows = [dict(row) for row in result.mappings().fetchmany(MOST_ROWS)] if result.returns_rows else []
                found = {"rows": rows, "row": rows[0] if rows else {}, "rowcount": result.rowcount}
        except exc.OperationalError as error:
            kind = NoAnswer if sent else NotSent
            raise kind(f"database: {type(error.orig).__name__}") from None
        except (exc.SQLAlchemyError, ModuleNotFoundError) as error:
            raise Impossible(f"the statement does not work: {type(error).__name__}") from None
        return Answer({"json": json.loads(json.dumps(found, default=str)), **found})

    async def close(self) -> None:
        if self._engine is not None:
            await asyncio.to_thread(self._engine.dispose)


class PythonConnector:
    """`function(sale, key, values)`, plain (then in a thread) or async; it returns a dict. OSError: another try."""

    def __init__(self, table: ConnectorTable) -> None:
        module, _, name = (table.call or "").partition(":")
        try:
            self._function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise Impossible(f"{table.call}: {error}") from None

    async def ask(self, request: Request) -> Answer:
        values = {name: filled(source, request.values) for name, source in request.action.values.items()}
        given = (request.values["sale"], request.key, values)
        try:
            async with asyncio.timeout(request.timeout):
                if inspect.iscoroutinefunction(self._function):
                    found = await self._function(*given)
                else:
                    found = await asyncio.to_thread(self._function, *given)
        except TimeoutError:
            raise NoAnswer(f"no answer within {request.timeout:g} s") from None
        except OSError as error:
            raise NoAnswer(f"{type(error).__name__}: {error.strerror or ''}") from None
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise Impossible(f"the function failed: {type(error).__name__}") from None
        if not isinstance(found, Mapping):
            raise Impossible("the function returned no dict")
        return Answer({"json": dict(found)}, Verdict.ACCEPTED)

    async def close(self) -> None:
        """Nothing is held."""
