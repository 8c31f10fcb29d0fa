"""The do-not-call sets in memory: exact, one bitmap a list, checked at the claim and again right before the INVITE.

The table is the truth; the sets follow it by a serial number that every addition carries, so that what another process
adds is seen at the next claim.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pyroaring import BitMap64
from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from dispositions import schema
from dispositions.statement import Statement

_d = schema.do_not_call
_VERSIONS = Statement(
    select(schema.counter.c.name, schema.counter.c.value).where(
        schema.counter.c.name.in_([bindparam("added"), bindparam("removed")])
    )
)
_SINCE = Statement(select(_d.c.digits, _d.c.list).where(_d.c.serial > bindparam("serial")))

ADDED, REMOVED = "do_not_call", "do_not_call_removed"


class DoNotCall:
    """The sets, by list name. Reading is safe from any thread."""

    def __init__(self) -> None:
        self._sets: dict[str, BitMap64] = {}
        self._registers: dict[str, BitMap64] = {}
        self._serial = 0
        self._removals = 0

    def __len__(self) -> int:
        return sum(len(numbers) for sets in (self._sets, self._registers) for numbers in sets.values())

    @property
    def version(self) -> tuple[int, int]:
        """What of the table the sets hold: it differs once they have taken in more."""
        return self._serial, self._removals

    def doubt(self) -> None:
        """The sets may hold what was rolled back: the next `refresh` reads everything. Until then they stay, as a mark
        too many calls nobody and a mark too few would.
        """
        self._removals = -1

    def refresh(self, connection: Connection) -> None:
        """Take in what the table got since the last time; everything again if something was taken out."""
        versions = dict(_VERSIONS.rows(connection, {"added": ADDED, "removed": REMOVED}))
        serial, removals = versions.get(ADDED, 0), versions.get(REMOVED, 0)
        if removals != self._removals:
            self._serial, self._removals = 0, removals
            fresh: dict[str, BitMap64] = {}
            self._read(connection, fresh)
            self._sets = fresh
        elif serial != self._serial:
            self._read(connection, self._sets)
        self._serial = serial

    def _read(self, connection: Connection, sets: dict[str, BitMap64]) -> None:
        rows = _SINCE.one(connection, {"serial": self._serial})
        for chunk in rows.partitions(50_000):
            by_list: dict[str, list[int]] = {}
            for digits, name in chunk:
                by_list.setdefault(name, []).append(digits)
            for name, numbers in by_list.items():
                sets.setdefault(name, BitMap64()).update(numbers)

    def add(self, name: str, numbers: Iterable[int]) -> None:
        """What a transaction of ours has committed: known at once, without a look at the table."""
        self._sets.setdefault(name, BitMap64()).update(numbers)

    def remove(self, name: str, numbers: Iterable[int]) -> None:
        """The same for what was taken out."""
        held = self._sets.get(name)
        if held is not None:
            held.difference_update(BitMap64(numbers))

    def put_register(self, name: str, numbers: BitMap64 | None) -> None:
        """The list `name` is (also) what a register holds, in place of what was put before; None takes it away. Its
        numbers are no rows of the table. The next look, from any thread, sees it.
        """
        if numbers is None:
            self._registers.pop(name, None)
        else:
            self._registers[name] = numbers

    def register(self, name: str) -> BitMap64:
        """What was put last for `name`; empty when nothing was."""
        return self._registers.get(name) or BitMap64()

    def numbers(self, name: str) -> BitMap64:
        """A copy of what the table holds of one list, as far as it is known here."""
        return BitMap64(self._sets.get(name, BitMap64()))

    def among(self, numbers: Collection[int], lists: Sequence[str]) -> set[int]:
        """Those of many numbers that one of the lists holds: millions a second, more when they are sorted."""
        found: set[int] = set()
        for name in lists:
            for held in (self._sets.get(name), self._registers.get(name)):
                if held:
                    found.update(filter(held.__contains__, numbers))
        return found

    def blocked(self, digits: int, lists: Sequence[str] | None = None) -> str | None:
        """The name of a list that holds the number, among `lists` (all when None)."""
        for name in (*self._sets, *self._registers) if lists is None else lists:
            held, register = self._sets.get(name), self._registers.get(name)
            if (held is not None and digits in held) or (register is not None and digits in register):
                return name
        return None
