"""How many contacts of a campaign stand where: counted at a pace that follows what the counting costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from dialer.campaign import Campaign, CampaignState
from dialer.services import Services
from dispositions import ContactState, ReadView

#: Seconds between two counts of a short list.
AT_LEAST = 2.0
#: A count is followed by this many times its own duration without one: 3 million ready rows take half a second, and
#: all reads share one thread.
REST = 50.0


@dataclass(frozen=True, slots=True)
class _Count:
    states: Mapping[ContactState, int]
    queues: Mapping[str, int]
    closed: int | None
    seconds: float


class Census:
    """Keeps the counts of all campaigns: `contact_counts`, `queue_depths`, `closed_contacts`."""

    def __init__(self, services: Services, timer: Callable[[], float] = perf_counter) -> None:
        self._services = services
        self._timer = timer
        self._next: dict[str, float] = {}

    async def look(self, campaign: Campaign) -> None:
        """Count again if it is time to. Raises StoreUnavailable."""
        clock = self._services.clock
        if clock.now() < self._next.get(campaign.name, 0.0):
            return
        at = clock.at()
        idle = campaign.state in (CampaignState.NO_CONTACTS, CampaignState.CLOSED)
        count = await self._services.ledger.read(lambda view: self._count(view, campaign.name, at, idle))
        campaign.contact_counts, campaign.queue_depths = count.states, count.queues
        if count.closed is not None:
            campaign.closed_contacts = count.closed
        self._next[campaign.name] = clock.now() + max(AT_LEAST, REST * count.seconds)

    def _count(self, view: ReadView, name: str, at: float, idle: bool) -> _Count:
        """In the reader's thread, on one snapshot."""
        began = self._timer()
        states = view.counts(name)
        queues = view.queue_depths(name, states)
        closed = None
        if idle:
            funnel = view.funnel(name, at, states)
            closed = 0 if funnel["dialable"] else funnel.get("closed", 0)
        return _Count(states, queues, closed, self._timer() - began)
