"""One daemon per store: two would put each other's calls to rest as if they were left by a crash."""

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

#: Number of the advisory lock in PostgreSQL, which are numbered per database.
_NUMBER = zlib.crc32(b"predictive dialer: one daemon per store")
#: Seconds for PostgreSQL to take the connection.
CONNECT_WITHIN = 5


class StoreInUse(Exception):
    """Another daemon holds the store."""


@contextmanager
def only_daemon(url: str) -> Iterator[None]:
    """Hold the store for this daemon while the block runs. Raises StoreInUse when another one has it, OSError when the
    lock file cannot be made.

    The system gives the lock back when the process dies, however it dies: the file that is left behind means nothing.
    For PostgreSQL the lock lives as long as its connection.
    """
    file = sqlite_file(url)
    if file is None:
        with _advisory(url):
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
def _advisory(url: str) -> Iterator[None]:
    engine = create_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": CONNECT_WITHIN}
    )
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        try:
            connection = stack.enter_context(engine.connect())
            free = connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": _NUMBER}).scalar()
        except DBAPIError:
            free = True  # a database that is away has its own message, from whoever asks it next
        if not free:
            raise StoreInUse("another dialer runs on it: stop that one first")
        yield
