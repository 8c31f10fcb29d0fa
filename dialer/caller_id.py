"""Who a call says that it comes from: From, P-Asserted-Identity (RFC 3325), Privacy (RFC 3323)."""

from __future__ import annotations

from dataclasses import dataclass

from dialer.config.campaign_tables import CampaignTable
from dialer.config.sip_tables import TrunkTable
from dialer.sip.wire import quoted

#: RFC 3323 4.1.1.3: the From of a caller who is not to be known.
ANONYMOUS, NOBODY = "Anonymous", "sip:anonymous@anonymous.invalid"


@dataclass(frozen=True, slots=True)
class CallerId:
    """What an INVITE shows. `headers`: for this trunk; another trunk of the same call has its own."""

    from_uri: str
    display: str | None
    headers: tuple[tuple[str, str], ...]


def shown(table: CampaignTable, number: str) -> tuple[str, str | None]:
    """(number, name) that the person at `number` sees: those of the longest prefix that fits, else the campaign's."""
    best = max((c for c in table.caller_ids if number.startswith(c.prefix)), key=lambda c: len(c.prefix), default=None)
    if best is None:
        return table.caller_id, table.caller_name
    return best.number, best.name if best.name is not None else table.caller_name


def caller_id(table: CampaignTable, trunk: TrunkTable, number: str, host: str) -> CallerId:
    """For a call to `number` (E.164) over `trunk`. `host`: host:port of our own URIs. Raises `UnsafeHeader` for a name
    that must not reach the wire.
    """
    ours, name = shown(table, number)
    return presented(trunk, ours, name, host, anonymous=table.privacy == "id")


def presented(trunk: TrunkTable, ours: str, name: str | None, host: str, *, anonymous: bool = False) -> CallerId:
    """The number `ours` (E.164) and `name` as `trunk` wants them to be said. `anonymous`: to the carrier only. Raises
    `UnsafeHeader`.
    """
    headers: list[tuple[str, str]] = []
    if trunk.asserted_identity is not None:
        asserted = ours if trunk.asserted_identity == "caller_id" else trunk.asserted_identity
        display = f"{quoted(name)} " if name else ""
        headers.append(("P-Asserted-Identity", f"{display}<sip:{asserted}@{trunk.domain or host}>"))
    if anonymous:
        headers.append(("Privacy", "id"))
        return CallerId(NOBODY, ANONYMOUS, tuple(headers))
    return CallerId(f"sip:{ours}@{host}", name, tuple(headers))
