"""Stores to test with: SQLite always, PostgreSQL where its server's programs are installed (marker `peer`)."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.rig.ports import free_port
from dispositions import CampaignPolicy, NewContact, Store

NOON = 1_750_694_400.0
"""Monday 2025-06-23 16:00 UTC: noon in New York, within hours in all of the United States' mainland."""


def _as_server_user(command: list[str]) -> list[str]:
    # initdb refuses to run as root
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@pytest.fixture(scope="session")
def postgres(need: Callable[[str], str]) -> Iterator[str]:
    """A server of our own on a loopback port; the URL of its database."""
    programs = Path(need("pg_ctl")).parent
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("root cannot run PostgreSQL, and there is no user postgres")
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="dispositions-pg-"))  # short: a socket's path has 107 bytes
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    port = free_port(socket.SOCK_STREAM)
    data = folder / "data"
    run = {"check": True, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    auth = ["--auth=trust", "--username=tester", "--encoding=UTF8", "--locale=C"]
    subprocess.run(_as_server_user([str(programs / "initdb"), "-D", str(data), *auth]), **run)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=20"
    start = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start"]
    subprocess.run(_as_server_user(start), **run)
    try:
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        stop = [str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run(_as_server_user(stop), **run)
        shutil.rmtree(folder, ignore_errors=True)


SERVER = pytest.param("postgresql", marks=[pytest.mark.peer, pytest.mark.parallel])


@pytest.fixture(params=["sqlite", SERVER])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    found: str = request.getfixturevalue("postgres")
    store = Store(found)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    store.close()
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A migrated store."""
    made = Store(url, busy_timeout=0.2)
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def noon() -> float:
    """An instant at which everybody in the United States may be called."""
    return NOON


@pytest.fixture
def number() -> Callable[[int], str]:
    """The n-th number of New York's range for fiction: +1 212 555 0100 to 0199."""
    return lambda n: f"+1212555{100 + n:04d}"


@pytest.fixture
def fill(store: Store, number: Callable[[int], str], noon: float) -> Callable[..., list[int]]:
    """Register campaign `c` and give it so many contacts; their ids."""

    def make(contacts: int, policy: CampaignPolicy | None = None) -> list[int]:
        store.register(policy or CampaignPolicy("c", region="US"))
        with store.write() as tx:
            added = tx.add_contacts("c", "l", [NewContact([number(n)]) for n in range(contacts)], noon)
        return [result.contact_id for result in added if result.contact_id is not None]

    return make
