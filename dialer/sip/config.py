"""What an endpoint is told once, at its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dialer.sip.wire import checked_token, checked_value

if TYPE_CHECKING:
    from dialer.sip.registrar import Registrar

__all__ = ["Credentials", "EndpointConfig"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name and password for digest authentication (RFC 3261 22). The password never shows in `repr`."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Settings of an endpoint; times in seconds (RFC 3261 Table 4).

    `host` and `port` are what Via and Contact show, so they must reach us from the peers. `branch_key` must be secret
    and must survive a restart: it keys the hash that branches are made of, and a 2xx to an INVITE that we no longer
    know is ended with ACK + BYE only when its branch is really ours. Without it anybody can make such a 2xx, and we
    would send to whatever address it names. `max_strays`: so many of those at once. `contact_user` is the user part
    of Contact.
    `registrar` answers REGISTER; without one it is refused with 405.
    `tcp_port`, `tls_port`: what Via and Contact show over these transports; None: the endpoint does not use them.
    `session_expires`: ask for a session timer of so many seconds in every call (RFC 4028; at least 90).
    """

    host: str
    port: int
    tcp_port: int | None = None
    tls_port: int | None = None
    user_agent: str = "predictive-dialer"
    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    max_legs: int = 20_000
    max_message: int = 65_535
    max_server_transactions: int = 200_000
    max_strays: int = 64
    options_status: int = 200
    contact_user: str = "dialer"
    branch_key: bytes = b""
    session_expires: int | None = None
    registrar: Registrar | None = None

    def __post_init__(self) -> None:
        """Raises `UnsafeHeader` for text that must not reach the wire and `ValueError` for numbers out of range."""
        checked_value(self.user_agent)
        checked_value(self.host)
        checked_token(self.contact_user)
        for port in (self.port, self.tcp_port, self.tls_port):
            if port is not None and not 0 < port < 65_536:
                raise ValueError(f"port must be 1 to 65535, not {port}")
        if not 0 < self.t1 <= self.t2:
            raise ValueError("t1 must be positive and at most t2")
        if not 200 <= self.options_status <= 699:
            raise ValueError("options_status must be a final status")
        if self.session_expires is not None and self.session_expires < 90:
            raise ValueError("session_expires must be at least 90 seconds (RFC 4028 5)")
        if len(self.branch_key) > 64:
            raise ValueError("branch_key holds at most 64 bytes")
