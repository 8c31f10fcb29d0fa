"""One webhook's courier: takes entries from the journal in order, hands them over, and keeps at it.

At least once, in order for each contact: while an entry of a contact waits for its next try, that contact's later
entries wait behind it, and those of others go on. A receiver that takes nothing any more (`IN_A_ROW` failures) is left
alone for a while and then tried with one entry, so that it is not asked by thousands; one that names the time after
which it wants to be asked again (Retry-After with 429 or 503) is left alone until then. Nothing is held in memory
between two rounds: a round ends with one write of what was taken and what waits.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from dialer.config.door_tables import WebhookTable
from dialer.webhooks.sender import Refusal, Sender
from dispositions import ReadView, WriteTransaction, delivery
from dispositions.delivery import Due, Waiting
from dispositions.journal import Entry

T = TypeVar("T")

#: Failures one after the other, whosever entries, after which the receiver is left alone.
IN_A_ROW = 5
#: Entries of one round at most.
ROUND = 200
#: Seconds until the next look where nothing waits and nobody says that something happened.
IDLE = 5.0


class Books(Protocol):
    """The store, as the ledger gives it."""

    async def read(self, query: Callable[[ReadView], T]) -> T:
        """Raises DispositionsErrors."""
        ...

    async def write(self, operation: Callable[[WriteTransaction], T]) -> T:
        """Raises DispositionsErrors."""
        ...


@dataclass(slots=True)
class Round:
    """What came of one. `next_in`: seconds until there is something to do again, if nothing new happens."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    next_in: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Lane:
    """One contact's entries, in order, each with the tries that it has had."""

    entries: list[tuple[Entry, int]]


class Courier:
    """`campaigns`: None for all. `chance`: jitter of pauses, 0..1."""

    def __init__(
        self,
        name: str,
        table: WebhookTable,
        sender: Sender,
        books: Books,
        clock: Callable[[], float],
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name, self.table = name, table
        self._sender, self._books, self._clock, self._chance = sender, books, clock, chance
        self._campaigns: Collection[str] | None = table.campaigns or None
        self._in_a_row = 0
        self._rests = 0
        self._rest_until = 0.0  # by our own count of failures
        self._asked_until = 0.0  # by its own word
        self.reason = ""
        """why the receiver took nothing, the last time"""
        self.waiting = 0
        """entries behind the cursor, after the last round"""
        self.oldest: float | None = None
        """when the oldest of them happened, epoch seconds"""

    @property
    def down(self) -> bool:
        """The receiver is left alone for a while."""
        return self._rests > 0

    def pause(self, tries: int, asked: float | None = None) -> float:
        """Seconds before the next try after so many: doubled each time, a tenth more or less by chance, and no shorter
        than the receiver has `asked` for, as far as that is no longer than the longest pause."""
        plain = self.table.pause * 2.0 ** min(tries - 1, 40)
        own = min(self.table.pause_most, plain) * (0.9 + 0.2 * self._chance())
        return float(max(own, self._bounded(asked)))

    def _bounded(self, asked: float | None) -> float:
        return 0.0 if asked is None else min(asked, self.table.pause_most)

    async def round(self) -> Round:
        """Hand over what is due. Raises DispositionsErrors of the store; nothing is lost by that."""
        now = self._clock()
        if (rest := self._left_alone(now)) > 0:
            return Round(next_in=rest)
        limit, kinds = (1 if self.down else ROUND), self.table.events
        due = await self._books.read(lambda view: delivery.due(view, self.name, limit, self._campaigns, kinds))
        if due is None:
            await self._books.write(lambda tx: delivery.begin(tx, self.name))
            return Round()
        return await self._deliver(due, now)

    async def _deliver(self, due: Due, now: float) -> Round:
        done: set[int] = {one.serial for one in due.waiting if one.serial not in due.entries}
        result = Round(given_up=len(done))
        if done:
            result.reasons["gone"] += len(done)
        lanes, kept = self._lanes(due, now)
        cursor = due.cursor if due.fresh is None else due.fresh.next
        gate = asyncio.Semaphore(self.table.at_once)
        if self.down:  # a probe: one entry says whether it takes any
            lanes.sort(key=lambda lane: lane.entries[0][1])  # not one that is refused again and again
            first, rest = lanes[:1], lanes[1:]
            await asyncio.gather(*(self._serve(lane, gate, now, done, kept, result) for lane in first))
            if self._rests == 0:
                await asyncio.gather(*(self._serve(lane, gate, now, done, kept, result) for lane in rest))
            else:
                for lane in rest:
                    self._hold(lane.entries, kept, now)
        else:
            await asyncio.gather(*(self._serve(lane, gate, now, done, kept, result) for lane in lanes))
        known = set(due.waiting)
        changed = [one for one in kept.values() if one not in known]
        if done or changed or cursor != due.cursor:
            await self._books.write(lambda tx: delivery.settle(tx, self.name, cursor, done, changed))
        self._sum_up(result, due, kept, self._clock())
        return result

    def _lanes(self, due: Due, now: float) -> tuple[list[_Lane], dict[int, Waiting]]:
        """The contacts whose first entry is due, and what waits of the others."""
        lanes: dict[int, _Lane] = {}
        kept: dict[int, Waiting] = {}
        held: set[int] = set()
        for one in due.waiting:
            entry = due.entries.get(one.serial)
            if entry is None:
                continue
            if one.contact_id not in lanes and (one.contact_id in held or one.next_at > now):
                held.add(one.contact_id)
                kept[one.serial] = one
                continue
            lanes.setdefault(one.contact_id, _Lane([])).entries.append((entry, one.tries))
        for entry in due.fresh.entries if due.fresh is not None else ():
            if entry.contact_id in held:
                kept[entry.serial] = Waiting(entry.serial, entry.contact_id, entry.at, 0, now)
            else:
                lanes.setdefault(entry.contact_id, _Lane([])).entries.append((entry, 0))
        return list(lanes.values()), kept

    async def _serve(
        self, lane: _Lane, gate: asyncio.Semaphore, now: float, done: set[int], kept: dict[int, Waiting], result: Round
    ) -> None:
        async with gate:
            for index, (entry, tries) in enumerate(lane.entries):
                if self._left_alone(self._clock()) > 0:
                    self._hold(lane.entries[index:], kept, now)
                    return
                why = await self._sender.send(entry, self._clock())
                if why is None:
                    self._taken()
                    done.add(entry.serial)
                    result.delivered += 1
                    continue
                self.reason = why.reason
                result.failed += 1
                result.reasons[why.reason] += 1
                at = self._clock()
                self._refused(at, why)
                if at - entry.at > self.table.give_up_after:
                    done.add(entry.serial)
                    result.given_up += 1
                    continue
                next_at = at + self.pause(tries + 1, why.wait)
                kept[entry.serial] = Waiting(entry.serial, entry.contact_id, entry.at, tries + 1, next_at)
                self._hold(lane.entries[index + 1 :], kept, now)
                return

    def _left_alone(self, now: float) -> float:
        """Seconds for which nothing is sent."""
        return max(0.0, self._rest_until - now, self._asked_until - now)

    def _taken(self) -> None:
        self._in_a_row = self._rests = 0
        self._rest_until = 0.0

    def _refused(self, at: float, why: Refusal) -> None:
        self._in_a_row += 1
        if why.all_wait:
            self._asked_until = max(self._asked_until, at + self._bounded(why.wait))
        if self._in_a_row >= IN_A_ROW and at >= self._rest_until:
            self._rests += 1
            self._rest_until = at + self.pause(self._rests)

    @staticmethod
    def _hold(entries: list[tuple[Entry, int]], kept: dict[int, Waiting], now: float) -> None:
        for entry, tries in entries:
            kept[entry.serial] = Waiting(entry.serial, entry.contact_id, entry.at, tries, now)

    def _sum_up(self, result: Round, due: Due, kept: dict[int, Waiting], now: float) -> None:
        self.waiting = len(kept)
        self.oldest = min((one.at for one in kept.values()), default=None)
        if due.fresh is not None and due.fresh.more and not self.down:
            return
        soonest: dict[int, float] = {}
        for serial in sorted(kept):
            soonest.setdefault(kept[serial].contact_id, kept[serial].next_at)
        waits = [max(0.0, at - now) for at in soonest.values()]
        result.next_in = max(min(waits, default=IDLE), self._left_alone(now))
