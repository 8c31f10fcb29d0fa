"""Where a command may send: checked before anything is."""

from __future__ import annotations

from dialer.sip.core import Core
from dialer.sip.errors import BadDestination
from dialer.sip.flow import Destination, Flow
from dialer.sip.grammar import literal_address
from dialer.sip.plan import InvitePlan
from dialer.sip.wire import checked_headers, checked_uri, checked_value

__all__ = ["check_plan", "checked_caller", "checked_destination"]

_MOST_PLACES = 4096


def checked_destination(core: Core, destination: Destination, uri: str) -> Destination:
    """The destination itself, for a request to `uri`. Raises `BadDestination` for names, for transports that we do
    not have, and for a way to a sips URI that is not TLS.
    """
    host, port = destination[0], destination[1]
    if not literal_address(host) or not 0 < port < 65_536:
        raise BadDestination(f"not an address and a port: {host!r}, {port!r}")
    transport = destination.transport if isinstance(destination, Flow) else "udp"
    if transport not in core.locals:
        raise BadDestination(f"this endpoint has no {transport}")
    if transport != "tls" and uri[:5].lower() == "sips:":
        raise BadDestination(f"{uri} wants TLS, not {transport} (RFC 3261 26.2.2)")
    good = (host, port) if transport == "udp" else destination
    if len(core.places) >= _MOST_PLACES:
        core.places.clear()
    core.places[good] = core.local(good)
    return good


def checked_caller(core: Core, uri: str) -> str:
    """`checked_uri` for a From URI, of which there are few: it is remembered."""
    if len(core.callers) >= _MOST_PLACES:
        core.callers.clear()
    core.callers.add(checked_uri(uri))
    return uri


def check_plan(core: Core, plan: InvitePlan) -> None:
    """A plan may come from disk. Raises `UnsafeHeader`, `BadDestination`."""
    checked_destination(core, plan.destination, plan.request_uri)
    for uri in (plan.request_uri, plan.to_uri, plan.from_uri):
        checked_uri(uri)
    for text in (plan.call_id, plan.from_tag, plan.sent_by, plan.from_display or ""):
        checked_value(text)
    checked_headers(plan.headers)
