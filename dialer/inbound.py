"""Calls that come in: from whom, for which campaign; told to everybody, and refused unless somebody takes them.

Who calls is believed by the address that the INVITE came from: one of a trunk's. Anybody else hears 403, and is
counted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import structlog

from dialer.events import IncomingCall as IncomingCallEvent
from dialer.sip import IncomingCall

if TYPE_CHECKING:
    from dialer.config.campaign_tables import CampaignTable
    from dialer.services import Services
    from dialer.trunk import Trunk

log = structlog.get_logger(__name__)

#: What a call hears that nobody takes, and one that comes from no trunk of ours (RFC 3261 21.4.18, 21.4.4).
NOBODY_HERE, STRANGER = 480, 403


class Inbound:
    """Sorts incoming calls. `take(call, trunk, campaign)` is offered each, and says whether it has taken it: then its
    leg is no more our matter. `campaign` is None for a number that is none of ours.
    """

    def __init__(self, services: Services, trunks: Mapping[str, Trunk]) -> None:
        self.services = services
        self.trunks = trunks
        self.campaigns: Callable[[], Mapping[str, CampaignTable]] = dict
        self.take: Callable[[IncomingCall, Trunk, str | None], bool] = lambda call, trunk, campaign: False

    def on_call(self, call: IncomingCall) -> int | None:
        """The status to refuse it with; None when it was taken."""
        counters = self.services.counters
        trunk = self._trunk(call)
        if trunk is None:
            counters["sip_incoming_stranger"] += 1
            return STRANGER
        number = user_of(call.to_uri)
        campaign = campaign_of(number, self.campaigns())
        taken = self.take(call, trunk, campaign)
        if not taken:
            counters["sip_incoming_refused"] += 1
        log.info("incoming call", trunk=trunk.name, campaign=campaign, leg=call.leg, taken=taken)
        self.services.stream.publish(
            IncomingCallEvent(
                at=self.services.clock.at(), campaign=campaign or "", trunk=trunk.name, sip_call_id=call.leg,
                number=number, caller=user_of(call.from_uri), taken=taken,
            )
        )  # fmt: skip
        return None if taken else NOBODY_HERE

    def _trunk(self, call: IncomingCall) -> Trunk | None:
        if call.source is None:
            return None
        host = call.source[0]
        return next((trunk for trunk in self.trunks.values() if host in trunk.hosts), None)


def user_of(uri: str) -> str:
    """The user part of a SIP or tel URI, at most 64 characters of it; empty when it has none."""
    scheme, _, rest = uri.partition(":")
    user = rest if scheme.lower() == "tel" else rest.rpartition("@")[0]
    return user.partition(";")[0].partition(":")[0][:64]


def campaign_of(number: str, campaigns: Mapping[str, CampaignTable]) -> str | None:
    """The campaign that shows `number` to the people it calls, or has it among its `numbers`."""
    wanted = _digits(number)
    if not wanted:
        return None
    return next((name for name, table in campaigns.items() if wanted in map(_digits, _numbers(table))), None)


def _numbers(table: CampaignTable) -> Collection[str]:
    return [table.caller_id, *(c.number for c in table.caller_ids), *table.numbers]


def _digits(number: str) -> str:
    """E.164 without the plus, however it was written: +34, 0034."""
    bare = number.removeprefix("+").removeprefix("00")
    return bare if bare.isascii() and bare.isdigit() else ""
