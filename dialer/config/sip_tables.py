"""SIP, media, trunks and agents in the config file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dialer.config.kinds import (
    CAUSE,
    HOST,
    IDENTITY,
    PREPEND,
    SIP_USER,
    STATUS,
    Address,
    Duration,
    EnvName,
    HostPort,
    Name,
    Path,
    Prefix,
    SipUri,
    Table,
    Text,
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
    session_expires: Duration = Field(
        default=1800.0,
        le=86400.0,
        description="a call or an agent's line whose far end has vanished is noticed after this at the latest (RFC 4028); at least 90 s, 0 turns it off",
    )
    phone_keepalive: Duration = Field(
        default=25.0,
        le=3600.0,
        description="OPTIONS to each registered phone, so that the way back to it stays open in routers; 0 turns it off",
    )
    phone_digest: list[Literal["SHA-256", "MD5"]] = Field(
        default=["SHA-256", "MD5"],
        min_length=1,
        description='how agents\' phones that register prove their password, best first; old phones register only with ["MD5"]',
    )
    listen_tcp: HostPort | None = Field(
        default=None,
        description="address and TCP port to accept connections on; default: that of `listen`, when a trunk or phone uses TCP",
    )
    listen_tls: HostPort | None = Field(
        default=None, description="address and port to accept TLS connections on; needs certificate_file"
    )
    certificate_file: Path | None = Field(
        default=None,
        description="our own certificate (PEM, with its chain): shown to whoever connects, and to trunks and phones that ask for one",
    )
    key_file: Path | None = Field(
        default=None, description="its private key (PEM), if it is not in certificate_file; not encrypted"
    )
    ca_file: Path | None = Field(
        default=None,
        description="whom to trust (PEM) on TLS connections with phones and those that come in; default: the system's authorities",
    )
    require_certificate: bool = Field(
        default=False,
        description="accept TLS connections only from those who show a certificate of a trusted authority",
    )
    verify_phones: bool = Field(default=True, description="false: take any certificate from the agents' phones")
    nameservers: list[HostPort] = Field(
        default_factory=list, description="name servers to ask for carriers and phones; default: those of the system"
    )


class MediaTable(Table):
    """The media process."""

    backend: Literal["direct"] = Field(
        default="direct", description="direct: connected parties send audio to each other"
    )
    listen: Annotated[str, Field(max_length=64)] = Field(default="127.0.0.1", description="address of its RTP ports")
    port_min: int = Field(
        default=20000, ge=1024, le=65534, description="first RTP port; two are used per line in the air"
    )
    port_max: int = Field(default=29999, ge=1025, le=65535, description="last RTP port")


class RouteTable(Table):
    """A price for numbers beginning with `prefix` on one trunk; the longest prefix counts."""

    prefix: Prefix = Field(description="numbers that begin so")
    price: float = Field(default=0.0, ge=0, description="cost per minute, or a mere priority: lower is tried first")


NetworkOutcome = Literal["busy", "no_answer", "invalid", "congestion", "rejected", "unknown"]


class CausesTable(Table):
    """What this trunk's carrier means by its codes, where that differs from docs/causes.md."""

    sip: dict[Annotated[str, Field(pattern=STATUS)], NetworkOutcome] = Field(
        default_factory=dict, description='SIP status to outcome, e.g. { 403 = "congestion" }'
    )
    q850: dict[Annotated[str, Field(pattern=CAUSE)], NetworkOutcome] = Field(
        default_factory=dict, description="Q.850 cause to outcome; counts before the status"
    )


class RegistrationTable(Table):
    """A trunk that wants to be registered with; an empty table will do. Without it the carrier knows us by address."""

    registrars: list[HostPort] = Field(
        default_factory=list, description="tried in this order; empty: the trunk's address"
    )
    domain: Annotated[str, Field(max_length=253, pattern=HOST)] | None = Field(
        default=None, description="host part of the address registered; default: the trunk's domain, or its address"
    )
    user: Annotated[str, Field(max_length=64, pattern=SIP_USER)] | None = Field(
        default=None, description="user part of the address registered; default: the trunk's username"
    )
    expires: Duration = Field(default=600.0, ge=60.0, le=86400.0, description="how long a registration shall hold")


class BreakerTable(Table):
    """When a trunk that fails its calls is left alone, and how it is tried again."""

    share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of calls that meet congestion, from which on the trunk is left alone",
    )
    calls: int = Field(default=20, ge=3, le=10000, description="fewer calls than this in the window say nothing")
    window: Duration = Field(default=60.0, ge=1.0, le=3600.0, description="over which the share is counted")
    rest: Duration = Field(
        default=30.0, ge=1.0, le=300.0, description="how long it is left alone; twice as long each time a trial fails"
    )
    trickle: int = Field(default=2, ge=1, le=100, description="calls at once while it is on trial")
    probes: int = Field(default=3, ge=1, le=1000, description="calls of the trial that must go well")


class TrunkTable(Table):
    """A SIP trunk of a carrier."""

    address: Address = Field(
        description="host:port of the carrier's proxy, or its name alone: then DNS (SRV) tells its servers, their order and weights"
    )
    transport: Literal["udp", "tcp", "tls"] = Field(default="udp", description="how SIP travels")
    large_over_tcp: bool = Field(default=False, description="INVITEs too long for a datagram (1,300 bytes) go over TCP")
    ca_file: Path | None = Field(
        default=None, description="with tls: whom to trust (PEM); default: the system's authorities"
    )
    certificate_file: Path | None = Field(
        default=None, description="with tls: the certificate to show (PEM, with its chain); default: that of [sip]"
    )
    key_file: Path | None = Field(
        default=None, description="its private key (PEM), if it is not in certificate_file; not encrypted"
    )
    server_name: Annotated[str, Field(max_length=253, pattern=HOST)] | None = Field(
        default=None,
        description="with tls: the name that the carrier's certificate must hold; default: the host of `address`",
    )
    verify: bool = Field(
        default=True,
        description="false: take any certificate from the carrier; then anybody between may listen and dial",
    )
    domain: Annotated[str, Field(max_length=253, pattern=HOST)] | None = Field(
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
    prepend: Annotated[str, Field(max_length=20, pattern=PREPEND)] = Field(
        default="+", description="put before the digits dialed"
    )
    username: Text | None = Field(default=None, description="user name at the carrier")
    password_env: EnvName | None = Field(default=None, description="environment variable with the password")
    password_file: Path | None = Field(default=None, description="file with the password")
    options_interval: Duration = Field(default=30.0, description="OPTIONS keep-alive; 0 turns it off")
    options_lost: int = Field(default=2, ge=1, le=20, description="unanswered OPTIONS until the trunk counts as down")
    retry_after: Duration = Field(default=30.0, description="pause after 503 without Retry-After, or after a time-out")
    registration: RegistrationTable | None = Field(
        default=None, description="the trunk takes calls only while we are registered; {} is enough"
    )
    asserted_identity: Annotated[str, Field(pattern=IDENTITY)] | None = Field(
        default=None,
        description="sends P-Asserted-Identity (RFC 3325): the number shown ('caller_id'), or always this one; leave out what the carrier does not ask for",
    )
    breaker: BreakerTable = Field(
        default_factory=BreakerTable, description="when a trunk that fails its calls is left alone"
    )
    causes: CausesTable = Field(
        default_factory=CausesTable, description="what the carrier means by its codes, where it differs"
    )


#: An agent's `phone` that is no address: the phone registers with us.
REGISTER = "register"


class AgentTable(Table):
    """An agent, known by the table's name."""

    phone: SipUri | Literal["register"] = Field(
        description="the agent's phone, e.g. sip:ana@192.0.2.7:5060; or 'register': the phone registers here, as the agent's name with a password"
    )
    password_env: EnvName | None = Field(default=None, description="environment variable with the phone's password")
    password_file: Path | None = Field(default=None, description="file with the phone's password")
    name: Text | None = Field(default=None, description="the agent's full name")
    campaigns: list[Name] = Field(
        default_factory=list,
        description="campaigns this agent may log in to; empty: all. One who logs in without naming a campaign is shared by them",
    )
    skills: list[Name] = Field(default_factory=list, description="what this agent can do, as campaigns ask for it")
    token_env: EnvName | None = Field(default=None, description="environment variable with the agent's own API token")
    token_file: Path | None = Field(default=None, description="file with the agent's own API token")
