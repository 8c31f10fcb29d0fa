"""How outcomes are said to people, where the table's own word would puzzle them."""

from __future__ import annotations

from typing import Final

#: outcome -> what a manager reads
OUTCOME_WORDS: Final = {"cancelled": "given up ringing"}
#: Said under the outcomes where some calls were given up.
GIVEN_UP: Final = (
    "Given up ringing (outcome cancelled): past the legal ring time, so that nobody answers when no agent is free."
)


def outcome_words(outcome: str) -> str:
    """The outcome as people say it."""
    return OUTCOME_WORDS.get(outcome) or outcome.replace("_", " ")
