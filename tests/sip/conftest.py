"""Two endpoints, a clock moved by hand, and a link between them that can lose, repeat and reorder. No sockets, no
sleeps.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from dialer.sip import Endpoint, EndpointConfig, Event, sdp

A = ("192.0.2.1", 5060)
B = ("192.0.2.2", 5060)
OFFER = sdp.audio("192.0.2.1", 4000)
ANSWER = sdp.audio("192.0.2.2", 5000)


class Link:
    """`a` and `b` on a link of `delay` seconds. `run` moves the clock to the next thing that is due until nothing is,
    or until `until`.
    """

    def __init__(
        self,
        rng: random.Random | None = None,
        loss: float = 0.0,
        delay: float = 0.01,
        salt: bytes = b"",
        **settings: Any,
    ) -> None:
        self.now = 1000.0
        self.a = Endpoint(EndpointConfig(*A, **settings), seed=b"a" + salt)
        self.b = Endpoint(EndpointConfig(*B, **settings), seed=b"b" + salt)
        self.ends = {A: self.a, B: self.b}
        self.rng, self.loss, self.delay = rng, loss, delay
        self.wire: list[tuple[float, int, bytes, tuple[str, int], tuple[str, int]]] = []
        self.sent: list[tuple[tuple[str, int], bytes]] = []
        self.count = 0
        self.events: dict[tuple[str, int], list[Event]] = {A: [], B: []}
        self.on_event: dict[tuple[str, int], Callable[[Event], None] | None] = {A: None, B: None}
        self.eat: Callable[[tuple[str, int], bytes], bool] = lambda source, data: False

    def collect(self) -> None:
        for here, endpoint in self.ends.items():
            while True:
                for data, there in endpoint.datagrams_to_send():
                    self.sent.append((here, data))
                    if not self.eat(here, data):
                        self.put(data, here, there)
                event = endpoint.next_event()
                if event is None:
                    break
                self.events[here].append(event)
                handler = self.on_event[here]
                if handler is not None:
                    handler(event)

    def put(self, data: bytes, here: tuple[str, int], there: tuple[str, int]) -> None:
        copies, late = 1, 0.0
        if self.rng is not None:
            copies = 0 if self.rng.random() < self.loss else 2 if self.rng.random() < self.loss else 1
        for _ in range(copies):
            if self.rng is not None:
                late = self.rng.random() * 0.2 if self.rng.random() < self.loss else 0.0
            self.count += 1
            self.wire.append((self.now + self.delay + late, self.count, data, here, there))

    def next_at(self) -> float | None:
        times = [item[0] for item in self.wire]
        times += [at for at in (self.a.next_timer(), self.b.next_timer()) if at is not None]
        return min(times) if times else None

    def run(self, seconds: float = 1e9) -> None:
        """Everything that happens within the next `seconds`; the clock then stands at the last thing done, or at the
        end of them.
        """
        until = self.now + seconds
        self.collect()
        while True:
            at = self.next_at()
            if at is None or at > until:
                break
            self.now = max(self.now, at)
            ready = sorted(item for item in self.wire if item[0] <= self.now)
            self.wire = [item for item in self.wire if item[0] > self.now]
            for _, _, data, here, there in ready:
                if there in self.ends:
                    self.ends[there].receive(data, here, self.now)
            self.a.handle_timer(self.now)
            self.b.handle_timer(self.now)
            self.collect()
        if seconds < 1e9:
            self.now = until

    def call(self, **options: Any) -> str:
        """`a` invites `b`; nothing has arrived yet."""
        plan = self.a.plan_invite(
            "sip:100@192.0.2.2", from_uri="sip:dialer@192.0.2.1", destination=B, sdp=OFFER, **options
        )
        return self.a.invite(plan, self.now)

    def confirmed(self) -> str:
        """A call from `a` to `b` that is up; events so far are taken away."""
        leg = self.call()
        self.run(0.1)
        self.b.answer(leg, ANSWER, self.now)
        self.run(0.1)
        self.clear()
        return leg

    def hold(self, start: bytes, most: int | None = None) -> list[bytes]:
        """The first `most` messages that begin so (None: all) are kept back: in the list returned."""
        held: list[bytes] = []
        self.eat = lambda source, data: (
            data.startswith(start) and (most is None or len(held) < most) and held.append(data) is None
        )
        return held

    def insist_on_reliable(self) -> None:
        """Callers of `a` want the provisionals of `b` to be reliable (RFC 3262)."""

        def eat(here: tuple[str, int], data: bytes) -> bool:
            if data.startswith(b"INVITE") and b"Require" not in data:
                self.put(data.replace(b"\r\nContact", b"\r\nRequire: 100rel\r\nContact", 1), here, B)
                return True
            return False

        self.eat = eat

    def clear(self) -> None:
        self.events[A].clear()
        self.events[B].clear()
        self.sent.clear()

    def lines(self, here: tuple[str, int]) -> list[str]:
        """First lines of what an end sent."""
        return [data.split(b"\r\n", 1)[0].decode() for source, data in self.sent if source == here]


@pytest.fixture
def link() -> Link:
    """A perfect link of 10 ms."""
    return Link()


@pytest.fixture
def make_link() -> type[Link]:
    """For links with settings of their own."""
    return Link


@pytest.fixture
def ends() -> tuple[tuple[str, int], tuple[str, int], bytes, bytes]:
    """Addresses of `a` and `b`, an offer of `a`, an answer of `b`."""
    return A, B, OFFER, ANSWER
