"""One daemon per store: two would put each other's calls to rest as if they were left by a crash. And one sale process
per records: two would take up the same sales."""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from dialer.config.store_url import sqlite_file

#: What the number of an advisory lock in PostgreSQL is made of; they are numbered per database.
_NUMBERED = "predictive dialer: one daemon per store"
#: Seconds for PostgreSQL to take the connection.
CONNECT_WITHIN = 5


class StoreInUse(Exception):
    """Another daemon holds the store."""


@contextmanager
def only_daemon(url: str, what: str = "") -> Iterator[None]:
    """Hold the store for this daemon while the block runs; `what`: another kind of process, that may run beside it.
    Raises StoreInUse when another one has it, OSError when the lock file cannot be made.

    The system gives the lock back when the process dies, however it dies: the file that is left behind means nothing.
    For PostgreSQL the lock lives as long as its connection.
    """
    file = sqlite_file(url)
    if file is None:
        with _advisory(url, zlib.crc32(f"{_NUMBERED}{what}".encode())):
            yield
        return
    descriptor = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreInUse("another dialer runs on it: stop that one first") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _advisory(url: str, number: int) -> Iterator[None]:
    engine = create_engine(
        _driven(url), poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": CONNECT_WITHIN}
    )
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        try:
            connection = stack.enter_context(engine.connect())
            free = connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}).scalar()
        except DBAPIError:
            free = True  # a database that is away has its own message, from whoever asks it next
        if not free:
            raise StoreInUse("another dialer runs on it: stop that one first")
        yield


def _driven(url: str) -> str:
    """`postgresql://` means the driver that we bring."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1) if url.startswith("postgresql://") else url
