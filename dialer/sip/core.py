"""What all parts of one endpoint share: the way out, the timers, the transactions, the counters, the random texts."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING

from dialer.sip.config import EndpointConfig
from dialer.sip.timers import Timers

if TYPE_CHECKING:
    from dialer.sip.events import Event
    from dialer.sip.transaction import ClientTransaction, ServerTransaction

__all__ = ["Core", "Tap"]

Tap = Callable[[bool, bytes, tuple[str, int]], None]
"""Told of each message: whether we send it, its bytes, the far end."""

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE"


class Core:
    """The shared part of an endpoint. It knows no calls."""

    __slots__ = (
        "_bits",
        "allow",
        "allow_reliable",
        "clients",
        "config",
        "contact",
        "contact_uri",
        "drops",
        "events",
        "outbox",
        "sent_by",
        "server",
        "servers",
        "strays",
        "tap",
        "timers",
        "user_agent",
        "via",
    )

    def __init__(self, config: EndpointConfig, seed: bytes | None) -> None:
        self.config = config
        self.timers = Timers()
        self.outbox: list[tuple[bytes, tuple[str, int]]] = []
        self.tap: Tap | None = None
        self.events: deque[Event] = deque()
        self.drops: Counter[str] = Counter()
        self.clients: dict[tuple[str, str], ClientTransaction] = {}
        self.servers: dict[tuple[str, str, str], ServerTransaction] = {}
        self.strays: set[tuple[str, str]] = set()
        """client transactions that a 2xx to an INVITE nobody remembers has made"""
        host = f"[{config.host}]" if ":" in config.host else config.host
        self.sent_by = f"{host}:{config.port}"
        self.via = self.via_line(self.sent_by)
        self.contact_uri = f"sip:{config.contact_user}@{self.sent_by}"
        self.contact = f"Contact: <{self.contact_uri}>\r\n"
        self.user_agent = f"User-Agent: {config.user_agent}\r\n"
        self.server = f"Server: {config.user_agent}\r\n"
        self.allow = f"Allow: {ALLOW}\r\nSupported: timer\r\n"
        self.allow_reliable = f"Allow: {ALLOW}\r\nSupported: timer, 100rel\r\n"
        self._bits = (random.SystemRandom() if seed is None else random.Random(seed)).getrandbits

    @staticmethod
    def via_line(sent_by: str) -> str:
        """The Via line up to the branch; `rport` asks for the answer where the request came from (RFC 3581)."""
        return f"Via: SIP/2.0/UDP {sent_by};rport;branch="

    def text(self) -> str:
        """64 random bits as 16 hexadecimal digits: a tag (RFC 3261 19.3), a Call-ID, a cnonce."""
        return f"{self._bits(64):016x}"

    def fraction(self) -> float:
        """A random number in [0, 1)."""
        return self._bits(32) / 2**32

    def branch(self, call_id: str, from_tag: str, cseq: int, method: str, to_tag: str = "") -> str:
        """The branch of a request (RFC 3261 8.1.1.7). A CANCEL uses its INVITE's; anyone with the plan (and key) can
        compute it again.
        """
        named = f"{call_id}\0{from_tag}\0{cseq}\0{method}\0{to_tag}".encode("utf-8", "surrogateescape")
        return "z9hG4bK" + blake2b(named, digest_size=12, key=self.config.branch_key).hexdigest()
