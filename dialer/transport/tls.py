"""What stands behind the name of a TLS profile: whose certificates we trust, and which one we show.

The name that a carrier's certificate must hold is the one that was configured, never what DNS made of it (RFC 5922
7.2): whoever forges an SRV record must not become the carrier. OpenSSL does the comparing, with subjectAltName only.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TlsProfile"]


@dataclass(frozen=True, slots=True)
class TlsProfile:
    """`ca_file`: trust only these instead of the system's. `certificate_file`, `key_file`: what we show, PEM with its
    chain. `server_name`: SNI and the name to verify; None: the address. `verify`: False trusts anybody (client), or
    asks clients for no certificate (server).
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    verify: bool = True

    def client_context(self) -> ssl.SSLContext:
        """For connections that we open. Raises OSError (ssl.SSLError is one) for files that cannot be used."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.show(context)
        return context

    def server_context(self) -> ssl.SSLContext:
        """For connections that we accept; with `verify`, only from those who show a certificate that we trust. Raises
        OSError for files that cannot be used, ValueError without a certificate.
        """
        if self.certificate_file is None:
            raise ValueError("a TLS server needs a certificate")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED if self.verify else ssl.CERT_NONE
        self.show(context)
        return context

    def show(self, context: ssl.SSLContext) -> None:
        """Have a context show our certificate, if we have one. Raises OSError for files that cannot be used."""
        if self.certificate_file is not None:
            # the empty password: an encrypted key is an error, not a question on the terminal
            context.load_cert_chain(self.certificate_file, self.key_file, password="")
