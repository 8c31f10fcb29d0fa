"""A campaign in the config file: its pacing, outcomes, queues and limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dialer.config.kinds import Code, Duration, Name, Number, Path, Prefix, Table, Text
from dialer.config.list_tables import Basis, ScheduleTable
from dialer.config.sharing_tables import ShareTable


class PacingTable(Table):
    """How many calls are placed. See docs/manager.md."""

    mode: Literal["manual", "preview", "progressive", "power", "predictive", "zero"] = Field(
        default="predictive",
        description="manual and preview: the agent starts each call; progressive: one call per idle agent; power: a fixed number of them; predictive: as many as the abandonment cap bears; zero: pacing itself abandons nobody",
    )
    calls_per_agent: float = Field(default=1.5, ge=1.0, le=20.0, description="power mode: calls per idle agent")
    abandon_cap: float | None = Field(
        default=None,
        ge=0.0001,
        le=0.5,
        description="share of answered calls that may be abandoned; default and upper limit: the jurisdiction's",
    )
    window: Literal["call", "day", "24h", "30d", "month"] | None = Field(
        default=None, description="over which the cap is kept; default: the jurisdiction's"
    )
    peak: float = Field(
        default=3.0,
        ge=1.0,
        le=100.0,
        description="times the cap that any ten minutes may abandon, as far as it can be steered; less is stricter and costs talk time",
    )
    patience: Duration = Field(default=2.0, le=60.0, description="how long an answered customer may wait for an agent")
    ring_floor: Duration | None = Field(
        default=None, le=120.0, description="no call is given up before it rang so long; default: the jurisdiction's"
    )
    ring_timeout: Duration = Field(
        default=25.0, ge=1.0, le=180.0, description="a call that rings so long counts as no answer"
    )
    max_lines: int | None = Field(default=None, ge=1, description="lines of all trunks that this campaign may use")
    expected_answer_rate: float | None = Field(
        default=None, gt=0, lt=1, description="a first guess; learned from the first calls on"
    )
    expected_handle: Duration | None = Field(default=None, description="a first guess of talk and wrap-up")


class NextTable(Table):
    """What becomes of a contact after an outcome or a disposition."""

    next: Literal["done", "retry", "callback", "sale", "do_not_call", "bad_number"] = Field(
        description="the contact's next state"
    )
    after: Duration | None = Field(
        default=None,
        description="retry: wait so long (default: redial_delay); callback: due after so long when the agent gives no time (default: 1d)",
    )
    attempts: int | None = Field(
        default=None, ge=1, le=1000, description="retry: at most so many of this kind, then `exhausted`"
    )
    exhausted: Literal["exhausted", "done", "bad_number"] = Field(
        default="exhausted", description="retry: what the contact becomes after `attempts`"
    )
    personal: bool = Field(default=False, description="callback: bound to the agent who promised it")
    project: bool = Field(
        default=False, description="with do_not_call: the mark binds the campaigns of this one's project only"
    )
    label: Text | None = Field(default=None, description="what the agent sees; default: the code")
    person: bool = Field(default=True, description="False: a machine, fax or wrong line was reached, not a person")


OutcomeName = Literal[
    "busy",
    "no_answer",
    "machine",
    "fax",
    "invalid",
    "congestion",
    "rejected",
    "unknown",
    "cancelled",
    "abandoned",
    "interrupted",
    "undisposed",
]


class CallbacksTable(Table):
    """How promised callbacks are kept."""

    grace: Duration = Field(
        default=900.0, description="a personal one whose agent is away becomes shared so long after it was due"
    )
    expiry: Duration = Field(default=7 * 86400.0, description="dropped so long after it was due")
    remind: Duration = Field(
        default=300.0, le=86400.0, description="its agent (or everybody) is reminded so long before; 0: not at all"
    )


class CampaignConsentTable(Table):
    """On what ground people may be called. The jurisdiction's own demands always hold."""

    required: bool = Field(default=False, description="nobody is dialed without a lawful basis on record")
    lifetime: Duration | None = Field(
        default=None, description="consent is renewed after so long; default and upper limit: the jurisdiction's"
    )
    bases: list[Basis] = Field(
        default_factory=list, description="the bases that are enough; default: the jurisdiction's, or any"
    )


class QueuesTable(Table):
    """The queues behind the calls."""

    callbacks: CallbacksTable = Field(default_factory=CallbacksTable, description="how promised callbacks are kept")
    sale_fields: list[Text] = Field(default_factory=list, description="fields a sale must carry; empty: any")


class CallerIdTable(Table):
    """The number shown to people whose own begins with `prefix`; the longest prefix counts."""

    prefix: Prefix = Field(description="numbers that begin so")
    number: Number = Field(description="what they see")
    name: Text | None = Field(default=None, description="the display name; default: caller_name")


class CampaignTable(Table):
    """A campaign, known by the table's name."""

    lists: list[Name] = Field(min_length=1, description="the contact lists; a list belongs to one campaign")
    trunks: list[Name] = Field(min_length=1, description="the trunks that may carry its calls")
    agents: list[Name] | Literal["all"] = Field(default="all", description="who may work here")
    skills: list[Name] = Field(
        default_factory=list, description="skills that an agent must have to work here, all of them; empty: none"
    )
    sharing: ShareTable = Field(
        default_factory=ShareTable, description="its claim to agents whom it shares with other campaigns"
    )
    caller_id: Number = Field(description="shown to the people called")
    caller_name: Text | None = Field(default=None, description="the client's company, as From's display name")
    caller_ids: list[CallerIdTable] = Field(
        default_factory=list,
        description='other numbers for some countries; each entry is { prefix = "+34", number = "+34910000000" }',
    )
    privacy: Literal["none", "id"] = Field(
        default="none",
        description="id: the people called see no number, only the carrier does (RFC 3323); many places forbid that",
    )
    numbers: list[Number] = Field(
        default_factory=list, description="further numbers on which this campaign is called, overflow for one"
    )
    jurisdiction: Name = Field(
        description="a place whose rules ship, e.g. us, us-fl, uk (check names them all for an unknown one), or 'none'"
    )
    schedule: ScheduleTable = Field(default_factory=ScheduleTable, description="when it may dial")
    pacing: PacingTable = Field(default_factory=PacingTable, description="how many calls are placed")
    message: Path | None = Field(
        default=None, description="WAV played to people for whom no agent was free; default: a built-in one"
    )
    redial_delay: Duration = Field(default=3600.0, description="the same number is never dialed twice within this time")
    abandoned_redial_delay: Duration | None = Field(
        default=None, description="default: the jurisdiction's (72 h where it has none)"
    )
    max_attempts: int = Field(default=8, ge=1, le=1000, description="attempts to one contact in its life")
    attempts_per_day: int | None = Field(
        default=None, ge=1, le=100, description="attempts to one contact in a day; default: the jurisdiction's"
    )
    do_not_call: list[Name] | Literal["all"] = Field(default="all", description="the do-not-call files that bind it")
    project: Name | None = Field(
        default=None,
        description="the client or project that it belongs to: campaigns of one share a do-not-call list of their own",
    )
    filter: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        default=None,
        description="which contacts of the lists may be dialed, e.g. \"fields.age >= 30 and region == 'ES-MD'\": docs/manager.md",
    )
    recycled_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the calls that goes to contacts tried before, while there are fresh ones; default: they come first",
    )
    consent: CampaignConsentTable = Field(
        default_factory=CampaignConsentTable, description="on what ground people may be called"
    )
    agent_choice: Literal["longest_idle", "fewest_calls"] = Field(
        default="longest_idle", description="who gets the next call"
    )
    wrap_up_max: Duration = Field(default=120.0, description="wrap-up ends by itself after this time; 0: never")
    break_reasons: list[Text] = Field(
        default_factory=lambda: ["break", "lunch", "training"],
        description="what an agent may give as reason of a break; default: break, lunch, training",
    )
    outcomes: dict[OutcomeName, NextTable] = Field(
        default_factory=dict, description="what the network's outcomes lead to; missing ones have defaults"
    )
    codes: list[Name] = Field(
        default_factory=list, description="shared sets of codes; the campaign's own dispositions come on top"
    )
    dispositions: dict[Code, NextTable] = Field(
        default_factory=dict, description="the agents' codes; at least one, here or in a shared set"
    )
    queues: QueuesTable = Field(default_factory=QueuesTable, description="the queues behind the calls")
