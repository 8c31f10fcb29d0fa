"""Between a campaign and its pacer: tells it what happens, and sets it right when the two disagree.

The pacer refuses what does not fit its book (`PacingError`). That is counted, and the pacer is told the whole truth of
now by `resync`; a wrong count must never stop a campaign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from pacing import Decision, Pacer, PacingError, Snapshot

log = structlog.get_logger(__name__)


class Pacemaker:
    """A pacer that is never left wrong. `truth` makes the snapshot of now; `counters` gets `pacer_resync`."""

    def __init__(self, pacer: Pacer, truth: Callable[[], Snapshot], counters: Counter[str]) -> None:
        self.pacer = pacer
        self.truth = truth
        self._counters = counters
        self.needs_resync = False

    def tell(self, what: str, *args: Any) -> None:
        """Call the pacer's method `what`; on a refusal note that a resync is due at the next decision.

        The resync waits for the decision: in the middle of a transition the truth is not yet true.
        """
        if self.needs_resync:
            return
        try:
            getattr(self.pacer, what)(*args)
        except PacingError as refusal:
            self._counters["pacer_resync"] += 1
            self.needs_resync = True
            log.warning("pacer refused an event", told=what, problem=str(refusal))

    def decide(self, now: float) -> Decision:
        """The decision of now, after a resync if one is due."""
        if self.needs_resync:
            self.pacer.resync(self.truth(), now)
            self.needs_resync = False
        return self.pacer.decide(now)

    def state(self) -> Mapping[str, Any]:
        """What was learned, JSON-able."""
        return self.pacer.state()
