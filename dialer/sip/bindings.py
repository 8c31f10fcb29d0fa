"""Bindings: where the users of a registrar can be reached, and until when (RFC 3261 10.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dialer.sip.flow import Destination

__all__ = ["Binding", "Bindings", "Wanted"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One Contact of one user. Calls go to `destination`: where its REGISTER came from, which a phone behind a NAT
    hears and its Contact's private address does not. `until`: monotonic seconds.
    """

    user: str
    uri: str
    destination: Destination
    until: float
    q: float
    call_id: str
    cseq: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Contact of a REGISTER: its URI, the seconds granted (0: remove), its preference."""

    uri: str
    expires: int
    q: float


class Bindings:
    """The table. Each change is made whole or not at all."""

    __slots__ = ("_sources", "_users")

    def __init__(self) -> None:
        self._users: dict[str, dict[str, Binding]] = {}
        self._sources: dict[Destination, int] = {}

    def lead_to(self, destination: Destination) -> bool:
        """Whether somebody is bound there."""
        return destination in self._sources

    def _came(self, binding: Binding) -> None:
        self._sources[binding.destination] = self._sources.get(binding.destination, 0) + 1

    def _went(self, binding: Binding) -> None:
        left = self._sources[binding.destination] - 1
        if left:
            self._sources[binding.destination] = left
        else:
            del self._sources[binding.destination]

    def of(self, user: str) -> tuple[Binding, ...]:
        """The user's bindings, the preferred first: by q, then the latest."""
        found = self._users.get(user, {}).values()
        return tuple(sorted(found, key=lambda b: (b.q, b.until), reverse=True))

    def __iter__(self) -> Iterator[Binding]:
        for found in self._users.values():
            yield from found.values()

    def outdated(self, user: str, call_id: str, cseq: int, uris: Sequence[str]) -> bool:
        """Whether a later request of the same registration has changed one of `uris` already (RFC 3261 10.3, 7)."""
        known = self._users.get(user, {})
        return any(b.call_id == call_id and b.cseq >= cseq for uri, b in known.items() if uri in uris)

    def change(
        self, user: str, wanted: Sequence[Wanted], destination: Destination, call_id: str, cseq: int, now: float
    ) -> tuple[list[Binding], list[Binding]]:
        """Add, refresh and remove; (those that stand now, those that are gone)."""
        known = self._users.setdefault(user, {})
        gone, standing = [], []
        for one in wanted:
            before = known.pop(one.uri, None)
            if before is not None:
                self._went(before)
            if one.expires > 0:
                bound = Binding(user, one.uri, destination, now + one.expires, one.q, call_id, cseq)
                known[one.uri] = bound
                self._came(bound)
                standing.append(bound)
            elif before is not None:
                gone.append(before)
        if not known:
            del self._users[user]
        return standing, gone

    def remove(self, user: str) -> list[Binding]:
        """All of a user's; those that are gone."""
        over = list(self._users.pop(user, {}).values())
        for binding in over:
            self._went(binding)
        return over

    def expire(self, now: float) -> list[Binding]:
        """Drop those whose time is over, and return them."""
        over = [binding for binding in self if binding.until <= now]
        for binding in over:
            known = self._users[binding.user]
            del known[binding.uri]
            self._went(binding)
            if not known:
                del self._users[binding.user]
        return over

    def next_expiry(self) -> float | None:
        """When the first of them ends, or None."""
        return min((binding.until for binding in self), default=None)
