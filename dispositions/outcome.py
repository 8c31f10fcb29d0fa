"""What the network made of one attempt."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The result of one attempt. `answered` = a person was connected to an agent; `abandoned` = answered and no agent
    within patience, or hung up while waiting for one; `fax` = the network told of a fax machine; `interrupted` = we
    crashed while it was under way."""

    ANSWERED = "answered"
    MACHINE = "machine"
    FAX = "fax"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    INVALID = "invalid"
    CONGESTION = "congestion"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    INTERRUPTED = "interrupted"


PERSON = frozenset({Outcome.ANSWERED, Outcome.ABANDONED})
"""Outcomes in which a person picked up: the denominator of the abandonment share."""
