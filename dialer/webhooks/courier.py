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
#: Seconds that a round waits for an answer when nothing else moves: then it ends without it, and the next one goes on.
PATIENCE = 1.0


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

    def add(self, other: Round) -> None:
        """What came of a part of it."""
        self.delivered += other.delivered
        self.failed += other.failed
        self.given_up += other.given_up
        self.reasons += other.reasons


@dataclass(slots=True)
class _Lane:
    """One contact's entries, in order, each with what is on record of it, and what came of them. `begun`: a request has
    left."""

    contact_id: int
    entries: list[tuple[Entry, Waiting]]
    done: set[int] = field(default_factory=set)
    kept: dict[int, Waiting] = field(default_factory=dict)
    result: Round = field(default_factory=Round)
    begun: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Nothing is on its way."""
        return self.task is None or self.task.done()

    def hold(self, index: int = 0) -> None:
        """From this entry on everything waits, as it did."""
        self.kept.update((one.serial, one) for _, one in self.entries[index:])


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
        self._flying: dict[int, _Lane] = {}
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

    async def close(self) -> None:
        """No request is on its way when this returns; what it was about is sent again, as after a crash."""
        flying = [lane.task for lane in self._flying.values() if lane.task is not None]
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
        self._flying.clear()

    async def _deliver(self, due: Due, now: float) -> Round:
        gone = {one.serial for one in due.waiting if one.serial not in due.entries}
        result = Round(given_up=len(gone))
        if gone:
            result.reasons["gone"] += len(gone)
        lanes, kept = self._lanes(due, now)
        if self.down:  # a probe: one entry says whether it takes any
            lanes.sort(key=lambda lane: lane.entries[0][1].tries)  # not one that is refused again and again
            probe = [] if self._flying else lanes[:1]
            await self._fly(probe)
            lanes = lanes[len(probe) :]
            if self.down:
                for lane in lanes:
                    lane.hold()
                    kept.update(lane.kept)
                lanes = []
        await self._fly(lanes)
        done = gone | self._landed(result, kept)
        for lane in self._flying.values():  # on record as waiting, so that the cursor may pass them
            kept.update((one.serial, one) for _, one in lane.entries)
        cursor = due.cursor if due.fresh is None else due.fresh.next
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
        held: set[int] = set(self._flying)
        fresh = due.fresh.entries if due.fresh is not None else ()
        waiting = [(due.entries[one.serial], one) for one in due.waiting if one.serial in due.entries]
        for entry, one in (*waiting, *((e, Waiting(e.serial, e.contact_id, e.at, 0, now)) for e in fresh)):
            contact = one.contact_id
            if contact in held or (contact not in lanes and one.next_at > now):
                held.add(contact)
                kept[one.serial] = one
            else:
                lanes.setdefault(contact, _Lane(contact, [])).entries.append((entry, one))
        return list(lanes.values()), kept

    async def _fly(self, lanes: list[_Lane]) -> None:
        """Send, until all have come back, or none has for a while: those that hang stay under way, beside the next
        round."""
        gate = asyncio.Semaphore(max(0, self.table.at_once - len(self._flying)))
        for lane in lanes:
            lane.task = asyncio.create_task(self._serve(lane, gate))
            self._flying[lane.contact_id] = lane
        while pending := [lane.task for lane in self._flying.values() if lane.task is not None and not lane.over]:
            await asyncio.wait(pending, timeout=PATIENCE)
            if sum(not lane.over for lane in self._flying.values()) == len(pending):
                await self._turn_back(lanes)
                return

    @staticmethod
    async def _turn_back(lanes: list[_Lane]) -> None:
        """Those for whom there was no room: they wait as they did."""
        waiting = [lane for lane in lanes if not lane.begun and lane.task is not None and not lane.over]
        for lane in waiting:
            assert lane.task is not None
            lane.task.cancel()
            lane.hold()
        await asyncio.gather(*(lane.task for lane in waiting if lane.task is not None), return_exceptions=True)

    def _landed(self, result: Round, kept: dict[int, Waiting]) -> set[int]:
        """Take up what came of the lanes that are over; the entries that need not be looked at again."""
        done: set[int] = set()
        for lane in [lane for lane in self._flying.values() if lane.over]:
            del self._flying[lane.contact_id]
            if lane.task is not None and not lane.task.cancelled():
                lane.task.result()  # a fault of ours is told
            done |= lane.done
            kept.update(lane.kept)
            result.add(lane.result)
        for serial in done:
            kept.pop(serial, None)
        return done

    async def _serve(self, lane: _Lane, gate: asyncio.Semaphore) -> None:
        async with gate:
            for index, (entry, one) in enumerate(lane.entries):
                if self._left_alone(self._clock()) > 0:
                    lane.hold(index)
                    return
                lane.begun = True
                why = await self._sender.send(entry, self._clock())
                if why is None:
                    self._taken()
                    lane.done.add(entry.serial)
                    lane.result.delivered += 1
                    continue
                self.reason = why.reason
                lane.result.failed += 1
                lane.result.reasons[why.reason] += 1
                at = self._clock()
                self._refused(at, why)
                if at - entry.at > self.table.give_up_after:
                    lane.done.add(entry.serial)
                    lane.result.given_up += 1
                    continue
                lane.hold(index)
                next_at = at + self.pause(one.tries + 1, why.wait)
                lane.kept[entry.serial] = Waiting(entry.serial, entry.contact_id, entry.at, one.tries + 1, next_at)
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

    def _sum_up(self, result: Round, due: Due, kept: dict[int, Waiting], now: float) -> None:
        self.waiting = len(kept)
        self.oldest = min((one.at for one in kept.values()), default=None)
        if due.fresh is not None and due.fresh.more and not self.down:
            return
        soonest: dict[int, float] = {}
        for serial in sorted(serial for serial, one in kept.items() if one.contact_id not in self._flying):
            soonest.setdefault(kept[serial].contact_id, kept[serial].next_at)
        waits = [max(0.0, at - now) for at in soonest.values()]
        if self._flying:
            waits.append(PATIENCE)
        result.next_in = max(min(waits, default=IDLE), self._left_alone(now))
