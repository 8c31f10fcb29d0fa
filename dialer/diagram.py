"""State tables as Mermaid diagrams, so that docs/design/engine.md is drawn from what runs (a test holds them
together).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from dialer.agent import AGENT_TABLE, AgentState
from dialer.breaker import BREAKER_TABLE, BreakerState
from dialer.call import CALL_TABLE, CallState


def draw(initial: StrEnum, arrows: Iterable[tuple[StrEnum, StrEnum, StrEnum]], final: Iterable[StrEnum] = ()) -> str:
    """A Mermaid state diagram; arrows (from, trigger, to) with the same ends are one, moves that stay left out."""
    joined: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for source, trigger, target in arrows:
        if source is not target:
            joined.setdefault((source, target), []).append(trigger.value)
    lines = ["stateDiagram-v2", f"    [*] --> {initial.value}"]
    lines += [
        f"    {source.value} --> {target.value}: {', '.join(names)}" for (source, target), names in joined.items()
    ]
    lines += [f"    {state.value} --> [*]" for state in final]
    return "\n".join(lines) + "\n"


def agent_diagram() -> str:
    """The agents' table."""
    return draw(AgentState.LOGGED_OUT, ((s, t, to) for (s, t), to in AGENT_TABLE.items()))


def call_diagram() -> str:
    """The calls' table."""
    return draw(CallState.PLACED, ((s, t, to) for (s, t), (to, _) in CALL_TABLE.items()), [CallState.OVER])


def breaker_diagram() -> str:
    """The trunks' circuit breakers."""
    return draw(BreakerState.CLOSED, ((s, t, to) for (s, t), (to, _) in BREAKER_TABLE.items()))
