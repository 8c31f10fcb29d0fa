"""Host names to addresses, off the loop, before anything is sent there: a UDP socket must never wait for a name server.

Literal addresses pass. SRV records and fail-over between several addresses (RFC 3263) are not looked at here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket


class ResolveError(Exception):
    """The name has no address; the text is one line."""


async def resolve(address: tuple[str, int]) -> tuple[str, int]:
    """`(name or literal, port)` -> `(literal, port)`, IPv4 first. Raises ResolveError."""
    host, port = address
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return address
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ResolveError(f"{host} has no address: {error.strerror}") from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    if not found:
        raise ResolveError(f"{host} has no address")
    return str(found[0][4][0]), port
