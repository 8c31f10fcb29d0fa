"""A call centre of real peers for one test; its logs are shown when the test fails."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.floor import Floor
from benchmarks.rig.kamailio import TLS_MODULE

REPORT = pytest.StashKey[dict[str, pytest.TestReport]]()
SHOWN_LINES = 25


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how the test went, for `make_floor`'s end."""
    report = yield
    item.stash.setdefault(REPORT, {})[report.when] = report
    return report


def ended_badly(item: pytest.Item) -> bool:
    """Whether the test's own part has failed."""
    report = item.stash.get(REPORT, {}).get("call")
    return report is not None and report.failed


@pytest.fixture
def kamailio_tls(need: Callable[[str], str]) -> str:
    """The path of a Kamailio that has TLS, and openssl beside it; see `need`."""
    need("openssl")
    program = need("kamailio")
    if not glob.glob(TLS_MODULE):
        message = "Kamailio's TLS is not installed: apt-get install --no-install-recommends kamailio-tls-modules"
        pytest.fail(message, pytrace=False) if os.environ.get("CI") else pytest.skip(message)
    return program


@pytest.fixture
def make_floor(
    request: pytest.FixtureRequest, tmp_path: Path, need: Callable[[str], str]
) -> Iterator[Callable[..., Floor]]:
    """`make_floor(contacts=..., agents=..., behaviour=...)`: see `Floor`. All its processes end with the test."""
    need("sipp")
    made: list[Floor] = []

    def make(**settings: Any) -> Floor:
        floor = Floor(tmp_path / f"floor{len(made)}", **settings)
        made.append(floor)
        return floor

    yield make
    for floor in made:
        floor.close()
    if ended_badly(request.node):
        for floor in made:
            request.node.add_report_section("teardown", str(floor.folder), last_lines(floor))


def last_lines(floor: Floor) -> str:
    """The ends of the logs that explain most."""
    shown: list[str] = []
    for path in [floor.folder / "daemon.log", floor.folder / "people.log", *floor.folder.glob("peers/*.errors.log")]:
        if path.exists():
            lines = path.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
            shown += [f"--- {path.name}", *(line[:400] for line in lines)]
    return "\n".join(shown)
