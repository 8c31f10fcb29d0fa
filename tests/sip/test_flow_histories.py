"""Random histories over connections that are lost at any moment, and noise on them: nothing raises, nothing is left."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dialer.sip import Endpoint, EndpointConfig, Flow, Framer, IncomingCall, Offered, SipError, sdp

A, B = "192.0.2.1", "192.0.2.2"
OFFER, ANSWER = sdp.audio(A, 4000), sdp.audio(B, 5000)


class Wire:
    """Two endpoints; every flow is a connection that stands until it is cut. Bytes may be cut anywhere and spoiled."""

    def __init__(self, rng: random.Random, noise: float) -> None:
        self.rng, self.noise, self.now = rng, noise, 100.0
        self.ends = {
            host: Endpoint(EndpointConfig(host, 5060, tcp_port=5060, branch_key=b"k"), seed=host.encode())
            for host in (A, B)
        }
        self.framers: dict[tuple[str, Flow], Framer] = {}
        self.legs: dict[str, set[str]] = {A: set(), B: set()}

    def peer_flow(self, here: str, there: Flow) -> Flow:
        """How the other end sees the connection that `here` calls `there`."""
        return Flow(here, 40_000 if there.port == 5060 else 5060, "tcp")

    def pump(self) -> None:
        moved = True
        while moved:
            moved = False
            for here, end in self.ends.items():
                while (event := end.next_event()) is not None:
                    self.react(here, event)
                for data, there in end.datagrams_to_send():
                    moved = True
                    assert isinstance(there, Flow)
                    self.carry(here, there, data)

    def carry(self, here: str, there: Flow, data: bytes) -> None:
        other = B if here == A else A
        if there.host != other or self.rng.random() < 0.03:
            self.ends[here].connection_lost(there, self.now, established=self.rng.random() < 0.5)
            return
        if self.rng.random() < self.noise:
            spoiled = bytearray(data)
            for _ in range(self.rng.randint(1, 4)):
                spoiled[self.rng.randrange(len(spoiled))] = self.rng.randrange(256)
            data = bytes(spoiled)
        source = self.peer_flow(here, there)
        framer = self.framers.setdefault((other, source), Framer())
        cut = self.rng.randrange(len(data) + 1)
        for piece in (data[:cut], data[cut:]):
            for message in framer.feed(piece):
                self.ends[other].receive(message, source, self.now)
        if framer.fault is not None:
            del self.framers[other, source]
            self.ends[other].connection_lost(source, self.now)
            self.ends[here].connection_lost(there, self.now)

    def react(self, here: str, event: Any) -> None:
        end = self.ends[here]
        leg = getattr(event, "leg", None)
        if leg is not None:
            self.legs[here].add(leg)
        try:
            if isinstance(event, IncomingCall):
                if self.rng.random() < 0.7:
                    end.ring(event.leg, self.now)
                if self.rng.random() < 0.6:
                    end.answer(event.leg, ANSWER, self.now)
            elif isinstance(event, Offered):
                end.answer(event.leg, ANSWER, self.now)
        except SipError:
            pass  # the leg ended on the same turn

    def act(self) -> None:
        """One thing that somebody does."""
        rng = self.rng
        here = rng.choice((A, B))
        end, other = self.ends[here], B if here == A else A
        live = sorted(leg for leg in self.legs[here] if end.has(leg))
        try:
            what = rng.choice(("invite", "invite", "bye", "cancel", "reinvite", "answer", "reject", "lost"))
            if what == "invite":
                to = Flow(other, 5060, "tcp")
                plan = end.plan_invite(f"sip:x@{other}", from_uri=f"sip:y@{here}", destination=to, sdp=OFFER)
                self.legs[here].add(end.invite(plan, self.now))
            elif what == "lost":
                end.connection_lost(Flow(other, rng.choice((5060, 40_000)), "tcp"), self.now)
            elif live:
                leg = rng.choice(live)
                if what == "bye":
                    end.bye(leg, self.now)
                elif what == "cancel":
                    end.cancel(leg, self.now)
                elif what == "reinvite":
                    end.reinvite(leg, OFFER, self.now)
                elif what == "answer":
                    end.answer(leg, ANSWER, self.now)
                else:
                    end.reject(leg, 486, self.now)
        except SipError:
            pass  # it made no sense then, and changed nothing

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            due = [at for end in self.ends.values() if (at := end.next_timer()) is not None and at <= until]
            if not due:
                break
            self.now = max(self.now, min(due))
            for end in self.ends.values():
                end.handle_timer(self.now)
            self.pump()
        self.now = until


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_random_histories_leave_nothing_behind(noise: float) -> None:
    for seed in range(60):
        wire = Wire(random.Random(seed), noise)
        for _ in range(40):
            wire.act()
            wire.pump()
            wire.wait(wire.rng.choice((0.0, 0.3, 3.0)))
        for _ in range(6):  # hang up whatever still stands, as often as it takes
            for host, end in wire.ends.items():
                for leg in sorted(leg for leg in wire.legs[host] if end.has(leg)):
                    for end_it in (end.bye, end.cancel, lambda leg, now, end=end: end.reject(leg, 480, now)):
                        try:
                            end_it(leg, wire.now)
                            break
                        except SipError:
                            continue
            wire.pump()
            wire.wait(70.0)
        for end in wire.ends.values():
            assert end.pending == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}, seed
            assert not end._core.flows, seed
