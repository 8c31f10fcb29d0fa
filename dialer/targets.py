"""The servers behind one trunk's name: which takes the next INVITE, and which rest for a while (RFC 3263 4.3)."""

from __future__ import annotations

import random
from collections.abc import Callable

from dialer.locate import Located, Target
from dialer.sip import Destination

__all__ = ["Targets"]


class Targets:
    """Times are monotonic seconds. `draw` gives a random number in [0, 1): among servers of one priority each INVITE
    draws by weight (RFC 2782).
    """

    __slots__ = ("_draw", "_resting", "located")

    def __init__(self, located: Located, draw: Callable[[], float] = random.random) -> None:
        self.located = located
        self._draw = draw
        self._resting: dict[Destination, float] = {}

    def pick(self, now: float) -> Destination:
        """The address for the next request: of the best priority that has one which does not rest. When all rest, the
        one whose rest ends first: whether the trunk takes calls at all is not decided here.
        """
        best: list[tuple[Target, Destination]] = []
        for target in self.located.targets:
            if best and target.priority != best[0][0].priority:
                break
            for address in target.addresses:
                if self._resting.get(address, now) <= now:
                    best.append((target, address))
                    break
        if not best:
            every = [address for target in self.located.targets for address in target.addresses]
            return min(every, key=lambda address: self._resting.get(address, now))
        if len(best) == 1:
            return best[0][1]
        point = self._draw() * sum(target.weight + 0.01 for target, _ in best)  # a weight of 0 has a small chance
        for target, address in best:
            point -= target.weight + 0.01
            if point < 0:
                return address
        return best[-1][1]

    def failed(self, destination: Destination, now: float, seconds: float) -> bool:
        """`destination` was silent or said 503: it rests for `seconds`. True if another one does not rest."""
        self._resting = {address: until for address, until in self._resting.items() if until > now}
        self._resting[destination] = max(self._resting.get(destination, 0.0), now + seconds)
        return any(
            self._resting.get(address, now) <= now for target in self.located.targets for address in target.addresses
        )

    def answered(self, destination: Destination) -> None:
        """It lives after all."""
        self._resting.pop(destination, None)

    @property
    def resting(self) -> dict[Destination, float]:
        """Who rests, until when (or until a moment ago)."""
        return dict(self._resting)
