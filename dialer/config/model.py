"""The schema of the config file: one model per table, every key with its meaning, unit and default.

`dialer schema` prints this as JSON Schema. Unknown keys are errors everywhere. Durations are numbers of seconds or
strings such as "90s", "15m", "3h", "2d". Secrets are never in the file: a key ending in `_env` names the environment
variable, one ending in `_file` the file that holds it.
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_UNIT = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"^([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|)$")


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        match = _DURATION.match(value.strip())
        if match is None:
            raise ValueError("a duration is a number of seconds or a string such as '90s', '15m', '3h', '2d'")
        return float(match.group(1)) * _UNIT[match.group(2)]
    if isinstance(value, bool):
        raise ValueError("a duration is a number of seconds or a string such as '90s', '15m', '3h', '2d'")
    return value


LONGEST = 10 * 366 * 86400.0


def _in_ten_years(value: float) -> float:
    if not 0.0 <= value <= LONGEST:
        raise ValueError("a duration is from 0 seconds to ten years")
    return value


Duration = Annotated[
    float,
    # Not ge and le: pydantic would let these loosen a key's own, tighter limits.
    AfterValidator(_in_ten_years),
    # schema.py makes of this mark what a TOML file may hold: a number, or a string with a unit.
    Field(json_schema_extra={"duration": True}),
    BeforeValidator(_duration),
]


def _no_controls(value: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError("control characters are not allowed")
    return value


def _clock(value: Any) -> Any:
    # TOML has times of its own: 09:00:00 without quotes means the same.
    if isinstance(value, datetime.time) and not (value.second or value.microsecond or value.tzinfo):
        return value.strftime("%H:%M")
    return value


def _date(value: Any) -> Any:
    # datetime is a date, too: only a plain TOML date is meant.
    return value.isoformat() if type(value) is datetime.date else value


def _real_date(value: str) -> str:
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such day in the calendar") from None
    return value


def _port(value: str) -> str:
    if int(value.rpartition(":")[2]) > 65535:
        raise ValueError("a port is at most 65535")
    return value


_NAME = r"^[A-Za-z0-9_.-]+$"
_CODE = r"^[a-z0-9][a-z0-9_.-]{0,39}$"
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_PREFIX = r"^\+[0-9]{0,14}$"
_NUMBER = r"^\+?[0-9]{2,15}$"
_HOST_PORT = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}$"
_HOST = r"^[A-Za-z0-9.:\[\]_-]+$"
_SIP_URI = r"^sips?:[^\s<>\"\r\n]+$"
_ENV = r"^[A-Za-z_][A-Za-z0-9_]*$"
_REGION = r"^[A-Z]{2}$"
_PREPEND = r"^[+0-9*#]*$"
_TOPIC = r"^[^+#\x00-\x1f]+$"

#: What each pattern means, in words for error messages and for docs/config.md.
PATTERN_WORDS: dict[str, str] = {
    _DURATION.pattern: "a number of seconds or a string such as '90s', '15m', '3h', '2d'",
    _NAME: "a name of letters, digits, '_', '.' and '-'",
    _CODE: "a code of small letters, digits, '_', '.' and '-', at most 40",
    _CLOCK: "a time as 'HH:MM', '00:00' to '24:00'",
    _DATE: "a date as 'YYYY-MM-DD'",
    _PREFIX: "a number's beginning as '+' and up to 14 digits, e.g. '+34'",
    _NUMBER: "2 to 15 digits, with or without a leading '+'",
    _HOST_PORT: "'host:port', e.g. '192.0.2.10:5060'",
    _HOST: "a host name or address",
    _SIP_URI: "a SIP address, e.g. 'sip:ana@192.0.2.7:5060'",
    _ENV: "the name of an environment variable",
    _REGION: "two capital letters of an ISO country, e.g. 'ES'",
    _PREPEND: "digits, '+', '*' and '#'",
    _TOPIC: "a topic without '+' and '#'",
}

PATH_LENGTH = 4096

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_NAME)]
Code = Annotated[str, Field(pattern=_CODE)]
Text = Annotated[str, Field(max_length=500), AfterValidator(_no_controls)]
Path = Annotated[str, Field(min_length=1, max_length=PATH_LENGTH), AfterValidator(_no_controls)]
Clock = Annotated[str, Field(pattern=_CLOCK), BeforeValidator(_clock)]
Date = Annotated[str, Field(pattern=_DATE), AfterValidator(_real_date), BeforeValidator(_date)]
Prefix = Annotated[str, Field(pattern=_PREFIX)]
Number = Annotated[str, Field(pattern=_NUMBER)]
Region = Annotated[str, Field(pattern=_REGION)]
HostPort = Annotated[str, Field(min_length=3, max_length=260, pattern=_HOST_PORT), AfterValidator(_port)]
SipUri = Annotated[str, Field(max_length=300, pattern=_SIP_URI), AfterValidator(_no_controls)]
EnvName = Annotated[str, Field(pattern=_ENV)]


class Table(BaseModel):
    """A TOML table: unknown keys are errors."""

    # Strict: "30" is not 30, and 1 is not true; a manager is told instead of guessed at.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class StoreTable(Table):
    """Where contacts, attempts and queues live."""

    url: Text = Field(
        default="sqlite:///var/dialer.db",
        description="SQLAlchemy URL; sqlite:///PATH (relative to this file) or postgresql+psycopg://...",
    )
    commit_interval: Duration = Field(
        default=0.02, le=0.1, description="how long writes may wait to share one commit (group commit), at most 100 ms"
    )


class SipTable(Table):
    """The dialer's own SIP side."""

    listen: HostPort = Field(
        default="127.0.0.1:5060", description="address and UDP port to bind; port 0 takes a free one"
    )
    advertise: HostPort | None = Field(
        default=None, description="what Via and Contact show, when it differs from `listen`"
    )
    user_agent: Text = Field(default="predictive-dialer", description="the User-Agent header")


class MediaTable(Table):
    """The media process."""

    backend: Literal["direct"] = Field(
        default="direct", description="direct: connected parties send audio to each other"
    )
    listen: Annotated[str, Field(max_length=64)] = Field(default="127.0.0.1", description="address of its RTP ports")
    port_min: int = Field(
        default=20000, ge=1024, le=65534, description="first RTP port; two are used per line in the air"
    )
    port_max: int = Field(default=20999, ge=1025, le=65535, description="last RTP port")


class RouteTable(Table):
    """A price for numbers beginning with `prefix` on one trunk; the longest prefix counts."""

    prefix: Prefix = Field(description="numbers that begin so")
    price: float = Field(default=0.0, ge=0, description="cost per minute, or a mere priority: lower is tried first")


class TrunkTable(Table):
    """A SIP trunk of a carrier."""

    address: HostPort = Field(description="host:port of the carrier's proxy")
    domain: Annotated[str, Field(max_length=253, pattern=_HOST)] | None = Field(
        default=None, description="host part of the Request-URI; default: the address"
    )
    lines: int = Field(default=30, ge=1, le=100000, description="calls at once")
    calls_per_second: float = Field(default=10.0, gt=0, le=10000, description="new calls a second at most")
    prefixes: list[Prefix] = Field(
        min_length=1, description="numbers may only begin with one of these: the guard against toll fraud"
    )
    price: float = Field(default=0.0, ge=0, description="cost per minute, or a mere priority")
    routes: list[RouteTable] = Field(
        default_factory=list, description='prices by prefix; each entry is { prefix = "+34", price = 0.02 }'
    )
    reserve: bool = Field(default=False, description="used only when no other trunk can take the call")
    strip: int = Field(default=0, ge=0, le=15, description="leading digits (after the plus) cut from the dialed number")
    prepend: Annotated[str, Field(max_length=20, pattern=_PREPEND)] = Field(
        default="+", description="put before the digits dialed"
    )
    username: Text | None = Field(default=None, description="user name at the carrier")
    password_env: EnvName | None = Field(default=None, description="environment variable with the password")
    password_file: Path | None = Field(default=None, description="file with the password")
    options_interval: Duration = Field(default=30.0, description="OPTIONS keep-alive; 0 turns it off")
    options_lost: int = Field(default=2, ge=1, le=20, description="unanswered OPTIONS until the trunk counts as down")
    retry_after: Duration = Field(default=30.0, description="pause after 503 without Retry-After, or after a time-out")


class AgentTable(Table):
    """An agent, known by the table's name."""

    phone: SipUri = Field(description="the agent's phone, e.g. sip:ana@192.0.2.7:5060")
    name: Text | None = Field(default=None, description="the agent's full name")
    campaigns: list[Name] = Field(default_factory=list, description="campaigns this agent may log in to; empty: all")
    token_env: EnvName | None = Field(default=None, description="environment variable with the agent's own API token")
    token_file: Path | None = Field(default=None, description="file with the agent's own API token")


class ColumnsTable(Table):
    """Which CSV column holds what. Columns not named here are kept as fields."""

    number: list[Text] = Field(
        default_factory=lambda: ["number"],
        min_length=1,
        description='phone number columns, tried in this order; default: ["number"]',
    )
    id: Text | None = Field(default=None, description="the company's own key of the contact")
    name: Text | None = Field(default=None, description="column of the contact's name")
    timezone: Text | None = Field(default=None, description="column of an IANA time zone; it beats the number's own")
    priority: Text | None = Field(default=None, description="column of a whole number; higher is called first")
    language: Text | None = Field(default=None, description="column of the contact's language")


class ListTable(Table):
    """A contact list: a CSV file, imported at start and by `dialer import`."""

    path: Path | None = Field(
        default=None, description="the CSV file, relative to this config file; none: filled through the API"
    )
    region: Region = Field(description="ISO country of numbers written without +")
    columns: ColumnsTable = Field(default_factory=ColumnsTable, description="which column holds what")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default=None, description="default: found by looking"
    )
    encoding: Text | None = Field(default=None, description="default: found by looking")
    rejects: Path | None = Field(default=None, description="where refused rows go; default: PATH.rejects.csv")
    validity: Literal["valid", "possible"] = Field(
        default="valid", description="possible also lets through ranges kept for tests and fiction"
    )


class DoNotCallTable(Table):
    """A do-not-call file: one number per line, or a CSV column."""

    path: Path = Field(description="the file, relative to this config file")
    region: Region = Field(description="ISO country of numbers written without +")
    column: Text | None = Field(default=None, description="the column of a CSV file; none: one number per line")


class HoursTable(Table):
    """An opening time of a weekday."""

    start: Clock = Field(description="from this time on")
    end: Clock = Field(description='until this time; midnight is "24:00"')


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class ScheduleTable(Table):
    """When the campaign may dial, in the contact's own zones, inside what the jurisdiction allows."""

    timezone: Text | None = Field(
        default=None, description="zone of contacts whose number has none; default: the jurisdiction's"
    )
    hours: dict[Weekday, list[HoursTable]] | None = Field(
        default=None, description="default: what the jurisdiction allows"
    )
    closed: list[Date] = Field(default_factory=list, description="further closed dates")
    open_at: Date | None = Field(default=None, description="first day of the campaign")
    close_at: Date | None = Field(default=None, description="last day of the campaign")


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
    label: Text | None = Field(default=None, description="what the agent sees; default: the code")
    person: bool = Field(default=True, description="False: a machine, fax or wrong line was reached, not a person")


OutcomeName = Literal[
    "busy",
    "no_answer",
    "machine",
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


class QueuesTable(Table):
    """The queues behind the calls."""

    callbacks: CallbacksTable = Field(default_factory=CallbacksTable, description="how promised callbacks are kept")
    sale_fields: list[Text] = Field(default_factory=list, description="fields a sale must carry; empty: any")


class CampaignTable(Table):
    """A campaign, known by the table's name."""

    lists: list[Name] = Field(min_length=1, description="the contact lists; a list belongs to one campaign")
    trunks: list[Name] = Field(min_length=1, description="the trunks that may carry its calls")
    agents: list[Name] | Literal["all"] = Field(default="all", description="who may work here")
    caller_id: Number = Field(description="shown to the people called")
    caller_name: Text | None = Field(default=None, description="the client's company, as From's display name")
    jurisdiction: Name = Field(description="a rules file that ships (dialer check lists them), or 'none'")
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
    dispositions: dict[Code, NextTable] = Field(min_length=1, description="the agents' codes")
    queues: QueuesTable = Field(default_factory=QueuesTable, description="the queues behind the calls")


class HttpTable(Table):
    """The API, the metrics page and the live board's door."""

    listen: HostPort = Field(
        default="127.0.0.1:8080",
        description="address and TCP port; beyond loopback a token is needed; port 0 takes a free one",
    )
    token_env: EnvName | None = Field(
        default=None, description="supervisor's token; without one a token file is made beside the store"
    )
    token_file: Path | None = Field(default=None, description="file with the supervisor's token")
    allow_metrics_without_token: bool = Field(default=True, description="/metrics needs no token on loopback")


class MqttTable(Table):
    """Events to, and commands from, a broker. Leave the table out to do without."""

    host: Text = Field(default="127.0.0.1", description="the broker; beyond loopback TLS is needed")
    port: int = Field(default=1883, ge=1, le=65535, description="the broker's TCP port")
    client_id: Name = Field(default="predictive-dialer", description="must not change, or messages in flight are lost")
    topic: Annotated[str, Field(min_length=1, max_length=200, pattern=_TOPIC)] = Field(
        default="dialer", description="first part of every topic"
    )
    username: Text | None = Field(default=None, description="user name at the broker")
    password_env: EnvName | None = Field(default=None, description="environment variable with the password")
    password_file: Path | None = Field(default=None, description="file with the password")
    tls: bool = Field(default=False, description="encrypt and check the broker's certificate")
    commands: bool = Field(default=True, description="take commands from TOPIC/command/#")
    command_token_env: EnvName | None = Field(
        default=None, description="commands must carry this token; needed beyond loopback"
    )


class LogTable(Table):
    """Structured logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="the least that is written")
    format: Literal["text", "json"] = Field(default="text", description="text for people, json for collectors")


class ConfigFile(Table):
    """The whole file."""

    base: Path | None = Field(default=None, description="another config file that this one changes, key by key")
    time_scale: float = Field(
        default=1.0,
        ge=1.0,
        le=100.0,
        description="for demos: every duration of the campaign divided by this (not SIP's own timers)",
    )
    store: StoreTable = Field(default_factory=StoreTable, description="where contacts, attempts and queues live")
    sip: SipTable = Field(default_factory=SipTable, description="the dialer's own SIP side")
    media: MediaTable = Field(default_factory=MediaTable, description="the media process")
    trunks: dict[Name, TrunkTable] = Field(min_length=1, description="SIP trunks, by name")
    agents: dict[Name, AgentTable] = Field(min_length=1, description="agents, by name")
    lists: dict[Name, ListTable] = Field(min_length=1, description="contact lists, by name")
    do_not_call: dict[Name, DoNotCallTable] = Field(default_factory=dict, description="do-not-call files, by name")
    campaigns: dict[Name, CampaignTable] = Field(min_length=1, description="campaigns, by name")
    http: HttpTable = Field(default_factory=HttpTable, description="the API")
    mqtt: MqttTable | None = Field(default=None, description="the broker")
    log: LogTable = Field(default_factory=LogTable, description="the logs")
