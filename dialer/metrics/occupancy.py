"""Agents' time by state, integrated exactly from their state changes.

Occupancy is the share of logged-in, not-on-break time that agents spend talking or in wrap-up. A reserved
agent (a call is being connected) waits, so the time counts below the line only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WORKING = frozenset({"talking", "wrap_up"})
ABSENT = frozenset({"logged_out", "break"})


@dataclass(slots=True)
class _Agent:
    campaign: str
    state: str
    since: float


class Occupancy:
    """Books every agent's seconds to (campaign, state). `booked(campaign, state, seconds)` hears of each
    amount once."""

    def __init__(self, booked: Callable[[str, str, float], None]) -> None:
        self._booked = booked
        self._agents: dict[str, _Agent] = {}
        self._working: dict[str, float] = {}
        self._present: dict[str, float] = {}

    def changed(self, agent: str, campaign: str, state: str, at: float) -> None:
        """`agent` entered `state` at `at` (epoch seconds). A clock that steps back books nothing for that span."""
        known = self._agents.get(agent)
        if known is not None:
            self._book(known, at)
        if state == "logged_out":
            self._agents.pop(agent, None)
        elif known is None:
            self._agents[agent] = _Agent(campaign, state, at)
        else:
            known.campaign, known.state, known.since = campaign, state, at

    def advance(self, at: float) -> None:
        """Book everybody's time up to `at`, so that a state that lasts is seen while it lasts."""
        for agent in self._agents.values():
            self._book(agent, at)

    def _book(self, agent: _Agent, at: float) -> None:
        seconds = at - agent.since
        agent.since = at
        if seconds <= 0:
            return
        self._booked(agent.campaign, agent.state, seconds)
        if agent.state in ABSENT:
            return
        self._present[agent.campaign] = self._present.get(agent.campaign, 0.0) + seconds
        if agent.state in WORKING:
            self._working[agent.campaign] = self._working.get(agent.campaign, 0.0) + seconds

    def share(self, campaign: str | None = None) -> float | None:
        """Occupancy so far, 0..1, of one campaign or of all; None while nobody has been present for any time."""
        if campaign is None:
            present, working = sum(self._present.values()), sum(self._working.values())
        else:
            present, working = self._present.get(campaign, 0.0), self._working.get(campaign, 0.0)
        return working / present if present > 0 else None

    def campaigns(self) -> list[str]:
        """The campaigns in which somebody has been present."""
        return list(self._present)
