"""The agents of one campaign who are logged in, and who of them takes the next call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from dialer.agent import Agent, AgentState

Choice = Literal["longest_idle", "fewest_calls"]


class Roster:
    """Agents logged in to a campaign."""

    def __init__(self, choice: Choice) -> None:
        self.choice: Choice = choice
        self.agents: dict[str, Agent] = {}

    def add(self, agent: Agent) -> None:
        """The agent logs in here."""
        self.agents[agent.name] = agent

    def remove(self, agent: Agent) -> None:
        """The agent is gone."""
        self.agents.pop(agent.name, None)

    def in_state(self, *states: AgentState) -> list[Agent]:
        """Agents in one of `states`."""
        return [a for a in self.agents.values() if a.state in states]

    def next_agent(self) -> Agent | None:
        """The available agent who takes the next call: longest idle, or fewest calls and then longest idle."""
        best: Agent | None = None
        first = 0.0
        fewest, available = self.choice == "fewest_calls", AgentState.AVAILABLE
        for agent in self.agents.values():  # once over all of them, for each call that is answered: numbers first
            if agent.state is not available:
                continue
            rank = agent.calls_taken if fewest else agent.idle_since
            if best is None or rank < first or (rank == first and _order(agent) < _order(best)):
                best, first = agent, rank
        return best

    def counts(self) -> dict[str, int]:
        """Agents by state, for status and metrics."""
        return count_states(self.agents.values())


def _order(agent: Agent) -> tuple[float, str]:
    """Among equals."""
    return agent.idle_since, agent.name


def count_states(agents: Iterable[Agent]) -> dict[str, int]:
    """How many agents are in each outward state; states with nobody are 0."""
    counts = {state.value: 0 for state in AgentState if state is not AgentState.LOGGING_IN}
    for agent in agents:
        state = AgentState.LOGGED_OUT if agent.state is AgentState.LOGGING_IN else agent.state
        counts[state.value] += 1
    return counts
