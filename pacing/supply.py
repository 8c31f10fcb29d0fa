"""A finite list: contacts that are dialed, wait out a delay after a failure, and are settled in the end.

Contacts differ: each has a factor on the answer rate (gamma of mean 1), so those who are left after some rounds answer
less, as lists do.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pacing.errors import InvalidValueError

#: s until a contact may be dialed again, by what became of the call; an outcome that is missing settles it.
RETRY_AFTER: Mapping[str, float] = {
    "no_answer": 3 * 3600.0,
    "busy": 3600.0,
    "machine": 3 * 3600.0,
    "cancelled": 3600.0,
    "abandoned": 72 * 3600.0,
}


@dataclass(slots=True)
class ContactList:
    """`contacts` contacts, each dialed at most `attempts` times.

    retry_after: see `RETRY_AFTER`; even: the shape of the gamma factor on the answer rate (inf: all alike). callbacks:
    chance that a talk ends with the promise of another call, due callback_after s later; such a contact goes on until
    it is reached, however often it was dialed. Contacts are ints from 0. Raises `InvalidValueError`.
    """

    contacts: int
    attempts: int = 8
    retry_after: Mapping[str, float] = field(default_factory=lambda: dict(RETRY_AFTER))
    even: float = 2.0
    seed: int = 0
    callbacks: float = 0.0
    callback_after: float = 86400.0
    settled: int = 0
    exhausted: int = 0
    _fresh: int = 0
    _due: list[tuple[float, int]] = field(default_factory=list)
    _ready: list[int] = field(default_factory=list)
    _tried: list[int] = field(default_factory=list)
    _factor: list[float] = field(default_factory=list)
    _promised: set[int] = field(default_factory=set)
    _promises: np.random.Generator | None = None

    def __post_init__(self) -> None:
        if self.contacts < 0 or self.attempts < 1 or not self.even > 0.0:
            raise InvalidValueError(f"no list of {self.contacts!r} contacts, {self.attempts!r} attempts, {self.even!r}")
        if not (0.0 <= self.callbacks < 1.0 and self.callback_after >= 0.0):
            raise InvalidValueError(f"no callbacks of {self.callbacks!r} of the talks after {self.callback_after!r} s")
        self._promises = np.random.default_rng([self.seed, 98])
        self._tried = [0] * self.contacts
        if np.isinf(self.even):
            self._factor = [1.0] * self.contacts
        else:
            rng = np.random.default_rng([self.seed, 99])
            self._factor = rng.gamma(self.even, 1.0 / self.even, self.contacts).tolist()

    def ready(self, now: float) -> int:
        """Contacts that may be dialed at `now`."""
        while self._due and self._due[0][0] <= now:
            self._ready.append(heapq.heappop(self._due)[1])
        return len(self._ready) + self.contacts - self._fresh

    def next_due(self) -> float | None:
        """When the next waiting contact may be dialed; None: none waits."""
        return self._due[0][0] if self._due else None

    def take(self, now: float) -> int:
        """A contact to dial now: retries that are due first. Raises `InvalidValueError` when there is none."""
        if not self.ready(now):
            raise InvalidValueError("no contact is ready")
        if self._ready:
            contact = self._ready.pop()
        else:
            contact = self._fresh
            self._fresh += 1
        self._tried[contact] += 1
        return contact

    def factor(self, contact: int) -> float:
        """The contact's own factor on the answer rate."""
        return self._factor[contact]

    def ended(self, contact: int, outcome: str, now: float) -> None:
        """What became of the call: the contact is settled, exhausted, or waits."""
        delay = self.retry_after.get(outcome)
        if outcome == "answered" and self._promises is not None and self._promises.random() < self.callbacks:
            self._promised.add(contact)
            delay = self.callback_after
        elif outcome == "answered":
            self._promised.discard(contact)
        if delay is None:
            self.settled += 1
        elif contact in self._promised:
            heapq.heappush(self._due, (now + delay, contact))
        elif self._tried[contact] >= self.attempts:
            self.exhausted += 1
        else:
            heapq.heappush(self._due, (now + delay, contact))

    def promised(self, contact: int) -> bool:
        """Whether the contact was promised a call that has not reached it yet."""
        return contact in self._promised

    @property
    def left(self) -> int:
        """Contacts neither settled nor exhausted (those in the air included)."""
        return self.contacts - self.settled - self.exhausted
