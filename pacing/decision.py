"""The two values that cross the pacer's border besides plain events."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field

AgentId = Hashable
CallId = Hashable
Segment = Hashable


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now.

    place    calls to place now, given everything told so far (never negative)
    cancel   ringing calls to give up, each past the ring floor
    next_at  when to ask again if no event comes first (always finite and later than `now`)
    why      the numbers behind it, by name
    """

    place: int
    cancel: tuple[CallId, ...]
    next_at: float
    why: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Who and what is there after a gap; the whole truth, replaces everything live.

    available   agents that are free
    busy        agents that talk -> since when (s, the pacer's clock)
    ringing     calls placed and not yet ended -> when they were placed (s)
    answered    calls answered and still waiting for an agent -> when they were answered (s)
    wrap_up     agents in wrap-up -> since when their call began to occupy them (s)
    ring_since  of the ringing ones, when the 180/183 came (s); missing: not yet
    segments    of the ringing and waiting calls, their segment; missing: none
    """

    available: Collection[AgentId] = ()
    busy: Mapping[AgentId, float] = field(default_factory=dict)
    ringing: Mapping[CallId, float] = field(default_factory=dict)
    answered: Mapping[CallId, float] = field(default_factory=dict)
    wrap_up: Mapping[AgentId, float] = field(default_factory=dict)
    ring_since: Mapping[CallId, float] = field(default_factory=dict)
    segments: Mapping[CallId, Segment] = field(default_factory=dict)
