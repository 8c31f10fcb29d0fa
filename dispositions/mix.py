"""Which list, and whether a fresh or a recycled contact, comes next: a deterministic weighted turn (stride scheduling).

Each lane has a pass that grows by 1/weight with every contact taken from it; the lane with the smallest pass is next.
So among lanes that have contacts, lane l gets its share w_l / sum(w) of any run of n contacts to within one contact a
lane, and none waits longer than the others' weights say. A lane that was empty joins at the present pass: it is not
paid back for the time in which it had nobody.

Source: C. A. Waldspurger, W. E. Weihl, Stride Scheduling: Deterministic Proportional-Share Resource Management, MIT
1995.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from dispositions.work import RETRY_KIND, SHARED, SLOT, origin_of

Lane = TypeVar("Lane", bound=Hashable)


class Turn(Generic[Lane]):
    """Whose turn it is. `weights` may be changed at any time; a lane without one weighs 1."""

    def __init__(self, weights: Mapping[Lane, float] | None = None) -> None:
        self.weights: Mapping[Lane, float] = weights or {}
        self._passes: dict[Lane, float] = {}
        self._now = 0.0
        self._present: frozenset[Lane] = frozenset()

    def next(self, lanes: Collection[Lane]) -> Lane:
        """The lane to take one contact from, among those that have any (not empty); ties go to the first."""
        present = frozenset(lanes)
        if present != self._present:
            for lane in present - self._present:
                self._passes[lane] = max(self._passes.get(lane, 0.0), self._now)
            self._present = present
        best = min(lanes, key=self._passes.__getitem__)
        self._now = self._passes[best]
        self._passes[best] += 1.0 / self.weights.get(best, 1.0)
        return best


Row = tuple[int, int, int]
"""(zone set, rank, contact) of the ready table."""


class Turns:
    """The turns of one campaign: among its lists, and in each between recycled and fresh contacts."""

    def __init__(self) -> None:
        self._lists: Turn[int] = Turn()
        self._shares: dict[int, Turn[str]] = {}

    def pick(
        self, rows: Sequence[Row], most: int, weights: Mapping[int, float] | None, share: float | None
    ) -> list[Row]:
        """At most `most` of the rows, in the order to dial them: due callbacks first, then the lists by `weights` (by
        slot; None: all as one list), and of each so many recycled ones as `share` (0..1) says while there are fresh
        ones, too (None: recycled ones first). Inside all this the lower rank comes first."""
        ordered = sorted(rows, key=_by_rank)
        picked = [row for row in ordered if origin_of(row[1]) == SHARED][:most]
        lanes: dict[int, dict[str, deque[Row]]] = {}
        for row in ordered:
            origin = origin_of(row[1])
            if origin != SHARED:
                lane = lanes.setdefault(0 if weights is None else row[1] // SLOT, {})
                lane.setdefault(origin if share is not None else "any", deque()).append(row)
        self._lists.weights = weights or {}
        while lanes and len(picked) < most:
            slot = self._lists.next(sorted(lanes))
            lane = lanes[slot]
            kind = next(iter(lane)) if len(lane) == 1 else self._turn(slot, share).next(sorted(lane))
            picked.append(lane[kind].popleft())
            if not lane[kind]:
                del lane[kind]
                if not lane:
                    del lanes[slot]
        return picked

    def _turn(self, slot: int, share: float | None) -> Turn[str]:
        turn = self._shares.setdefault(slot, Turn())
        if share is not None:
            turn.weights = {RETRY_KIND: share, "fresh": 1.0 - share}
        return turn


def _by_rank(row: Row) -> tuple[int, int]:
    return row[1] % SLOT, row[2]
