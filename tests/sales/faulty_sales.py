"""The real sale process, killed by its own hand at a named point: `python faulty_sales.py POINT PASSAGE CAMPAIGN.toml`

Points are `before:X` and `after:X`, where X is one of

    commit-claim, commit-advance    a commit of the store with that operation
    commit-record                   a commit of the pipeline's own records
    ask-STEP, undo-STEP, tell-NAME  a request to a third party

Wrapped from outside: the product has no hook for this.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "integration")]

from faulty_daemon import FaultPoint  # noqa: E402


def wrap_commits(point: FaultPoint) -> None:
    """Around every commit, named by what is in it."""
    from sqlalchemy.engine.default import DefaultDialect

    from dispositions import sale

    here = threading.local()

    def recording(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            here.operations = {*getattr(here, "operations", ()), name}
            return function(*args, **kwargs)

        return call

    for name in ("claim", "advance"):
        setattr(sale, name, recording(name, getattr(sale, name)))
    commit: Callable[[Any, Any], None] = DefaultDialect.do_commit

    def do_commit(self: Any, connection: Any) -> None:
        operations = sorted(getattr(here, "operations", ()))
        if not operations and threading.current_thread().name.startswith("ledger"):
            commit(self, connection)  # a read
            return
        here.operations = set()
        names = operations or ["record"]
        for operation in names:
            point(f"before:commit-{operation}")
        commit(self, connection)
        for operation in names:
            point(f"after:commit-{operation}")

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def wrap_requests(point: FaultPoint) -> None:
    """Around every request to a third party."""
    from dialer.sales.http import HttpConnector
    from dialer.sales.smtp import SmtpConnector

    undoing = ("/refunds", "/documents/void", "/release")

    def wrapped(ask: Callable[..., Any]) -> Callable[..., Any]:
        async def call(self: Any, request: Any) -> Any:
            step = request.key.rpartition("/")[2]
            word = "undo" if request.action.path.endswith(undoing) else "tell" if step == "sorry" else "ask"
            point(f"before:{word}-{step}")
            answer = await ask(self, request)
            point(f"after:{word}-{step}")
            return answer

        return call

    for kind in (HttpConnector, SmtpConnector):
        kind.ask = wrapped(kind.ask)  # type: ignore[method-assign]


def main() -> int:
    """Wrap, then be the sale process."""
    name, passage, *rest = sys.argv[1:]
    point = FaultPoint(name, int(passage))
    wrap_commits(point)
    wrap_requests(point)
    from dialer.sales.__main__ import main as run

    sys.argv = ["dialer.sales", *rest]
    return run()


if __name__ == "__main__":
    sys.exit(main())
