"""What a simulated run gave."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What a run gave. Times in s; the lists by answered call allow any window to be judged.

    connected: calls that reached an agent and were not relabelled; machines: those that were; billed: s from the
    answer to the end of all calls; ends: (when, abandoned?) of every answered call, as it was judged then.
    """

    logged_in: float = 0.0
    occupied: float = 0.0
    placed: int = 0
    answered: int = 0
    connected: int = 0
    abandoned: int = 0
    cancelled: int = 0
    machines: int = 0
    decided: int = 0
    billed: float = 0.0
    ends: list[tuple[float, bool]] = field(default_factory=list)
    busy_by_minute: dict[int, float] = field(default_factory=dict)
    agents_by_minute: dict[int, float] = field(default_factory=dict)

    @property
    def occupancy(self) -> float:
        """Share of logged-in time spent talking or in wrap-up."""
        return self.occupied / self.logged_in if self.logged_in else 0.0

    @property
    def abandon_rate(self) -> float:
        """Abandoned over answered by a person (as far as the switch knows)."""
        done = self.connected + self.abandoned
        return self.abandoned / done if done else 0.0
