"""Third parties in the test's own loop: real sockets, no processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.thirdparty.faults import Faults
from benchmarks.thirdparty.server import HttpParty, Journal, SmtpParty


class Served:
    """A party that listens; `log` is what it wrote."""

    def __init__(self, party: HttpParty | SmtpParty, port: int, log: Path) -> None:
        self.party, self.port, self._log = party, port, log

    @property
    def events(self) -> list[dict[str, Any]]:
        import json

        return [json.loads(line) for line in self._log.read_text().splitlines()]


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., Any]:
    """`run(serving(service, test))` calls `await test(served)` while the service listens; None: mail."""

    def serve(service: Any, test: Callable[[Served], Awaitable[None]], **faults: float) -> None:
        async def run() -> None:
            log = tmp_path / "party.jsonl"
            journal = Journal(log, "test")
            shares = Faults(**faults)
            party: HttpParty | SmtpParty
            party = (
                SmtpParty(journal, shares, 1) if service is None else HttpParty(service(journal), journal, shares, 1)
            )
            server = await asyncio.start_server(party.serve, "127.0.0.1", 0)
            try:
                await test(Served(party, server.sockets[0].getsockname()[1], log))
            finally:
                server.close()

        asyncio.run(run())

    return serve
