"""From the config to transports: what is listened on, which certificates, and the probe of `dialer check --options`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.authority import Authority
from benchmarks.rig.ports import free_port
from dialer.cli.probe import probe
from dialer.config.model import ConfigFile
from dialer.transport import TlsProfile, Transports
from dialer.transport.opening import OpenError, needs_tcp, open_transports, profiles_of

HOST = "127.0.0.1"
CAMPAIGN: dict[str, Any] = {
    "lists": ["l"], "trunks": ["main"], "caller_id": "+34910000000", "jurisdiction": "none",
    "dispositions": {"sold": {"next": "sale"}},
}  # fmt: skip


def config(trunk: dict[str, Any], phone: str = "sip:ana@127.0.0.1:5070", **sip: Any) -> ConfigFile:
    whole = {
        "sip": {"listen": f"{HOST}:0", **sip},
        "trunks": {"main": {"address": f"{HOST}:5080", "prefixes": ["+34"], **trunk}},
        "agents": {"ana": {"phone": phone}},
        "lists": {"l": {"path": "l.csv", "region": "ES"}},
        "campaigns": {"c": CAMPAIGN},
    }
    return ConfigFile.model_validate({**whole, "base": None} if "base" in ConfigFile.model_fields else whole)


@pytest.mark.parametrize(
    ("trunk", "phone", "wanted"),
    [
        ({}, "sip:ana@127.0.0.1", False),
        ({"transport": "tcp"}, "sip:ana@127.0.0.1", True),
        ({"large_over_tcp": True}, "sip:ana@127.0.0.1", True),
        ({}, "sip:ana@127.0.0.1;transport=tcp", True),
        ({"transport": "tls"}, "sip:ana@127.0.0.1;transport=tls", False),
    ],
)
def test_rfc3261_18_2_1_tcp_beside_udp_when_somebody_uses_it(trunk: dict[str, Any], phone: str, wanted: bool) -> None:
    file = config(trunk, phone, listen=f"{HOST}:{free_port()}")
    assert needs_tcp(file) is wanted

    async def scene() -> None:
        opened = await open_transports(file, print)
        where = opened.listens("tcp")
        assert (where is not None) is wanted
        if where is not None:
            assert where == opened.address
        opened.close()

    asyncio.run(scene())


def test_advertise_is_shown_over_tcp_too() -> None:
    async def scene() -> None:
        opened = await open_transports(config({"transport": "tcp"}, advertise="192.0.2.9:5099"), print)
        assert opened.sent_by == "192.0.2.9:5099"
        assert opened.endpoint._core.locals["tcp"].sent_by == "192.0.2.9:5099"
        opened.close()

    asyncio.run(scene())


def test_profiles_have_the_names_of_their_trunks_and_the_host_as_server_name() -> None:
    own = {"certificate_file": "/c.pem", "key_file": "/k.pem"}
    found = profiles_of(config({"transport": "tls", "address": "sip.carrier.test", "ca_file": "/ca.pem"}, **own))
    assert found["main"] == TlsProfile(Path("/ca.pem"), Path("/c.pem"), Path("/k.pem"), "sip.carrier.test")
    assert found[""].certificate_file == Path("/c.pem")
    bare = {"transport": "tls", "server_name": "x.test", "verify": False, "certificate_file": "/t.pem"}
    found = profiles_of(config(bare, **own))
    assert found["main"] == TlsProfile(None, Path("/t.pem"), None, "x.test", verify=False)


def test_what_cannot_be_opened_names_the_key(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        file = config({}, listen=f"{HOST}:{taken.getsockname()[1]}")
        with pytest.raises(OpenError, match=r"sip\.listen .*another dialer"):
            asyncio.run(open_transports(file, print))
    (tmp_path / "bad.pem").write_text("no certificate")
    file = config({}, listen_tls=f"{HOST}:0", certificate_file=str(tmp_path / "bad.pem"))
    with pytest.raises(OpenError, match=r"sip\.certificate_file"):
        asyncio.run(open_transports(file, print))


def test_the_probe_of_a_tls_trunk_says_what_is_wrong(tmp_path: Path, need: Callable[[str], str]) -> None:
    need("openssl")
    authority, others = Authority(tmp_path), Authority(tmp_path, "others")
    shown = authority.issue("server", "DNS:sip.carrier.test")

    async def ask(**trunk: Any) -> dict[str, Any]:
        server = TlsProfile(None, shown.certificate, shown.key, verify=False)
        carrier = await Transports.start(HOST, 0, print, tls=(HOST, 0), server=server)
        where = carrier.listens("tls")
        assert where is not None
        file = config({"transport": "tls", "address": f"{HOST}:{where[1]}", **trunk})
        try:
            return (await asyncio.to_thread(probe, file, 5.0))["main"]
        finally:
            carrier.close()

    name = {"server_name": "sip.carrier.test"}
    answer = asyncio.run(ask(ca_file=str(authority.ca_file), **name))
    assert answer["status"] == 200
    assert answer["problem"] is None
    answer = asyncio.run(ask(ca_file=str(others.ca_file), **name))
    assert "its certificate is not trusted" in answer["problem"]
    answer = asyncio.run(ask(ca_file=str(authority.ca_file)))
    assert "IP address mismatch" in answer["problem"]


def test_the_probe_of_a_tcp_trunk_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        file = config({"transport": "tcp", "address": f"{HOST}:{unused.getsockname()[1]}"})
        assert "refused" in probe(file, 5.0)["main"]["problem"].lower()
