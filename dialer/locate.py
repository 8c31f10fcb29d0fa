"""Where a carrier's or a phone's name leads (RFC 3263 4.2): SRV, then A and AAAA, in the order to try them.

Literal addresses and explicit ports skip SRV. The transport is the one that was configured or that the URI names, so
NAPTR, which would choose one, is not asked. SRV always goes to name servers; addresses, too, when name servers are
configured, else to the system, which also knows its hosts file. Answers are kept for their time to live.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dialer.resolve import ResolveError, system_addresses
from dialer.sip import Destination, Flow
from dialer.sip.flow import DEFAULT_PORTS

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

__all__ = ["Located", "Locator", "Place", "Target"]

_SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
_PATIENCE = 4.0
"""Seconds for one question to all name servers."""
_SHORTEST, _LONGEST = 5.0, 3600.0
"""Seconds that an answer is kept at least (a TTL of 0 must not make us ask for every call) and at most."""
_SYSTEM = 60.0
"""Seconds that an answer of the system is kept, which tells no time to live."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is to be located. `port` None: not named. `profile`: the TLS settings to connect with."""

    host: str
    port: int | None = None
    transport: str = "udp"
    profile: str = ""

    @classmethod
    def of_uri(cls, uri: str) -> Place:
        """Of a SIP URI or `host[:port]`: `sips` is TLS, `transport` says so, else UDP. Raises ValueError."""
        scheme, colon, rest = uri.partition(":")
        secure = scheme.lower() == "sips"
        if not colon or scheme.lower() not in ("sip", "sips"):
            rest = uri
        hostport, _, params = rest.partition("?")[0].rpartition("@")[2].partition(";")
        transport = "tls" if secure else "udp"
        for param in params.split(";"):
            name, _, value = param.partition("=")
            if name.strip().lower() == "transport" and not secure:
                transport = value.strip().lower()
        if transport not in _SERVICES:
            raise ValueError(f"{transport!r} is no transport that we have: udp, tcp or tls")
        host, bracket, port = hostport.partition("]")
        if bracket:
            host, port = host.removeprefix("["), port.removeprefix(":")
        else:
            host, _, port = hostport.partition(":")
        if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536)):
            raise ValueError(f"{hostport!r} is not host or host:port")
        return cls(host, int(port) if port else None, transport)


@dataclass(frozen=True, slots=True)
class Target:
    """One server: its addresses in order, and its place among the others (RFC 2782)."""

    addresses: tuple[Destination, ...]
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Located:
    """At least one target, the best priority first. `seconds`: how long that may be believed; None: for ever."""

    targets: tuple[Target, ...]
    seconds: float | None = None

    @property
    def first(self) -> Destination:
        """The first address of the best target, whatever the weights."""
        return self.targets[0].addresses[0]


class Locator:
    """Asks `nameservers` (literal addresses with ports); none: those of the system."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = ()) -> None:
        self.nameservers = tuple(nameservers)
        self._resolver: Resolver | None = None

    async def locate(self, place: Place) -> Located:
        """Raises ResolveError with one line for people."""
        if _is_literal(place.host):
            port = place.port or DEFAULT_PORTS[place.transport]
            return Located((Target((_destination(place, place.host, port),)),))
        if place.port is None:
            records, seconds = await self._ask(f"{_SERVICES[place.transport]}.{place.host}", "SRV")
            if records:
                return await self._servers(place, records, seconds)
        addresses, seconds = await self._addresses(place.host)
        port = place.port or DEFAULT_PORTS[place.transport]
        if not addresses:
            raise ResolveError(f"{place.host} has no address")
        return Located((Target(tuple(_destination(place, address, port) for address in addresses)),), seconds)

    async def _servers(self, place: Place, records: list[Any], seconds: float) -> Located:
        found: list[Target] = []
        for record in records:
            name = record.target.to_text(omit_final_dot=True)
            if not name or name == ".":
                continue  # RFC 2782: "." says that there is no such service
            addresses, its_seconds = await self._addresses(name)
            if addresses:
                seconds = min(seconds, its_seconds)
                hosts = tuple(_destination(place, address, record.port) for address in addresses)
                found.append(Target(hosts, record.priority, record.weight))
        if not found:
            raise ResolveError(f"{place.host} has no SIP server over {place.transport.upper()} with an address")
        return Located(tuple(sorted(found, key=lambda target: target.priority)), seconds)

    async def _addresses(self, name: str) -> tuple[list[str], float]:
        """IPv4 first."""
        if not self.nameservers:
            return await system_addresses(name), _SYSTEM
        (v4, one), (v6, other) = await asyncio.gather(self._ask(name, "A"), self._ask(name, "AAAA"))
        return [record.address for record in (*v4, *v6)], min(one, other)

    async def _ask(self, name: str, kind: str) -> tuple[list[Any], float]:
        """The records and how long to keep them; none if the name or the kind does not exist."""
        # Imported here: most configs name addresses, and starting must stay cheap.
        import dns.exception
        import dns.resolver

        try:
            answer = await self._dns().resolve(name, kind, raise_on_no_answer=False, lifetime=_PATIENCE, search=False)
        except dns.resolver.NXDOMAIN:
            return [], _LONGEST
        except dns.resolver.NoResolverConfiguration:
            return [], _SYSTEM  # a machine without name servers still has its hosts file
        except dns.exception.Timeout:
            raise ResolveError(f"no name server answers for {name}") from None
        except dns.exception.DNSException as error:
            raise ResolveError(
                f"{name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            ) from None
        records = [] if answer.rrset is None else list(answer.rrset)
        seconds = _LONGEST if answer.rrset is None else float(answer.rrset.ttl)
        return records, min(max(seconds, _SHORTEST), _LONGEST)

    def _dns(self) -> Resolver:
        if self._resolver is None:
            import dns.asyncresolver
            import dns.resolver

            resolver = dns.asyncresolver.Resolver(configure=not self.nameservers)
            if self.nameservers:
                resolver.nameservers = [host for host, _ in self.nameservers]
                resolver.nameserver_ports = dict(self.nameservers)
            resolver.cache = dns.resolver.LRUCache(1024)
            self._resolver = resolver
        return self._resolver


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _destination(place: Place, host: str, port: int) -> Destination:
    return (host, port) if place.transport == "udp" else Flow(host, port, place.transport, place.profile)
