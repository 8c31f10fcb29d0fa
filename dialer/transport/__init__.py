"""SIP over UDP, TCP and TLS on asyncio: one endpoint, one timer, all its sockets. See docs/design/sip.md."""

from dialer.transport.connection import Limits
from dialer.transport.tls import TlsProfile
from dialer.transport.transports import Transports

__all__ = ["Limits", "TlsProfile", "Transports"]
