"""The store: one database behind SQLAlchemy Core, SQLite by default, PostgreSQL by URL.

The store has no clock: every instant is an argument (epoch seconds). `docs/design/store.md` tells the layout and what
is promised after a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, create_engine, event, exc, insert, select, update
from sqlalchemy.engine import Connection, Engine, make_url

from dispositions import adding, journal, schema
from dispositions.contact import NewContact
from dispositions.donotcall import DoNotCall
from dispositions.errors import SchemaError, StoreConflict, StoreError, StoreUnavailable, UnknownCampaign
from dispositions.mix import Turns
from dispositions.number import digits_of, parse_zones
from dispositions.policy import CampaignPolicy
from dispositions.rows import upsert
from dispositions.statement import Statement
from dispositions.transaction import WriteTransaction
from dispositions.view import ReadView

_CAMPAIGNS = Statement(select(schema.campaign.c.id, schema.campaign.c.name))
_ADD_CAMPAIGN = Statement(lambda dialect: upsert(schema.campaign, ["name"], dialect), columns=("name",))
_ZONES = Statement(select(schema.zone.c.id, schema.zone.c.names))
_ADD_ZONE = Statement(lambda dialect: upsert(schema.zone, ["names"], dialect), columns=("names",))
_NEXT = Statement(
    update(schema.counter)
    .where(schema.counter.c.name == bindparam("key"))
    .values(value=schema.counter.c.value + bindparam("by"))
    .returning(schema.counter.c.value)
)
_NEW_COUNTER = Statement(insert(schema.counter), columns=("name", "value"))
_SLOTS = Statement(select(schema.campaign_list.c.campaign_id, schema.campaign_list.c.list, schema.campaign_list.c.slot))
_ADD_SLOT = Statement(
    lambda dialect: upsert(schema.campaign_list, ["campaign_id", "list"], dialect),
    columns=("campaign_id", "list", "slot"),
)
LOG_PAGES = 1_000
"""Pages of SQLite's write-ahead log (4 KB each) after which a commit brings them into the file: little at a time."""
_BLOCK = 64  # ids fetched at once where they are wanted one by one


class Store:
    """A store at a database URL (`sqlite:///path.db`, `postgresql://...`; a bare path means SQLite).

    `busy_timeout`: seconds to wait for another writer before `StoreUnavailable`. Thread-safe; on SQLite one writer at
    a time. Opening connects to nothing yet."""

    def __init__(self, url: str | Path, *, busy_timeout: float = 2.0) -> None:
        text = str(url)
        if "://" not in text:
            text = f"sqlite:///{text}"
        try:
            parsed = make_url(text)
        except exc.ArgumentError as error:
            raise StoreError("not a database URL: write sqlite:///path.db or postgresql://user@host/name") from error
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise StoreError(f"{parsed.get_backend_name()} is not supported: sqlite or postgresql")
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database in (None, "", ":memory:"):
            raise StoreError("the store needs a file: readers and the writer are different connections")
        self.url = parsed
        self._engine = _sqlite(parsed, busy_timeout) if self.is_sqlite else _postgres(parsed, busy_timeout)
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._writer = threading.Lock()
        self._policies: dict[str, CampaignPolicy] = {}
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._zones: dict[int, tuple[str, ...]] = {}
        self._slots: dict[tuple[int, str], int] = {}
        self.turns: dict[int, Turns] = {}
        """whose turn it is in each campaign whose lists are mixed; claims only touch it"""
        self._zone_ids: dict[str, int] = {}
        self._blocks: dict[str, tuple[int, int]] = {}
        self.do_not_call = DoNotCall()
        self.journalling = False
        """whether transactions write down what becomes of contacts: `dispositions.journal`"""
        self.on_journal: Callable[[], None] = lambda: None
        """called after each commit that has written some of it, in the thread of the transaction"""

    # --- schema --------------------------------------------------------------------------------------------------

    def migrate(self) -> None:
        """Bring the schema to this version, from nothing or from an older one. Raises `SchemaError`,
        `StoreUnavailable`."""
        from dispositions.migrate import migrate  # alembic is wanted here only

        if self.is_sqlite and Path(str(self.url.database)).parent.is_dir():
            # people's numbers: the file (and what SQLite puts beside it) is its owner's alone
            try:
                Path(str(self.url.database)).touch(mode=0o600, exist_ok=True)
            except OSError as error:
                raise StoreUnavailable(f"{self.url.database}: {error.strerror}") from error
        with self._translated():
            migrate(self._engine)

    def check_schema(self) -> None:
        """Raise `SchemaError` with what to do unless the schema is exactly this version's."""
        with self._translated(), self._engine.connect() as connection:
            found = _revision(connection)
        if found is None:
            raise SchemaError(f"{self._shown()} has no schema of ours: run `migrate` first")
        if found != schema.REVISION:
            raise SchemaError(
                f"{self._shown()} is at revision {found}, this program needs {schema.REVISION}: run `migrate`,"
                " or use the program that made it"
            )

    def _shown(self) -> str:
        return self.url.render_as_string(hide_password=True)

    # --- campaigns -----------------------------------------------------------------------------------------------

    def register(self, policy: CampaignPolicy) -> int:
        """Make the campaign known, or replace its policy (a reload); the number that its rows carry."""
        self.register_all([policy])
        return self._ids[policy.name]

    def register_all(self, policies: Sequence[CampaignPolicy]) -> None:
        """The same for several campaigns: all of them or, where it raises, none."""
        with self.write() as tx:
            _ADD_CAMPAIGN.many(tx.connection, [{"name": p.name} for p in policies if p.name not in self._ids])
            rows = _CAMPAIGNS.one(tx.connection, {}).all()
            self.do_not_call.refresh(tx.connection)
        for row in rows:
            self._ids[row.name] = row.id
            self._names[row.id] = row.name
        self._policies.update((policy.name, policy) for policy in policies)

    def policy(self, campaign: str) -> CampaignPolicy:
        """The policy registered under this name. Raises `UnknownCampaign`."""
        try:
            return self._policies[campaign]
        except KeyError:
            raise UnknownCampaign(f"campaign {campaign!r} is not registered with this store") from None

    def policies(self) -> tuple[CampaignPolicy, ...]:
        """All registered policies."""
        return tuple(self._policies.values())

    def campaign_id(self, campaign: str) -> int:
        """The number that stands for the campaign in the tables. Raises `UnknownCampaign`."""
        self.policy(campaign)
        return self._ids[campaign]

    def campaign_name(self, campaign_id: int) -> str:
        """The reverse."""
        return self._names[campaign_id]

    def normalised(self, campaign: str, contacts: Sequence[NewContact]) -> list[NewContact]:
        """The contacts with their numbers read for the campaign, which takes 0.1 ms each: to be done before a
        transaction that adds them, and in a thread of its own. Raises `UnknownCampaign`."""
        return adding.normalised(contacts, self.policy(campaign))

    # --- do not call -----------------------------------------------------------------------------------------------

    def is_do_not_call(self, number: str | int, campaign: str | None = None) -> bool:
        """Whether the number (E.164) is on a do-not-call list that binds the campaign; on any at all when none is
        named. In memory, exact, about a microsecond: for use right before the INVITE."""
        lists = None if campaign is None else self.lists_of(self.policy(campaign))
        return self.do_not_call.blocked(digits_of(number), lists) is not None

    def refresh_do_not_call(self) -> None:
        """Take in what other processes added. `claim` does so by itself."""
        with self.read() as view:
            self.do_not_call.refresh(view.connection)

    @staticmethod
    def lists_of(policy: CampaignPolicy) -> tuple[str, ...]:
        """The do-not-call lists that bind a campaign."""
        project = () if policy.project_list is None else (policy.project_list,)
        return (policy.own_list, *project, *policy.dnc_lists)

    # --- transactions ----------------------------------------------------------------------------------------------

    @contextmanager
    def write(self, *, log_pages: int = LOG_PAGES) -> Iterator[WriteTransaction]:
        """One transaction: commits at exit, rolls back on an exception. An `ArgumentError` of one operation that is
        caught inside leaves the others unharmed. `log_pages`: how long SQLite's log may be before this commit brings it
        into the file. Raises `StoreUnavailable`: replay the whole batch."""
        with self._writing(), self._translated():
            with self._engine.connect().execution_options(writes=True, log_pages=log_pages) as connection:
                transaction = connection.begin()
                work = WriteTransaction(self, connection)
                known = self.do_not_call.version
                try:
                    yield work
                    work.flush()
                    told = journal.write(work)
                    transaction.commit()
                except BaseException:
                    # whatever it was, nothing of it may stay, nor what we remember of rows that now never were
                    self._blocks.clear()
                    self._zones.clear()
                    self._slots = {}
                    self._zone_ids.clear()
                    if self.do_not_call.version != known:
                        self.do_not_call.doubt()
                    transaction.rollback()
                    raise
            work.committed()
            if told:
                self.on_journal()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self.is_sqlite:
            with self._writer:  # cheaper and fairer than the file lock
                yield
        else:
            yield

    @contextmanager
    def read(self) -> Iterator[ReadView]:
        """A snapshot: everything read inside belongs to one instant. Raises `StoreUnavailable`."""
        with self._translated(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield ReadView(self, connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise _translate(error.orig, error.connection_invalidated) from error
        except self._driver_error as error:
            raise _translate(error) from error
        except exc.TimeoutError as error:
            raise StoreUnavailable(f"no free connection: {error}") from error

    # --- small tables kept in memory --------------------------------------------------------------------------------

    def zones(self, zone_id: int, connection: Connection) -> tuple[str, ...]:
        """The names of a stored set of zones."""
        known = self._zones.get(zone_id)
        if known is None:
            self._learn_zones(connection)
            known = self._zones[zone_id]
        return known

    def zone_id(self, names: str, connection: Connection) -> int:
        """The number of a set of zones (`store_zones` form), made if new. In a write transaction."""
        known = self._zone_ids.get(names)
        if known is None:
            _ADD_ZONE.many(connection, [{"names": names}])
            self._learn_zones(connection)
            known = self._zone_ids[names]
        return known

    def _learn_zones(self, connection: Connection) -> None:
        for row in _ZONES.one(connection, {}):
            self._zones[row.id] = parse_zones(row.names)
            self._zone_ids[row.names] = row.id

    def slot(self, connection: Connection, campaign_id: int, list_name: str) -> int:
        """The range of ranks that a list of a campaign has (`work.SLOT`)."""
        found = self._slots.get((campaign_id, list_name))
        if found is None:
            self.learn_slots(connection)
            return self._slots.get((campaign_id, list_name), 0)
        return found

    def new_slot(self, connection: Connection, campaign_id: int, list_name: str) -> int:
        """The same, made if new. In a write transaction."""
        if (campaign_id, list_name) not in self._slots:
            self.learn_slots(connection)
        if (campaign_id, list_name) not in self._slots:
            slot = len(self.slots(campaign_id))
            _ADD_SLOT.many(connection, [{"campaign_id": campaign_id, "list": list_name, "slot": slot}])
            self.learn_slots(connection)
        return self._slots[campaign_id, list_name]

    def slots(self, campaign_id: int) -> dict[str, int]:
        """The slots of a campaign's lists that are known here."""
        return {name: slot for (campaign, name), slot in self._slots.items() if campaign == campaign_id}

    def learn_slots(self, connection: Connection) -> None:
        """Read them again: another process may have added a list."""
        self._slots = {(row[0], row[1]): row[2] for row in _SLOTS.rows(connection, {})}

    def counter(self, name: str, connection: Connection, by: int = 1) -> int:
        """Raise a counter of the database and return its new value. In a write transaction; others wait for it."""
        row = _NEXT.one(connection, {"key": name, "by": by}).first()
        if row is None:
            _NEW_COUNTER.one(connection, {"name": name, "value": by})
            return by
        return int(row.value)

    def next_id(self, name: str, connection: Connection) -> int:
        """A new id of a kind, from a block; gaps are harmless."""
        start, end = self._blocks.get(name, (0, 0))
        if start >= end:
            end = self.counter(name, connection, _BLOCK) + 1
            start = end - _BLOCK
        self._blocks[name] = (start + 1, end)
        return start

    def checkpoint(self) -> bool:
        """SQLite: bring the write-ahead log into the file and empty it, so that nothing deleted is left in it; False
        when a reader is in the way (ask again). Always True elsewhere. Raises `StoreUnavailable`."""
        if not self.is_sqlite:
            return True
        with self._translated(), self._writing(), self._engine.connect() as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
            return not busy

    def shorten_log(self) -> None:
        """SQLite: bring of the write-ahead log into the file what no reader is in the way of; nobody waits for it.
        Raises `StoreUnavailable`."""
        if self.is_sqlite:
            with self._translated(), self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close all connections. The store may be used again."""
        self._engine.dispose()

    @property
    def engine(self) -> Engine:
        """The engine, for tools that read the tables."""
        return self._engine


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, schema.VERSION_TABLE):
        return None
    row = connection.exec_driver_sql(f"SELECT version_num FROM {schema.VERSION_TABLE}").first()
    return None if row is None else str(row[0])


def _sqlite(url: Any, busy_timeout: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_timeout, "cached_statements": 512})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the transactions below are ours, not the driver's
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a commit is on the disk, not only in the log's page cache
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A writer takes the lock at once: upgrading later could fail in mid-transaction.
        options = connection.get_execution_options()
        writes, pages = options.get("writes", False), options.get("log_pages", LOG_PAGES)
        if writes and connection.info.get("log_pages") != pages:
            connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint={pages:d}")
            connection.info["log_pages"] = pages
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: Any, busy_timeout: float) -> Engine:
    options = f"-c lock_timeout={int(busy_timeout * 1000)}"
    connect = {"connect_timeout": max(2, int(busy_timeout)), "options": options}
    try:
        return create_engine(url, connect_args=connect, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the driver of {url.drivername} is not installed: pip install 'predictive-dialer[postgres]'"
        ) from error


_NO_SCHEMA = ("no such table", "no such column", "undefinedtable", "undefinedcolumn")


def _translate(cause: BaseException | None, invalidated: bool = False) -> StoreError:
    text = " ".join(str(cause).split())  # in one line, whatever the driver says
    kinds = {kind.__name__ for kind in type(cause).__mro__}  # the same names in every DB-API driver (PEP 249)
    if any(word in f"{type(cause).__name__} {text}".lower() for word in _NO_SCHEMA):
        return SchemaError(f"{text}: the schema is missing or of another version; run `migrate`")
    if invalidated or kinds & {"OperationalError", "InterfaceError"}:
        return StoreUnavailable(text)
    return StoreConflict(text)
