"""What may be placed at most: lines, calls per second, contacts left."""

from __future__ import annotations

import math


class Limits:
    """lines: calls in the air, waiting or connected at once; cps: a token bucket that holds one
    second's worth (at least one call); contacts: calls that may still be placed. None: no limit."""

    def __init__(self) -> None:
        self.lines: float | None = None
        self.cps: float | None = None
        self.contacts: float | None = None
        self._tokens = 0.0
        self._at = 0.0

    def set(self, now: float, lines: float | None, cps: float | None, contacts: float | None) -> None:
        """Replace all three."""
        tokens = self.tokens(now)
        fresh = self.cps is None
        self.lines, self.cps, self.contacts = lines, cps, contacts
        if cps is not None:
            self._tokens = max(1.0, cps) if fresh else min(tokens, max(1.0, cps))
        self._at = now

    def tokens(self, now: float) -> float:
        """Calls that the calls-per-second limit lets through at once now."""
        if self.cps is None:
            return math.inf
        return min(max(1.0, self.cps), self._tokens + (now - self._at) * self.cps)

    def placed(self, now: float) -> None:
        """One call was placed (also above the limit: then the bucket goes into debt)."""
        if self.cps is not None:
            self._tokens = self.tokens(now) - 1.0
            self._at = now
        if self.contacts is not None:
            self.contacts = max(0.0, self.contacts - 1)

    def room(self, now: float, in_use: int) -> float:
        """Calls that may be placed now with `in_use` lines taken; may be infinite."""
        room = math.floor(self.tokens(now) + 1e-9) if self.cps is not None else math.inf
        if self.lines is not None:
            room = min(room, self.lines - in_use)
        if self.contacts is not None:
            room = min(room, self.contacts)
        return max(0.0, room)

    def next_token(self, now: float) -> float | None:
        """When the next call may be placed if only the rate holds it back; None: not held."""
        if self.cps is None or self.cps <= 0.0:
            return None
        tokens = self.tokens(now)
        return None if tokens >= 1.0 else now + (1.0 - tokens) / self.cps
