"""The schema of the config file: one model per table, every key with its meaning, unit and default.

`dialer schema` prints this as JSON Schema. Unknown keys are errors everywhere. Durations are numbers of seconds or
strings such as "90s", "15m", "3h", "2d". Secrets are never in the file: a key ending in `_env` names the environment
variable, one ending in `_file` the file that holds it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dialer.config.campaign_tables import CampaignTable, NextTable
from dialer.config.door_tables import TokenTable, WebhookTable
from dialer.config.kinds import TOPIC, Code, Duration, EnvName, HostPort, Name, Path, Table, Text
from dialer.config.list_tables import DoNotCallTable, ListTable
from dialer.config.sales_tables import SalesTable
from dialer.config.sharing_tables import SharingTable
from dialer.config.sip_tables import AgentTable, MediaTable, SipTable, TrunkTable


class StoreTable(Table):
    """Where contacts, attempts and queues live."""

    url: Text = Field(
        default="sqlite:///var/dialer.db",
        description="SQLAlchemy URL; sqlite:///PATH (relative to this file) or postgresql+psycopg://...",
    )
    commit_interval: Duration = Field(
        default=0.02, le=0.1, description="how long writes may wait to share one commit (group commit), at most 100 ms"
    )


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
    keep_changes: Duration | None = Field(
        default=None,
        description="how long changes of tasks are kept for systems that read on from a cursor; 0: none; left out:"
        " 7 days where there are projects' tokens or webhooks, else none",
    )
    allow_metrics_without_token: bool = Field(default=True, description="/metrics needs no token on loopback")


class MqttTable(Table):
    """Events to, and commands from, a broker. Leave the table out to do without."""

    host: Text = Field(default="127.0.0.1", description="the broker; beyond loopback TLS is needed")
    port: int = Field(default=1883, ge=1, le=65535, description="the broker's TCP port")
    client_id: Name = Field(default="predictive-dialer", description="must not change, or messages in flight are lost")
    topic: Annotated[str, Field(min_length=1, max_length=200, pattern=TOPIC)] = Field(
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
    codes: dict[Name, dict[Code, NextTable]] = Field(
        default_factory=dict, description="sets of agents' codes that several campaigns share, by name"
    )
    campaigns: dict[Name, CampaignTable] = Field(min_length=1, description="campaigns, by name")
    sharing: SharingTable = Field(
        default_factory=SharingTable, description="how agents are moved between the campaigns that they share"
    )
    http: HttpTable = Field(default_factory=HttpTable, description="the API")
    tokens: dict[Name, TokenTable] = Field(default_factory=dict, description="projects' tokens, by name")
    webhooks: dict[Name, WebhookTable] = Field(
        default_factory=dict, description="where the company is told what happened, by name"
    )
    mqtt: MqttTable | None = Field(default=None, description="the broker")
    sales: SalesTable | None = Field(default=None, description="how sales are carried through")
    log: LogTable = Field(default_factory=LogTable, description="the logs")
