"""How many contacts of a campaign stand where: counted at a pace that follows what the counting costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from dialer.campaign import Campaign
from dialer.events import ServiceAlert
from dialer.services import Services
from dispositions import ContactState, Promises, ReadView
from dispositions.forecast import Forecast

#: Seconds between two counts of a short list.
AT_LEAST = 2.0
#: A count is followed by this many times its own duration without one: 3 million ready rows take half a second, and
#: all reads share one thread.
REST = 50.0


#: The same for the forecast of when a list runs dry, which looks at every group of contacts and a month of hours.
FORECAST_AT_LEAST, FORECAST_DAYS = 60.0, 7
#: How far back promised callbacks are judged, seconds.
PROMISES = 86400.0
#: An alert is raised when so little is left, seconds.
DRY_SOON = 3600.0


@dataclass(frozen=True, slots=True)
class _Outlook:
    ahead: Forecast
    due_next_hour: int
    promises: Promises
    seconds: float


@dataclass(frozen=True, slots=True)
class _Count:
    states: Mapping[ContactState, int]
    queues: Mapping[str, int]
    dialable: int
    closed: int
    seconds: float


class Census:
    """Keeps the counts of all campaigns: `contact_counts`, `queue_depths`, `dialable_contacts`, `closed_contacts`."""

    def __init__(self, services: Services, timer: Callable[[], float] = perf_counter) -> None:
        self._services = services
        self._timer = timer
        self._next: dict[str, float] = {}
        self._next_outlook: dict[str, float] = {}
        self._told_dry: set[str] = set()

    async def look(self, campaign: Campaign) -> None:
        """Count again if it is time to. Raises StoreUnavailable."""
        clock = self._services.clock
        if clock.now() < self._next.get(campaign.name, 0.0):
            return
        at = clock.at()
        count = await self._services.ledger.read(lambda view: self._count(view, campaign.name, at))
        campaign.contact_counts, campaign.queue_depths = count.states, count.queues
        campaign.dialable_contacts, campaign.closed_contacts = count.dialable, count.closed
        self._next[campaign.name] = clock.now() + max(AT_LEAST, REST * count.seconds)

    async def look_ahead(self, campaign: Campaign) -> None:
        """Forecast again if it is time to, and say so once when the list runs dry soon. Raises StoreUnavailable."""
        clock = self._services.clock
        if clock.now() < self._next_outlook.get(campaign.name, 0.0):
            return
        at = clock.at()
        found = await self._services.ledger.read(lambda view: self._outlook(view, campaign.name, at))
        campaign.dry_at, campaign.call_rate = found.ahead.dry_at, found.ahead.rate
        campaign.due_next_hour, campaign.promises = found.due_next_hour, found.promises
        self._next_outlook[campaign.name] = clock.now() + max(FORECAST_AT_LEAST, REST * found.seconds)
        self._tell(campaign, at)

    def _tell(self, campaign: Campaign, at: float) -> None:
        soon = campaign.dry_at is not None and campaign.dry_at - at < DRY_SOON
        if soon and campaign.name not in self._told_dry:
            assert campaign.dry_at is not None
            minutes = max(0.0, campaign.dry_at - at) / 60
            detail = f"{campaign.name}: no contacts left in {minutes:.0f} min at {campaign.call_rate:.0f} calls an hour"
            self._services.stream.publish(
                ServiceAlert(at=at, campaign=campaign.name, alert="list_dry_soon", detail=detail)
            )
        (self._told_dry.add if soon else self._told_dry.discard)(campaign.name)

    def _outlook(self, view: ReadView, name: str, at: float) -> _Outlook:
        """In the reader's thread, on one snapshot."""
        began = self._timer()
        ahead = view.forecast(name, at, days=FORECAST_DAYS)
        due = view.due_by_hour(name, at, 1)[0][1]
        promises = view.promises(name, at - PROMISES, at)
        return _Outlook(ahead, due, promises, self._timer() - began)

    def _count(self, view: ReadView, name: str, at: float) -> _Count:
        """In the reader's thread, on one snapshot."""
        began = self._timer()
        states = view.counts(name)
        queues = view.queue_depths(name, states)
        funnel = view.funnel(name, at, states)
        dialable = funnel["dialable"]
        return _Count(states, queues, dialable, 0 if dialable else funnel.get("closed", 0), self._timer() - began)
