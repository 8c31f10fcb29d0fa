"""What every test shares: which tests run by default, and what happens when a real peer is not installed."""

from __future__ import annotations

import os
import runpy
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from benchmarks.rig.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent
PEERS: dict[str, str] = runpy.run_path(str(ROOT / "scripts" / "peers.py"))["PEERS"]
SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


#: How long an example takes says what the machine does beside it, not what the code does.
settings.register_profile("patient", parent=settings.default, deadline=None)
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """A shell without job control starts what it puts into the background deaf to Ctrl-C, and children inherit that:
    tests that interrupt a program would wait for one that cannot hear.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the soak tests unless `-m` speaks of them."""
    if "soak" in (config.option.markexpr or ""):
        return
    soak = [item for item in items if item.get_closest_marker("soak")]
    if soak:
        config.hook.pytest_deselected(items=soak)
        items[:] = [item for item in items if item not in soak]


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """`need("sipp")` returns the path of a real peer's program; a missing one skips the test, or fails it under CI."""

    def find(command: str) -> str:
        path = shutil.which(command, path=SEARCH)
        if path is None:
            message = f"{command} is not installed: apt-get install --no-install-recommends {PEERS[command]}"
            if os.environ.get("CI"):
                pytest.fail(message, pytrace=False)
            pytest.skip(message)
        return path

    return find


@pytest.fixture(scope="module")
def server(need: Callable[[str], str]) -> Iterator[Postgres]:
    """A PostgreSQL server of the module's own, which its tests may kill."""
    from benchmarks.rig.postgres import CannotRun, Postgres  # with its driver, which other tests can do without

    try:
        made = Postgres(Path(need("pg_ctl")).resolve().parent)
    except CannotRun as reason:
        pytest.skip(str(reason))
    with made:
        yield made
