"""From the checked config to open transports: what we listen on, and the TLS profile of each trunk."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dialer.config.model import ConfigFile
from dialer.locate import Place
from dialer.sip import Event
from dialer.transport.tls import TlsProfile
from dialer.transport.transports import Transports

__all__ = ["OpenError", "needs_tcp", "open_transports", "profiles_of", "renew", "server_profile"]


class OpenError(Exception):
    """An address cannot be had, or a certificate cannot be used; the text is one line that names the key."""


def profiles_of(file: ConfigFile) -> dict[str, TlsProfile]:
    """The TLS settings to call out with: of each TLS trunk under its name, and for phones under the empty one."""
    sip = file.sip
    found = {
        "": TlsProfile(_path(sip.ca_file), _path(sip.certificate_file), _path(sip.key_file), None, sip.verify_phones)
    }
    for name, trunk in file.trunks.items():
        if trunk.transport == "tls":
            host = trunk.server_name or Place.of_uri(trunk.address).host
            own, key = trunk.certificate_file or sip.certificate_file, trunk.key_file or sip.key_file
            if trunk.certificate_file is not None:
                key = trunk.key_file
            found[name] = TlsProfile(_path(trunk.ca_file), _path(own), _path(key), host, trunk.verify)
    return found


def server_profile(file: ConfigFile) -> TlsProfile | None:
    """What we show to those who connect by TLS; None: no certificate."""
    sip = file.sip
    if sip.certificate_file is None:
        return None
    return TlsProfile(
        _path(sip.ca_file), _path(sip.certificate_file), _path(sip.key_file), verify=sip.require_certificate
    )


def needs_tcp(file: ConfigFile) -> bool:
    """Whether a trunk or a phone is reached over TCP, so that its requests to us may come over TCP, too."""
    trunks = any(trunk.transport == "tcp" or trunk.large_over_tcp for trunk in file.trunks.values())
    return trunks or any(Place.of_uri(agent.phone).transport == "tcp" for agent in file.agents.values())


async def open_transports(
    file: ConfigFile,
    on_event: Callable[[Event], None],
    *,
    serve: bool = True,
    host: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    **settings: Any,
) -> Transports:
    """As the config says; without `serve` on a UDP port of its own, for tools beside a running daemon: it calls out and
    accepts no connections. `host` instead of that of `sip.listen`. `settings` are further fields of `EndpointConfig`.
    Raises OpenError.
    """
    sip = file.sip
    listen, port = _address(sip.listen)
    host = host or listen
    # RFC 3261 18.2.1: who is reached over UDP at an address is reached over TCP there, too
    tcp = (host, port) if needs_tcp(file) else None
    tcp = tcp if sip.listen_tcp is None else _address(sip.listen_tcp)
    tls = None if sip.listen_tls is None else _address(sip.listen_tls)
    if sip.advertise is not None and serve:
        shown, shown_port = _address(sip.advertise)
        settings = {"host": shown, "port": shown_port, **settings}
        if tcp == (host, port):
            settings.setdefault("tcp_port", shown_port)
    try:
        return await Transports.start(
            host,
            port if serve else 0,
            on_event,
            tcp=tcp if serve else None,
            tls=tls if serve else None,
            server=server_profile(file) if serve and tls is not None else None,
            profiles=profiles_of(file),
            clock=clock,
            user_agent=sip.user_agent,
            **settings,
        )
    except ssl.SSLError as error:
        raise OpenError(f"sip.certificate_file {sip.certificate_file}: {error.reason or error}") from None
    except OSError as error:
        if not serve:
            raise OpenError(f"cannot send from {host}: {error.strerror}") from None
        where = ", ".join(text for text in (sip.listen, sip.listen_tcp, sip.listen_tls) if text is not None)
        raise OpenError(f"sip.listen {where}: {error.strerror}: is another dialer running?") from None


def renew(transports: Transports, file: ConfigFile) -> str | None:
    """The certificates of a config that was read again, from the next connection on. What is wrong, in one line, when
    a file cannot be used (it was good when the config was checked): then the old ones are used.
    """
    try:
        transports.renew(profiles_of(file), server_profile(file))
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        return f"sip.certificate_file {file.sip.certificate_file}: {reason}: the old certificates stay until a reload"
    return None


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")  # port 0 takes a free one
    return host.strip("[]"), int(port)
