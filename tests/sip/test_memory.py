"""What a standing call holds, and that an ended one holds nothing."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest

from dialer.sip import sdp

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}
ANSWER = sdp.audio("192.0.2.2", 5000)


def pump(link: Any) -> None:
    """Everything arrives at once; `b` answers at once. The link's own records would count as memory."""
    while True:
        moved = False
        for here, endpoint in link.ends.items():
            for data, there in endpoint.datagrams_to_send():
                link.ends[there].receive(data, here, link.now)
                moved = True
            while (event := endpoint.next_event()) is not None:
                if type(event).__name__ == "IncomingCall":
                    endpoint.answer(event.leg, ANSWER, link.now)
                    moved = True
        if not moved:
            return


def calls_up(link: Any, count: int) -> list[str]:
    legs = []
    for _ in range(count):
        legs.append(link.call())
        pump(link)
    return legs


def pass_time(link: Any, seconds: float) -> None:
    link.now += seconds
    for endpoint in link.ends.values():
        endpoint.handle_timer(link.now)
    pump(link)


def test_a_standing_call_holds_less_than_10_kilobytes_at_both_ends_together(link: Any) -> None:
    calls_up(link, 50)
    tracemalloc.start()
    try:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        legs = calls_up(link, 1_000)
        gc.collect()
        fresh = tracemalloc.get_traced_memory()[0] - before
        pass_time(link, 40.0)
        gc.collect()
        settled = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert fresh / len(legs) < 12_000  # with the transactions of the last 32 s
    assert settled / len(legs) < 10_000


@pytest.mark.parametrize("count", [500, pytest.param(200_000, marks=pytest.mark.soak)])
def test_after_many_calls_nothing_is_left_behind(link: Any, count: int) -> None:
    for _ in range(count // 100):
        for leg in calls_up(link, 100):
            link.a.bye(leg, link.now)
        pump(link)
        pass_time(link, 1.0)
    sizes = link.a.pending
    assert sizes["legs"] == 0
    assert sizes["clients"] <= 100 * 40 * 2  # what lingers is what was sent in the last 64*T1
    pass_time(link, 40.0)
    assert link.a.pending == link.b.pending == EMPTY
    assert not link.a.drops
    assert not link.b.drops
