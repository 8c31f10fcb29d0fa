"""Where the dialer may connect on somebody's behalf: connectors of sales, webhooks.

A URL may be made of a customer's data, and a name may resolve to anything: so every address is looked at when the
connection is made, private ones (RFC 1918, loopback, link-local with the cloud's metadata, RFC 4193, ...) are refused
unless the config allows them, and it is the address that was looked at which is connected to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Exception):
    """The address may not be connected to; the text says why and what the config would need."""


class AddressUnknown(Exception):
    """The name does not resolve now. Nothing was sent."""


class Egress:
    """`allow`: networks (`10.1.0.0/16`), addresses, or host names that may be private. Raises ValueError."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._networks: list[_Network] = []
        self._names: set[str] = set()
        for entry in allow:
            try:
                self._networks.append(ipaddress.ip_network(entry.strip("[]"), strict=True))
            except ValueError as error:
                if "/" in entry or not _is_name(entry):
                    raise ValueError(f"{entry}: a network such as 10.1.0.0/16, or a host name ({error})") from None
                self._names.add(entry.lower())

    def permits(self, address: str, host: str = "") -> bool:
        """Whether this address may be connected to, when it was reached by the name `host`."""
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
        if host.lower().rstrip(".") in self._names:
            return True
        if any(found.version == network.version and found in network for network in self._networks):
            return True
        return found.is_global and not found.is_multicast

    def check_literal(self, host: str) -> None:
        """Refuse a host that is written as a private address; a name is looked at when it is resolved. Raises
        AddressRefused."""
        bare = host.strip("[]")
        try:
            ipaddress.ip_address(bare.partition("%")[0])
        except ValueError:
            if bare.lower().rstrip(".") == "localhost" and not self.permits("127.0.0.1", bare):
                raise _refusal(bare) from None
            return
        if not self.permits(bare):
            raise _refusal(bare)

    async def resolve(self, host: str, port: int) -> str:
        """The address to connect to. Raises AddressRefused when any that the name has is not permitted,
        AddressUnknown."""
        bare = host.strip("[]")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(bare, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise AddressUnknown(f"{bare[:100]} does not resolve: {type(error).__name__}") from None
        return self.choose(bare, [str(entry[4][0]) for entry in found])

    def choose(self, host: str, addresses: Sequence[str]) -> str:
        """The first of the addresses, all of which must be permitted."""
        if not addresses:
            raise AddressUnknown(f"{host[:100]} has no address")
        for address in addresses:
            if not self.permits(address, host):
                raise _refusal(host)
        return addresses[0]


def _refusal(host: str) -> AddressRefused:
    return AddressRefused(f"{host[:100]} is a private address; if it is meant, name it or its network under `allow`")


def _plain(address: _Address) -> _Address:
    """An IPv4 address that is written as IPv6 is the IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner
    return address


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _is_name(text: str) -> bool:
    return bool(text) and len(text) <= 253 and all(c.isalnum() or c in ".-_" for c in text)
