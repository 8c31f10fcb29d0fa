"""Where a message goes to or comes from: an address for UDP, a `Flow` for the transports that have connections.

UDP keeps the bare `(host, port)` that a socket takes and gives, so nothing is converted on its way. A `Flow` names a
connection by its far end, which is unique for one transport and profile: the endpoint says "over this flow", and
whoever owns the sockets finds the connection, or opens it. Host and port come first in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["DEFAULT_PORTS", "Destination", "Flow", "destination_from", "transport_of"]

DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
"""RFC 3261 19.1.2."""


class Flow(NamedTuple):
    """A connection, open or to be opened, to a literal address over `tcp` or `tls` (both reliable).

    `profile` names the TLS settings (certificates, the name to verify) with which it is opened; the owner of the
    sockets knows what stands behind the name. Empty: the default ones, and every connection that was accepted.
    """

    host: str
    port: int
    transport: str
    profile: str = ""


Destination = tuple[str, int] | Flow


def transport_of(destination: Destination) -> str:
    """`udp`, `tcp` or `tls`."""
    return destination.transport if isinstance(destination, Flow) else "udp"


def destination_from(saved: Sequence[Any]) -> Destination:
    """What `list(destination)` wrote, from JSON. Raises TypeError or ValueError if it is something else."""
    if len(saved) == 2:
        return str(saved[0]), int(saved[1])
    host, port, transport, profile = saved
    if transport not in ("tcp", "tls"):
        raise ValueError(f"no transport that has flows: {transport!r}")
    return Flow(str(host), int(port), transport, str(profile))
