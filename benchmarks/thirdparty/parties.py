"""The four third parties as processes of a test or benchmark."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from benchmarks.rig.process import Process
from benchmarks.thirdparty import joins
from benchmarks.thirdparty.config import sales_table

KINDS = ("reservations", "antifraud", "gateway", "mail")


class ThirdParties:
    """Started at once, ended by `with`. Each listens on a port of its own; logs are in `folder`. `niceness`: of their
    processes, for a benchmark in which they stand for somebody else's machines. `kinds`: which; `env`: beside ours."""

    def __init__(
        self,
        folder: Path,
        faults: Mapping[str, float] | None = None,
        seed: int = 1,
        niceness: int | None = None,
        kinds: Sequence[str] = KINDS,
        env: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ports: dict[str, int] = {}
        self.pids: list[int] = []
        self._stack = ExitStack()
        options = [
            text for name, value in (faults or {}).items() for text in (f"--{name.replace('_', '-')}", str(value))
        ]
        for kind in kinds:
            file = folder / f"{kind}.port"
            file.unlink(missing_ok=True)
            command = [
                sys.executable, "-m", "benchmarks.thirdparty", kind, "--port-file", str(file), "--log",
                str(self.log(kind)), "--seed", str(seed), *options,
            ]  # fmt: skip
            party = self._stack.enter_context(Process(command, folder / f"{kind}.out", env))
            self.pids.append(party.pid)
            if niceness is not None:
                os.setpriority(os.PRIO_PROCESS, party.pid, niceness)
                party.set_group(niceness)
            party.wait_ready(file.exists, 30.0, f"{kind} listens")
            self.ports[kind] = int(file.read_text())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def log(self, kind: str) -> Path:
        """What the third party did, by its own words."""
        return self.folder / f"{kind}.jsonl"

    def fault(self, kind: str, **shares: float) -> None:
        """From now on at this third party (not the mail)."""
        httpx2.post(f"http://127.0.0.1:{self.ports[kind]}/faults", json=shares, trust_env=False).raise_for_status()

    def table(self, connectors: str = "", **sales: str) -> str:
        """The `[sales]` table that speaks to them. `connectors`: keys that each connector gets, as TOML."""
        text = sales_table(self.ports, **sales)
        for name in KINDS:
            text = text.replace(f"[sales.connectors.{name}]\n", f"[sales.connectors.{name}]\n{connectors}\n")
        return text

    def trails(self) -> dict[int, joins.Trail]:
        """Sale -> what was done for it."""
        return joins.trails(joins.read(self.log(kind) for kind in KINDS))
