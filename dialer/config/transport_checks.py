"""What the keys of SIP transports must have in common: certificates with their doors, TLS keys with TLS trunks, phones
whose transport we have. And, outside the file, certificates that can be used.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dialer.config.model import ConfigFile
from dialer.config.positions import KeyPath
from dialer.config.wording import Problem, dotted, flaw

if TYPE_CHECKING:
    from dialer.config.checks import Known

_TRUNK_KEYS = ("ca_file", "certificate_file", "key_file", "server_name")


def transports(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """Keys that make no sense without others."""
    sip = config.sip
    if sip.listen_tls is not None and sip.certificate_file is None:
        text = "a TLS door without a certificate; set certificate_file"
        yield flaw(("sip", "listen_tls"), text, on_key=True, needs=(("sip", "certificate_file"),))
    if sip.require_certificate and sip.listen_tls is None:
        text = "nobody connects by TLS; set listen_tls"
        yield flaw(("sip", "require_certificate"), text, on_key=True, needs=(("sip", "listen_tls"),))
    yield from _key_without_certificate(("sip",), sip.key_file, sip.certificate_file)
    for index, server in enumerate(sip.nameservers):
        try:
            ipaddress.ip_address(server.rpartition(":")[0].strip("[]"))
        except ValueError:
            text = f"got the text {server!r}; allowed: an IP address and a port, e.g. '192.0.2.53:53'"
            yield flaw(("sip", "nameservers", index), text)
    for name, trunk in config.trunks.items():
        yield from _key_without_certificate(("trunks", name), trunk.key_file, trunk.certificate_file)
        set_keys = [key for key in _TRUNK_KEYS if getattr(trunk, key) is not None]
        if not trunk.verify:
            set_keys.append("verify")
        for key in set_keys if trunk.transport != "tls" else ():
            text = f"this trunk's transport is '{trunk.transport}'; allowed: with transport = 'tls' only"
            yield flaw(("trunks", name, key), text, on_key=True, needs=(("trunks", name, "transport"),))
        if trunk.large_over_tcp and trunk.transport != "udp":
            text = f"this trunk's transport is '{trunk.transport}' already; allowed: with transport = 'udp' only"
            yield flaw(("trunks", name, "large_over_tcp"), text, on_key=True, needs=(("trunks", name, "transport"),))
    yield from _phones(config)


def _key_without_certificate(table: KeyPath, key: str | None, certificate: str | None) -> Iterator[Problem]:
    if key is not None and certificate is None:
        text = "a private key without its certificate; set certificate_file"
        yield flaw((*table, "key_file"), text, on_key=True, needs=((*table, "certificate_file"),))


def _phones(config: ConfigFile) -> Iterator[Problem]:
    from dialer.locate import Place

    for name, agent in config.agents.items():
        try:
            Place.of_uri(agent.phone)
        except ValueError as error:
            yield flaw(("agents", name, "phone"), f"got {agent.phone!r}: {error}")


def certificates(config: ConfigFile) -> Iterator[Problem]:
    """Files that hold no certificate, a key of another certificate, nothing at all."""
    tables: list[tuple[KeyPath, str | None, str | None, str | None]] = [
        (("sip",), config.sip.ca_file, config.sip.certificate_file, config.sip.key_file)
    ]
    tables += [(("trunks", n), t.ca_file, t.certificate_file, t.key_file) for n, t in config.trunks.items()]
    for table, *files in tables:
        found = {key: file for key, file in zip(_TRUNK_KEYS, files, strict=False) if file is not None}
        if not found:
            continue
        wrong = {key: text for key, file in found.items() if (text := _unreadable(file)) is not None}
        for key, text in wrong.items():
            path = (*table, key)
            yield Problem(path, f"{dotted(path)}: {text}; allowed: a PEM file, relative to the config file")
        if not wrong:
            yield from _unusable(table, found)


def _unreadable(file: str) -> str | None:
    from dialer.config.outside import unreadable

    return unreadable(file)


def _unusable(table: KeyPath, files: dict[str, str]) -> Iterator[Problem]:
    # Imported here: most configs have no certificates.
    from pathlib import Path

    from dialer.transport.tls import TlsProfile

    paths = {key: Path(file) for key, file in files.items()}
    parts = {
        "ca_file": TlsProfile(paths.get("ca_file")),
        "certificate_file": TlsProfile(None, paths.get("certificate_file"), paths.get("key_file")),
    }
    for key, profile in parts.items():
        if key not in paths:
            continue
        try:
            profile.client_context()
        except OSError as error:
            why = getattr(error, "reason", None) or error.strerror or str(error)
            path = (*table, key)
            allowed = (
                "a PEM file of certificates" if key == "ca_file" else "a PEM certificate with its key, unencrypted"
            )
            yield Problem(path, f"{dotted(path)}: it cannot be used ({why}); allowed: {allowed}")
