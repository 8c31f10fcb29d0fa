"""Addresses of a name as the system knows them: name servers, hosts file, whatever it is set up with."""

from __future__ import annotations

import asyncio
import socket


class ResolveError(Exception):
    """The name has no address; the text is one line."""


async def system_addresses(name: str) -> list[str]:
    """Literal addresses, IPv4 first, off the loop. Raises ResolveError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise ResolveError(f"{name} has no address: {getattr(error, 'strerror', None) or error}") from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
