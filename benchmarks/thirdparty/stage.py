"""A store with sales in its queue, the third parties, and the sale process: what tests and the benchmark play on."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import select

from benchmarks.rig.process import Process, until
from benchmarks.thirdparty import joins
from benchmarks.thirdparty.parties import ThirdParties
from dispositions import CampaignPolicy, NewAttempt, NewContact, Outcome, Store, schema

_CAMPAIGN = """
[store]
url = "{url}"
[log]
level = "{level}"
[trunks.main]
address = "127.0.0.1:5062"
prefixes = ["+"]
[agents.ana]
phone = "sip:ana@127.0.0.1:5070"
[lists.people]
region = "US"
[campaigns.tickets]
lists = ["people"]
trunks = ["main"]
caller_id = "+12125550000"
jurisdiction = "none"
[campaigns.tickets.dispositions]
sale = {{ next = "sale" }}
no = {{ next = "done" }}
"""
NOON = 1_750_694_400.0


class SaleStage:
    """Everything in `folder`. `faults`: of all third parties; `sales`: further keys of `[sales]`, as TOML;
    `extra`: further tables."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str | None = None,
        faults: Mapping[str, float] | None = None,
        seed: int = 1,
        sales: Mapping[str, str] | None = None,
        connectors: str = "",
        level: str = "warning",
        extra: str = "",
    ) -> None:
        self.folder, self.seed = folder, seed
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url or f"sqlite:///{folder / 'store.db'}"
        self.parties = ThirdParties(folder, faults, seed)
        self.config = folder / "campaign.toml"
        table = self.parties.table(connectors, poll='"100ms"', **(sales or {}))
        self.config.write_text(_CAMPAIGN.format(url=self.url, level=level) + extra + table)
        self.store = Store(self.url)
        self.store.migrate()
        self.store.register(CampaignPolicy("tickets", region="US"))
        self.process: Process | None = None
        self._sold = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.stop()
        self.store.close()
        self.parties.__exit__(kind, error, trace)

    # --- sales -------------------------------------------------------------------------------------------------------

    def sell(self, count: int, at: float | None = None, **fields: object) -> list[int]:
        """So many sales, queued as an agent's code does it; their ids. About one in ten is one that a third party
        turns down, unless `fields` says otherwise."""
        at = time.time() if at is None else at
        first, self._sold = self._sold, self._sold + count
        new = [NewContact([f"+1212{2_000_000 + n:07d}"]) for n in range(first, first + count)]
        ids: list[int] = []
        with self.store.write() as tx:
            added = [r.contact_id for r in tx.add_contacts("tickets", "people", new, NOON)]
            for n, contact in enumerate(added, first):
                assert contact is not None
                claim = tx.claim_contact("tickets", contact, NOON, NOON + 60)
                tx.start_attempts([NewAttempt(f"a{n}", claim.contact_id, claim.number, f"call-{n}")], NOON)
                tx.update_attempt(f"a{n}", connected_at=NOON, agent="ana")
                tx.finish_attempt(f"a{n}", Outcome.ANSWERED, NOON + 1)
                given = {**self.fields_of(n, self.seed), **fields}
                sold = tx.dispose(f"a{n}", "sale", "ana", at, fields=given).sale_id
                assert sold is not None
                ids.append(sold)
        return ids

    @staticmethod
    def fields_of(n: int, seed: int = 1) -> dict[str, object]:
        """What an agent has filled in; about one in ten is one that a third party turns down."""
        draw = random.Random(seed * 1_000_003 + n).random()
        return {
            "reservation": f"X{n}" if draw < 0.03 else f"S{n}" if draw > 0.96 else f"R{n}",
            "amount": 20_000 if 0.03 <= draw < 0.06 else 120,
            "card": "4000000000000002" if 0.06 <= draw < 0.10 else "4000000000000001",
            "email": f"customer{n}@example.com",
        }

    def states(self) -> dict[int, str]:
        """Sale -> its state in the store."""
        with self.store.read() as view:
            query = select(schema.sale.c.id, schema.sale.c.state)
            return {row.id: row.state for row in view.connection.execute(query)}

    def broken(self) -> dict[str, list[int]]:
        """Promises that were not kept."""
        return joins.broken(self.states(), self.parties.trails())

    # --- the sale process --------------------------------------------------------------------------------------------

    def start(self, command: list[str] | None = None, env: Mapping[str, str] | None = None) -> Process:
        """Start the sale process, beside nobody. `command`: what to run instead of `python -m dialer.sales`."""
        given = command or [sys.executable, "-m", "dialer.sales"]
        self.process = Process([*given, str(self.config)], self.folder / "sales.out", env={**os.environ, **(env or {})})
        return self.process

    def wait_ended(self, seconds: float) -> float:
        """Until every sale has come to an end; the seconds that it took."""

        def ended() -> bool:
            if self.process is not None and self.process.code is not None:
                raise RuntimeError(f"the sale process ended with {self.process.code}\n{self.process.tail()}")
            return not {"queued", "started", "undoing"} & set(self.states().values())

        return until(ended, seconds, f"all sales end; now {sorted(self.states().items())[:20]}")
