"""How long agents were in which state, kept in the store by the hour: what a report's occupancy is made of.

One row an hour and campaign, written again every half minute while agents are logged in: no call waits for it, and what
a crash can lose is the last half minute. Rows of two runs of the daemon in the same hour stand beside each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dialer.agent import AgentState
from dialer.events import AgentChanged, Event
from dialer.services import Services

#: Names in the store: this, the campaign, the hour since the epoch, the millisecond in which the daemon began: one that
#: is killed and started again within a second must not write over what it counted before.
KEY: Final = "agent_time/"
HOUR: Final = 3600.0


class AgentTimes:
    """Adds up the events of all campaigns' agents. Times are epoch seconds."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._began = int(services.clock.at() * 1000)
        self._now: dict[str, tuple[str, str, float]] = {}
        """agent -> (campaign, state, since when it is not counted yet); nobody who is logged out"""
        self._rows: dict[tuple[str, int], dict[str, dict[str, float]]] = {}

    def on_event(self, event: Event) -> None:
        """Reader of the stream."""
        if not isinstance(event, AgentChanged):
            return
        self._count(event.agent, event.at)
        if event.state == AgentState.LOGGED_OUT:
            self._now.pop(event.agent, None)
        else:
            self._now[event.agent] = (event.campaign, event.state, event.at)

    def save(self) -> None:
        """Write what has changed, up to now."""
        at = self._services.clock.at()
        for agent in self._now:
            self._count(agent, at)
        for (campaign, hour), agents in self._rows.items():
            row = {name: {state: round(s, 3) for state, s in spent.items()} for name, spent in agents.items()}
            self._services.ledger.save(f"{KEY}{campaign}/{hour:07d}/{self._began}", row)
        # an hour that is over gets no more; the present one is written again when somebody is still logged in
        present = int(at // HOUR)
        self._rows = {key: row for key, row in self._rows.items() if key[1] >= present}

    def _count(self, agent: str, until: float) -> None:
        known = self._now.get(agent)
        if known is None:
            return
        campaign, state, since = known
        while since < until:
            end = min(until, (since // HOUR + 1) * HOUR)
            row = self._rows.setdefault((campaign, int(since // HOUR)), {})
            spent = row.get(agent)
            if spent is None:
                spent = row[agent] = {}
            spent[state] = spent.get(state, 0.0) + end - since
            since = end
        self._now[agent] = (campaign, state, max(since, until))


def added_up(rows: Mapping[str, Any], since: float = 0.0) -> dict[str, dict[str, float]]:
    """Agent -> state -> seconds: the sum of `rows` by `HOUR/BEGAN`, from the hour that `since` lies in on."""
    found: dict[str, dict[str, float]] = {}
    for key, row in rows.items():
        if int(key.partition("/")[0]) < int(since // HOUR):
            continue
        for agent, spent in row.items():
            mine = found.setdefault(agent, {})
            for state, seconds in spent.items():
                mine[state] = mine.get(state, 0.0) + seconds
    return found
