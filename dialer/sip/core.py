"""What all parts of one endpoint share: the way out, the timers, the transactions, the counters, the random texts."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from hashlib import blake2b
from os import urandom
from typing import TYPE_CHECKING

from dialer.sip.config import Credentials, EndpointConfig
from dialer.sip.digest import DigestClient
from dialer.sip.flow import Destination, Flow
from dialer.sip.grammar import place_of
from dialer.sip.session_timer import wish_line
from dialer.sip.timers import Timers

if TYPE_CHECKING:
    from dialer.sip.events import Event
    from dialer.sip.server_transaction import InviteServer, ServerTransaction
    from dialer.sip.transaction import ClientTransaction

__all__ = ["AckKey", "Core", "Local", "Tap"]

AckKey = tuple[str, str, str, int]
"""Call-ID, To tag, From tag and CSeq number of the ACK of a 2xx."""

Tap = Callable[[bool, bytes, Destination], None]
"""Told of each message: whether we send it, its bytes, the far end."""

_AT_ONCE = 32
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE"


class Local:
    """How we show ourselves over one transport: sent-by, the Via line up to the branch, Contact."""

    __slots__ = ("contact", "contact_uri", "secure_contact", "secure_uri", "sent_by", "via")

    def __init__(self, transport: str, host: str, port: int, user: str) -> None:
        self.sent_by = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.via = Core.via_line(self.sent_by, transport)
        parameter = "" if transport == "udp" else f";transport={transport}"
        self.contact_uri = f"sip:{user}@{self.sent_by}{parameter}"
        self.contact = f"Contact: <{self.contact_uri}>\r\n"
        self.secure_uri = f"sips:{user}@{self.sent_by}" if transport == "tls" else self.contact_uri
        self.secure_contact = f"Contact: <{self.secure_uri}>\r\n"

    def contact_for(self, uri: str) -> str:
        """The Contact line of a dialog that `uri` begins: sips for sips (RFC 3261 8.1.1.8, 12.1.1)."""
        return self.secure_contact if uri[:5].lower() == "sips:" else self.contact


class Core:
    """The shared part of an endpoint. It knows no calls."""

    __slots__ = (
        "_keyed",
        "_made",
        "_random",
        "accepted",
        "allow",
        "allow_reliable",
        "anonymous",
        "asked",
        "callers",
        "clients",
        "config",
        "contact",
        "contact_uri",
        "drops",
        "events",
        "flows",
        "locals",
        "outbox",
        "places",
        "replies",
        "requests",
        "responses",
        "sent",
        "sent_by",
        "server",
        "servers",
        "strays",
        "tap",
        "timers",
        "udp",
        "user_agent",
        "via",
        "wish_lines",
    )

    def __init__(self, config: EndpointConfig, seed: bytes | None) -> None:
        self.config = config
        self.timers = Timers()
        self.outbox: list[tuple[bytes, Destination]] = []
        self.tap: Tap | None = None
        self.events: deque[Event] = deque()
        self.drops: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        """messages that came, by `kind_of`, but for responses"""
        self.responses = [0] * 7
        """responses that came, by the first digit of their status"""
        self.sent = [0] * 256
        """requests that left, by their first letter: all that we make have different ones"""
        self.replies: Counter[str] = Counter()
        """responses that left, by `kind_of`"""
        self.clients: dict[tuple[str, str], ClientTransaction] = {}
        self.servers: dict[tuple[str, str, str], ServerTransaction] = {}
        self.accepted: dict[AckKey, InviteServer] = {}
        """INVITEs that have a 2xx of ours, by their ACK"""
        self.asked: dict[tuple[str, str, int], InviteServer] = {}
        """INVITEs that asked for a new call, by Call-ID, From tag and CSeq number"""
        self.strays: set[tuple[str, str]] = set()
        """client transactions that a 2xx to an INVITE nobody remembers has made"""
        self.flows: dict[Flow, dict[ClientTransaction | ServerTransaction, None]] = {}
        """transactions by the connection that they depend on, in the order of their start"""
        ports = {"udp": config.port, "tcp": config.tcp_port, "tls": config.tls_port}
        self.locals = {
            name: Local(name, config.host, port, config.contact_user)
            for name, port in ports.items()
            if port is not None
        }
        self.udp = self.locals["udp"]
        self.sent_by = self.udp.sent_by
        self.via = self.udp.via
        self.contact_uri = self.udp.contact_uri
        self.contact = self.udp.contact
        self.user_agent = f"User-Agent: {config.user_agent}\r\n"
        self.server = f"Server: {config.user_agent}\r\n"
        self.allow = f"Allow: {ALLOW}\r\nSupported: timer\r\n"
        self.allow_reliable = f"Allow: {ALLOW}\r\nSupported: timer, 100rel\r\n"
        self.wish_lines = wish_line(config.session_expires)
        self._random: Callable[[int], bytes] = urandom if seed is None else random.Random(seed).randbytes
        self._made: list[tuple[str, str, str]] = []
        self.places: dict[Destination, Local] = {}
        """destinations for sip URIs that were found good, and how we show ourselves there"""
        self.callers: set[str] = set()
        """From URIs that were found good"""
        self._keyed = blake2b(digest_size=12, key=config.branch_key)
        self.anonymous = DigestClient(None, self.text)

    @staticmethod
    def via_line(sent_by: str, transport: str = "udp") -> str:
        """The Via line up to the branch; `rport` asks for the answer where the request came from (RFC 3581), `alias`
        offers the connection for requests of the peer (RFC 5923, for TLS).
        """
        alias = ";alias" if transport == "tls" else ""
        return f"Via: SIP/2.0/{transport.upper()} {sent_by};rport{alias};branch="

    def local(self, destination: Destination) -> Local:
        """How we show ourselves to a peer there."""
        return self.locals[destination.transport] if isinstance(destination, Flow) else self.udp

    def where(self, uri: str, first_hop: Destination) -> Destination:
        """Where a URI of a dialog leads, whose first request went to (or came from) `first_hop`.

        A name instead of an address needs RFC 3263, hence a network: `first_hop` then. A URI that names no transport
        stays on that of the first hop: RFC 3263 4.1 would say UDP, and what was secret would go on readable.
        """
        place = place_of(uri)
        if place is None:
            return first_hop
        address, transport, with_port = place
        if transport is None:
            if not isinstance(first_hop, Flow):
                return address
            transport = first_hop.transport
        if transport == "udp":
            return address
        if transport not in self.locals:
            return first_hop if transport == "tls" else address
        port = address[1] if with_port or transport == "tcp" else 5061
        return Flow(address[0], port, transport, first_hop.profile if isinstance(first_hop, Flow) else "")

    def bound_at(self, destination: Destination) -> bool:
        """Whether a phone has registered from there with us. Whatever its Contact says, it is reached there, inside a
        call as well: behind a NAT that is the only way to it (what RFC 5626 5.3 does for phones that say `ob`).
        """
        registrar = self.config.registrar
        return registrar is not None and registrar.bindings.lead_to(destination)

    def digest(self, credentials: Credentials | None) -> DigestClient:
        """Somebody's answers to challenges; whoever has no credentials answers none, and remembers nothing."""
        return self.anonymous if credentials is None else DigestClient(credentials, self.text)

    def hold(self, flow: Flow, transaction: ClientTransaction | ServerTransaction) -> None:
        """`transaction` wants to hear when the connection is lost."""
        self.flows.setdefault(flow, {})[transaction] = None

    def let_go(self, flow: Flow, transaction: ClientTransaction | ServerTransaction) -> None:
        """It does no more."""
        held = self.flows.get(flow)
        if held is not None:
            held.pop(transaction, None)
            if not held:
                del self.flows[flow]

    def text(self) -> str:
        """64 random bits as 16 hexadecimal digits: a tag (RFC 3261 19.3), a Call-ID, a cnonce."""
        return self._random(8).hex()

    def call_and_tag(self) -> tuple[str, str]:
        """A Call-ID and a tag, drawn at once."""
        drawn = self._random(24).hex()
        return drawn[:32], drawn[32:]

    def identity(self) -> tuple[str, str, str]:
        """Call-ID and From tag for a call, and the branch of its first INVITE. They are made for many calls at once:
        one by one each would find the processor cold.
        """
        made = self._made
        if not made:
            for _ in range(_AT_ONCE):
                call_id, tag = self.call_and_tag()
                made.append((call_id, tag, self.branch(call_id, tag, 1, "INVITE")))
        return made.pop()

    def fraction(self) -> float:
        """A random number in [0, 1)."""
        return int.from_bytes(self._random(4)) / 2**32

    def glare_wait(self, owns_call_id: bool) -> float:
        """Seconds until what a 491 has refused may be said again (RFC 3261 14.1): 2.1 to 4 for who made the Call-ID,
        up to 2 for the other, in steps of 10 ms.
        """
        low, steps = (2.1, 190) if owns_call_id else (0.0, 200)
        return low + 0.01 * int(self.fraction() * (steps + 1))

    def branch(self, call_id: str, from_tag: str, cseq: int, method: str, to_tag: str = "") -> str:
        """The branch of a request (RFC 3261 8.1.1.7). A CANCEL uses its INVITE's; anyone with the plan (and key) can
        compute it again.
        """
        named = self._keyed.copy()
        named.update(f"{call_id}\0{from_tag}\0{cseq}\0{method}\0{to_tag}".encode("utf-8", "surrogateescape"))
        return "z9hG4bK" + named.hexdigest()
