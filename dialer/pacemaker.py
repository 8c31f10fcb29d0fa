"""Between a campaign and its pacer: tells it what happens, and sets it right when the two disagree.

The pacer refuses what does not fit its book (`PacingError`). That is counted, and the pacer is told the whole truth of
now by `resync`; a wrong count must never stop a campaign.

The pacer knows only the agents that it may count on. Which those are is kept here (`agents`), because an agent leaves
its book in more than one way: a break, a log-out, a call of the agent's own; and may then leave again for another
reason.
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
        self.agents: set[str] = set()

    def available(self, agent: str, now: float) -> None:
        """The agent may be counted on from now."""
        self.agents.add(agent)
        self.tell("agent_available", agent, now)

    def unavailable(self, agent: str, now: float) -> None:
        """The agent may not be counted on, for whatever reason; nothing when that is known."""
        if agent in self.agents:
            self.agents.discard(agent)
            self.tell("agent_unavailable", agent, now)

    def leaving(self, agent: str, at: float, now: float) -> None:
        """The agent will not be there any more from `at`; nothing when it may not be counted on anyway."""
        if agent in self.agents:
            self.tell("agent_leaving", agent, at, now)

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
            truth = self.truth()
            self.pacer.resync(truth, now)
            self.agents = {str(agent) for agent in (*truth.available, *truth.busy, *truth.wrap_up)}
            self.needs_resync = False
        return self.pacer.decide(now)

    def state(self) -> Mapping[str, Any]:
        """What was learned, JSON-able."""
        return self.pacer.state()
