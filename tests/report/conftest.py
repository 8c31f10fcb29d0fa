"""A made-up campaign: its events, its store and its carrier agree with each other, until a test breaks one of them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from dialer.report import StoreRecord
from dialer.report.audit import CarrierCall, CarrierRecord
from dialer.report.records import AttemptRecord

START = 1_800_000_000.0
AGENTS = ("agent01", "agent02", "agent03", "agent04", "agent05", "agent06")


@dataclass
class Day:
    """Everything that a report can be made of."""

    events: list[dict[str, Any]]
    store: StoreRecord
    carrier: CarrierRecord
    listed: set[str]


def _number(index: int) -> str:
    return f"+1202555{index:04d}"


def make_day(calls: int = 240, seed: int = 3) -> Day:
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []
    attempts: list[AttemptRecord] = []
    carried: list[CarrierCall] = []
    states = {_number(index): "ready" for index in range(600)}

    def tell(at: float, event: str, **more: Any) -> None:
        events.append({"event": event, "at": at, "campaign": "demo", **more})

    free = {}
    for index, name in enumerate(AGENTS):
        at = START + index * 0.2
        tell(at, "agent", agent=name, previous="logged_out", state="available", reason=None, call=None)
        free[name] = at
    clock = START + 2.0
    for index in range(calls):
        clock += rng.expovariate(4.0)
        call, number = f"c{index}", _number(index)
        common = {"call": call, "sip_call_id": f"{call}@x", "contact": index, "number": number, "trunk": "main"}
        tell(clock, "call_placed", **common)
        tell(clock + 0.1, "call_ringing", **common)
        outcome = rng.choices(["answered", "no_answer", "busy", "invalid"], [4, 4, 1.5, 0.5])[0]
        ring = rng.uniform(0.4, 2.2)
        answered_at = connected_at = talk = agent = disposition = None
        end = clock + ring
        if outcome == "answered":
            answered_at = clock + ring
            tell(answered_at, "call_answered", ring_seconds=ring, **common)
            agent = min(free, key=lambda name: free[name])
            wait = max(0.0, free[agent] - answered_at)
            if wait > 0.2:
                outcome, agent, end = "abandoned", None, answered_at + 0.2
                tell(end, "call_abandoned", waited=0.2, message_played=True, **common)
            else:
                connected_at = answered_at + wait + rng.uniform(0.004, 0.03)
                tell(
                    connected_at,
                    "call_connected",
                    agent=agent,
                    answer_to_agent=connected_at - answered_at,
                    wait=wait,
                    **common,
                )
                tell(connected_at, "agent", agent=agent, previous="available", state="talking", reason=None, call=call)
                talk = rng.expovariate(1 / 2.0)
                end = connected_at + talk
                wrap = rng.uniform(0.3, 1.2)
                free[agent] = end + wrap
                disposition = rng.choice(["sale", "callback", "not_interested", "not_interested"])
                tell(end, "agent", agent=agent, previous="talking", state="wrap_up", reason=None, call=call)
                tell(
                    end + wrap, "disposition", agent=agent, code=disposition, next_state="done", next_at=None, **common
                )
                tell(end + wrap, "agent", agent=agent, previous="wrap_up", state="available", reason=None, call=None)
        tell(
            end,
            "call_ended",
            outcome=outcome,
            status=200,
            agent=agent,
            ring_seconds=ring,
            talk_seconds=talk,
            next_state="done",
            next_at=None,
            **common,
        )
        tell(end, "decision", place=1, cancel=0, seconds=0.0004, why={"answer_rate": 0.4, "idle": 2, "busy": 4})
        states[number] = {"sale": "sold", "callback": "callback"}.get(disposition or "", "done")
        disposed_at = end + 1 if disposition else None
        times = (clock, clock + 0.1, answered_at, connected_at, end, talk)
        attempts.append(
            AttemptRecord(call, index, number, f"{call}@x", "main", agent, *times, outcome, disposition, disposed_at)
        )
        carried.append(
            CarrierCall(f"{call}@x", number, clock, answered_at, end if answered_at else None, "customer", heard=50)
        )
    events.sort(key=lambda event: event["at"])
    store = StoreRecord("demo", tuple(attempts), states, Counter(states.values()), {}, {"open": 9}, {"queued": 12})
    return Day(events, store, CarrierRecord(tuple(carried)), set(states))


@pytest.fixture
def day() -> Day:
    return make_day()
