"""The pipeline's own records: the database in which DBOS keeps what each workflow has done."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from dbos import DBOSConfig
from dbos import Serializer as DbosSerializer

from dialer.config.load import Config
from dialer.config.store_url import sqlite_file

#: Both are pinned: a workflow is taken up again only by the executor and the version that began it. Whoever changes the
#: order of `workflow`'s steps raises the version, and lets the old one come to its ends first.
EXECUTOR, VERSION = "sales", "1"
#: Connections to a PostgreSQL server at most.
CONNECTIONS = 6


class PlainSerializer(DbosSerializer):
    """JSON: readable, and nothing of it is ever executed when it is read back. An exception becomes its text."""

    def name(self) -> str:
        """As it stands in the records."""
        return "dialer_json"

    def serialize(self, data: Any) -> str:
        """One line. Raises TypeError for what is no JSON."""
        if isinstance(data, BaseException):
            data = {"__error__": f"{type(data).__name__}: {data}"}
        return json.dumps(data, ensure_ascii=False)

    def deserialize(self, serialized_data: str) -> Any:
        """The reverse."""
        found = json.loads(serialized_data)
        if isinstance(found, dict) and "__error__" in found:
            return RuntimeError(found["__error__"])
        return found


def records_url(config: Config) -> str:
    """Where the records are: as configured, or beside a SQLite store, or in the store's own PostgreSQL."""
    assert config.file.sales is not None
    if config.file.sales.database is not None:
        return config.file.sales.database
    store = config.file.store.url
    file = sqlite_file(store)
    return store if file is None else f"sqlite:///{file.with_name('sales.db')}"


def prepare(url: str) -> None:
    """Make a SQLite file its owner's alone, and let readers and the writer work beside each other. Raises OSError."""
    file = sqlite_file(url)
    if file is None:
        return
    Path(file).touch(mode=0o600, exist_ok=True)
    try:
        connection = sqlite3.connect(file, timeout=10.0)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise OSError(f"{file}: {error}") from error


def dbos_config(url: str) -> DBOSConfig:
    """DBOS with nothing that reaches out: no console, no tracing, no log handler of its own."""
    return DBOSConfig(
        name="dialer-sales",
        system_database_url=url,
        executor_id=EXECUTOR,
        application_version=VERSION,
        enable_otlp=False,
        log_level="WARNING",
        sys_db_pool_size=CONNECTIONS,
        serializer=PlainSerializer(),
        notification_listener_polling_interval_sec=30.0,
        scheduler_polling_interval_sec=3600.0,
    )
