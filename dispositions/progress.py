"""What a contact carries from attempt to attempt, in a few bytes of JSON beside it: no history is read to decide."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """`times`: starts of the last attempts (epoch seconds, ascending), as many as the campaign's caps ask for.
    `results`: attempts by outcome or code, for the rules' `attempts`. `held_until`: nobody but a reserved agent may
    call before (an abandoned call)."""

    times: list[float] = field(default_factory=list)
    results: dict[str, int] = field(default_factory=dict)
    held_until: float = 0.0

    @classmethod
    def load(cls, text: str) -> Progress:
        """From the stored text."""
        if text == "{}":
            return cls()
        data = json.loads(text)
        return cls(data.get("t", []), data.get("n", {}), data.get("h", 0.0))

    def dump(self) -> str:
        """To the stored text."""
        data: dict[str, object] = {}
        if self.times:
            data["t"] = self.times
        if self.results:
            data["n"] = self.results
        if self.held_until:
            data["h"] = self.held_until
        return json.dumps(data, separators=(",", ":"))

    def attempted(self, at: float, remembered: int) -> None:
        """One more attempt, begun at `at`."""
        self.times = [*self.times, round(at, 3)][-remembered:]
        self.times.sort()
