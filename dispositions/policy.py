"""What the store must know of a campaign to say who may be called, when, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dispositions.consent import ConsentRule
from dispositions.expression import Filter
from dispositions.fields import FieldSpec
from dispositions.hours import CallingRules, zone_info
from dispositions.table import OutcomeTable, default_table


@dataclass(frozen=True, slots=True)
class AttemptCap:
    """At most `attempts` to one contact in any `window` seconds."""

    attempts: int
    window: float

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.window <= 0:
            raise ValueError("a cap needs at least one attempt and a window above 0 seconds")


@dataclass(frozen=True, slots=True)
class ListPolicy:
    """One list's part. `weight`: its share of the calls among the campaign's lists (None: 1, if another list has one).
    `fields`: the types of its custom fields."""

    weight: float | None = None
    fields: Mapping[str, FieldSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CampaignPolicy:
    """One campaign's rules. All delays in seconds.

    `redial_delay`: until the next attempt where the table's rule names none, and after an interrupted one.
    `abandoned_redial_delay`: after an abandoned call nobody but a reserved agent may call again for so long.
    `callback_grace`: a personal callback turns shared so long after it was due; `callback_expiry`: it closes so long
    after. `attempts_per_day`: per calendar day in the contact's zones. `max_attempts`: in the contact's life.
    `dnc_lists`: the do-not-call lists that bind this campaign beside the own one and its project's, `project_list`.
    `region`: two letters, for numbers written without a country code. `lists`: what is particular to one list, by name.
    `recycled_share`: of the calls that are no callbacks, so many (0..1) go to contacts that were tried before while
    there are fresh ones, too; None: these come first. `consent`: None asks for no lawful basis. `filter`: which
    contacts may be dialed.
    `callback_reminder`: a callback is reminded of so long before it is due; None: it is not."""

    name: str
    table: OutcomeTable = field(default_factory=default_table)
    rules: CallingRules = field(default_factory=CallingRules)
    redial_delay: float = 3600.0
    abandoned_redial_delay: float = 72 * 3600.0
    callback_grace: float = 600.0
    callback_expiry: float = 48 * 3600.0
    attempts_per_day: int | None = None
    max_attempts: int | None = 10
    caps: tuple[AttemptCap, ...] = ()
    dnc_lists: tuple[str, ...] = ()
    region: str | None = None
    own_list: str = "own"
    project_list: str | None = None
    lists: Mapping[str, ListPolicy] = field(default_factory=dict)
    recycled_share: float | None = None
    consent: ConsentRule | None = None
    filter: Filter | None = None
    callback_reminder: float | None = None

    @property
    def mixed(self) -> bool:
        """Whether its lists are dialed by weight."""
        return any(one.weight is not None for one in self.lists.values())

    @property
    def remembered(self) -> int:
        """How many attempt times a contact must carry for the caps to be decided."""
        return max([cap.attempts for cap in self.caps] + [self.attempts_per_day or 0, 1])

    def earliest(self, zones: Sequence[str], attempts_at: Sequence[float], at: float) -> float:
        """The first instant from `at` on at which the caps allow another attempt, given the times (ascending, epoch
        seconds) of at least the last `remembered` ones. `at` itself when they allow it now."""
        when = at
        for cap in self.caps:
            if len(attempts_at) >= cap.attempts:
                when = max(when, attempts_at[-cap.attempts] + cap.window)
        cap_a_day = self.attempts_per_day
        if cap_a_day is not None and len(attempts_at) >= cap_a_day:
            for zone in zones:
                when = max(when, _next_free_day(zone, attempts_at[-cap_a_day], when))
        return when


def _next_free_day(zone: str, nth_last: float, when: float) -> float:
    # The day of the n-th last attempt is full as long as it lasts; the day after it is not.
    info = zone_info(zone)
    full = datetime.fromtimestamp(nth_last, info).date()
    if datetime.fromtimestamp(when, info).date() > full:
        return when
    following = full + timedelta(days=1)
    return max(when, datetime(following.year, following.month, following.day, tzinfo=info).timestamp())
