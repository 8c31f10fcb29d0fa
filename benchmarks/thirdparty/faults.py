"""What goes wrong at a third party: drawn for each request, in shares that can be changed while it runs."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of all requests. `error`: 503, nothing done; `lost`: done, and the connection is closed without a reply;
    `reset`: closed, nothing done; `hang`: silent for `hang_seconds`, half of them before the work and half after it;
    `slow`: a delay of up to `slow_seconds`."""

    error: float = 0.0
    lost: float = 0.0
    reset: float = 0.0
    hang: float = 0.0
    hang_seconds: float = 30.0
    slow: float = 0.0
    slow_seconds: float = 1.0

    def changed(self, given: dict[str, Any]) -> Faults:
        """With these shares instead. Raises TypeError for a name that is none."""
        return replace(self, **{name: float(value) for name, value in given.items()})

    def draw(self, rng: random.Random) -> str:
        """The fault of one request: error, lost, reset, hang_before, hang_after, slow, or none."""
        left = rng.random()
        for name in ("error", "lost", "reset", "hang", "slow"):
            left -= getattr(self, name)
            if left < 0:
                return name if name != "hang" else rng.choice(("hang_before", "hang_after"))
        return "none"
