"""What every part of the engine needs, composed once: clock, store, SIP, media, events, counters."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dialer.clock import Clock
from dialer.events import EventStream
from dialer.ledger import Ledger
from dialer.locate import Locator
from dialer.media import MediaBackend
from dialer.phone_book import PhoneBook
from dialer.switchboard import Switchboard


@dataclass(slots=True)
class Services:
    """The parts that calls, agents and campaigns share. `counters` holds every drop and refusal by reason."""

    clock: Clock
    ledger: Ledger
    switch: Switchboard
    media: MediaBackend
    stream: EventStream
    loop: asyncio.AbstractEventLoop
    from_host: str
    """host:port of our From URIs"""
    phones: PhoneBook | None = None
    """the phones that register with us"""
    outbox: bool = False
    """whether outcomes are also written for MQTT"""
    outbox_wake: Callable[[], None] = lambda: None
    counters: Counter[str] = field(default_factory=Counter)
    locator: Locator = field(default_factory=Locator)

    def timer(self, timers: dict[str, Any], name: str, seconds: float, call: Callable[[], None]) -> None:
        """(Re-)arm the timer `name` of an agent or call."""
        self.stop_timer(timers, name)

        def due() -> None:
            timers.pop(name, None)
            call()

        timers[name] = self.loop.call_later(max(0.0, seconds), due)

    @staticmethod
    def stop_timer(timers: dict[str, Any], name: str) -> None:
        """Disarm it; nothing happens when it is not armed."""
        handle = timers.pop(name, None)
        if handle is not None:
            handle.cancel()

    @staticmethod
    def stop_timers(timers: dict[str, Any]) -> None:
        """Disarm all."""
        for handle in timers.values():
            handle.cancel()
        timers.clear()
