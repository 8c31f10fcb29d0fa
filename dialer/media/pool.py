"""The parent's list of RTP ports: taken and given back without asking the media process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from dialer.media.backend import MediaExhausted


class PortPool:
    """Free ports, longest-rested first. A port given back rests `quarantine` seconds, so that packets still under
    way from its last party do not reach the next one. Times are seconds on any monotonic clock, passed in."""

    def __init__(self, quarantine: float) -> None:
        self._quarantine = quarantine
        self._free: deque[int] = deque()
        self._resting: deque[tuple[float, int]] = deque()
        self._taken: set[int] = set()
        self._withdrawn: set[int] = set()

    def set_bound(self, ports: Iterable[int]) -> None:
        """These are the ports that exist now. Taken ones stay taken; a port that is no longer bound is not handed
        out again."""
        bound = set(ports)
        known = set(self._free) | {port for _, port in self._resting} | self._taken
        self._free = deque(port for port in self._free if port in bound)
        self._resting = deque(item for item in self._resting if item[1] in bound)
        self._withdrawn = self._taken - bound
        self._free.extend(sorted(bound - known))

    def take(self, now: float) -> int:
        """A port that nobody uses. Raises MediaExhausted."""
        self._wake(now)
        if not self._free:
            raise MediaExhausted(
                f"no RTP port is free: {len(self._taken)} in use, {len(self._resting)} resting; "
                "widen media.port_min..port_max"
            )
        port = self._free.popleft()
        self._taken.add(port)
        return port

    def give_back(self, port: int, now: float) -> None:
        """The port's call is over. Raises KeyError when it was not taken."""
        self._taken.remove(port)
        if port in self._withdrawn:
            self._withdrawn.discard(port)
            return
        self._resting.append((now + self._quarantine, port))

    def counts(self, now: float) -> tuple[int, int, int]:
        """Ports free, taken and resting."""
        self._wake(now)
        return len(self._free), len(self._taken), len(self._resting)

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
