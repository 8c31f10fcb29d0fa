"""The writer of the store: what shares a batch, in which order, and what is read for it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from dialer.ledger import LONGEST_WAIT, Ledger
from dispositions import ArgumentError


class Transaction:
    """Notes what is read together; a claim forgets it, as the real one does."""

    def __init__(self) -> None:
        self.read: list[list[str]] = []
        self.known: set[str] = set()

    def holds(self, attempt: str) -> bool:
        return attempt in self.known

    def prefetch(self, attempts: Sequence[str]) -> None:
        self.read.append(list(attempts))
        self.known.update(attempts)


class Store:
    """A store whose transactions are kept for the test."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        self.transactions.append(Transaction())
        yield self.transactions[-1]


def ledger_on(store: Store, interval: float = 0.0) -> Ledger:
    refused: list[Exception] = []
    return Ledger(
        store,  # type: ignore[arg-type]
        interval=interval,
        on_refused=refused.append,
        on_locked=lambda reason: None,
        on_restored=lambda: None,
    )


def test_a_batch_keeps_its_order_but_for_what_looks_at_the_whole_list() -> None:
    done: list[str] = []

    def noting(word: str) -> Any:
        return lambda tx: done.append(word)

    async def test() -> None:
        ledger = ledger_on(Store())
        ledger.post(noting("claim"), last=True)
        ledger.post(noting("first"))
        ledger.post(noting("second"))
        ledger.post(noting("another claim"), last=True)
        running = asyncio.create_task(ledger.run())
        await ledger.flush()
        await ledger.close()
        await running

    asyncio.run(test())
    assert done == ["first", "second", "claim", "another claim"]


def test_the_attempts_of_a_batch_are_read_together() -> None:
    store = Store()

    def forget(tx: Any) -> None:
        tx.known.clear()

    async def test() -> None:
        ledger = ledger_on(store)
        ledger.post(lambda tx: None)
        for attempt in ("a", "b"):
            ledger.post(lambda tx: None, about=attempt)
        ledger.post(forget)
        ledger.post(lambda tx: None, about="b")
        ledger.post(lambda tx: None, about="c")
        running = asyncio.create_task(ledger.run())
        await ledger.flush()
        await ledger.close()
        await running

    asyncio.run(test())
    assert [tx.read for tx in store.transactions] == [[["a", "b", "b", "c"], ["b", "c"]]]


def test_a_refusal_is_its_own_and_results_come_after_the_commit() -> None:
    heard: list[Any] = []

    def refuse(tx: Any) -> None:
        raise ArgumentError("no")

    async def test() -> None:
        ledger = ledger_on(Store())
        ledger.post(lambda tx: 1, heard.append)
        ledger.post(refuse, heard.append, lambda error: heard.append(str(error)))
        ledger.post(lambda tx: 3, heard.append)
        running = asyncio.create_task(ledger.run())
        await ledger.flush()
        assert heard == [1, "no", 3]
        await ledger.close()
        await running

    asyncio.run(test())


def test_the_more_there_is_to_do_the_more_share_a_commit() -> None:
    async def waits(interval: float) -> list[float]:
        ledger = ledger_on(Store(), interval)
        return [ledger.wait_after(share) for share in (0, 1, 8, 1000)]

    assert asyncio.run(waits(0.02)) == [0.02, 0.0225, 0.04, LONGEST_WAIT]
    assert asyncio.run(waits(0.1)) == [0.1] * 4


def test_a_slow_commit_has_gathered_others_already() -> None:
    async def waits(interval: float) -> list[float]:
        ledger = ledger_on(Store(), interval)
        return [ledger.wait_after(1000, took) for took in (0.01, 0.05, 0.08, 0.1, 0.5)]

    assert asyncio.run(waits(0.02)) == pytest.approx([0.05, 0.05, 0.02, 0.0, 0.0])
